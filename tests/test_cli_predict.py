"""Control pictures and OpenPose files of `posedistill predict`."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.cli import main
from posedistill.codecs import SimCC
from posedistill.draw import controlnet
from posedistill.formats.coco_json import ImagePoses, read_annotations
from posedistill.formats.openpose_json import read_openpose
from posedistill.media import read_image, write_image
from posedistill.spec import Spec

WriteModel = Callable[..., Path]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Write a photo of 120 x 160 with a red, a green and a blue spot."""
    image = np.zeros((160, 120, 3), np.uint8)
    for channel, (x, y) in enumerate([(30, 90), (80, 40), (60, 130)]):
        image[y : y + 6, x : x + 6, channel] = 255
    write_image(tmp_path / "a.png", image)
    return tmp_path / "a.png"


def _predict(*words: str | Path) -> int:
    return main(["predict", *map(str, words), "--whole-image"])


@pytest.fixture
def spots(write_dot_model: WriteModel) -> Path:
    """Write a model that finds left joints at red, right at green, the others at blue."""
    spec = Spec("dot", "wholebody133", SimCC((48, 64), (4.9, 5.66), split_ratio=1.0), padding=1.0)
    return write_dot_model(spec=spec)


def _control(photo: Path, model: Path, *options: str) -> tuple[NDArray[np.uint8], ImagePoses]:
    out = photo.parent / "out"
    assert _predict(photo, "--model", model, "--out", out, "--draw", "controlnet", *options) == 0
    (read,) = read_annotations(out / "poses.json")
    return read_image(out / photo.name), read


@pytest.mark.parametrize(
    ("options", "hands", "face"),
    [
        ((), True, True),
        (("--no-hands",), False, True),
        (("--no-face",), True, False),
        (("--no-hands", "--no-face"), False, False),
    ],
    ids=["all", "no hands", "no face", "body"],
)
def test_a_control_picture_is_of_the_written_poses_at_the_size_of_the_photo(
    photo: Path, spots: Path, options: tuple[str, ...], hands: bool, face: bool
) -> None:
    picture, read = _control(photo, spots, *options)
    assert read.size_wh == (120, 160)
    expected = controlnet(read.poses, (120, 160), hands=hands, face=face)
    np.testing.assert_array_equal(picture, expected)
    assert picture.any()


def test_hands_and_face_can_be_seen(photo: Path, spots: Path) -> None:
    options = [(), ("--no-hands",), ("--no-face",), ("--no-hands", "--no-face")]
    pictures = {_control(photo, spots, *words)[0].tobytes() for words in options}
    assert len(pictures) == 4


@pytest.mark.parametrize(
    ("resolution", "size_wh"), [(512, (512, 704)), (64, (64, 64)), (300, (320, 384))]
)
def test_the_sides_of_a_control_picture_are_multiples_of_64(
    photo: Path, spots: Path, resolution: int, size_wh: tuple[int, int]
) -> None:
    picture, read = _control(photo, spots, "--resolution", str(resolution))
    expected = controlnet(read.poses, size_wh, image_size_wh=(120, 160))
    np.testing.assert_array_equal(picture, expected)


def _error(capsys: pytest.CaptureFixture[str], photo: Path, *options: str | Path) -> str:
    out = photo.parent / "out"
    assert _predict(photo, "--out", out, *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("posedistill: error: ")
    assert not out.exists()
    return line


@pytest.mark.parametrize("option", ["--no-hands", "--no-face", "--resolution=512"])
def test_options_of_control_pictures_are_for_them_alone(
    photo: Path, spots: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    line = _error(capsys, photo, "--model", spots, option)
    assert "for --draw controlnet alone" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--min-score", "0.5"), "--min-score is for --draw overlay alone"),
        (("--resolution", "63"), "expected 64 to 8192"),
        (("--resolution", "0"), "expected 64 to 8192"),
        (("--resolution", "1000000"), "expected 64 to 8192"),
    ],
    ids=["score", "small", "none", "large"],
)
def test_a_control_picture_that_cannot_be_is_refused(
    photo: Path,
    spots: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    line = _error(capsys, photo, "--model", spots, "--draw", "controlnet", *options)
    assert message in line


def test_a_photo_whose_control_picture_would_be_huge_is_skipped(
    photo: Path, spots: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(photo.parent / "long.png", np.zeros((10, 1000, 3), np.uint8))
    words = ("--model", spots, "--draw", "controlnet", "--resolution", "2048")
    out = photo.parent / "out"
    assert _predict(photo.parent / "long.png", photo, "--out", out, *words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "skipped long.png" in line
    assert "204800x2048" in line
    assert sorted(os.listdir(out)) == ["a.png", "poses.json"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--draw", "controlnet"), "hand21 lacks nose"),
        (("--openpose",), "--openpose is for models of bodies"),
    ],
    ids=["controlnet", "openpose"],
)
def test_a_model_of_hands_is_refused_where_a_body_is_needed(
    photo: Path,
    write_dot_model: WriteModel,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    codec = SimCC((48, 64), (4.9, 5.66), split_ratio=1.0)
    hands = write_dot_model(spec=Spec("dot", "hand21", codec))
    assert message in _error(capsys, photo, "--model", hands, *options)


def test_a_black_control_picture_is_told(
    photo: Path, spots: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(photo, np.zeros((160, 120, 3), np.uint8))
    picture, _ = _control(photo, spots)
    assert not picture.any()
    assert "a.png: no joint is sure enough" in capsys.readouterr().err


def test_openpose_files_hold_the_poses_in_pixels_of_the_photo(photo: Path, spots: Path) -> None:
    _, read = _control(photo, spots, "--openpose", "--resolution", "512")
    back = read_openpose(photo.parent / "out" / "a_keypoints.json")
    assert back.size_wh == (120, 160)
    assert back.poses.skeleton.name == "wholebody133"
    np.testing.assert_array_equal(back.poses.scores, read.poses.scores)
    np.testing.assert_array_equal(back.poses.keypoints, read.poses.keypoints)
    assert (read.poses.scores > 0).all()  # absent ones would not come back


def test_photos_of_the_same_name_get_openpose_files_of_their_own(photo: Path, spots: Path) -> None:
    (photo.parent / "more").mkdir()
    write_image(photo.parent / "more" / "a.png", np.zeros((20, 10, 3), np.uint8))
    words = ("--model", spots, "--out", photo.parent / "out", "--openpose")
    assert _predict(photo, photo.parent / "more", *words) == 0
    sizes = [
        read_openpose(photo.parent / "out" / f"{name}_keypoints.json").size_wh
        for name in ("a", "a-2")
    ]
    assert sizes == [(120, 160), (10, 20)]
