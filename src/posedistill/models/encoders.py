"""Light encoders with a deconvolution head, the small networks of online distillation.

Papers: Simple Baselines (Xiao et al., ECCV 2018) for the head; OKDHP (Li et al., ICCV 2021) for the
choice of ResNet-18, MobileNetV2 and ShuffleNetV2. The encoder is the backbone, which branches
share as a whole; the decoder is the head.
"""

from collections.abc import Callable

from posedistill.models.deconv_head import DeconvHead
from posedistill.models.heatmap_head import heatmap_codec
from posedistill.models.mobilenet import MobileNetV2
from posedistill.models.pose_model import PoseModel
from posedistill.models.resnet import ResNet18
from posedistill.models.shufflenet import ShuffleNetV2
from posedistill.models.stage_row import StageRow
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec

_STRIDE = 32
ENCODERS: dict[str, Callable[[], StageRow]] = {
    "resnet18": ResNet18,
    "mobilenetv2": MobileNetV2,
    "shufflenetv2": ShuffleNetV2,
}


def encoder_deconv(  # house rule: as `build`
    encoder: str, skeleton: str, input_size_wh: tuple[int, int]
) -> PoseModel:
    """Give one of `ENCODERS` with a deconvolution head, untrained.

    Raises ValueError for sides that are no multiples of 32.

    >>> encoder_deconv("shufflenetv2", "coco17", (64, 64)).spec.architecture
    'shufflenetv2-deconv'
    """
    codec = heatmap_codec(input_size_wh, multiple_of=_STRIDE)
    backbone = ENCODERS[encoder]()
    head = DeconvHead(backbone.channels[-1], num_joints=len(Skeleton.get(skeleton)))
    return PoseModel(backbone, head, Spec(f"{encoder}-deconv", skeleton, codec))
