"""`posedistill predict --draw controlnet --preset NAME`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posedistill.cli import main
from posedistill.codecs import SimCC
from posedistill.draw.presets import PRESETS, draw_preset
from posedistill.formats.coco_json import read_annotations
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


@pytest.fixture
def spots(write_dot_model: WriteModel) -> Path:
    """Write a model that finds left joints at red, right at green, the others at blue."""
    spec = Spec("dot", "wholebody133", SimCC((48, 64), (4.9, 5.66), split_ratio=1.0), padding=1.0)
    return write_dot_model(spec=spec)


def _predict(photo: Path, model: Path, *options: str) -> int:
    words = (photo, "--model", model, "--whole-image", "--out", photo.parent / "out", *options)
    return main(["predict", *map(str, words)])


@pytest.mark.parametrize("name", PRESETS)
def test_the_picture_is_that_of_the_preset(photo: Path, spots: Path, name: str) -> None:
    assert _predict(photo, spots, "--draw", "controlnet", "--preset", name) == 0
    (read,) = read_annotations(photo.parent / "out" / "poses.json")
    expected = draw_preset(read.poses, (120, 160), name)
    np.testing.assert_array_equal(read_image(photo.parent / "out" / "a.png"), expected)
    assert expected.any()


def test_parts_and_resolution_change_the_preset(photo: Path, spots: Path) -> None:
    options = ("--preset", "sd15-openpose", "--no-face", "--resolution", "128")
    assert _predict(photo, spots, "--draw", "controlnet", *options) == 0
    (read,) = read_annotations(photo.parent / "out" / "poses.json")
    expected = draw_preset(read.poses, (120, 160), "sd15-openpose", resolution=128, face=False)
    assert expected.shape == (192, 128, 3)
    np.testing.assert_array_equal(read_image(photo.parent / "out" / "a.png"), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--preset", "sd15-openpose"), "--preset, --no-hands, --no-face and --resolution are for"),
        (("--draw", "controlnet", "--preset", "sd9"), "no preset is called 'sd9'; expected one of"),
    ],
    ids=["of an overlay", "unknown"],
)
def test_a_preset_that_cannot_be_is_refused(
    photo: Path,
    spots: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    assert _predict(photo, spots, *options) == 2
    assert message in capsys.readouterr().err
    assert not (photo.parent / "out").exists()


def test_the_help_names_every_preset(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    said = "".join(capsys.readouterr().out.split())  # names are broken over lines
    assert all(name in said for name in PRESETS)
