"""Where `posedistill predict` takes the persons of photos from, and the files it writes."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.cli import main
from posedistill.codecs import SimCC
from posedistill.formats.table import FORMATS
from posedistill.media import write_image
from posedistill.poses import Poses
from posedistill.runtime.detector import Detector
from posedistill.spec import Spec
from tests.detector_nets import write_own

WriteModel = Callable[..., Path]
SPEC = Spec("dot", "coco17", SimCC((48, 64), (4.9, 5.66), split_ratio=1.0), padding=1.25)


@pytest.fixture
def model(write_dot_model: WriteModel) -> Path:
    return write_dot_model(spec=SPEC)


def _image() -> NDArray[np.uint8]:
    """Paint a bright and a dark red square where `write_own` looks for people."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[16:24, 8:16, 0] = 255
    image[40:48, 32:40, 0] = 153
    return image


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.png", _image())
    return tmp_path / "in" / "a.png"


def _predict(*words: str | Path) -> int:
    return main(["predict", *map(str, words), "--threads", "1"])


def _poses(out: Path) -> Poses:
    (image,) = FORMATS["coco"].read(out / "poses.json")
    return image.poses


def test_people_are_found_by_a_detector(
    photo: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    detector = write_own(tmp_path / "finder.onnx")
    words = ("--model", model, "--detector", detector, "--out", tmp_path / "out")
    assert _predict(photo, *words) == 0
    poses = _poses(tmp_path / "out")
    (found,) = Detector(detector)([_image()])
    np.testing.assert_allclose(poses.boxes_xyxy, found.boxes_xyxy, atol=1e-3)
    np.testing.assert_allclose(poses.box_scores, found.scores)
    assert len(poses) == 2
    header, *_, last = capsys.readouterr().out.splitlines()
    assert header.split()[3:] == [
        word for stage in ("read", "detect", "estimate", "draw", "write") for word in (stage, "ms")
    ]
    assert "people found by finder on CPUExecutionProvider" in last
    assert _predict(photo, *words, "--det-score", "0.7") == 0
    np.testing.assert_allclose(_poses(tmp_path / "out").boxes_xyxy, [[7, 15, 17, 25]])


def test_a_missing_detector_is_named(
    photo: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--model", model, "--out", tmp_path / "out", "--detector")
    assert _predict(photo, *words, "none.onnx") == 2
    assert "none.onnx" in capsys.readouterr().err
    assert _predict(photo, *words, "yolox-q") == 2
    assert "yolox-q" in capsys.readouterr().err


def _write_mask(path: Path, size_wh: tuple[int, int] = (64, 64)) -> Path:
    mask = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    mask[10:40, 20:30] = 1
    mask[50:60, 5:60] = 2
    cv2.imwrite(str(path), mask)
    return path


def test_people_are_taken_from_a_mask(photo: Path, model: Path, tmp_path: Path) -> None:
    mask = _write_mask(tmp_path / "mask.png")
    assert _predict(photo, "--model", model, "--mask", mask, "--out", tmp_path / "out") == 0
    boxes = _poses(tmp_path / "out").boxes_xyxy
    assert boxes.tolist() == [[20, 10, 30, 40], [5, 50, 60, 60]]


def test_each_photo_has_the_mask_of_its_name(
    photo: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(photo.with_name("b.jpg"), _image())
    write_image(photo.with_name("c.jpg"), _image())
    (tmp_path / "masks").mkdir()
    _write_mask(tmp_path / "masks" / "a.png")
    _write_mask(tmp_path / "masks" / "b.png", (32, 64))
    words = ("--model", model, "--mask", tmp_path / "masks", "--out", tmp_path / "out")
    assert _predict(photo.parent, *words) == 1
    assert len(_poses(tmp_path / "out")) == 2
    told = capsys.readouterr()
    assert "skipped b.jpg: its mask" in told.err
    assert "is of 32x64 pixels, the photo of 64x64" in told.err
    assert "skipped c.jpg: " in told.err
    assert "has no mask for it, such as c.png" in told.err
    assert told.out.splitlines()[-1].startswith("1 of 3 photos done")
    assert "not done:\n  b.jpg: its mask" in told.out


def test_poses_are_written_in_each_format_that_is_asked_for(
    photo: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(photo.with_name("b.png"), _image())
    out = tmp_path / "out"
    words = ("--model", model, "--whole-image", "--draw", "none", "--out", out)
    assert _predict(photo.parent, *words, "--format", "csv", "--format", "jsonl", "--openpose") == 0
    files = ["a_keypoints.json", "b_keypoints.json", "poses.csv", "poses.jsonl"]
    assert sorted(os.listdir(out)) == files
    csv, jsonl = (FORMATS[name].read(out / f"poses.{name}") for name in ("csv", "jsonl"))
    assert [image.file_name for image in csv] == [image.file_name for image in jsonl]
    last = capsys.readouterr().out.splitlines()[-1]
    assert f"; poses.csv, poses.jsonl and NAME_keypoints.json are in {out}" in last


def test_an_image_of_more_pixels_than_wanted_is_refused(
    photo: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--model", model, "--whole-image", "--out", tmp_path / "out", "--max-pixels")
    assert _predict(photo, *words, "4095") == 2
    assert "64x64 pixels" in capsys.readouterr().err
    assert _predict(photo, *words, "4096") == 0


def test_boxes_can_be_drawn(photo: Path, model: Path, tmp_path: Path) -> None:
    words = (photo, "--model", model, "--whole-image", "--min-score", "2")
    assert _predict(*words, "--out", tmp_path / "plain") == 0
    assert _predict(*words, "--out", tmp_path / "boxes", "--draw-boxes") == 0
    plain, boxes = (cv2.imread(str(tmp_path / name / "a.png")) for name in ("plain", "boxes"))
    assert np.any(plain != boxes)
