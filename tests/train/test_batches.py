"""Batches: the same samples for any number of processes and after any restart."""

from collections import Counter

import numpy as np
import pytest
import torch

from posedistill.codecs import Heatmap, SimCC
from posedistill.datasets.drawn import DrawnPeople
from posedistill.train.augment import AugmentConfig
from posedistill.train.batches import Key, KeyBatches, TrainSamples, collate, make_loader

CODEC = SimCC((48, 64), (2.45, 2.83))


def _keys(
    steps: range = range(12), *, rank: int = 0, world_size: int = 1, seed: int = 5
) -> list[list[Key]]:
    """Give the batches of 8 of 30 samples, so that an epoch has 3 steps."""
    return list(KeyBatches(30, 8, seed=seed, steps=steps, rank=rank, world_size=world_size))


@pytest.fixture(scope="module")
def samples() -> TrainSamples:
    early, late = AugmentConfig(), AugmentConfig(scale=(2.0, 2.0))
    people = DrawnPeople(6, seed=1, size=64)
    return TrainSamples(people, CODEC, seed=3, early=early, late=late, late_epoch=2)


@pytest.mark.parametrize("world_size", [2, 4])
def test_processes_together_see_what_one_would_see_at_each_step(world_size: int) -> None:
    shares = [_keys(rank=rank, world_size=world_size) for rank in range(world_size)]
    for step, wanted in enumerate(_keys()):
        parts = [share[step] for share in shares]
        assert [len(part) for part in parts] == [8 // world_size] * world_size
        assert Counter(key for part in parts for key in part) == Counter(wanted)


def test_an_epoch_shows_no_sample_twice() -> None:
    for epoch in range(4):
        keys = [key for batch in _keys()[3 * epoch : 3 * epoch + 3] for key in batch]
        assert {key.epoch for key in keys} == {epoch}
        assert len({key.person for key in keys}) == 24
        assert {key.person for key in keys} <= set(range(30))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    first, second, other = _keys()[0], _keys()[3], _keys(seed=6)[0]
    orders = {tuple(key.person for key in keys) for keys in (first, second, other)}
    assert len(orders) == 3
    assert _keys() == _keys()


@pytest.mark.parametrize("start", [0, 1, 3, 7, 12])
def test_a_resumed_run_goes_on_where_the_unbroken_one_would_be(start: int) -> None:
    assert _keys(range(start, 12)) == _keys()[start:]


def test_it_counts_its_steps() -> None:
    assert len(KeyBatches(30, 8, seed=0, steps=range(4, 9), rank=0, world_size=1)) == 5


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size 8 exceeds the 7 training samples"):
        KeyBatches(7, 8, seed=0, steps=range(1), rank=0, world_size=1)


def test_a_batch_that_processes_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size 8 must be divisible by the 3 processes"):
        KeyBatches(30, 8, seed=0, steps=range(1), rank=0, world_size=3)


def test_a_sample_can_be_made_again_from_its_key(samples: TrainSamples) -> None:
    first, again, next_epoch = samples[Key(0, 4)], samples[Key(0, 4)], samples[Key(1, 4)]
    assert torch.equal(first.images, again.images)
    assert all(torch.equal(a, b) for a, b in zip(first.targets, again.targets, strict=True))
    assert not torch.equal(first.images, next_epoch.images)
    assert int(first.indices) == int(next_epoch.indices) == 4


def _spread(samples: TrainSamples, epoch: int) -> float:
    """Give the mean distance of the likeliest x bins of a sample from their middle, in bins."""
    batch = samples[Key(epoch, 2)]
    shown = batch.weights > 0
    best = batch.targets[0].argmax(-1)[shown].float()
    return float((best - best.mean()).abs().mean())


def test_late_augmentation_takes_over_at_its_epoch() -> None:
    people = DrawnPeople(4, seed=1, size=64)
    plain = AugmentConfig(
        flip=0, half_body=0, shift_probability=0, scale=(1, 1), rotation_probability=0
    )
    far = AugmentConfig(
        flip=0, half_body=0, shift_probability=0, scale=(2, 2), rotation_probability=0
    )
    samples = TrainSamples(people, CODEC, seed=0, early=plain, late=far, late_epoch=2)
    spreads = [_spread(samples, epoch) for epoch in range(4)]
    assert spreads[0] == spreads[1]
    assert spreads[2] == spreads[3] == pytest.approx(spreads[0] / 2, rel=0.1)


def test_a_batch_stacks_its_samples_in_channels_last_memory(samples: TrainSamples) -> None:
    singles = [samples[Key(0, index)] for index in (2, 5, 0)]
    batch = collate(singles)
    assert batch.images.dtype == torch.uint8
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.images.shape == (3, 3, 64, 48)
    assert [tuple(target.shape) for target in batch.targets] == [(3, 133, 96), (3, 133, 128)]
    assert batch.weights.shape == (3, 133)
    assert batch.indices.tolist() == [2, 5, 0]
    for row, single in enumerate(singles):
        assert torch.equal(batch.images[row], single.images)
        assert torch.equal(batch.targets[1][row], single.targets[1])


def test_targets_are_those_of_the_codec() -> None:
    people, codec = DrawnPeople(2, size=64), Heatmap((48, 64))
    config = AugmentConfig()
    samples = TrainSamples(people, codec, seed=0, early=config, late=config, late_epoch=9)
    single = samples[Key(0, 0)]
    assert [tuple(target.shape) for target in single.targets] == [(133, 16, 12)]
    assert float(single.targets[0].max()) <= 1


@pytest.mark.parametrize("num_workers", [0, 2])
def test_workers_make_the_same_batches_as_no_workers(
    num_workers: int, samples: TrainSamples
) -> None:
    keys = KeyBatches(6, 2, seed=7, steps=range(2, 5), rank=0, world_size=1)
    batches = list(make_loader(samples, keys, num_workers=num_workers))
    wanted = [collate([samples[key] for key in batch]) for batch in keys]
    assert len(batches) == 3
    for seen, made in zip(batches, wanted, strict=True):
        assert torch.equal(seen.images, made.images)
        np.testing.assert_array_equal(seen.indices.numpy(), made.indices.numpy())
