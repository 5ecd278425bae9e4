"""Whole runs: what they leave behind, that they resume exactly, on one process or two."""

import json
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from posedistill.datasets.drawn import DrawnPeople
from posedistill.datasets.instance import PoseDataset
from posedistill.media import read_image
from posedistill.models import load
from posedistill.runtime.estimator import Estimator
from posedistill.train.data import ValidationFiles
from posedistill.train.fit import fit
from tests.train.tiny import largest_difference, losses, state, tiny

ROOT = Path(__file__).resolve().parents[2]


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}


def test_a_run_leaves_recipe_versions_metrics_state_curves_and_best_model(tmp_path: Path) -> None:
    model = fit(tiny("drawn-rtmpose-n", "epochs=1"), tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {"recipe.json", "versions.json", "metrics.jsonl", "last.pt", "curves.png"}
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert rows[0]["step"] == 4
    assert "body/PCK@0.1" in rows[-1]["scores"]
    best = load(tmp_path / "run")
    assert largest_difference(best.state_dict(), model.state_dict()) == 0
    image = np.zeros((80, 60, 3), np.uint8)
    assert Estimator(best)(image, [[0, 0, 60, 80]]).keypoints.shape == (1, 133, 2)


def test_a_stopped_run_resumes_to_the_same_weights(tmp_path: Path) -> None:
    recipe = tiny("drawn-rtmpose-n", "epochs=2")
    fit(recipe, tmp_path / "whole")
    fit(recipe, tmp_path / "broken", stop_at=3)
    assert torch.load(tmp_path / "broken" / "last.pt", weights_only=True)["step"] == 3
    fit(recipe, tmp_path / "broken")
    assert largest_difference(state(tmp_path / "whole"), state(tmp_path / "broken")) <= 1e-6
    assert losses(tmp_path / "whole") == pytest.approx(losses(tmp_path / "broken"), rel=1e-5)


def test_a_stopped_run_resumes_with_the_statistics_that_its_teacher_had(tmp_path: Path) -> None:
    fit(tiny("drawn-rtmpose-n", "epochs=1"), tmp_path / "teacher")
    sets = [f"objective.teacher={tmp_path / 'teacher'}", "objective.teacher_batch_statistics=true"]
    recipe = tiny("drawn-stage2-n", *sets)
    whole = fit(recipe, tmp_path / "whole")
    fit(recipe, tmp_path / "broken", stop_at=2)
    resumed = fit(recipe, tmp_path / "broken")
    assert largest_difference(whole.state_dict(), resumed.state_dict()) <= 1e-6
    teacher = load(tmp_path / "teacher").backbone.state_dict()
    assert largest_difference(whole.backbone.state_dict(), teacher) > 1e-3


@dataclass(frozen=True)
class UntestedData:
    """Draw people to train on, none to evaluate on."""

    def training(self) -> PoseDataset:
        return DrawnPeople(16, size=64)

    def validation(self, run_dir: Path) -> ValidationFiles | None:
        return None


def test_without_validation_the_last_averaged_model_is_the_best(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    recipe = replace(tiny("drawn-rtmpose-n", "epochs=2"), data=UntestedData())  # type: ignore[arg-type]  # a kind of data of the test
    model = fit(recipe, tmp_path)
    assert largest_difference(load(tmp_path).state_dict(), model.state_dict()) == 0
    assert "epoch 2: there are no labels to evaluate on" in caplog.text
    assert not (tmp_path / "sheets").exists()


def test_each_evaluation_leaves_a_sheet_of_predictions(tmp_path: Path) -> None:
    fit(tiny("drawn-rtmpose-n", "epochs=4", "evaluate_every=2"), tmp_path)
    names = sorted(path.name for path in (tmp_path / "sheets").iterdir())
    assert names == ["epoch-0002.jpg", "epoch-0004.jpg"]
    assert read_image(tmp_path / "sheets" / names[0]).shape == (256, 4 * 192, 3)


def test_an_error_picks_the_model_with_the_lowest(tmp_path: Path) -> None:
    fit(tiny("drawn-pretrain-n", "epochs=4", "evaluate_every=1", "best_by=face/NME"), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
    errors = [row["scores"]["face/NME"] for row in rows if "scores" in row]
    assert len(errors) == 4
    saved = torch.load(tmp_path / "last.pt", weights_only=True)
    assert saved["best_score"] == -min(errors)


@pytest.mark.parametrize("option", ["channels_last=false", "views=1", "num_workers=1"])
def test_an_option_that_changes_no_number_leaves_the_losses_alone(
    tmp_path: Path, option: str
) -> None:
    run = ["epochs=1", "optim.warmup_steps=100"]  # a step at full rate would blow rounding up
    fit(tiny("drawn-rtmpose-n", *run), tmp_path / "plain")
    fit(tiny("drawn-rtmpose-n", *run, option), tmp_path / "other")
    assert losses(tmp_path / "other") == pytest.approx(losses(tmp_path / "plain"), rel=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler")
def test_a_compiled_run_learns_the_same(tmp_path: Path) -> None:
    fit(tiny("drawn-rtmpose-n", "epochs=1"), tmp_path / "teacher", stop_at=4)
    # stage two, as compiling a head takes seconds and a backbone minutes
    run = ["epochs=1", "optim.warmup_steps=100", f"teacher={tmp_path / 'teacher'}"]
    plain = fit(tiny("drawn-stage2-n", *run), tmp_path / "plain")
    compiled = fit(tiny("drawn-stage2-n", *run, "compile=true"), tmp_path / "compiled")
    assert largest_difference(plain.state_dict(), compiled.state_dict()) <= 1e-4
    assert load(tmp_path / "compiled").spec == plain.spec


@pytest.mark.slow
def test_two_processes_train_the_same_weights_as_one(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from tests.train.test_fit import five_steps; "
    script += "five_steps(Path(sys.argv[1]))"
    one, two = tmp_path / "one", tmp_path / "two"
    environment = _environment() | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    subprocess.run([sys.executable, "-c", script, one], env=environment, check=True)
    (tmp_path / "five.py").write_text(script, encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    result = subprocess.run(
        [*launch, tmp_path / "five.py", two], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert largest_difference(state(one), state(two)) <= 1e-5


def five_steps(run_dir: Path) -> None:
    """Take five steps of a run whose learning rate is that of a real one."""
    fit(tiny("drawn-rtmpose-n", "epochs=2", "optim.warmup_steps=100"), run_dir, stop_at=5)


def test_one_batch_can_be_learnt_by_heart(tmp_path: Path) -> None:
    plain = ["augment.flip=0", "augment.rotation=0", "augment.scale=(1.0, 1.0)", "augment.shift=0"]
    calm = ["augment.dropout=0", "augment.half_body=0", "augment.hsv=(0, 0, 0)"]
    calm += ["augment.blur=0", "augment.median_blur=0"]
    run = ["data.train_count=8", "epochs=60", "evaluate_every=100", "save_every=100"]
    late = [text.replace("augment.", "late_augment.") for text in (*plain, *calm)]
    fit(tiny("drawn-pretrain-n", *plain, *calm, *late, *run), tmp_path / "run")
    seen = losses(tmp_path / "run")
    assert seen[-1] < 0.5 * seen[0]


def test_another_recipe_may_not_go_on_in_the_folder(tmp_path: Path) -> None:
    fit(tiny("drawn-rtmpose-n", "epochs=1"), tmp_path / "run", stop_at=1)
    with pytest.raises(ValueError, match=r"optim\.lr differ"):
        fit(tiny("drawn-rtmpose-n", "epochs=1", "optim.lr=0.5"), tmp_path / "run")


def test_a_loss_that_is_not_finite_names_the_samples(tmp_path: Path) -> None:
    recipe = tiny("drawn-rtmpose-n", "epochs=1", "optim.lr=1e30", "optim.warmup_steps=0")
    with pytest.raises(ValueError, match=r"loss is not finite .* samples \[\d+"):
        fit(recipe, tmp_path / "run")


def test_a_distillation_without_teacher_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--set objective\.teacher="):
        fit(tiny("drawn-stage1-n"), tmp_path / "run")


def test_more_samples_a_step_than_there_are_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="batch_size 64 exceeds the 32"):
        fit(tiny("drawn-rtmpose-n", "batch_size=64"), tmp_path / "run")
