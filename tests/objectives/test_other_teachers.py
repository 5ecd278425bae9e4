"""Stage one with teachers of any kind, and with a teacher whose answers are kept."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from posedistill.datasets.drawn import DrawnPeople
from posedistill.losses import heatmap_mse, logit_kl
from posedistill.models import PoseModel, build
from posedistill.objectives.dwpose import StageOne, StageOneConfig
from posedistill.objectives.objective import Batch
from posedistill.teachers import Answer, Frozen, Joined, OnnxTeacher, Teacher
from posedistill.train.augment import AugmentConfig
from posedistill.train.batches import Key, TrainSamples, collate
from tests.random_batch import random_batch
from tests.weight_rule import fill

WriteModel = Callable[..., Path]
SIZE_WH = (48, 64)


def _model(name: str, skeleton: str = "coco17", size_wh: tuple[int, int] = SIZE_WH) -> PoseModel:
    model = build(name, skeleton, size_wh)
    fill(model, 1.4, prefix=f"{name}.")
    return model


def _losses(objective: StageOne, batch: Batch) -> dict[str, Tensor]:
    losses: dict[str, Tensor] = objective(batch, 0.0)
    return losses


def _kinds(write_dot_model: WriteModel) -> dict[str, Teacher]:
    same = Frozen(_model("rtmpose-s"))
    return {
        "onnx": OnnxTeacher(write_dot_model()),
        "larger": Frozen(_model("rtmpose-s", "coco17", (72, 96))),
        "joined": Joined([same, same]),
    }


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("onnx", "the teacher (dot-finder) gives logits only"),
        ("larger", "the teacher takes 72x96 crops, the student 48x64"),
        ("joined", "the teacher (rtmpose-s) gives logits only"),
    ],
)
def test_the_feature_loss_is_off_where_there_are_no_features_and_that_is_said_once(
    kind: str, words: str, write_dot_model: WriteModel, caplog: pytest.LogCaptureFixture
) -> None:
    teacher = _kinds(write_dot_model)[kind]
    with caplog.at_level(logging.INFO, "posedistill.objectives"):
        objective = StageOne(_model("rtmpose-n"), teacher, StageOneConfig())
        batch = random_batch(objective.model, 2)
        losses = [_losses(objective, batch) for _ in range(2)]
    assert list(losses[0]) == ["keypoint", "logit"]
    assert isinstance(objective.align, nn.Identity)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert caplog.records[0].getMessage() == f"no feature loss: {words}"


def test_nothing_is_said_where_no_feature_loss_was_asked_for(
    write_dot_model: WriteModel, caplog: pytest.LogCaptureFixture
) -> None:
    teacher = OnnxTeacher(write_dot_model())
    with caplog.at_level(logging.INFO, "posedistill.objectives"):
        StageOne(_model("rtmpose-n"), teacher, StageOneConfig(alpha=0.0))
    assert caplog.records == []


def test_joints_that_the_teacher_lacks_get_no_logit_loss() -> None:
    student, teacher = _model("rtmpose-n", "wholebody133"), Frozen(_model("rtmpose-n"))
    objective = StageOne(student, teacher, StageOneConfig(beta=1.0)).eval()
    batch = random_batch(student, 2)
    outputs, wanted = student(batch.images), teacher.answer(batch.images).logits
    mean = logit_kl(outputs[0][:, :17], outputs[1][:, :17], *wanted).item()
    assert _losses(objective, batch)["logit"].item() == pytest.approx(mean)


def test_heatmap_students_take_other_teachers_too() -> None:
    student = _model("cspnext-n-heatmap", "wholebody133")
    teacher = Frozen(_model("cspnext-n-heatmap", "coco17"))
    objective = StageOne(student, teacher, StageOneConfig(beta=1.0)).eval()
    batch = random_batch(student, 2)
    (maps,), (wanted,) = student(batch.images), teacher.answer(batch.images).logits
    error = 1000 * heatmap_mse(maps[:, :17], wanted, torch.ones(2, 17))
    assert _losses(objective, batch)["logit"].item() == pytest.approx(error.item())


class _Counting(Frozen):
    """Count the crops it is asked about."""

    num_asked = 0

    def answer(self, images: Tensor) -> Answer:
        self.num_asked += len(images)
        return super().answer(images)


def _samples(model: PoseModel, *, views: int) -> TrainSamples:
    return TrainSamples(
        DrawnPeople(4, seed=1, size=64),
        model.spec.codec,
        seed=3,
        early=AugmentConfig(),
        late=AugmentConfig(dropout=0.0),
        late_epoch=3,
        views=views,
    )


def test_a_kept_teacher_teaches_as_one_that_is_asked_every_time(tmp_path: Path) -> None:
    student = _model("rtmpose-n", "wholebody133")
    teacher = _Counting(_model("rtmpose-t", "wholebody133"))
    torch.manual_seed(0)
    plain = StageOne(student, teacher, StageOneConfig()).eval()
    kept = StageOne(student, teacher, StageOneConfig(teacher_cache=str(tmp_path / "kept"))).eval()
    kept.align.load_state_dict(plain.align.state_dict())
    samples = _samples(student, views=2)
    assert kept.training_samples(samples, tmp_path / "run") is samples
    for epoch in range(6):
        batch = collate([samples[Key(epoch, person, epoch)] for person in (2, 0, 3)])
        wanted = _losses(plain, batch)
        teacher.num_asked = 0
        losses = _losses(kept, batch)
        assert teacher.num_asked == (0 if epoch in (2, 5) else 3)  # late ones are others
        assert list(losses) == ["keypoint", "feature", "logit"]
        for name, loss in losses.items():
            assert loss.item() == pytest.approx(wanted[name].item(), rel=1e-3)


def test_onnx_teachers_of_another_skeleton_can_be_kept(
    write_dot_model: WriteModel, tmp_path: Path
) -> None:
    student, teacher = _model("rtmpose-n", "wholebody133"), OnnxTeacher(write_dot_model())
    config = StageOneConfig(teacher_cache=str(tmp_path / "kept"))
    kept, plain = StageOne(student, teacher, config), StageOne(student, teacher, StageOneConfig())
    samples = _samples(student, views=2)
    kept.training_samples(samples, tmp_path)
    batch = collate([samples[Key(0, person, 0)] for person in (2, 0)])
    wanted = _losses(plain.eval(), batch)["logit"].item()
    for _ in range(2):
        assert _losses(kept.eval(), batch)["logit"].item() == pytest.approx(wanted, rel=1e-3)


def test_a_cache_needs_views_and_a_teacher_that_keeps_still(tmp_path: Path) -> None:
    student, config = _model("rtmpose-n"), StageOneConfig(teacher_cache=str(tmp_path / "kept"))
    still = StageOne(student, Frozen(_model("rtmpose-t")), config)
    with pytest.raises(ValueError, match="drawn anew in every epoch.*--set views=4"):
        still.training_samples(_samples(student, views=0), tmp_path)
    moving = StageOne(student, Frozen(_model("rtmpose-t"), batch_statistics=True), config)
    with pytest.raises(ValueError, match="teacher_cache keeps the teacher's answers, but with"):
        moving.training_samples(_samples(student, views=2), tmp_path)
    assert not (tmp_path / "kept").exists()


def test_without_a_cache_nothing_is_kept(tmp_path: Path) -> None:
    objective = StageOne(_model("rtmpose-n"), Frozen(_model("rtmpose-t")), StageOneConfig())
    samples = _samples(objective.model, views=0)
    assert objective.training_samples(samples, tmp_path) is samples
    assert list(tmp_path.iterdir()) == []
