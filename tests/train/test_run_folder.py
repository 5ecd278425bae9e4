"""Run folder: whole files or none, on a full disk too; what changed is said."""

import json
import logging
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from posedistill.models import build, load
from posedistill.train.recipe import Recipe
from posedistill.train.run_folder import RunFolder, written_whole

RECIPE = Recipe("example")
SMALL, LARGE = {"value": torch.zeros(1000)}, {"value": torch.ones(2_000_000)}


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a disk of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        result = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if result.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {result.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def short_files() -> Iterator[None]:
    """Let no file grow beyond 1 MiB, which needs no rights."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _check_that_the_former_state_stays(path: Path) -> None:
    folder = RunFolder(path)
    folder.save_state(SMALL)
    with pytest.raises(OSError, match=r"could not write .*last\.pt .* make room"):
        folder.save_state(LARGE)
    assert _names(path) == {"last.pt"}
    state = folder.load_state()
    assert state is not None
    assert torch.equal(state["value"], SMALL["value"])


def test_a_full_disk_leaves_the_former_state(full_disk: Path) -> None:
    _check_that_the_former_state_stays(full_disk)


@pytest.mark.usefixtures("short_files")
def test_a_file_that_may_not_grow_leaves_the_former_state(tmp_path: Path) -> None:
    _check_that_the_former_state_stays(tmp_path)


@pytest.mark.usefixtures("short_files")
def test_a_best_model_that_cannot_be_written_leaves_the_former_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.best.write_bytes(b"the former one")
    with pytest.raises(OSError, match=r"could not write .*best\.safetensors"):
        folder.save_best(build("rtmpose-t"))
    assert folder.best.read_bytes() == b"the former one"
    assert _names(tmp_path) == {"best.safetensors"}


def test_a_saved_model_is_the_one_that_was_saved(tmp_path: Path) -> None:
    model = build("rtmpose-n", "coco17", (64, 64))
    RunFolder(tmp_path).save_best(model)
    again = load(tmp_path).state_dict()
    assert all(torch.equal(again[name], value) for name, value in model.state_dict().items())


def _fail_halfway(path: Path) -> None:
    with written_whole(path) as beside:
        beside.write_text("half", encoding="utf-8")
        raise KeyError


def test_an_error_while_writing_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("former", encoding="utf-8")
    with pytest.raises(KeyError):
        _fail_halfway(path)
    assert path.read_text(encoding="utf-8") == "former"
    assert _names(tmp_path) == {"a.txt"}


@pytest.mark.parametrize("length", [0, 10, 3000])
def test_a_damaged_state_is_named(tmp_path: Path, length: int) -> None:
    folder = RunFolder(tmp_path)
    folder.save_state(SMALL)
    folder.last.write_bytes(folder.last.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"last\.pt is damaged .* delete it"):
        folder.load_state()


def test_a_new_folder_has_no_state(tmp_path: Path) -> None:
    assert RunFolder(tmp_path).load_state() is None


def test_beginning_clears_what_a_kill_left_half_written(tmp_path: Path) -> None:
    (tmp_path / "last.pt.partial").write_bytes(b"half")
    RunFolder(tmp_path).begin(RECIPE, processes=1, device="cpu")
    assert _names(tmp_path) == {"recipe.json", "versions.json"}


def test_going_on_says_what_changed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    folder = RunFolder(tmp_path)
    folder.begin(RECIPE, processes=1, device="cpu")
    folder.save_state(SMALL)
    folder.begin(RECIPE, processes=1, device="cpu")
    assert not caplog.messages
    folder.begin(replace(RECIPE, num_workers=7, max_bad_steps=3), processes=2, device="cuda")
    (message,) = caplog.messages
    for change in ("processes 1 -> 2", "device cpu -> cuda", "num_workers 2 -> 7"):
        assert change in message
    assert "max_bad_steps 0 -> 3" in message
    assert json.loads((tmp_path / "versions.json").read_text())["processes"] == "2"


def test_what_is_learnt_may_not_change(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(RECIPE, processes=1, device="cpu")
    folder.check(replace(RECIPE, seed=3))  # nothing is learnt yet
    folder.save_state(SMALL)
    folder.check(RECIPE)
    with pytest.raises(ValueError, match="holds an unlike run: best_by, seed differ"):
        folder.begin(replace(RECIPE, seed=3, best_by="x", compile=True), processes=1, device="cpu")


def test_metrics_of_steps_taken_again_and_lines_cut_off_are_dropped(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.read_metrics() == []
    for step in (20, 40, 60):
        folder.log(step=step, losses={"keypoint": 1.0})
    with folder.metrics.open("a", encoding="utf-8") as file:
        file.write('{"step": 80, "los')
    folder.forget_after(40)
    assert [row["step"] for row in folder.read_metrics()] == [20, 40]
