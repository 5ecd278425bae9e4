"""The whole street, tiny: pre-training, teacher, stage one, stage two, and the file at the end."""

from pathlib import Path

import numpy as np
import pytest

from posedistill.export.onnx import export_onnx
from posedistill.models import load
from posedistill.runtime.estimator import Estimator
from posedistill.train.compare import compare_runs, comparison_table, prediction_sheet
from posedistill.train.data import DrawnData
from posedistill.train.fit import fit
from tests.train.tiny import losses, tiny


@pytest.mark.slow
def test_each_stage_lowers_its_own_loss_and_the_student_ships(tmp_path: Path) -> None:
    run = ["epochs=15", "evaluate_every=100", "save_every=1000"]
    pretrain, teacher = tmp_path / "pretrain", tmp_path / "teacher"
    fit(tiny("drawn-pretrain-n", *run), pretrain)
    start = f"model.backbone_from={pretrain}"
    fit(tiny("drawn-rtmpose-n", *run, start), teacher)
    stage_one, stage_two = tmp_path / "stage1", tmp_path / "stage2"
    taught = f"objective.teacher={teacher}"
    fit(tiny("drawn-stage1-n", *run, start, taught, "objective.decay=False"), stage_one)
    fit(tiny("drawn-stage2-n", *run, f"objective.teacher={stage_one}"), stage_two)
    for folder in (pretrain, stage_two):
        seen = losses(folder)
        assert seen[-1] < 0.9 * seen[0], folder.name
    # In eight people the keypoint and feature losses leap about; what the teacher says does not.
    seen = losses(stage_one, "logit")
    assert seen[-1] < 0.5 * seen[0]

    student = load(stage_two)
    report = export_onnx(student, tmp_path / "student.onnx")
    assert report.max_difference < 1e-3 * max(report.largest_output, 1)
    assert b"site-packages" not in (tmp_path / "student.onnx").read_bytes()
    image = np.random.default_rng(0).integers(0, 255, (90, 70, 3)).astype(np.uint8)
    by_torch = Estimator(student)(image, [[5, 5, 60, 80]])
    by_file = Estimator(tmp_path / "student.onnx")(image, [[5, 5, 60, 80]])
    np.testing.assert_allclose(by_torch.scores, by_file.scores, atol=1e-3)

    runs = {"teacher": teacher, "stage two": stage_two}
    validation = DrawnData(val_count=4).validation(tmp_path)
    table = comparison_table(compare_runs(runs, validation))
    assert table.count("\n") == 1 + len(runs)
    sheet = prediction_sheet(runs, validation, num_people=2)
    assert sheet.shape[1] == 192 * (1 + len(runs))
