"""Front to back by the command line: a published kind of checkpoint on photos, given boxes.

The keypoints and scores are those of the reference for the same weights, photos and boxes.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from posedistill.cli import main
from posedistill.evaluate.predictions import read_predictions
from posedistill.formats.coco_json import read_annotations
from posedistill.models import build
from tests.raw_export import export_raw
from tests.weight_rule import GAINS, fill

MAX_PIXELS, MAX_SCORE = 0.05, 1e-4
Floats = NDArray[np.float32]
every_model = pytest.mark.parametrize("form", ["torch", "onnx", "raw_onnx"])


class _Reference(NamedTuple):
    """Hold photos, whom to look at, and what the reference saw without and with flip test."""

    photos: Path
    image_ids: NDArray[np.int64]  # (12,)
    boxes_xyxy: Floats  # (12, 4) pixels
    keypoints: tuple[Floats, Floats]  # (12, 133, 2) pixels
    scores: tuple[Floats, Floats]  # (12, 133)


@pytest.fixture(scope="module")
def reference(shared_dir: Path) -> _Reference:
    folder = shared_dir / "golden"
    with np.load(folder / "valpipe_192x256.npz") as people:
        image_ids, boxes_xyxy = people["img_id"], people["bbox_xyxy"]
    with np.load(folder / "endtoend_s-256x192.npz") as wanted:
        keypoints = wanted["kpts_flip0"], wanted["kpts_flip1"]
        scores = wanted["scores_flip0"], wanted["scores_flip1"]
    return _Reference(folder / "inputs", image_ids, boxes_xyxy, keypoints, scores)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Make a checkpoint as it is published, and all that comes of it."""
    place = tmp_path_factory.mktemp("models")
    model = build("rtmpose-s").eval()
    fill(model, GAINS["s"])
    torch.save({"meta": {}, "state_dict": model.state_dict()}, place / "s.pth")
    names = {"torch": "s.safetensors", "onnx": "s.onnx", "raw_onnx": "raw.onnx"}
    paths = {form: place / name for form, name in names.items()}
    assert main(["convert", str(place / "s.pth"), "--out", str(paths["torch"])]) == 0
    assert main(["export", str(paths["torch"]), "--out", str(paths["onnx"])]) == 0
    export_raw(model, paths["raw_onnx"])
    return paths


def _assert_wanted(
    keypoints: Floats, scores: Floats, *, reference: _Reference, flip_test: bool
) -> None:
    assert np.abs(keypoints - reference.keypoints[flip_test]).max() <= MAX_PIXELS
    assert np.abs(scores - reference.scores[flip_test]).max() <= MAX_SCORE


@every_model
@pytest.mark.parametrize("flip_test", [False, True], ids=["plain", "flip test"])
def test_predict_gives_the_poses_of_the_reference(
    form: str, flip_test: bool, models: dict[str, Path], reference: _Reference, tmp_path: Path
) -> None:
    names = [f"{image_id:012d}.jpg" for image_id in np.unique(reference.image_ids)]
    chosen = {name: reference.image_ids == int(name[:-4]) for name in names}
    boxes = {name: reference.boxes_xyxy[rows].tolist() for name, rows in chosen.items()}
    (tmp_path / "boxes.json").write_text(json.dumps(boxes), encoding="utf-8")
    words = ["predict", *(str(reference.photos / name) for name in names)]
    words += ["--model", str(models[form]), "--boxes", str(tmp_path / "boxes.json")]
    words += ["--out", str(tmp_path / "out"), *(["--flip-test"] if flip_test else [])]
    assert main(words) == 0
    keypoints, scores = np.zeros((12, 133, 2), np.float32), np.zeros((12, 133), np.float32)
    for image in read_annotations(tmp_path / "out" / "poses.json"):
        rows = chosen[str(image.file_name)]
        keypoints[rows], scores[rows] = image.poses.keypoints, image.poses.scores
    _assert_wanted(keypoints, scores, reference=reference, flip_test=flip_test)


@every_model
def test_evaluate_gives_the_poses_of_the_reference(
    form: str, models: dict[str, Path], reference: _Reference, tmp_path: Path
) -> None:
    annotations = reference.photos / "test_coco_wholebody.json"
    words = ["evaluate", str(models[form]), "--data", str(annotations)]
    words += ["--images", str(reference.photos), "--boxes", "gt", "--flip-test"]
    assert main([*words, "--out", str(tmp_path / "out.json")]) == 0
    found = read_predictions(tmp_path / "out.json")
    boxes_xywh = np.array([person.box_xywh for person in found])
    boxes_xyxy = np.concatenate([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]], axis=1)
    np.testing.assert_allclose(boxes_xyxy, reference.boxes_xyxy, atol=1e-3)  # the same order
    keypoints = np.array([person.keypoints for person in found])
    scores = np.array([person.keypoint_scores for person in found])
    _assert_wanted(keypoints, scores, reference=reference, flip_test=True)
