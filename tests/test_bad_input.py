"""Each bad input of the command line gets one clear line, and leaves nothing half-written."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.cli import main
from posedistill.formats.coco_json import read_annotations
from posedistill.media import write_image

WriteModel = Callable[..., Path]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "good.png"
    write_image(path, _noise())
    return path


def _noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)


class _Predict:
    """Run `posedistill predict --whole-image` and keep what it says."""

    def __init__(self, model: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.model, self.out, self._capsys = model, out, capsys
        self.errors: list[str] = []

    def __call__(self, *inputs: Path | str, options: tuple[str, ...] = ("--whole-image",)) -> int:
        words = [*map(str, inputs), "--model", str(self.model), "--out", str(self.out), *options]
        code = main(["predict", *words])
        self.errors = self._capsys.readouterr().err.splitlines()
        return code


@pytest.fixture
def predict(
    tmp_path: Path, write_dot_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> _Predict:
    return _Predict(write_dot_model(), tmp_path / "out", capsys)


def _bytes(suffix: str, image: NDArray[np.integer]) -> bytes:
    return bytes(cv2.imencode(suffix, image)[1].tobytes())


BAD_FILES = {
    "cut.jpg": (_bytes(".jpg", _noise())[:-300], "truncated"),
    "cut.png": (_bytes(".png", _noise())[:-300], "truncated"),
    "text.jpg": (b"Dear reader,\nthis is a letter.\n", "text"),
    "empty.jpg": (b"", "empty"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_image_alone_ends_with_2_and_leaves_nothing(
    tmp_path: Path, predict: _Predict, name: str
) -> None:
    content, reason = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    assert predict(tmp_path / name) == 2
    assert name in predict.errors[0]
    assert reason in predict.errors[0]
    assert not predict.out.exists()


def test_bad_images_in_a_folder_are_told_in_a_line_each_and_the_others_are_done(
    tmp_path: Path, predict: _Predict
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, (content, _) in BAD_FILES.items():
        (folder / name).write_bytes(content)
    write_image(folder / "a.png", _noise())
    write_image(folder / "z.png", _noise())
    assert predict(folder) == 1
    assert len(predict.errors) == len(BAD_FILES)
    assert all(line.startswith("posedistill: skipped ") for line in predict.errors)
    assert sorted(os.listdir(predict.out)) == ["a.png", "poses.json", "z.png"]
    assert len(read_annotations(predict.out / "poses.json")) == 2


def _turned_jpeg() -> bytes:
    tag = struct.pack("<HHHIHH", 1, 0x0112, 3, 1, 6, 0) + bytes(4)
    body = b"Exif\0\0II*\0" + struct.pack("<I", 8) + tag
    data = _bytes(".jpg", _noise())
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


@pytest.mark.parametrize(
    ("name", "content", "size_wh"),
    [
        ("dot.png", _bytes(".png", np.full((1, 1, 3), 7, np.uint8)), (1, 1)),
        ("grey.png", _bytes(".png", _noise()[..., 0]), (48, 64)),
        ("alpha.png", _bytes(".png", np.dstack([_noise(), _noise()[..., 0]])), (48, 64)),
        ("deep.png", _bytes(".png", _noise().astype(np.uint16) * 257), (48, 64)),
        ("turned.jpg", _turned_jpeg(), (64, 48)),
    ],
    ids=["one pixel", "greyscale", "RGBA", "16-bit", "EXIF-rotated"],
)
def test_an_unusual_image_is_predicted(
    tmp_path: Path, predict: _Predict, name: str, content: bytes, size_wh: tuple[int, int]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert predict(tmp_path / name) == 0
    (image,) = read_annotations(predict.out / "poses.json")
    assert image.size_wh == size_wh


def _one_error(predict: _Predict, *inputs: Path | str, options: tuple[str, ...]) -> str:
    assert predict(*inputs, options=options) == 2
    (line,) = predict.errors
    assert line.startswith("posedistill: error: ")
    assert not predict.out.exists()
    return line


WHOLE = ("--whole-image",)


def test_a_missing_input_is_named(tmp_path: Path, photo: Path, predict: _Predict) -> None:
    assert "none.jpg" in _one_error(predict, photo, tmp_path / "none.jpg", options=WHOLE)


def test_a_folder_without_images_is_named(tmp_path: Path, predict: _Predict) -> None:
    (tmp_path / "bare").mkdir()
    assert "no images in" in _one_error(predict, tmp_path / "bare", options=WHOLE)


def test_the_whole_image_is_never_taken_unasked(photo: Path, predict: _Predict) -> None:
    assert predict(photo, options=()) == 0
    h, w = _noise().shape[:2]
    (found,) = read_annotations(predict.out / "poses.json")
    assert [0, 0, w, h] not in found.poses.boxes_xyxy.tolist()  # the package's detector has looked


def test_a_missing_model_is_named(photo: Path, predict: _Predict, tmp_path: Path) -> None:
    predict.model = tmp_path / "none.onnx"
    assert "none.onnx" in _one_error(predict, photo, options=WHOLE)
    predict.model = Path("wholebody-q")
    assert "unknown model 'wholebody-q'" in _one_error(predict, photo, options=WHOLE)


def test_a_model_without_a_spec_is_told_how_to_get_one(
    photo: Path, predict: _Predict, write_dot_model: WriteModel
) -> None:
    predict.model = write_dot_model("bare.onnx", metadata="")
    line = _one_error(predict, photo, options=WHOLE)
    assert "bare.onnx" in line
    assert "posedistill export" in line


def test_a_damaged_model_is_named(photo: Path, predict: _Predict, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    predict.model = tmp_path / "bad.onnx"
    assert "bad.onnx is damaged" in _one_error(predict, photo, options=WHOLE)


def test_a_folder_that_is_no_run_is_named(photo: Path, predict: _Predict, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    (tmp_path / "no-run").mkdir()
    predict.model = tmp_path / "no-run"
    assert "no-run" in _one_error(predict, photo, options=WHOLE)


def _boxes_file(tmp_path: Path, content: object) -> tuple[str, str]:
    path = tmp_path / "boxes.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return ("--boxes", str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{oops", "boxes.json is not JSON"),
        ([[0, 0, 9, 9]], "found list"),
        ({"good.png": [0, 0, 9, 9]}, r"'good.png' expects a list of [x1, y1, x2, y2]"),
        ({"good.png": [[0, 0, 9]]}, "'good.png' expects a list of"),
        ({"good.png": "everyone"}, "boxes that are no numbers: 'everyone'"),
        ({"good.png": [[0, 0, 9, 9], [1, 2]]}, "boxes that are no numbers"),
    ],
    ids=["cut", "list", "one box bare", "three numbers", "words", "ragged"],
)
def test_a_bad_boxes_file_is_told_before_any_work(
    tmp_path: Path, photo: Path, predict: _Predict, content: object, message: str
) -> None:
    assert message in _one_error(predict, photo, options=_boxes_file(tmp_path, content))


def test_a_missing_boxes_file_is_named(photo: Path, predict: _Predict) -> None:
    line = _one_error(predict, photo, options=("--boxes", "none.json"))
    assert "no such boxes file: none.json" in line


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ({"good.png": [[9, 9, 0, 0]]}, "box 0 is [9.0, 9.0, 0.0, 0.0]"),
        ('{"good.png": [[0, 0, NaN, 9]]}', "box 0 is [0.0, 0.0, nan, 9.0]"),
        ({"other.png": []}, 'the boxes file has no "good.png"'),
    ],
    ids=["turned over", "NaN", "photo not listed"],
)
def test_a_photo_with_bad_boxes_is_skipped(
    tmp_path: Path, photo: Path, predict: _Predict, boxes: object, message: str
) -> None:
    assert predict(photo, options=_boxes_file(tmp_path, boxes)) == 2
    assert message in predict.errors[0]
    assert not predict.out.exists()


def test_a_box_outside_the_photo_is_handled(tmp_path: Path, photo: Path, predict: _Predict) -> None:
    boxes = _boxes_file(tmp_path, {"good.png": [[500, 500, 600, 700]]})
    assert predict(photo, options=boxes) == 0
    (image,) = read_annotations(predict.out / "poses.json")
    assert image.poses.scores.max() == 0


def test_a_photo_is_never_overwritten_by_its_own_overlay(photo: Path, predict: _Predict) -> None:
    before = photo.read_bytes()
    predict.out = photo.parent
    assert predict(photo) == 2
    assert "would be overwritten" in predict.errors[0]
    assert photo.read_bytes() == before


def test_an_output_folder_that_is_a_file_is_named(
    tmp_path: Path, photo: Path, predict: _Predict
) -> None:
    predict.out = tmp_path / "file"
    predict.out.write_text("mine")
    assert predict(photo) == 2
    assert "is a file; expected a folder" in predict.errors[0]
    assert predict.out.read_text() == "mine"


def _error_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_an_unknown_recipe_or_key_suggests_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    run = ["--run", str(tmp_path / "run")]
    assert "rtmpose-t" in _error_line(["train", "rtmpose-tt", *run], capsys)
    line = _error_line(["train", "rtmpose-t", *run, "--set", "optim.ls=1"], capsys)
    assert "optim.lr" in line or "'lr'" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words",
    [[], ["predcit"], ["predict"], ["predict", "a.jpg", "--out", "o", "--min-score", "high"]],
    ids=["no command", "misspelt", "no argument", "no number"],
)
def test_a_bad_command_line_gets_one_line_that_names_the_help(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--help`" in _error_line(words, capsys)


@pytest.mark.parametrize("is_first", [True, False], ids=["before", "after"])
def test_traceback_shows_where_an_error_came_from(
    is_first: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["score", "none.json", "--data", "none.json"]
    assert main(["--traceback", *words] if is_first else [*words, "--traceback"]) == 2
    errors = capsys.readouterr().err
    assert "Traceback (most recent call last)" in errors
    assert "none.json" in errors.splitlines()[-1]
