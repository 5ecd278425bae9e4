"""Published `.onnx` files: the `Spec` of one that carries none, told from its shapes.

Published pose files (exports of RTMPose and DWPose by MMDeploy) take normalised float RGB crops and
give SimCC logits, but say nothing of skeleton, codec or normalisation, and often leave sizes open
or fix the batch at 1. Their shapes tell what is missing.
"""

import logging

from posedistill.codecs import SimCC
from posedistill.codecs.simcc import published_sigma_xy
from posedistill.runtime.graph import WAY_OUT, Graph, listed, output_shapes, said
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD, Spec

ARCHITECTURE = "published-simcc"
SPLIT_RATIO = 2  # bins per pixel of every published file
SKELETONS = {17: "coco17", 21: "hand21", 133: "wholebody133"}  # by number of joints
_logger = logging.getLogger(__name__)


def recognise(graph: Graph) -> Spec:
    """Give the Spec of a published SimCC file by its shapes, and log at INFO what it was taken for.

    The input size is the declared one or, where that is open, half the number of bins. Runs the
    graph once, on zeros, where the file leaves sizes open. Raises ValueError for anything but one
    float input (N, 3, h, w) with outputs simcc_x and simcc_y of a known number of joints.

    >>> recognise(Graph(session, path)).skeleton  # doctest: +SKIP
    'wholebody133'
    """
    size_wh = _input_size(graph)
    if size_wh is None:
        raise ValueError(
            f"{graph.path} carries no posedistill Spec and does not look like a published SimCC "
            f"file. Inputs: {listed(graph.inputs)}; outputs: {listed(graph.outputs)}. Expected: "
            "one tensor(float) (N, 3, h, w), and simcc_x, simcc_y (N, joints, bins). If it is a "
            f"pose network, {WAY_OUT}; or write it with `posedistill export MODEL --out FILE.onnx`"
        )
    shape_x, shape_y = graph.output_shapes(SimCC.output_names, size_wh)
    if len(shape_x) != 2 or len(shape_y) != 2 or shape_x[0] != shape_y[0]:
        seen = said(SimCC.output_names, (shape_x, shape_y))
        raise ValueError(f"{graph.path} gives {seen} a crop; expected (joints, bins) of both")
    try:
        spec = published_spec(size_wh, shape_x[0], bins_xy=(shape_x[1], shape_y[1]))
    except ValueError as error:
        raise ValueError(f"{graph.path}: {error}") from error
    _logger.info("%s carries no Spec; by its shapes it is %s", graph.path.name, _described(spec))
    return spec


def _described(spec: Spec) -> str:
    w, h = spec.input_size_wh
    bins = " and ".join(map(str, (shape[1] for shape in output_shapes(spec))))
    return f"{spec.skeleton} at {w}x{h} with {bins} SimCC bins, normalised as for ImageNet"


def _input_size(graph: Graph) -> tuple[int, int] | None:
    """Give the (width, height) of the crops, or None where the graph is no published one."""
    sizes_by_name = {port.name: port.sizes for port in graph.outputs}
    if len(graph.inputs) != 1 or not sizes_by_name.keys() >= set(SimCC.output_names):
        return None
    entry = graph.inputs[0]
    if entry.type != "tensor(float)" or len(entry.sizes) != 4 or entry.sizes[1] not in (None, 3):
        return None
    size_wh = []
    for side, name in zip((entry.sizes[3], entry.sizes[2]), SimCC.output_names, strict=True):
        bins = sizes_by_name[name][-1] if sizes_by_name[name] else None
        if side is None and bins is None:
            return None
        size_wh.append(side or (bins or 0) // SPLIT_RATIO)
    return size_wh[0], size_wh[1]


def published_spec(size_wh: tuple[int, int], num_joints: int, *, bins_xy: tuple[int, int]) -> Spec:
    """Give the Spec of a published SimCC file: ImageNet normalisation, box padding 1.25.

    size_wh: input in pixels. Raises ValueError for a number of joints that names no skeleton,
    and for bins that are not one and the same multiple of the sides.

    >>> spec = published_spec((288, 384), 133, bins_xy=(576, 768))
    >>> spec.skeleton, spec.codec.sigma_xy, spec.codec.split_ratio
    ('wholebody133', (6.0, 6.93), 2.0)
    """
    if num_joints not in SKELETONS:
        known = ", ".join(f"{count} ({name})" for count, name in SKELETONS.items())
        raise ValueError(
            f"{num_joints} joints say no skeleton; numbers that do are {known}; {WAY_OUT}"
        )
    codec = SimCC(size_wh, published_sigma_xy(size_wh), bins_xy[0] / size_wh[0])
    if codec.bins_xy != bins_xy:
        raise ValueError(
            f"{bins_xy[0]} and {bins_xy[1]} bins are not the same multiple of "
            f"{size_wh[0]}x{size_wh[1]} pixels; {WAY_OUT}"
        )
    return Spec(ARCHITECTURE, SKELETONS[num_joints], codec, mean=IMAGENET_MEAN, std=IMAGENET_STD)
