"""What `--model` and `--spec` may say: raw files, published names, and what is neither."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import posedistill
from posedistill.cli import main
from posedistill.codecs import SimCC
from posedistill.formats.coco_json import read_annotations
from posedistill.media import write_image
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD, Spec
from posedistill.zoo import choose_file, entries, find

WriteModel = Callable[..., Path]
SOURCE = str(Path(posedistill.__file__).parents[1])
NAME, FILE_NAME = next(  # no hash of it is known, so that another file can stand in for it
    (entry.name, file.file_name)
    for entry in entries()
    for file in entry.files
    if entry.kind == "pose" and file.format == "onnx" and file.known_hash is None
)
DOT_XY = (20, 30)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty cache, and no network."""
    monkeypatch.setenv("POSEDISTILL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("POSEDISTILL_OFFLINE", "1")
    monkeypatch.delenv("POSEDISTILL_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    image = np.zeros((64, 48, 3), np.uint8)
    x, y = DOT_XY
    image[y - 1 : y + 2, x - 1 : x + 2] = 220  # so that some of the dot is left in a smaller crop
    image[y, x] = 255
    write_image(tmp_path / "a.png", image)
    return tmp_path / "a.png"


@pytest.fixture
def published(write_dot_model: WriteModel) -> Path:
    """Write a file that is like the published one of NAME, without a description, sizes open."""
    spec = find(NAME).spec(normalised=True)
    return write_dot_model("published.onnx", spec=spec, metadata="", unknown=("size", "bins"))


@pytest.fixture
def raw(write_dot_model: WriteModel) -> Path:
    """Write a small file of a published kind, without a description."""
    codec = SimCC((48, 64), (4.9, 5.66))
    spec = Spec("dot", "coco17", codec, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    return write_dot_model("raw.onnx", spec=spec, metadata="", batch=1)


class _Predict:
    """Run `posedistill predict` on the photo, and keep what it says."""

    def __init__(self, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.photo, self.out, self._capsys = photo, photo.parent / "out", capsys
        self.errors = ""

    def words(self, model: str | Path, *options: str) -> list[str]:
        words = ["predict", str(self.photo), "--whole-image", "--out", str(self.out)]
        return [*words, "--model", str(model), *options]

    def __call__(self, model: str | Path, *options: str) -> int:
        code = main(self.words(model, *options))
        self.errors = self._capsys.readouterr().err
        return code

    def error(self, model: str | Path, *options: str) -> str:
        """Give the one line of a refusal that comes before any work."""
        assert self(model, *options) == 2
        (line,) = self.errors.splitlines()
        assert line.startswith("posedistill: error: ")
        assert not self.out.exists()
        return line

    def assert_found(self, skeleton: str) -> None:
        """Check that all joints are at the dot, to half a pixel of the photo."""
        (image,) = read_annotations(self.out / "poses.json")
        assert image.poses.skeleton.name == skeleton
        np.testing.assert_allclose(image.poses.keypoints[0] - DOT_XY, 0, atol=0.5)


@pytest.fixture
def predict(photo: Path, capsys: pytest.CaptureFixture[str]) -> _Predict:
    return _Predict(photo, capsys)


def _main_apart(words: list[str], *, without: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run the command line in a process of its own; give exit code and what is on stderr."""
    blocked = f"import sys; sys.modules.update(dict.fromkeys({without!r}))"
    code = f"{blocked}; from posedistill.cli import main; sys.exit(main({words!r}))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": SOURCE},
        check=False,
    )
    return result.returncode, result.stderr


def test_a_raw_file_is_recognised_and_told_as_what_in_one_line(
    raw: Path, predict: _Predict
) -> None:
    code, errors = _main_apart(predict.words(raw))
    assert code == 0
    (line,) = errors.splitlines()
    assert line.startswith("posedistill: raw.onnx carries no Spec; by its shapes it is coco17")
    assert "48x64 with 96 and 128 SimCC bins" in line
    predict.assert_found("coco17")


def test_a_raw_file_with_its_spec_named_runs_without_a_word(
    published: Path, predict: _Predict
) -> None:
    assert predict(published, "--spec", NAME) == 0
    assert predict.errors == ""
    predict.assert_found("wholebody133")


def test_a_raw_file_that_leaves_all_sizes_open_needs_its_spec_named(
    published: Path, predict: _Predict
) -> None:
    assert "--spec NAME" in predict.error(published)


@pytest.mark.parametrize("name", [NAME, "rtmpose-t-body"], ids=["joints", "size"])
def test_a_wrong_spec_is_refused_with_both_shapes(raw: Path, predict: _Predict, name: str) -> None:
    line = predict.error(raw, "--spec", name)
    assert "raw.onnx" in line
    assert "64" in line
    assert "256" in line


def test_an_unknown_spec_gets_the_nearest(raw: Path, predict: _Predict) -> None:
    assert "nearest are dwpose-l" in predict.error(raw, "--spec", "dwpose-xl")


def test_the_spec_of_a_detector_is_refused(raw: Path, predict: _Predict) -> None:
    line = predict.error(raw, "--spec", "yolox-l")
    assert "yolox-l is a detector, and --spec takes a pose model" in line


@pytest.mark.parametrize("model", ["m.safetensors", NAME, "."], ids=["torch", "name", "folder"])
def test_a_spec_is_refused_for_what_has_its_own(predict: _Predict, model: str) -> None:
    line = predict.error(model, "--spec", NAME)
    assert f"--spec is for .onnx files; {model} has its own description" in line


@pytest.fixture
def mirror(published: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = published.parent / "mirror"
    folder.mkdir()
    published.rename(folder / FILE_NAME)
    monkeypatch.setenv("POSEDISTILL_MIRROR", folder.as_uri())
    return folder


@pytest.mark.parametrize("name", [NAME, NAME.upper(), FILE_NAME, FILE_NAME.removesuffix(".onnx")])
def test_a_published_name_is_fetched_once_and_run(
    mirror: Path, cache: Path, predict: _Predict, name: str
) -> None:
    assert predict(name) == 0
    predict.assert_found("wholebody133")
    (mirror / FILE_NAME).unlink()
    assert predict(name) == 0
    assert predict.errors == ""
    assert sorted(os.listdir(cache)) == [FILE_NAME, f"{FILE_NAME}.lock"]


def test_a_published_file_runs_without_torch(mirror: Path, predict: _Predict) -> None:
    code, errors = _main_apart(predict.words(NAME), without=("torch", "safetensors", "onnx"))
    assert (code, errors.count("\n")) == (0, 1)  # that no hash is known to check it by
    predict.assert_found("wholebody133")


def test_evaluate_takes_a_published_name(
    mirror: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("faster_coco_eval", reason="needs the extra evaluate")
    counts = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68}
    counts |= {"lefthand_kpts": 21, "righthand_kpts": 21}
    person: dict[str, object] = {key: [*DOT_XY, 2] * count for key, count in counts.items()}
    person |= {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 48, 64], "area": 900}
    images = [{"id": 1, "file_name": photo.name, "width": 48, "height": 64}]
    data = tmp_path / "truth.json"
    data.write_text(json.dumps({"images": images, "annotations": [person]}))
    words = ["evaluate", NAME, "--data", str(data), "--images", str(tmp_path), "--boxes", "gt"]
    assert main([*words, "--out", str(tmp_path / "pred.json")]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("whole"))
    assert row.split()[1] == "100.0"


@pytest.mark.parametrize("name", [NAME, "rtmpose-m", "dw-ll_ucoco_384.pth"])
def test_offline_the_error_says_where_to_put_the_file(
    cache: Path, predict: _Predict, name: str
) -> None:
    line = predict.error(name)
    assert "this is offline" in line
    assert "By hand: get https://" in line
    file = choose_file(name) if name != NAME else choose_file(name, file_format="onnx")
    assert line.endswith(f"at {cache / file.file_name}")
    assert not cache.exists()


def test_a_mirror_with_wrong_contents_is_told_with_both_hashes(
    mirror: Path, cache: Path, predict: _Predict
) -> None:
    file = choose_file("rtmpose-m")
    (mirror / file.file_name).write_bytes(b"not it")
    line = predict.error("rtmpose-m")
    assert f"expected {file.known_hash}" in line
    assert os.listdir(cache) == [f"{file.file_name}.lock"]


def test_the_name_of_a_detector_is_refused(predict: _Predict) -> None:
    assert "yolox-l is a detector, and --model takes a pose model" in predict.error("yolox-l")


def test_a_checkpoint_is_told_to_be_converted_by_a_command_that_can_be_copied(
    tmp_path: Path, predict: _Predict
) -> None:
    path = tmp_path / "my model.pth"
    path.touch()
    command = f"posedistill convert '{path}' --out '{path.with_suffix('.safetensors')}'"
    assert f"`{command}`" in predict.error(path)


@pytest.mark.parametrize("name", ["none.pth", "none.onnx", "none.safetensors", "no/such/dwpose-t"])
def test_a_missing_file_is_named(predict: _Predict, name: str) -> None:
    line = predict.error(name)
    assert name in line
    assert "dwpose-s" not in line  # no talk of published names where a file is meant


def test_an_unknown_name_gets_the_nearest(predict: _Predict) -> None:
    line = predict.error("dwpose-xl")
    assert "unknown model 'dwpose-xl'" in line
    assert "embedded are wholebody-t" in line
    assert "nearest are dwpose-l" in line


@pytest.mark.parametrize("name", ["wholebody-t", NAME], ids=["embedded", "published"])
def test_results_in_a_folder_called_like_the_model_do_not_hide_it(
    mirror: Path, predict: _Predict, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(predict.photo.parent)
    predict.out = Path(name)
    assert predict(name) == 0
    assert predict(name) == 0
