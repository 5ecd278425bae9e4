"""Synthetic people as a data set: repeatable, several in an image, straight into training."""

from pathlib import Path

import numpy as np
import pytest
import torch

from posedistill.codecs import SimCC
from posedistill.datasets.instance import PoseDataset
from posedistill.datasets.on_demand import OnDemand
from posedistill.synth.dataset import SynthPeople
from posedistill.synth.labels import label, worth_learning
from posedistill.train.augment import AugmentConfig
from posedistill.train.batches import Key, TrainSamples, make_loader

needs_renderer = pytest.mark.usefixtures("_renderer")


@pytest.fixture(scope="module")
def _renderer() -> None:
    pytest.importorskip("anny")
    pytest.importorskip("numba")


@pytest.mark.parametrize(
    ("count", "size", "seed"),
    [(0, 256, 0), (1, 63, 0), (1, 256, -1)],
    ids=["count", "size", "seed"],
)
def test_impossible_people_are_refused(count: int, size: int, seed: int) -> None:
    with pytest.raises(ValueError, match=f"got {count}, {size} and {seed}"):
        SynthPeople(count, size=size, seed=seed)


def test_a_missing_or_empty_folder_of_backgrounds_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder of backgrounds: .*nowhere"):
        SynthPeople(1, backgrounds=tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no images in"):
        SynthPeople(1, backgrounds=tmp_path)


@pytest.mark.parametrize("image_id", [0, 4, -1])
def test_an_image_that_there_is_not_is_refused(image_id: int) -> None:
    with pytest.raises(ValueError, match=f"image {image_id} of synthetic people; ids are 1 to 3"):
        SynthPeople(3).image(image_id)


def test_people_are_a_data_set_that_is_made_on_demand() -> None:
    people: PoseDataset = SynthPeople(10**7)
    assert isinstance(people, OnDemand)
    assert len(people.instances) == 10**7


@needs_renderer
def test_an_image_depends_on_seed_and_number_alone() -> None:
    first, again = SynthPeople(3, seed=5, size=64), SynthPeople(900, seed=5, size=64)
    for image_id in (3, 1):
        assert np.array_equal(first.image(image_id), again.image(image_id))
        mine, theirs = first.instances[image_id - 1], again.instances[image_id - 1]
        assert np.array_equal(mine.keypoints, theirs.keypoints)
        assert np.array_equal(mine.visible, theirs.visible)
    assert not np.array_equal(first.image(1), first.image(2))
    assert not np.array_equal(first.image(1), SynthPeople(1, seed=6, size=64).image(1))


@needs_renderer
def test_each_sample_is_somebody_of_its_image_who_is_worth_learning_from() -> None:
    people = SynthPeople(6, seed=1, size=64)
    for instance in people.instances:
        assert people.image(instance.image_id).shape == (64, 64, 3)
        (person,) = (
            person
            for person in people.scene(instance.image_id).people
            if np.array_equal(person.box_xyxy, instance.box_xyxy)
        )
        assert worth_learning(person)
        assert np.array_equal(instance.keypoints, person.keypoints)
        assert np.array_equal(instance.visible, label(person) > 0)
        assert instance.area == person.mask.sum()
        assert instance.visible.sum() >= 5


@needs_renderer
def test_samples_are_the_same_from_any_number_of_processes() -> None:
    plain = AugmentConfig()
    batches = []
    for num_workers in (0, 2):
        people = SynthPeople(4, seed=2, size=64)
        samples = TrainSamples(
            people, SimCC((48, 64), (2.45, 2.83)), seed=0, early=plain, late=plain, late_epoch=9
        )
        keys = [[Key(0, 3, 0), Key(0, 1, 0)], [Key(1, 1, 1), Key(1, 0, 1)]]
        batches.append(list(make_loader(samples, keys, num_workers=num_workers)))
    for alone, together in zip(*batches, strict=True):
        assert torch.equal(alone.images, together.images)
        assert torch.equal(alone.weights, together.weights)
        for mine, theirs in zip(alone.targets, together.targets, strict=True):
            assert torch.equal(mine, theirs)
