"""Batches: the same samples for any number of processes and after any restart."""

import json
from collections import Counter

import numpy as np
import pytest
import torch

from posedistill.codecs import Heatmap, SimCC
from posedistill.datasets.drawn import DrawnPeople
from posedistill.datasets.joint import JointDataset, Source
from posedistill.objectives.objective import Batch
from posedistill.train.augment import AugmentConfig, augment
from posedistill.train.batches import Key, KeyBatches, TrainSamples, collate, make_loader

CODEC = SimCC((48, 64), (2.45, 2.83))
THIRTY = DrawnPeople(30, size=64)


def _keys(
    steps: range = range(12), *, rank: int = 0, world_size: int = 1, seed: int = 5
) -> list[list[Key]]:
    """Give the batches of 8 of 30 samples, so that an epoch has 3 steps."""
    return list(KeyBatches(THIRTY, 8, seed=seed, steps=steps, rank=rank, world_size=world_size))


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
    assert len(KeyBatches(THIRTY, 8, seed=0, steps=range(4, 9), rank=0, world_size=1)) == 5


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size 8 exceeds the 7 training samples"):
        KeyBatches(DrawnPeople(7, size=64), 8, seed=0, steps=range(1), rank=0, world_size=1)


def test_a_batch_that_processes_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size 8 must be divisible by the 3 processes"):
        KeyBatches(THIRTY, 8, seed=0, steps=range(1), rank=0, world_size=3)


def test_a_sample_can_be_made_again_from_its_key(samples: TrainSamples) -> None:
    first, again, next_epoch = (samples[Key(epoch, 4, epoch)] for epoch in (0, 0, 1))
    assert torch.equal(first.images, again.images)
    assert all(torch.equal(a, b) for a, b in zip(first.targets, again.targets, strict=True))
    assert not torch.equal(first.images, next_epoch.images)
    assert int(first.indices) == int(next_epoch.indices) == 4


def _spread(samples: TrainSamples, epoch: int) -> float:
    """Give the mean distance of the likeliest x bins of a sample from their middle, in bins."""
    batch = samples[Key(epoch, 2, epoch)]
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
    singles = [samples[Key(0, index, 0)] for index in (2, 5, 0)]
    batch = collate(singles)
    assert batch.images.dtype == torch.uint8
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.images.shape == (3, 3, 64, 48)
    assert [tuple(target.shape) for target in batch.targets] == [(3, 133, 96), (3, 133, 128)]
    assert batch.weights.shape == (3, 133)
    assert batch.indices.tolist() == [2, 5, 0]
    assert batch.views.tolist() == [0, 0, 0]
    assert batch.features == ()
    for row, single in enumerate(singles):
        assert torch.equal(batch.images[row], single.images)
        assert torch.equal(batch.targets[1][row], single.targets[1])


def test_a_batch_stacks_stored_features_in_place_of_images() -> None:
    nothing, one = torch.empty(0), torch.tensor(1)
    maps = (torch.randn(3, 4, 2).half(), torch.randn(5, 2, 1).half())
    single = Batch(nothing, (torch.randn(17, 8),), nothing, one, one, maps)
    batch = collate([single, single, single])
    assert batch.images.shape == (3, 0)
    assert [tuple(part.shape) for part in batch.features] == [(3, 3, 4, 2), (3, 5, 2, 1)]
    assert all(part.is_contiguous(memory_format=torch.channels_last) for part in batch.features)
    assert torch.equal(batch.features[1][2], maps[1])


def test_a_batch_moves_whole_but_for_the_names_of_its_samples(samples: TrainSamples) -> None:
    batch = collate([samples[Key(0, 1, 0)]])._replace(features=(torch.zeros(1, 2),))
    assert batch.to(torch.device("cpu")) is batch
    moved = batch.to(torch.device("meta"))
    there = (moved.images, *moved.targets, moved.weights, *moved.features)
    assert {part.device.type for part in there} == {"meta"}
    assert {part.device.type for part in (moved.indices, moved.views)} == {"cpu"}


@pytest.mark.parametrize(("epoch", "person"), [(0, 4), (1, 4), (3, 0)])
def test_without_views_a_sample_is_drawn_from_seed_epoch_and_person(
    epoch: int, person: int, samples: TrainSamples
) -> None:
    instance = samples.data.instances[person]
    wanted = augment(
        samples.data.image(instance.image_id),
        instance,
        skeleton=samples.data.skeleton,
        size_wh=(48, 64),
        config=AugmentConfig(scale=(2.0, 2.0)) if epoch >= 2 else AugmentConfig(),
        rng=np.random.default_rng([3, epoch, person]),
    )
    made = samples[Key(epoch, person, epoch)]
    np.testing.assert_array_equal(made.images.numpy(), wanted.image)
    x, y, weights = CODEC.encode(wanted.keypoints, wanted.visible)
    for part, array in zip((*made.targets, made.weights), (x, y, weights), strict=True):
        np.testing.assert_array_equal(part.numpy(), array)
    assert int(made.views) == epoch


def test_without_views_keys_carry_their_epoch() -> None:
    assert {(key.epoch, key.view) for keys in _keys() for key in keys} == {
        (epoch, epoch) for epoch in range(4)
    }


def test_views_come_in_turn_without_changing_the_order() -> None:
    plain = [key for keys in _keys() for key in keys]
    turned = list(KeyBatches(THIRTY, 8, seed=5, steps=range(12), rank=0, world_size=1, views=3))
    flat = [key for keys in turned for key in keys]
    assert [key.view for key in flat] == [key.epoch % 3 for key in plain]
    assert [key[:2] for key in flat] == [key[:2] for key in plain]


def test_a_view_is_the_same_sample_every_time(samples: TrainSamples) -> None:
    reused = samples.reusing(2)
    made = [reused[Key(epoch, 1, epoch)] for epoch in range(6)]  # late from epoch 2 on
    assert [int(sample.views) for sample in made] == [0, 1, 2, 3, 2, 3]
    assert reused.num_draws == 4
    for one, other in ((2, 4), (3, 5)):
        assert torch.equal(made[one].images, made[other].images)
    different = {made[index].images.numpy().tobytes() for index in range(4)}
    assert len(different) == 4
    assert torch.equal(made[1].images, samples[Key(1, 1, 1)].images)


def test_a_key_of_every_sample_can_be_listed(samples: TrainSamples) -> None:
    for views in (1, 2, 3):
        reused = samples.reusing(views)
        listed = {(key.person, reused.draw(key)) for key in reused.keys_of_all()}
        needed = {
            (person, reused.draw(Key(epoch, person, epoch)))
            for epoch in range(9)
            for person in range(6)
        }
        assert listed == needed
        assert len(reused.keys_of_all()) == len(listed)
        assert max(draw for _, draw in listed) < reused.num_draws


def test_one_augmentation_throughout_needs_no_late_draws() -> None:
    people, config = DrawnPeople(2, size=64), AugmentConfig()
    samples = TrainSamples(people, CODEC, seed=0, early=config, late=config, late_epoch=1, views=3)
    assert samples.num_draws == 3
    assert [samples.draw(Key(epoch, 0, epoch)) for epoch in range(5)] == [0, 1, 2, 0, 1]
    assert len(samples.keys_of_all()) == 6


def test_views_that_cannot_be_are_refused(samples: TrainSamples) -> None:
    with pytest.raises(ValueError, match="drawn anew in every epoch.*--set views=4"):
        assert samples.num_draws
    with pytest.raises(ValueError, match="uses 2 views of each sample, 3 are to be kept"):
        samples.reusing(2).reusing(3)
    with pytest.raises(ValueError, match="views is -1"):
        samples.reusing(-1)


def test_the_identity_of_samples_tells_what_decides_them(samples: TrainSamples) -> None:
    def made(people: DrawnPeople, seed: int = 3, rotation: float = 80.0) -> dict[str, object]:
        early, late = AugmentConfig(rotation=rotation), AugmentConfig(scale=(2.0, 2.0))
        return TrainSamples(
            people, CODEC, seed=seed, early=early, late=late, late_epoch=2
        ).identity()

    people, others = DrawnPeople(6, seed=1, size=64), DrawnPeople(6, seed=2, size=64)
    wanted = samples.identity()
    assert made(people) == wanted
    assert json.loads(json.dumps(wanted))["augment"]["rotation"] == 80.0
    variants = [made(others), made(people, seed=4), made(people, rotation=9.0)]
    variants.append(samples.reusing(2).identity())
    for variant, name in zip(variants, ("people", "seed", "augment", "views"), strict=True):
        assert [key for key in wanted if wanted[key] != variant[key]] == [name]


def test_targets_are_those_of_the_codec() -> None:
    people, codec = DrawnPeople(2, size=64), Heatmap((48, 64))
    config = AugmentConfig()
    samples = TrainSamples(people, codec, seed=0, early=config, late=config, late_epoch=9)
    single = samples[Key(0, 0, 0)]
    assert [tuple(target.shape) for target in single.targets] == [(133, 16, 12)]
    assert float(single.targets[0].max()) <= 1


@pytest.mark.parametrize("num_workers", [0, 2])
def test_workers_make_the_same_batches_as_no_workers(
    num_workers: int, samples: TrainSamples
) -> None:
    keys = KeyBatches(samples.data, 2, seed=7, steps=range(2, 5), rank=0, world_size=1)
    batches = list(make_loader(samples, keys, num_workers=num_workers))
    wanted = [collate([samples[key] for key in batch]) for batch in keys]
    assert len(batches) == 3
    for seen, made in zip(batches, wanted, strict=True):
        assert torch.equal(seen.images, made.images)
        np.testing.assert_array_equal(seen.indices.numpy(), made.indices.numpy())


def test_an_epoch_of_joined_data_holds_the_share_of_each() -> None:
    data = JointDataset([Source(THIRTY, ratio=0.5), Source(DrawnPeople(5, seed=1, size=64))])
    batches = list(KeyBatches(data, 10, seed=0, steps=range(4), rank=0, world_size=1))
    for epoch in (0, 1):
        people = [key.person for batch in batches[2 * epoch : 2 * epoch + 2] for key in batch]
        assert len(set(people)) == 20
        assert sum(person < 30 for person in people) == 15
