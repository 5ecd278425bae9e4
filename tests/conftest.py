"""Shared fixtures: golden numbers, reference data, and a tiny network whose answer is known."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from posedistill.codecs import SimCC
from posedistill.skeleton import Skeleton
from posedistill.spec import METADATA_KEY, Spec

ROOT = Path(__file__).resolve().parents[1]
SIZE_WH = (48, 64)
WriteModel = Callable[..., Path]
_REPEAT = {  # of Resize: repeat each value, in place
    "mode": "nearest",
    "coordinate_transformation_mode": "asymmetric",
    "nearest_mode": "floor",
}

# Before torch reads it: sums over more threads round otherwise, and runs in processes of their own
# are compared with runs in this one.
os.environ["OMP_NUM_THREADS"] = "1"
# A busy machine is no failure, and the same examples every time make one repeatable.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")


def _weights(skeleton: str) -> NDArray[np.float32]:
    """Give (K, 3): left joints look at red, right joints at green, all others at blue."""
    words = [name.split("_")[0] for name in Skeleton.get(skeleton).joints]
    channels = [{"left": 0, "right": 1}.get(word, 2) for word in words]
    return (np.eye(3)[channels] / 255).astype(np.float32)


@pytest.fixture
def write_dot_model(tmp_path: Path) -> WriteModel:
    """Write a network that finds, for each joint, the brightest pixel of the joint's channel.

    One SimCC bin a pixel, no padding, coco17, unless another spec is given. The logits are the
    row and column maxima of channel / 255 (or of what the normalised input makes of that), so
    keypoints and scores are known; with more bins a pixel, each value is repeated.
    unknown: which of "size", "joints" and "bins" the file leaves open, as published ones do.
    """

    def write(
        name: str = "dot.onnx",
        *,
        spec: Spec | None = None,
        metadata: str | None = None,
        batch: int | str = "batch",
        output_names: tuple[str, str] = ("simcc_x", "simcc_y"),
        unknown: tuple[str, ...] = (),
    ) -> Path:
        if spec is None:
            codec = SimCC(SIZE_WH, (4.9, 5.66), split_ratio=1.0)
            spec = Spec("dot-finder", "coco17", codec, padding=1.0)
        w, h = SIZE_WH
        ratio = int(spec.codec.split_ratio) if isinstance(spec.codec, SimCC) else 1
        weights = _weights(spec.skeleton)[:, :, None, None]
        arrays = {"weights": weights, "scales": np.array([1, 1, ratio], np.float32)}
        nodes = [
            helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("Conv", ["pixels", "weights"], ["maps"]),
        ]
        for output, axis in zip(output_names, (2, 3), strict=True):
            rows = f"{output}_rows"
            nodes.append(helper.make_node("ReduceMax", ["maps"], [rows], axes=[axis], keepdims=0))
            nodes.append(helper.make_node("Resize", [rows, "", "scales"], [output], **_REPEAT))
        kind = TensorProto.UINT8 if spec.mean is None else TensorProto.FLOAT
        size_hw = ("height", "width") if "size" in unknown else (h, w)
        joints = "MatMulsimcc_x_dim_1" if "joints" in unknown else len(weights)
        outputs = []
        for output, side in zip(output_names, (w, h), strict=True):
            bins = f"{output}_bins" if "bins" in unknown else side * ratio
            shape = (batch, joints, bins)
            outputs.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, shape))
        graph = helper.make_graph(
            nodes,
            "dot-finder",
            [helper.make_tensor_value_info("images", kind, (batch, 3, *size_hw))],
            outputs,
            [numpy_helper.from_array(array, name) for name, array in arrays.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        text = spec.to_json() if metadata is None else metadata
        if text:
            helper.set_model_props(model, {METADATA_KEY: text})
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    return ROOT / "tests" / "golden"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Give the folder of reference data beside the project; it is no part of the project."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder.name!r} of reference data beside the project")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if for_gpu and not _has_accelerator():
        for item in for_gpu:
            item.add_marker(pytest.mark.skip(reason="no accelerator on this machine"))


def _has_accelerator() -> bool:
    import torch

    return torch.cuda.is_available()
