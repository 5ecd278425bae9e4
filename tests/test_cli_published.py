"""Published checkpoints by the command line: converted, cached, predicted with."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import posedistill
from posedistill.cli import main
from posedistill.formats.coco_json import ImagePoses, read_annotations
from posedistill.media import write_image
from posedistill.models import build, load, save
from posedistill.models.pose_model import PoseModel
from posedistill.zoo import choose_file, find
from tests.weight_rule import GAINS, fill

State = Mapping[str, Tensor]
SIZE_WH = (96, 128)
SOURCE = str(Path(posedistill.__file__).parents[1])
NAME, NAME_WITH_ONNX = "rtmpose-t-body", "rtmpose-t-body7"


def _model(size_wh: tuple[int, int]) -> PoseModel:
    model = build("rtmpose-t", "coco17", size_wh).eval()
    fill(model, GAINS["t"])
    return model


@pytest.fixture(scope="module")
def state() -> State:
    return _model(SIZE_WH).state_dict()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a checkpoint that could be that of NAME."""
    path = tmp_path_factory.mktemp("published") / "model.pth"
    torch.save({"meta": {}, "state_dict": _model((192, 256)).state_dict()}, path)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty cache, and no network."""
    monkeypatch.setenv("POSEDISTILL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("POSEDISTILL_OFFLINE", "1")
    monkeypatch.delenv("POSEDISTILL_MIRROR", raising=False)
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Write a photo of 120 x 160 with a red, a green and a blue spot."""
    image = np.zeros((160, 120, 3), np.uint8)
    for channel, (x, y) in enumerate([(30, 90), (80, 40), (60, 130)]):
        image[y : y + 6, x : x + 6, channel] = 255
    write_image(tmp_path / "a.png", image)
    return tmp_path / "a.png"


def _run(*words: str | Path) -> int:
    return main([*map(str, words)])


def _predict(photo: Path, *options: str | Path) -> ImagePoses:
    out = photo.parent / "out"
    assert _run("predict", photo, "--whole-image", "--out", out, *options) == 0
    (image,) = read_annotations(out / "poses.json")
    return image


def _under(prefix: str, state: State) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def _other(state: State) -> State:
    """Give weights of the same shapes that are certainly others."""
    return {key: value + 1 for key, value in state.items()}


def _stage_one(state: State) -> dict[str, Tensor]:
    teacher = build("rtmpose-s", "coco17", SIZE_WH).state_dict()
    align = {"distill_losses.loss_fea.align.weight": torch.zeros(512, 384, 1, 1)}
    return _under("teacher.", teacher) | _under("student.", state) | align


def _stage_two(state: State) -> dict[str, Tensor]:
    other = _other(state)
    owners = {
        "teacher.": {"backbone": state, "head": other},
        "student.": {"backbone": other, "head": state},
    }
    return {
        prefix + key: value
        for prefix, parts in owners.items()
        for owner, weights in parts.items()
        for key, value in weights.items()
        if key.startswith(owner)
    }


CHECKPOINTS: dict[str, Callable[[State], dict[str, object]]] = {
    "plain": lambda state: {"meta": {}, "state_dict": state},
    "training": lambda state: {
        "meta": {"epoch": 1},
        "state_dict": state,
        "ema_state_dict": _other(state),
        "message_hub": {"log_scalars": {}, "resumed_keys": {}},
    },
    "stage one": lambda state: {"state_dict": _stage_one(state)},
    "stage two": lambda state: {"state_dict": _stage_two(state)},
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_a_converted_checkpoint_predicts_as_its_model_does(
    kind: str, state: State, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(CHECKPOINTS[kind](state), tmp_path / "a.pth")
    save(_model(SIZE_WH), tmp_path / "wanted.safetensors")
    out = tmp_path / "deep" / "a.safetensors"
    assert _run("convert", tmp_path / "a.pth", "--out", out, "--licence", "Apache-2.0") == 0
    told, last = capsys.readouterr().out.splitlines()
    assert told.startswith("rtmpose-t, coco17, input 96x128, 3.21 million parameters; from a.pth")
    assert (kind in told) == kind.startswith("stage")
    assert last == f"model is in {out}"
    assert load(out).spec.licence == "Apache-2.0"
    found, wanted = (
        _predict(photo, "--model", model) for model in (out, tmp_path / "wanted.safetensors")
    )
    np.testing.assert_array_equal(found.poses.keypoints, wanted.poses.keypoints)
    np.testing.assert_array_equal(found.poses.scores, wanted.poses.scores)


def test_the_stage_that_is_asked_for_is_taken(state: State, tmp_path: Path) -> None:
    torch.save(CHECKPOINTS["stage two"](state), tmp_path / "a.pth")
    out = tmp_path / "a.safetensors"
    assert _run("convert", tmp_path / "a.pth", "--out", out, "--stage", "one") == 0
    key = "backbone.stem.0.conv.weight"
    assert torch.equal(load(out).state_dict()[key], state[key] + 1)


class _Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"echo run > {self.target}",)


@pytest.mark.parametrize("is_checkpoint", [True, False], ids=["torch.save", "bare pickle"])
def test_a_malicious_pickle_is_refused_by_name_and_runs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], is_checkpoint: bool
) -> None:
    content = {"state_dict": _Malicious(tmp_path / "run")}
    if is_checkpoint:
        torch.save(content, tmp_path / "evil.pth")
    else:
        (tmp_path / "evil.pth").write_bytes(pickle.dumps(content))
    words = ("convert", tmp_path / "evil.pth", "--out", tmp_path / "deep" / "a.safetensors")
    assert _run(*words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"wants to build {os.system.__module__}.system" in line
    assert sorted(os.listdir(tmp_path)) == ["cache", "evil.pth"]
    pickle.loads(pickle.dumps(content))  # that it would have run is what makes this a test
    assert (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "out", "message"),
    [
        ("none.pth", "a.safetensors", "none.pth does not exist"),
        ("a.pth", "a.onnx", "ends in .safetensors"),
        ("a.pth", "a.pth", "ends in .safetensors"),
        ("a.pth", "folder.safetensors", "is a folder"),
        ("a.png", "a.safetensors", "a.png is damaged, cut short or no checkpoint"),
        ("a.safetensors", "b.safetensors", "is a .safetensors file"),
    ],
    ids=["missing", "suffix", "itself", "folder", "photo", "converted before"],
)
def test_a_conversion_that_cannot_be_is_told_in_one_line(
    state: State,
    photo: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    out: str,
    message: str,
) -> None:
    folder = photo.parent
    torch.save({"state_dict": state}, folder / "a.pth")
    (folder / "a.safetensors").write_bytes(b"made before")
    (folder / "folder.safetensors").mkdir()
    before = sorted(os.listdir(folder))
    assert _run("convert", folder / name, "--out", folder / out) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert sorted(os.listdir(folder)) == before
    assert (folder / "a.safetensors").read_bytes() == b"made before"


def _put(published: Path, cache: Path, *, name: str) -> Path:
    """Put a checkpoint into the cache as if it had been fetched."""
    path = cache / choose_file(name, file_format="pth").file_name
    path.write_bytes(published.read_bytes())
    return path


def test_a_published_checkpoint_is_converted_once(
    published: Path, cache: Path, photo: Path
) -> None:
    checkpoint = _put(published, cache, name=NAME)
    first = _predict(photo, "--model", NAME)
    ours = checkpoint.with_suffix(".safetensors")
    assert sorted(os.listdir(cache)) == [checkpoint.name, ours.name]
    assert load(ours).spec.data_card == find(NAME).data_card
    assert load(ours).spec.licence == find(NAME).licence
    checkpoint.write_bytes(b"of no use any more")
    second = _predict(photo, "--model", NAME)
    np.testing.assert_array_equal(first.poses.keypoints, second.poses.keypoints)


def test_the_name_of_a_checkpoint_is_a_published_name_too(
    published: Path, cache: Path, photo: Path
) -> None:
    checkpoint = _put(published, cache, name=NAME)
    assert len(_predict(photo, "--model", checkpoint.name).poses) == 1


def test_a_damaged_checkpoint_in_the_cache_is_named_and_leaves_nothing(
    cache: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = cache / choose_file(NAME).file_name
    checkpoint.write_bytes(b"PK\x03\x04 cut short")
    words = ("predict", photo, "--whole-image", "--out", photo.parent / "out", "--model", NAME)
    assert _run(*words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{checkpoint} is damaged" in line
    assert os.listdir(cache) == [checkpoint.name]


def test_a_conversion_that_breaks_off_leaves_nothing(
    published: Path, cache: Path, photo: Path
) -> None:
    pytest.importorskip("resource", reason="needs a system that can limit the size of files")
    checkpoint = _put(published, cache, name=NAME)
    words = ["predict", str(photo), "--whole-image", "--out", str(photo.parent / "out")]
    code = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000000, 1000000)); "
    code += f"from posedistill.cli import main; sys.exit(main({[*words, '--model', NAME]!r}))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": SOURCE},
        check=False,
    )
    assert result.returncode != 0
    assert "too large" in result.stderr
    assert os.listdir(cache) == [checkpoint.name]


def test_a_checkpoint_in_the_cache_stands_in_for_a_file_that_cannot_be_fetched(
    published: Path, cache: Path, photo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = _put(published, cache, name=NAME_WITH_ONNX)
    assert len(_predict(photo, "--model", NAME_WITH_ONNX).poses) == 1
    assert caplog.messages[-1].endswith(
        f"cannot be had now; taking {checkpoint.name} from the cache"
    )
