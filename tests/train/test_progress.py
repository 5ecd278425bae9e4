"""Progress: what is recorded of steps and evaluations."""

import importlib.util
import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from posedistill.train.curves import draw_curves
from posedistill.train.progress import Progress
from posedistill.train.recipe import Recipe
from posedistill.train.run_folder import RunFolder

RECIPE = Recipe("example", epochs=2, batch_size=4)
SHEET = np.zeros((6, 8, 3), np.uint8)


def _progress(folder: Path, *, step: int = 0, total_steps: int = 45) -> Progress:
    return Progress(
        RECIPE, RunFolder(folder), step=step, total_steps=total_steps, best=float("inf")
    )


def _take(progress: Progress, steps: int) -> None:
    losses = {"keypoint": torch.tensor(2.0), "logit": torch.tensor(0.5)}
    for _ in range(steps):
        progress.step(losses, epoch=1, lr=0.25)


def test_every_twentieth_step_and_the_last_are_recorded(tmp_path: Path) -> None:
    progress = _progress(tmp_path)
    _take(progress, 45)
    progress.close()
    rows = RunFolder(tmp_path).read_metrics()
    assert [row["step"] for row in rows] == [20, 40, 45]
    assert rows[0]["losses"] == {"keypoint": 2.0, "logit": 0.5}
    assert (rows[0]["epoch"], rows[0]["lr"]) == (1, 0.25)
    assert all(row["images_per_s"] > 0 for row in rows)


def test_a_resumed_run_counts_on(tmp_path: Path) -> None:
    progress = _progress(tmp_path, step=30)
    _take(progress, 12)
    progress.close()
    assert [row["step"] for row in RunFolder(tmp_path).read_metrics()] == [40]


def test_the_bar_shows_losses_speed_epoch_and_best_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = _progress(tmp_path)
    _take(progress, 20)
    progress.scores({"whole/AP": 12.5}, SHEET, epoch=1, best=12.5)
    _take(progress, 25)
    progress.close()
    shown = capsys.readouterr().err
    for part in ("example", "45/45", "epoch=2/2", "loss=2.5", "keypoint=2", "logit=0.5"):
        assert part in shown
    assert "images/s=" in shown
    assert "best whole/AP=12.50" in shown


def test_an_evaluation_is_recorded_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    progress = _progress(tmp_path)
    progress.scores({"whole/AP": 12.5, "body/AP": 30.0}, SHEET, epoch=1, best=13.0)
    progress.close()
    (row,) = RunFolder(tmp_path).read_metrics()
    assert row["scores"] == {"whole/AP": 12.5, "body/AP": 30.0}
    assert "epoch 2: whole/AP 12.50, best 13.00" in caplog.text


def test_time_of_an_evaluation_is_no_time_of_steps(tmp_path: Path) -> None:
    progress = _progress(tmp_path, total_steps=20)
    _take(progress, 10)
    progress._last -= 1000  # as if the evaluation had taken so many seconds
    progress.skip_pause()
    _take(progress, 10)
    progress.close()
    assert RunFolder(tmp_path).read_metrics()[0]["images_per_s"] > 4 * 20 / 1000


@pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is not None, reason="TensorBoard is installed"
)
def test_without_tensorboard_one_line_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _progress(tmp_path).close()
    assert [text for text in caplog.messages if "TensorBoard" in text] == [
        "no TensorBoard record: `pip install tensorboard` for one"
    ]
    assert not (tmp_path / "tensorboard").exists()


def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    progress = _progress(tmp_path)
    _take(progress, 20)
    progress.scores({"whole/AP": 12.5}, SHEET, epoch=1, best=13.0)
    progress.close()
    events = reading.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    (loss,) = events.Scalars("losses/keypoint")
    assert (loss.step, loss.value) == (20, 2.0)
    assert [score.value for score in events.Scalars("scores/whole/AP")] == [12.5]
    assert events.Tags()["images"] == ["sheet"]


@pytest.mark.parametrize("rows", [[], [{"step": 4, "scores": {"whole/AP": 3.0}}]])
def test_curves_are_drawn_of_whatever_there_is(tmp_path: Path, rows: list[object]) -> None:
    draw_curves(rows, tmp_path / "curves.png")  # type: ignore[arg-type]  # rows of some kinds
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
