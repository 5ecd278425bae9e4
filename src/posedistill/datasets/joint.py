"""Joint training: several data sets as one, each with a share of every epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.instance import Instance, PoseDataset, read_reduced
from posedistill.datasets.on_demand import InstancesOnDemand, OnDemand, join_instances
from posedistill.skeleton import Skeleton

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Source:
    """Name one data set of a joint training.

    Attributes:
        dataset: the people.
        ratio: draws from it in an epoch, as a multiple of its people: 0.1 takes another tenth in
            each epoch, 2 shows everybody twice.
        name: for messages.
    """

    dataset: PoseDataset
    ratio: float = 1.0
    name: str = ""


class JointDataset:
    """Join data sets: people one after the other, all in one skeleton.

    Joints are matched by name; those that a source lacks have visible 0. Images and annotations are
    numbered anew, from 1. A source with a ratio above 1 is listed as often as an epoch can show its
    people, so that each of those times has an index, and with it an augmentation, of its own.
    People of a source that makes them on demand are made when they are taken.
    Raises ValueError without a source, for a ratio that is not above 0 or gives no draw at all, and
    for a source that shares no joint with the skeleton.

    >>> from posedistill.datasets.drawn import DrawnPeople
    >>> many, few = Source(DrawnPeople(20), ratio=0.1), Source(DrawnPeople(3, seed=1), ratio=2)
    >>> people = JointDataset([many, few])
    >>> len(people.instances), people.samples_per_epoch, people.epoch_order(seed=0, epoch=0).shape
    (26, 8, (8,))
    """

    def __init__(self, sources: Sequence[Source], *, skeleton: str = "wholebody133") -> None:
        if not sources:
            raise ValueError("a joint data set needs at least one source")
        self.skeleton = Skeleton.get(skeleton)
        self._images: list[tuple[PoseDataset, int]] = []
        self._shares: list[_Share] = []
        parts: list[Sequence[Instance]] = []
        for number, source in enumerate(sources):
            start, count = sum(map(len, parts)), len(source.dataset.instances)
            share = _Share(number, start, count, source.ratio)
            _check(source, share, self.skeleton)
            self._shares.append(share)
            first_id = 1 + sum(earlier.count for earlier in self._shares[:-1])
            parts += share.copies * [self._taken(source.dataset, first_id)]
        self.instances = join_instances(parts)

    @property
    def samples_per_epoch(self) -> int:
        """Give how many samples an epoch holds; the same for every epoch."""
        return sum(share.draws for share in self._shares)

    def image(self, image_id: int) -> NDArray[np.uint8]:
        """Give an image of one of the sources, (H, W, 3) RGB uint8.

        Raises ValueError for an id that no instance has.
        """
        dataset, id_in_source = self._source_of(image_id)
        return dataset.image(id_in_source)

    def reduced_image(self, image_id: int, factor: int) -> tuple[NDArray[np.uint8], int]:
        """Give an image as `posedistill.media.read_reduced_image` does, where its source can."""
        dataset, id_in_source = self._source_of(image_id)
        return read_reduced(dataset, id_in_source, factor=factor)

    def _source_of(self, image_id: int) -> tuple[PoseDataset, int]:
        if not 1 <= image_id <= len(self._images):
            raise ValueError(f"image {image_id}; ids of this data set are 1 to {len(self._images)}")
        return self._images[image_id - 1]

    def epoch_order(self, seed: int, epoch: int) -> Indices:
        """Give the instances that an epoch shows, shuffled, none of them twice.

        Gives (samples_per_epoch,) int64; it depends on (seed, epoch) alone. Of a ratio below 1, the
        parts of successive epochs do not overlap until too few people are left for another part;
        then everybody is dealt anew.
        """
        order = np.concatenate([share.draw(seed, epoch) for share in self._shares])
        return np.random.default_rng([seed, epoch]).permutation(order)

    def _taken(self, dataset: PoseDataset, first_id: int) -> Sequence[Instance]:
        """Give the people of a source in this skeleton, with new ids, and take note of images."""
        people, image_ids = dataset.instances, dict[int, int]()
        for image_id in _image_ids(dataset):
            if image_id not in image_ids:
                self._images.append((dataset, image_id))
                image_ids[image_id] = len(self._images)
        renewal = _Renewal(people, dataset.skeleton, self.skeleton, image_ids, first_id)
        if isinstance(dataset, OnDemand):
            return InstancesOnDemand(len(people), renewal.nth)
        return [renewal.renewed(number, person) for number, person in enumerate(people)]


@dataclass(frozen=True, eq=False)
class _Renewal:
    """Give the people of a source as the joint data set has them."""

    people: Sequence[Instance]
    source: Skeleton
    target: Skeleton
    image_ids: Mapping[int, int]  # new by those of the source
    first_id: int

    def nth(self, number: int) -> Instance:
        return self.renewed(number, self.people[number])

    def renewed(self, number: int, person: Instance) -> Instance:
        image_id, annotation_id = self.image_ids[person.image_id], self.first_id + number
        person = replace(person, image_id=image_id, annotation_id=annotation_id)
        if self.source is self.target:
            return person
        order = self.source.index_map(self.target)
        keypoints = np.where(order[:, None] >= 0, person.keypoints[order], 0)
        visible = np.where(order >= 0, person.visible[order], 0)
        return replace(person, keypoints=keypoints, visible=visible)


@dataclass(frozen=True)
class _Share:
    """Hold where the people of a source stand among all, and how often an epoch shows them."""

    number: int
    start: int
    count: int
    ratio: float

    @property
    def draws(self) -> int:
        return round(self.ratio * self.count)

    @property
    def copies(self) -> int:
        return -(-self.draws // self.count) if self.count else 0

    def draw(self, seed: int, epoch: int) -> Indices:
        whole, part = divmod(self.draws, self.count)
        indices = np.arange(whole * self.count)
        if part:
            dealt, place = divmod(epoch, self.count // part)
            deck = np.random.default_rng([seed, self.number, dealt, 1]).permutation(self.count)
            indices = np.append(indices, whole * self.count + deck[place * part :][:part])
        return self.start + indices


def _image_ids(dataset: PoseDataset) -> Sequence[int]:
    if isinstance(dataset, OnDemand):
        return dataset.image_ids
    return [person.image_id for person in dataset.instances]


def _check(source: Source, share: _Share, skeleton: Skeleton) -> None:
    who = f"source {source.name or share.number}"
    if not 0 < source.ratio < np.inf:
        raise ValueError(f"{who} has ratio {source.ratio}; expected a number above 0")
    if not share.draws:
        raise ValueError(
            f"{who} gives no sample: {share.count} people at ratio {source.ratio}; "
            "raise its ratio or leave it out"
        )
    if (source.dataset.skeleton.index_map(skeleton) < 0).all():
        raise ValueError(f"{who}: no joint of {source.dataset.skeleton.name} is in {skeleton.name}")


def samples_per_epoch(data: PoseDataset) -> int:
    """Give how many samples an epoch of any data set holds.

    >>> from posedistill.datasets.drawn import DrawnPeople
    >>> samples_per_epoch(DrawnPeople(20))
    20
    """
    return data.samples_per_epoch if isinstance(data, JointDataset) else len(data.instances)


def epoch_order(  # house rule: of what, then when
    data: PoseDataset, seed: int, epoch: int
) -> Indices:
    """Give the instances that an epoch of any data set shows, shuffled by (seed, epoch) alone.

    >>> from posedistill.datasets.drawn import DrawnPeople
    >>> sorted(epoch_order(DrawnPeople(3), 0, 5).tolist())
    [0, 1, 2]
    """
    if isinstance(data, JointDataset):
        return data.epoch_order(seed, epoch)
    return np.random.default_rng([seed, epoch]).permutation(len(data.instances))
