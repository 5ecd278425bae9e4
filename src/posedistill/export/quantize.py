"""Quantise: the layers of an `.onnx` network in 8 bits, but for those that had better not be.

Static quantisation by onnxruntime (QDQ: weights in signed bytes with a scale a channel, values in
unsigned bytes with the ranges seen on real crops). From the first convolution to the last all that
onnxruntime computes in bytes is quantised; of linear layers, which come after, what goes in and the
weights, while what comes out is float. Norms and the products within attention stay in float.
"""

import copy
import logging
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from posedistill.export.calibration import Crops, network_input
from posedistill.export.effect import MAX_SHIFT, PartShift, outputs_of, part_shifts
from posedistill.runtime.session import Floats, OnnxSession
from posedistill.spec import Spec

if TYPE_CHECKING:
    from onnxruntime.quantization.calibrate import TensorsData

# What onnxruntime's CPU kernels compute in bytes, or pass on; of linear layers without activations.
_LINEAR = ("MatMul", "Gemm")
_OPERATORS = (
    *("Conv", "Add", "Mul", "Sigmoid", "Relu", "Clip", "Concat", "Split", "Reshape", "Transpose"),
    *("MaxPool", "AveragePool", "GlobalAveragePool", "Resize", *_LINEAR),
)
_MOST_GROUPS = 12  # of convolutions whose names tell no blocks
_LOOKED_AT = 64  # crops to compare variants on
_TARGET = MAX_SHIFT / 2  # of the height: how far joints may move before layers are given back
_MOST_FLOAT = 0.5  # of the work: with more than that in float it is hardly faster
_logger = logging.getLogger(__name__)


class Group(NamedTuple):
    """Name consecutive layers: the convolutions of a block with what follows, or a linear layer.

    nodes: their names in the graph. layers: how many. share: of the multiplications of all.
    """

    name: str
    nodes: tuple[str, ...]
    layers: int
    share: float


@dataclass(frozen=True)
class Sensitivity:
    """Say what a group alone in 8 bits does, all else in float, and what was decided.

    Attributes:
        mean_shift, score_change: as of the whole in `part_shifts`.
        is_float: whether it stayed in float in the end.
    """

    group: str
    layers: int
    share: float
    mean_shift: float
    score_change: float
    is_float: bool

    def __str__(self) -> str:
        return (
            f"{self.group:24} {self.layers:6} {100 * self.share:6.1f} % {self.mean_shift:8.3f} px "
            f"{self.score_change:+9.4f}  {'float' if self.is_float else 'int8'}"
        )


@dataclass(frozen=True)
class Choice:
    """Say how a network was quantised.

    Attributes:
        rows: one a group, in the order of the network.
        mean_shift_all: px, with all groups in 8 bits. mean_shift: with the groups as chosen.
    """

    rows: tuple[Sensitivity, ...]
    mean_shift_all: float
    mean_shift: float

    def __str__(self) -> str:
        header = (
            f"{'group alone in 8 bits':24} {'layers':>6} {'work':>8} {'shift':>11} {'score':>9}"
        )
        return "\n".join(
            [
                header,
                *map(str, self.rows),
                f"all groups in 8 bits: {self.mean_shift_all:.3f} px; "
                f"as chosen: {self.mean_shift:.3f} px",
            ]
        )


def quantize(model: onnx.ModelProto, spec: Spec, *, crops: Crops) -> tuple[onnx.ModelProto, Choice]:
    """Give the network with its layers in 8 bits, and how that was chosen.

    crops: (N, 3, h, w) uint8 RGB to find ranges on, a few hundred; 64 of them, spread, serve to
    compare. Groups go back to float, the most harmful first, until joints move by less than half
    of `MAX_SHIFT`, or until half of the work is in float.
    Raises ValueError for a network without such layers.

    >>> quantized, choice = quantize(onnx.load("pose.onnx"), spec, crops=crops)  # doctest: +SKIP
    """
    with TemporaryDirectory() as folder:
        work = _Work(model, spec, crops=crops, folder=Path(folder))
        alone = {group.name: work.shift([group]) for group in work.groups}
        total = first = work.shift(work.groups)
        kept: list[Group] = []
        for group in sorted(work.groups, key=lambda group: -alone[group.name].mean):
            too_far = total.mean > _TARGET * spec.input_size_wh[1]
            if not too_far or sum(other.share for other in [*kept, group]) > _MOST_FLOAT:
                continue
            kept.append(group)
            total = work.shift([other for other in work.groups if other not in kept])
        quantized = work.quantized([group for group in work.groups if group not in kept])
    rows = tuple(_row(group, alone[group.name], is_float=group in kept) for group in work.groups)
    return quantized, Choice(rows, first.mean, total.mean)


def _row(group: Group, alone: PartShift, *, is_float: bool) -> Sensitivity:
    return Sensitivity(group.name, group.layers, group.share, alone.mean, alone.score, is_float)


@dataclass
class _Work:
    """Hold what variants of one network are made of: ranges, groups, and what it gives in float."""

    model: onnx.ModelProto
    spec: Spec
    crops: Crops = field(kw_only=True)
    folder: Path = field(kw_only=True)

    def __post_init__(self) -> None:
        self.model = _prepared(self.model, self.folder)
        self.groups = find_groups(self.model)
        if not self.groups:
            raise ValueError("the network has no layer with weights; there is nothing to quantise")
        _logger.info("finding ranges of values on %d crops", len(self.crops))
        self._ranges = _find_ranges(
            self.folder, network_input(self.crops, self.spec), _all_nodes(self.model, self.groups)
        )
        places = np.linspace(0, len(self.crops) - 1, _LOOKED_AT).round().astype(int)
        self._looked_at = self.crops[np.unique(places)]
        self._wanted = self._outputs(self.model)

    def quantized(self, groups: Collection[Group]) -> onnx.ModelProto:
        from onnxruntime.quantization import QDQQuantizer, QuantType

        quantizer = QDQQuantizer(
            copy.deepcopy(self.model),
            per_channel=True,
            # Weights in 7 bits: processors without VNNI would overflow on 8, and it loses nothing.
            reduce_range=True,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=self._ranges,
            nodes_to_quantize=[name for group in groups for name in group.nodes],
            nodes_to_exclude=[],
            op_types_to_quantize=list(_OPERATORS),
            extra_options={"OpTypesToExcludeOutputQuantization": list(_LINEAR)},
        )
        quantizer.quantize_model()
        quantized: onnx.ModelProto = quantizer.model.model
        return quantized

    def shift(self, groups: Collection[Group]) -> PartShift:
        """Give how far joints move with these groups in 8 bits."""
        names = ", ".join(group.name for group in groups) if len(groups) == 1 else len(groups)
        _logger.info("comparing with %s in 8 bits", names)
        return part_shifts(self._wanted, self._outputs(self.quantized(groups)), self.spec)[0]

    def _outputs(self, model: onnx.ModelProto) -> tuple[Floats, ...]:
        file = self.folder / "variant.onnx"
        onnx.save(model, file)
        session = OnnxSession(file, spec=self.spec, providers=["CPUExecutionProvider"])
        return outputs_of(session, self._looked_at)


def _prepared(model: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    """Fold what is constant, infer shapes, and give every node a name of its own."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    source, file = folder / "source.onnx", folder / "prepared.onnx"
    onnx.save(model, source)
    quant_pre_process(str(source), str(file), skip_symbolic_shape=True)
    prepared = onnx.load(file)
    counts = Counter(node.name for node in prepared.graph.node)
    for index, node in enumerate(prepared.graph.node):
        if not node.name or counts[node.name] > 1:
            node.name = f"{node.op_type}_{index}"
    onnx.save(prepared, file)
    return prepared


class _Reader:
    """Feed crops one by one, as onnxruntime's calibration asks for them."""

    def __init__(self, name: str, images: NDArray[np.uint8 | np.float32]) -> None:
        self._feeds: Iterator[dict[str, NDArray[np.uint8 | np.float32]]] = (
            {name: images[index : index + 1]} for index in range(len(images))
        )

    def get_next(self) -> dict[str, NDArray[np.uint8 | np.float32]] | None:
        return next(self._feeds, None)


def _find_ranges(
    folder: Path, images: NDArray[np.uint8 | np.float32], nodes: Iterable[onnx.NodeProto]
) -> "TensorsData":
    from onnxruntime.quantization import create_calibrator

    calibrator = create_calibrator(
        folder / "prepared.onnx",
        sorted({node.op_type for node in nodes}),
        augmented_model_path=str(folder / "augmented.onnx"),
    )
    name = calibrator.model.graph.input[0].name
    calibrator.collect_data(_Reader(name, images))
    return calibrator.compute_data()


def _all_nodes(model: onnx.ModelProto, groups: Iterable[Group]) -> list[onnx.NodeProto]:
    names = {name for group in groups for name in group.nodes}
    return [node for node in model.graph.node if node.name in names]


def find_groups(model: onnx.ModelProto) -> list[Group]:
    """Give the groups of a network whose nodes have names, in order.

    Layers whose weights are called alike up to the first number (``backbone.stage1.0``) form one
    group. Where not all convolutions have such names, some in a row do, and a linear layer is
    called after its node.

    >>> find_groups(onnx.load("pose.onnx"))[0].name  # doctest: +SKIP
    'backbone.stem.0'
    """
    layers_by_group: dict[str, list[_Layer]] = {}
    layers = _layers(model)
    convs = [layer for layer in layers if layer.is_conv]
    has_names = all(_block(layer.weight) for layer in convs)
    in_a_row = math.ceil(len(convs) / _MOST_GROUPS)
    for index, layer in enumerate(layers):
        name = _block(layer.weight) or layer.nodes[0]
        if layer.is_conv and not has_names:
            first = index // in_a_row * in_a_row + 1
            name = f"layers {first}-{first + in_a_row - 1}"
        layers_by_group.setdefault(name, []).append(layer)
    total = sum(layer.work for layer in layers)
    return [
        Group(
            name,
            nodes=tuple(node for layer in row for node in layer.nodes),
            layers=len(row),
            share=sum(layer.work for layer in row) / total,
        )
        for name, row in layers_by_group.items()
    ]


class _Layer(NamedTuple):
    """Hold a layer: its nodes are a convolution and what follows until the next, or just one."""

    weight: str
    nodes: tuple[str, ...]
    work: int
    is_conv: bool


def _layers(model: onnx.ModelProto) -> list[_Layer]:
    nodes = model.graph.node
    dims_by_name = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    places_by_name = _places(model)
    starts = [
        index
        for index, node in enumerate(nodes)
        if node.op_type in ("Conv", *_LINEAR) and node.input[1] in dims_by_name
    ]
    layers = []
    for start, following in zip_longest(starts, starts[1:]):
        is_inside = following is not None and nodes[following].op_type == "Conv"
        row = nodes[start : following if is_inside else start + 1]
        layer, weight = nodes[start], nodes[start].input[1]
        work = math.prod(dims_by_name[weight]) * places_by_name.get(layer.output[0], 1)
        names = tuple(node.name for node in row if node.op_type in _OPERATORS)
        layers.append(_Layer(weight, names, work, is_conv=layer.op_type == "Conv"))
    return layers


def _block(weight: str) -> str:
    """Give the block that a weight belongs to by its name; empty where that tells nothing.

    >>> _block("backbone.stage1.1.main_conv.conv.weight"), _block("head.final_layer.weight")
    ('backbone.stage1.1', 'head.final_layer')
    >>> _block("onnx::Conv_512")
    ''
    """
    words = weight.split(".")
    if len(words) < 3:
        return ""
    numbers = [index for index, word in enumerate(words) if word.isdigit()]
    return ".".join(words[: numbers[0] + 1 if numbers else 2])


def _places(model: onnx.ModelProto) -> dict[str, int]:
    """Give at how many places values are computed, by name: cells of a map, or tokens."""
    places = {}
    for value in (*model.graph.value_info, *model.graph.output):
        dims = [max(dim.dim_value, 1) for dim in value.type.tensor_type.shape.dim]
        places[value.name] = math.prod(dims[2:] if len(dims) == 4 else dims[1:-1])
    return places
