"""Recipes of online distillation: the published schedule, and one run on MPII's files."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from posedistill.media import write_image
from posedistill.models import load
from posedistill.objectives.online import OnlineConfig
from posedistill.recipes import get
from posedistill.train.fit import fit
from posedistill.train.optim import learning_rate
from posedistill.train.recipe import Recipe, override
from tests.mpii_files import row, write_ground_truth, write_list

SMALL = (
    "model.name=hourglass-2-narrow",
    "model.input_size_wh=(64, 64)",
    "batch_size=4",
    "epochs=1",
    "num_workers=0",
    "precision=32-true",
)


def _differences(one: Recipe, other: Recipe) -> set[str]:
    names = (item.name for item in fields(Recipe))
    return {name for name in names if getattr(one, name) != getattr(other, name)}


@pytest.mark.parametrize(("name", "epochs"), [("hourglass-2", 150), ("hourglass-2-coco-384", 140)])
def test_the_learning_rate_falls_after_epochs_90_and_120(name: str, epochs: int) -> None:
    recipe, per_epoch = get(name), 1390
    assert recipe.epochs == epochs
    rates = [
        learning_rate(step, epochs * per_epoch, config=recipe.optim)
        for epoch in (0, 90, 120, epochs)
        for step in (epoch * per_epoch - 1, epoch * per_epoch)
    ]
    wanted = [2.5e-4, 2.5e-5, 2.5e-6]
    assert rates[1:7] == pytest.approx([wanted[0]] * 2 + [wanted[1]] * 2 + [wanted[2]] * 2)


@pytest.mark.parametrize(
    ("alone", "online"),
    [
        ("hourglass-8", "okdhp-hourglass-8"),
        ("hourglass-4", "okdhp-hourglass-4-unbalanced"),
        ("hourglass-4", "okdhp-hourglass-4-reference"),
        ("mobilenetv2", "okdhp-mobilenetv2"),
        ("hourglass-2-coco-384", "okdhp-hourglass-2-coco-384"),
        ("rtmpose-m", "okd-rtmpose-m"),
        ("rtmpose-t-body", "okd-rtmpose-t-body"),
    ],
)
def test_branches_train_as_the_network_alone_does(alone: str, online: str) -> None:
    one, other = get(alone), get(online)
    assert _differences(one, other) == {"name", "objective", "expected"}
    assert isinstance(other.objective, OnlineConfig)
    assert other.objective.supervised == one.objective


def _write_mpii(root: Path) -> Path:
    """Write eight people on noise, to train and to validate on alike."""
    rng = np.random.default_rng(0)
    for name in ("annot", "images"):
        (root / name).mkdir(parents=True)
    rows = [row(number, image=f"{number}.png") for number in range(8)]
    for record in rows:
        noise = rng.integers(0, 256, (180, 240, 3)).astype(np.uint8)
        write_image(root / "images" / record["image"], noise)
    for name in ("train", "valid"):
        write_list(root / "annot" / f"{name}.json", rows, with_images=False)
    write_ground_truth(root / "annot" / "gt_valid.mat", rows)
    return root


def test_a_run_on_mpii_picks_a_branch_by_pckh(tmp_path: Path) -> None:
    data, run = _write_mpii(tmp_path / "mpii"), tmp_path / "run"
    fit(override(get("okdhp-hourglass-4"), [*SMALL, f"data={data}"]), run)
    scores = json.loads((run / "best.json").read_text(encoding="utf-8"))["scores"]
    assert list(scores) == ["branch 1", "branch 2", "branch 3", "ensemble"]
    assert all(0 <= score["PCKh@0.5"] <= 100 for score in scores.values())
    spec = load(run).spec
    assert (spec.architecture, spec.skeleton) == ("hourglass-2-narrow", "mpii16")
