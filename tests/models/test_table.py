"""Heatmap models of the table go through what every model goes through."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from posedistill.export.onnx import export_onnx
from posedistill.models import MODELS, PoseModel, build, load, save
from posedistill.models.staged import StagedBackbone
from posedistill.runtime.estimator import Estimator
from posedistill.skeleton import Skeleton

NEW = ("hourglass-2-narrow", "resnet18-deconv", "mobilenetv2-deconv", "shufflenetv2-deconv")
SIZE_WH = (64, 96)
every_new_model = pytest.mark.parametrize("name", NEW)


def _model(name: str, size_wh: tuple[int, int] = SIZE_WH) -> PoseModel:
    torch.manual_seed(0)
    return build(name, "coco17", size_wh).eval()


def _crops(rng: np.random.Generator, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (3, 3, size_wh[1], size_wh[0]), np.uint8)


@pytest.mark.parametrize("name", MODELS)
def test_branches_can_share_the_stages_of_every_model(name: str) -> None:
    with torch.device("meta"):
        backbone = build(name, "coco17", (64, 64)).backbone
    assert isinstance(backbone, StagedBackbone)
    assert 1 <= backbone.default_shared <= len(backbone.stage_names)
    assert len(backbone.channels) == len(backbone.stage_names) - 1


@pytest.mark.parametrize("count", range(1, 9))
def test_hourglasses_of_one_to_eight_stacks_are_in_the_table(count: int) -> None:
    with torch.device("meta"):
        model = build(f"hourglass-{count}", "wholebody133", (192, 256))
    assert len(model.backbone.stacks) == count  # type: ignore[arg-type]  # a ModuleList


@every_new_model
def test_a_loaded_model_gives_the_same_maps(
    name: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    model = _model(name)
    save(model, tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    assert loaded.spec == model.spec
    crops = torch.from_numpy(_crops(rng, SIZE_WH))
    with torch.inference_mode():
        assert torch.equal(loaded(crops)[0], model(crops)[0])


@every_new_model
def test_maps_have_the_shapes_that_the_codec_encodes(name: str) -> None:
    model = _model(name)
    with torch.inference_mode():
        outputs = model(torch.zeros(2, 3, 96, 64, dtype=torch.uint8))
    *targets, _ = model.spec.codec.encode(np.zeros((2, 17, 2)), np.ones((2, 17)))
    assert [tuple(out.shape) for out in outputs] == [target.shape for target in targets]


@pytest.mark.parametrize("flip_test", [False, True], ids=["plain", "flipped"])
@every_new_model
def test_people_of_an_image_are_estimated(
    name: str, flip_test: bool, rng: np.random.Generator
) -> None:
    image = rng.integers(0, 256, (120, 160, 3), np.uint8)
    estimator = Estimator(_model(name), flip_test=flip_test)
    poses = estimator(image, [[10, 10, 70, 110], [80, 5, 150, 118]])
    assert poses.keypoints.shape == (2, len(Skeleton.get("coco17")), 2)
    assert np.isfinite(poses.keypoints).all()
    assert np.isfinite(poses.scores).all()


@pytest.mark.parametrize(
    ("name", "size_wh"),
    [("hourglass-2-narrow", (72, 96)), ("shufflenetv2-deconv", (64, 64))],
    ids=["hourglass with odd maps", "encoder"],
)
def test_an_exported_graph_agrees_with_torch(
    name: str, size_wh: tuple[int, int], tmp_path: Path, rng: np.random.Generator
) -> None:
    model = _model(name, size_wh)
    report = export_onnx(model, tmp_path / "model.onnx", images=_crops(rng, size_wh))
    # Float32 sums of two libraries in another order; a cell's shift would show as whole numbers.
    assert report.max_difference < 1e-4 * max(report.largest_output, 1e-2)
    assert report.max_shift < 1e-3
