"""Precision: weights of an `.onnx` network stored in 16 bits, in files of half the size.

Weights alone: each is widened to float32 by a node of its own, which runtimes do once, when they
load the file. So it runs everywhere, as fast as before, and loses only what rounding loses.
Arithmetic in half precision is another matter: processors compute it in float32 anyway, and
TensorRT makes it of any file by its own setting.
"""

import copy
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Precision = Literal["fp16", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("fp16", "bf16")
_FEWEST = 256  # values; smaller tensors, such as biases, stay as they are
_SUFFIX = "_stored"


def store_in_16_bits(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """Give the network with its float32 weights stored in 16 bits.

    precision: ``fp16`` has 11 significant bits and reaches up to 65504, ``bf16`` has 8 and the
    range of float32. Raises ValueError for a weight beyond fp16.

    >>> store_in_16_bits(onnx.load("pose.onnx"), "fp16")  # doctest: +SKIP
    """
    stored = copy.deepcopy(model)
    graph = stored.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _FEWEST:
            continue
        name = tensor.name
        tensor.CopyFrom(_rounded(tensor, precision))
        casts.append(
            helper.make_node("Cast", [tensor.name], [name], f"widen_{name}", to=TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return stored


def _rounded(tensor: TensorProto, precision: Precision) -> TensorProto:
    values: NDArray[np.float32] = numpy_helper.to_array(tensor)
    name = tensor.name + _SUFFIX
    if precision == "bf16":
        kind = TensorProto.BFLOAT16
        return helper.make_tensor(name, kind, tensor.dims, _to_bf16(values).tobytes(), raw=True)
    largest = float(np.abs(values).max())
    if largest > float(np.finfo(np.float16).max):
        raise ValueError(f"{tensor.name} holds {largest:g}, more than fp16 reaches; take bf16")
    return numpy_helper.from_array(values.astype(np.float16), name)


def _to_bf16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Give the upper halves of float32 numbers, rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(values).view(np.uint32).astype(np.uint64)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)
    return (rounded >> 16).astype("<u2")
