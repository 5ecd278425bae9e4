"""RTMPose (CSPNeXt + SimCC head) and its heatmap-pre-training form."""

import math

from posedistill.codecs import Heatmap, SimCC
from posedistill.codecs.simcc import published_sigma_xy
from posedistill.models.cspnext import CSPNeXt
from posedistill.models.pose_model import PoseModel
from posedistill.models.pyramid_head import PyramidHead
from posedistill.models.simcc_head import SimCCHead
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec

_DEEPEN_WIDEN = {
    "n": (0.167, 0.25),  # not published: for trials in minutes
    "t": (0.167, 0.375),
    "s": (0.33, 0.5),
    "m": (0.67, 0.75),
    "l": (1.0, 1.0),
    "x": (1.33, 1.25),
}
SIZES = tuple(_DEEPEN_WIDEN)
_STRIDE = 32
Size = tuple[int, int]


def _backbone(size: str) -> CSPNeXt:
    deepen, widen = _DEEPEN_WIDEN[size]
    return CSPNeXt(deepen=deepen, widen=widen)


def simcc_codec(input_size_wh: Size) -> SimCC:
    """Give the SimCC codec of an input size, sigmas as published.

    >>> simcc_codec((192, 256)).sigma_xy
    (4.9, 5.66)
    """
    return SimCC(input_size_wh, published_sigma_xy(input_size_wh))


def rtmpose(  # house rule: as `build`
    size: str, skeleton: str, input_size_wh: Size
) -> PoseModel:
    """Give RTMPose of size n, t, s, m, l or x, untrained.

    >>> model = rtmpose("t", "coco17", (192, 256))
    >>> model.spec.architecture
    'rtmpose-t'
    """
    backbone = _backbone(size)
    codec = simcc_codec(input_size_wh)
    head = SimCCHead(
        backbone.channels[-1],
        num_joints=len(Skeleton.get(skeleton)),
        map_size_wh=(math.ceil(input_size_wh[0] / _STRIDE), math.ceil(input_size_wh[1] / _STRIDE)),
        bins_xy=codec.bins_xy,
    )
    return PoseModel(backbone, head, Spec(f"rtmpose-{size}", skeleton, codec))


def cspnext_heatmap(  # house rule: as `build`
    size: str, skeleton: str, input_size_wh: Size
) -> PoseModel:
    """Give CSPNeXt of a size with a pyramid head that gives stride-4 heatmaps, untrained."""
    backbone = _backbone(size)
    head = PyramidHead(backbone.channels, num_joints=len(Skeleton.get(skeleton)))
    spec = Spec(f"cspnext-{size}-heatmap", skeleton, Heatmap(input_size_wh))
    return PoseModel(backbone, head, spec)
