"""Distillation without labels: what the loss is, what moves, and a student of a few photos."""

import copy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.autograd import backward

from posedistill.codecs import Codec
from posedistill.datasets.instance import PoseDataset
from posedistill.losses import heatmap_mse, logit_kl
from posedistill.media import write_image
from posedistill.models import PoseModel, build
from posedistill.objectives.objective import Batch
from posedistill.objectives.teacher_only import LogitsOnly, LogitsOnlyConfig
from posedistill.teachers import Frozen
from posedistill.train.augment import AugmentConfig
from posedistill.train.batches import KeyBatches, TrainSamples, make_loader
from posedistill.train.data import UnlabelledData
from tests.random_batch import random_batch
from tests.weight_rule import fill


@cache
def _filled(name: str, prefix: str) -> PoseModel:
    model = build(name, "coco17", (64, 96))
    fill(model, 1.6, prefix=prefix)
    return model


def _objective(
    config: LogitsOnlyConfig | None = None,
    *,
    student: str = "rtmpose-t",
    teacher: str = "rtmpose-s",
) -> LogitsOnly:
    frozen = Frozen(copy.deepcopy(_filled(teacher, "teacher.")))
    model = copy.deepcopy(_filled(student, "student."))
    return LogitsOnly(model, frozen, config or LogitsOnlyConfig())


def _network(objective: LogitsOnly) -> PoseModel:
    """Give the network of the teacher."""
    assert isinstance(objective.teacher, Frozen)
    return objective.teacher.model


def _loss(objective: LogitsOnly, batch: Batch, progress: float = 0.0) -> float:
    with torch.inference_mode():
        losses: dict[str, Tensor] = objective(batch, progress)
    assert list(losses) == ["logit"]
    return losses["logit"].item()


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def _changed(before: dict[str, Tensor], module: nn.Module) -> set[str]:
    after = module.state_dict()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def _take_steps(objective: LogitsOnly, batch: Batch, count: int) -> None:
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-4)
    for step in range(count):
        losses = objective.train()(batch, step / count)
        optimizer.zero_grad()
        backward(losses["logit"])
        optimizer.step()


def test_the_loss_is_that_of_the_logits() -> None:
    objective = _objective().eval()
    batch = random_batch(objective.model, 2)
    with torch.inference_mode():
        wanted = logit_kl(*objective.model(batch.images), *_network(objective)(batch.images))
    assert _loss(objective, batch) == pytest.approx(wanted.item(), rel=1e-5)


def test_heatmap_models_are_distilled_by_the_squared_error_of_their_maps() -> None:
    objective = _objective(student="cspnext-t-heatmap", teacher="cspnext-s-heatmap").eval()
    batch = random_batch(objective.model, 2)
    with torch.inference_mode():
        maps = objective.model(batch.images)[0], _network(objective)(batch.images)[0]
    wanted = 1000 * heatmap_mse(*maps, torch.ones(2, len(maps[0][0])))
    assert _loss(objective, batch) == pytest.approx(wanted.item(), rel=1e-5)


def test_neither_labels_nor_progress_change_the_loss() -> None:
    objective = _objective().eval()
    batch = random_batch(objective.model, 2)
    targets = tuple(torch.full_like(target, torch.nan) for target in batch.targets)
    unlabelled = batch._replace(targets=targets, weights=torch.zeros_like(batch.weights))
    assert _loss(objective, unlabelled, 0.9) == _loss(objective, batch)


def test_gamma_scales_the_loss() -> None:
    once, thrice = _objective().eval(), _objective(LogitsOnlyConfig(gamma=3.0)).eval()
    batch = random_batch(once.model, 2)
    assert _loss(thrice, batch) == pytest.approx(3 * _loss(once, batch), rel=1e-5)


def test_a_student_that_equals_its_teacher_has_nothing_to_learn() -> None:
    objective = _objective(student="rtmpose-t", teacher="rtmpose-t").eval()
    batch = random_batch(objective.model, 2)
    assert _loss(objective, batch) > 0.1
    objective.model.load_state_dict(_network(objective).state_dict())
    assert _loss(objective, batch) == pytest.approx(0, abs=1e-6)


def test_all_of_the_student_moves_and_nothing_of_the_teacher() -> None:
    objective = _objective()
    student, teacher = _state(objective.model), _state(_network(objective))
    _take_steps(objective, random_batch(objective.model, 3), 3)
    assert _changed(student, objective.model) == set(student)
    assert _changed(teacher, _network(objective)) == set()
    assert {name.split(".")[0] for name in objective.state_dict()} == {"model"}
    assert objective.deployable() is objective.model


def test_joints_that_the_teacher_does_not_know_stay_untaught() -> None:
    torch.manual_seed(0)
    student = build("rtmpose-n", "wholebody133", (64, 96))
    teacher = Frozen(copy.deepcopy(_filled("rtmpose-t", "teacher.")))
    objective = LogitsOnly(student, teacher, LogitsOnlyConfig()).eval()
    batch = random_batch(student, 2)
    with torch.inference_mode():
        body = [rows[:, :17] for rows in student(batch.images)]
        wanted = logit_kl(body[0], body[1], *teacher.model(batch.images))
    assert _loss(objective, batch) == pytest.approx(wanted.item(), rel=1e-4)


def test_a_teacher_that_cannot_be_fitted_is_refused() -> None:
    teacher = Frozen(copy.deepcopy(_filled("rtmpose-t", "teacher.")))
    with pytest.raises(ValueError, match="the teacher gives simcc, the student heatmap"):
        LogitsOnly(_filled("cspnext-t-heatmap", "student."), teacher, LogitsOnlyConfig())


def _photo_batch(data: PoseDataset, codec: Codec) -> Batch:
    plain = AugmentConfig()
    samples = TrainSamples(data, codec, seed=0, early=plain, late=plain, late_epoch=1)
    count = len(data.instances)
    keys = KeyBatches(data, count, seed=0, steps=range(1), rank=0, world_size=1)
    batch: Batch = next(iter(make_loader(samples, keys, num_workers=0)))
    return batch


def test_a_student_learns_from_six_photos_without_labels(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    for number in range(6):
        noise = rng.integers(0, 256, (12, 9, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        (tmp_path / "photos").mkdir(exist_ok=True)
        write_image(tmp_path / "photos" / f"{number}.jpg", noise)
    torch.manual_seed(0)
    student, teacher = (build("rtmpose-n", "wholebody133", (64, 96)) for _ in range(2))
    fill(teacher, 1.6, prefix="teacher.")
    objective = LogitsOnly(student, Frozen(teacher), LogitsOnlyConfig())
    data = UnlabelledData(source=str(tmp_path / "photos"), whole_image=True).training()
    batch = _photo_batch(data, student.spec.codec)
    assert batch.images.shape == (6, 3, 96, 64)
    assert not batch.weights.any()
    before = objective.train()(batch, 0.0)["logit"].item()
    _take_steps(objective, batch, 8)
    assert objective.train()(batch, 0.0)["logit"].item() < 0.7 * before
