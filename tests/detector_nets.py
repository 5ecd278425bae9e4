"""Detector networks whose answer is known, one of each layout that `Detector` reads."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from posedistill.runtime.detector_spec import DETECTOR_KEY, DetectorSpec

SIDE = 64
Arrays = dict[str, NDArray[np.generic]]


def save_net(
    path: Path,
    nodes: list[onnx.NodeProto],
    *,
    ports: tuple[list[onnx.ValueInfoProto], list[onnx.ValueInfoProto]],
    arrays: Arrays,
    metadata: dict[str, str] | None = None,
) -> Path:
    constants = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "finder", *ports, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def float_port(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def write_yolox(
    path: Path,
    *,
    batch: int | str = "batch",
    side: int | str = SIDE,
    size: tuple[float, float] = (1, 1),
) -> Path:
    """Write a net in the layout of YOLOX that finds what is blue in the cells of its grids.

    Input channel 0, blue if the channels are BGR, is the objectness; class 0 is always sure and
    class 1 is channel 2. Each box stands in the middle of its cell, `size` strides wide and high.
    """
    nodes = []
    for stride in (8, 16, 32):
        pool = helper.make_node("AveragePool", ["images"], [f"pool{stride}"])
        sides = [stride, stride]
        pool.attribute.append(helper.make_attribute("kernel_shape", sides))
        pool.attribute.append(helper.make_attribute("strides", sides))
        nodes.append(pool)
        nodes.append(helper.make_node("Conv", [f"pool{stride}", "weights"], [f"map{stride}"]))
        flat = [f"map{stride}", "flat"], [f"flat{stride}"]
        nodes.append(helper.make_node("Reshape", *flat))
    flats = [f"flat{stride}" for stride in (8, 16, 32)]
    nodes.append(helper.make_node("Concat", flats, ["columns"], axis=2))
    nodes.append(helper.make_node("Transpose", ["columns"], ["rows"], perm=[0, 2, 1]))
    nodes.append(helper.make_node("Add", ["rows", "offset"], ["output"]))
    weights = np.zeros((7, 3, 1, 1), np.float32)
    weights[4, 0] = weights[6, 2] = 1 / 255
    offset = np.array([0.5, 0.5, *np.log(size), 0, 1, 0], np.float32)
    arrays: Arrays = {"weights": weights, "offset": offset}
    arrays["flat"] = np.array([0, 7, -1], np.int64)
    ports = [float_port("images", batch, 3, side, side)], [float_port("output", batch, "cells", 7)]
    return save_net(path, nodes, ports=ports, arrays=arrays)


def write_suppressed(path: Path, batch: int | str = "batch") -> Path:
    """Write a net with dets and labels, whose second box is made of the mean of each channel.

    The boxes are (0, 0, 8, 16), (blue, green, 300 + red, 200) and (2, 2, 9, 9), with scores 0.5,
    0.9 and 0.8; the first two are people.
    """
    arrays: Arrays = {
        "pick": np.eye(3, 15, 5, dtype=np.float32),  # the first three numbers of row 1
        "rest": np.array([0, 0, 8, 16, 0.5, 0, 0, 300, 200, 0.9, 2, 2, 9, 9, 0.8], np.float32),
        "shape": np.array([-1, 3, 5], np.int64),
        "classes": np.array([[0, 0, 1]], np.int64),
        "none": np.zeros((3, 3), np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["means", "pick"], ["picked"]),
        helper.make_node("Add", ["picked", "rest"], ["numbers"]),
        helper.make_node("Reshape", ["numbers", "shape"], ["dets"]),
        helper.make_node("MatMul", ["means", "none"], ["zeros"]),
        helper.make_node("Cast", ["zeros"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Add", ["whole", "classes"], ["labels"]),
    ]
    labels = helper.make_tensor_value_info("labels", TensorProto.INT64, (batch, "boxes"))
    outputs = [float_port("dets", batch, "boxes", 5), labels]
    ports = [float_port("images", batch, 3, SIDE, SIDE)], outputs
    return save_net(path, nodes, ports=ports, arrays=arrays)


def write_own(
    path: Path,
    *,
    batch: int | str = "batch",
    side: int | str = SIDE,
    kind: int = TensorProto.UINT8,
    metadata: str | None = None,
) -> Path:
    """Write a net in our own layout that finds what is red in cells of 8 pixels.

    The score of a cell is the mean of its red values / 255; its box is the cell and 1 pixel more
    on each side, so that neighbours overlap by less than a half. There are 8 x 8 cells.
    """
    cells = np.indices((8, 8))[::-1].reshape(2, -1).T * 8
    grid = np.concatenate([cells - 1, cells + 9], axis=1).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["pixels", "weights"], ["map"], strides=[8, 8]),
        helper.make_node("Reshape", ["map", "flat"], ["scores"]),
        helper.make_node("Unsqueeze", ["scores", "last"], ["column"]),
        helper.make_node("Mul", ["column", "zero"], ["zeros"]),
        helper.make_node("Add", ["zeros", "grid"], ["boxes"]),
    ]
    weights = np.zeros((1, 3, 8, 8), np.float32)
    weights[0, 0] = 1 / 255 / 64
    arrays: Arrays = {"weights": weights, "flat": np.array([0, -1], np.int64), "grid": grid}
    arrays |= {"last": np.array([2], np.int64), "zero": np.zeros(1, np.float32)}
    images = helper.make_tensor_value_info("images", kind, (batch, 3, side, side))
    outputs = [float_port("boxes", batch, "cells", 4), float_port("scores", batch, "cells")]
    text = DetectorSpec((SIDE, SIDE), "Apache-2.0").to_json() if metadata is None else metadata
    props = {DETECTOR_KEY: text}
    return save_net(path, nodes, ports=([images], outputs), arrays=arrays, metadata=props)


def write_constant(path: Path, values_by_output: dict[str, NDArray[np.float32]]) -> Path:
    """Write a net in our own layout that gives the same (batch, ...) arrays, whatever it sees."""
    nodes = [helper.make_node("Identity", [f"{name}_values"], [name]) for name in values_by_output]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ("batch", 3, SIDE, SIDE))
    outputs = [
        float_port(name, *[f"{name}{axis}" for axis in range(values.ndim)])
        for name, values in values_by_output.items()
    ]
    arrays: Arrays = {f"{name}_values": values for name, values in values_by_output.items()}
    props = {DETECTOR_KEY: DetectorSpec((SIDE, SIDE)).to_json()}
    return save_net(path, nodes, ports=([images], outputs), arrays=arrays, metadata=props)
