"""Whole runs of online distillation: the best branch is kept, named, and used like any model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from posedistill.evaluate.predictions import read_predictions
from posedistill.export.onnx import export_onnx
from posedistill.models import build, load
from posedistill.runtime.estimator import Estimator
from posedistill.train.fit import fit
from tests.train.tiny import largest_difference, state, tiny

SIMCC, HOURGLASS = "drawn-okd-rtmpose-n", "drawn-okdhp-hourglass-2-narrow"
BRANCHES = ["branch 1", "branch 2", "branch 3"]


def _rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").open(encoding="utf-8")]


def test_a_run_names_the_best_branch_and_keeps_it_as_a_plain_model(tmp_path: Path) -> None:
    run = tmp_path / "run"
    best_by = "best_by=face/PCK@0.02"
    fit(tiny(SIMCC, "epochs=4", "evaluate_every=1", best_by), run)
    told = json.loads((run / "best.json").read_text(encoding="utf-8"))
    assert list(told["scores"]) == [*BRANCHES, "ensemble"]
    judged = [row["judged"] for row in _rows(run) if "judged" in row]
    merits = {
        (epoch + 1, name): scores[name]["face/PCK@0.02"]
        for epoch, scores in enumerate(judged)
        for name in BRANCHES
    }
    assert len(merits) == 12
    assert merits[told["epoch"], told["model"]] == max(merits.values())

    plain = build("rtmpose-n", input_size_wh=(64, 64))
    assert load(run).state_dict().keys() == plain.state_dict().keys()
    for number in (1, 2, 3):
        assert len(read_predictions(run / f"predictions-branch-{number}.json")) == 4


def test_a_stopped_run_goes_on_with_the_same_weights_and_the_same_branch(tmp_path: Path) -> None:
    recipe = tiny(SIMCC, "epochs=3", "evaluate_every=1", "optim.warmup_steps=100")
    whole = fit(recipe, tmp_path / "whole")
    fit(recipe, tmp_path / "broken", stop_at=5)
    resumed = fit(recipe, tmp_path / "broken")
    assert largest_difference(state(tmp_path / "whole"), state(tmp_path / "broken")) <= 1e-6
    assert largest_difference(whole.state_dict(), resumed.state_dict()) <= 1e-6
    saved = [
        torch.load(tmp_path / name / "last.pt", weights_only=True)["held"]["best"].item()
        for name in ("whole", "broken")
    ]
    told = json.loads((tmp_path / "whole" / "best.json").read_text(encoding="utf-8"))
    assert saved == [BRANCHES.index(told["model"])] * 2


def test_an_hourglass_trained_online_goes_through_all_that_a_model_does(tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit(tiny(HOURGLASS, "epochs=1"), run)
    student = load(run)
    assert student.spec.architecture == "hourglass-2-narrow"
    report = export_onnx(student, tmp_path / "student.onnx")
    assert report.max_difference < 1e-3 * max(report.largest_output, 1)
    image = np.random.default_rng(0).integers(0, 255, (90, 70, 3)).astype(np.uint8)
    by_torch = Estimator(student)(image, [[5, 5, 60, 80]])
    by_file = Estimator(tmp_path / "student.onnx")(image, [[5, 5, 60, 80]])
    np.testing.assert_allclose(by_torch.scores, by_file.scores, atol=1e-4)

    second = tmp_path / "second"
    model = fit(tiny("drawn-stage2-n", f"teacher={run}"), second)
    assert largest_difference(model.backbone.state_dict(), student.backbone.state_dict()) == 0
    assert load(second).spec == student.spec


def test_branches_that_do_not_fit_are_told_before_the_first_step(tmp_path: Path) -> None:
    recipe = tiny(SIMCC, "objective.branches=('rtmpose-n', 'rtmpose-t')")
    with pytest.raises(ValueError, match="rtmpose-t and rtmpose-n cannot share 5 stages"):
        fit(recipe, tmp_path / "run")
