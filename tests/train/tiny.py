"""Tiny recipes on drawn people, for tests of whole runs."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch

from posedistill.recipes import get
from posedistill.train.recipe import Recipe, override

OVERRIDES = (
    "model.input_size_wh=(64, 64)",
    "data.train_count=32",
    "data.val_count=4",
    "batch_size=8",
    "num_workers=0",
    "precision=32-true",
    "save_every=2",
    "optim.warmup_steps=2",
)


def tiny(name: str, *more: str) -> Recipe:
    """Give a recipe of drawn people at a size that steps in a fraction of a second."""
    return override(get(name), [*OVERRIDES, *more])


def command_line(name: str, run_dir: Path, *, more: Sequence[str] = ()) -> list[str]:
    """Give the arguments of `posedistill train` for the same recipe."""
    sets = [word for assignment in (*OVERRIDES, *more) for word in ("--set", assignment)]
    return ["train", name, "--run", str(run_dir), *sets]


def state(run_dir: Path) -> dict[str, torch.Tensor]:
    """Give the weights of a run's last state."""
    saved = torch.load(run_dir / "last.pt", weights_only=True)
    weights: dict[str, torch.Tensor] = saved["objective"]
    return weights


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Give the largest absolute difference of any weight; the names must be the same."""
    assert one.keys() == other.keys()
    return max(float((one[key].double() - other[key].double()).abs().max()) for key in one)


def losses(run_dir: Path, name: str | None = None) -> list[float]:
    """Give the losses of a name that a run logged, in order; the totals without a name."""
    lines = (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    logged = [row["losses"] for row in rows if "losses" in row]
    return [sum(row.values()) if name is None else row[name] for row in logged]
