"""Stage two on stored features: the same training as on images, without images."""

import copy
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, distributed
from torch.autograd import backward
from torch.utils.data import Dataset

from posedistill.datasets.drawn import DrawnPeople
from posedistill.models import build
from posedistill.objectives import stored
from posedistill.objectives.dwpose import STORED, StageTwo, StageTwoConfig
from posedistill.objectives.objective import Batch
from posedistill.objectives.stored import StoredSamples
from posedistill.teachers import Frozen
from posedistill.train.augment import AugmentConfig
from posedistill.train.batches import Key, KeyBatches, TrainSamples, make_loader
from tests.weight_rule import fill

SIZE_WH = (48, 64)
any_head = pytest.mark.parametrize("name", ["rtmpose-n", "cspnext-n-heatmap"])


def _objective(name: str, *, cached_views: int, batch_statistics: bool = False) -> StageTwo:
    teacher, fresh = build(name, "wholebody133", SIZE_WH), build(name, "wholebody133", SIZE_WH)
    fill(teacher, 1.4, prefix="teacher.")
    fill(fresh, 1.4, prefix="student.")
    frozen = Frozen(teacher, batch_statistics=batch_statistics)
    return StageTwo(fresh.head, frozen, StageTwoConfig(cached_views=cached_views))


def _samples(objective: StageTwo, *, views: int, count: int = 8) -> TrainSamples:
    return TrainSamples(
        DrawnPeople(count, seed=1, size=64),
        objective.teacher.spec.codec,
        seed=3,
        early=AugmentConfig(),
        late=AugmentConfig(dropout=0.0),
        late_epoch=3,
        views=views,
    )


def _loader(samples: Dataset[Batch], *, views: int, num_workers: int = 0) -> Iterator[Batch]:
    keys = KeyBatches(
        DrawnPeople(8, size=64), 4, seed=3, steps=range(10), rank=0, world_size=1, views=views
    )
    return iter(make_loader(samples, keys, num_workers=num_workers))


def _train(objective: StageTwo, batches: Iterator[Batch]) -> list[float]:
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-4)
    losses = []
    for batch in batches:
        objective.train()
        loss = objective(batch, 0.0)["logit"]
        optimizer.zero_grad()
        backward(loss)
        optimizer.step()
        losses.append(loss.item())
    return losses


@any_head
def test_training_on_stored_features_equals_training_on_images(name: str, tmp_path: Path) -> None:
    plain, cached = _objective(name, cached_views=0), _objective(name, cached_views=2)
    samples = _samples(plain, views=2)
    assert plain.training_samples(samples, tmp_path) is samples
    wanted = _train(plain, _loader(samples, views=2))
    data = cached.training_samples(_samples(cached, views=0), tmp_path)
    losses = _train(cached, _loader(data, views=0))
    assert losses == pytest.approx(wanted, rel=1e-3)
    assert wanted[-1] < 0.95 * wanted[0]
    for key, value in plain.head.state_dict().items():
        torch.testing.assert_close(cached.head.state_dict()[key], value, atol=1e-3, rtol=1e-3)


def test_a_stored_batch_holds_features_and_logits_and_no_image(tmp_path: Path) -> None:
    objective = _objective("rtmpose-n", cached_views=2)
    samples = _samples(objective, views=2)
    data = objective.training_samples(samples, tmp_path)
    key = Key(4, 5, 4)  # late
    sample, image = data[key], samples[key].images[None]
    assert (sample.images.numel(), int(sample.indices), int(sample.views)) == (0, 5, 2)
    answer = objective.teacher.answer(image)
    assert answer.features is not None
    wanted = (*answer.logits, answer.features[-1])
    for row, value in zip((*sample.targets, *sample.features), wanted, strict=True):
        assert row.dtype == torch.float16
        # kernels differ a little with the number of crops in a batch
        torch.testing.assert_close(row.float(), value[0], rtol=2e-3, atol=1e-3)


def test_heads_that_look_at_all_maps_get_all_maps(tmp_path: Path) -> None:
    objective = _objective("cspnext-n-heatmap", cached_views=1)
    data = objective.training_samples(_samples(objective, views=0), tmp_path)
    shapes = [tuple(part.shape) for part in data[Key(0, 0, 0)].features]
    assert shapes == [(32, 16, 12), (64, 8, 6), (128, 4, 3), (256, 2, 2)]


class _Unseen(TrainSamples):
    """Samples that may not be made."""

    def __getitem__(self, key: Key) -> Batch:
        raise AssertionError(f"an image was decoded for {key}")


def _unseen(samples: TrainSamples) -> _Unseen:
    twin = copy.copy(samples)
    twin.__class__ = _Unseen
    assert isinstance(twin, _Unseen)
    return twin


@pytest.mark.parametrize("num_workers", [0, 1])
def test_what_is_stored_is_not_computed_again(num_workers: int, tmp_path: Path) -> None:
    objective = _objective("rtmpose-n", cached_views=2)
    samples = _samples(objective, views=2)
    first = objective.training_samples(samples, tmp_path, num_workers=num_workers)
    again = objective.training_samples(_unseen(samples), tmp_path)
    pairs = zip(
        _loader(first, views=2), _loader(again, views=2, num_workers=num_workers), strict=True
    )
    for one, other in pairs:
        assert torch.equal(one.indices, other.indices)
        assert torch.equal(one.features[0], other.features[0])


def test_a_fill_that_was_broken_off_goes_on_where_it_stood(tmp_path: Path) -> None:
    objective = _objective("rtmpose-n", cached_views=2)
    samples = _samples(objective, views=2)
    begun = StoredSamples(samples, objective.teacher, tmp_path / STORED)
    done = samples.keys_of_all()[:5]
    for batch in samples.batches([done], num_workers=0):
        answer = objective.teacher.answer(batch.images)
        assert answer.features is not None
        parts = [part.numpy() for part in (*answer.logits, answer.features[-1])]
        rows = batch.indices.numpy() * samples.num_draws + batch.views.numpy()
        begun.store.write(rows, parts)
    with pytest.raises(ValueError, match="lacks draw 1 of person 7; .* start the run again"):
        begun[Key(1, 7, 1)]
    before = begun[done[0]].features[0].clone()
    data = objective.training_samples(samples, tmp_path)
    assert torch.equal(data[done[0]].features[0], before)
    assert all(data[key].features for key in samples.keys_of_all())


def test_processes_share_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = _objective("rtmpose-n", cached_views=2)
    samples = _samples(objective, views=2)
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 3)
    known = []
    for rank in range(3):
        monkeypatch.setattr(distributed, "get_rank", lambda rank=rank: rank)
        data = objective.training_samples(samples, tmp_path)
        assert isinstance(data, StoredSamples)
        known.append(int(data.store.find(np.arange(32))[0].sum()))
    assert known == [11, 22, 32]


def test_it_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    objective = _objective("rtmpose-n", cached_views=2)
    monkeypatch.setattr(stored, "_SECONDS_A_LINE", 0)
    monkeypatch.setattr(stored, "_KEYS_A_BATCH", 20)
    with caplog.at_level(logging.INFO):
        objective.training_samples(_samples(objective, views=2), tmp_path)
    assert caplog.records[-1].getMessage() == f"{tmp_path / STORED}: 2 of 2 batches"


def _refused(**changes: Any) -> tuple[StageTwo, TrainSamples]:  # Any: settings of two kinds
    views = changes.pop("views", 0)
    objective = _objective("rtmpose-n", cached_views=2, **changes)
    return objective, _samples(objective, views=views)


def test_what_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    objective, samples = _refused(batch_statistics=True)
    with pytest.raises(ValueError, match="cached_views keeps the teacher's answers, but with"):
        objective.training_samples(samples, tmp_path)
    objective, samples = _refused(views=3)
    with pytest.raises(ValueError, match="uses 3 views of each sample, 2 are to be kept"):
        objective.training_samples(samples, tmp_path)


def test_features_of_another_teacher_are_refused(tmp_path: Path) -> None:
    objective, samples = _refused()
    objective.training_samples(samples, tmp_path)
    other = _objective("rtmpose-n", cached_views=2)
    fill(other.teacher.model, 1.1)
    with pytest.raises(ValueError, match="teacher differ; delete that folder"):
        other.training_samples(samples, tmp_path)


@any_head
def test_stage_two_learns_any_head_from_images(name: str) -> None:
    objective = _objective(name, cached_views=0)
    before = {key: value.clone() for key, value in objective.teacher.model.state_dict().items()}
    losses = _train(objective, _loader(_samples(objective, views=1), views=1))
    assert losses[-1] < losses[0]
    after: dict[str, Tensor] = objective.teacher.model.state_dict()
    assert all(torch.equal(before[key], value) for key, value in after.items())
