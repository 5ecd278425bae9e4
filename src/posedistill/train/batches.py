"""Batches: which samples each step sees, made from (seed, view, person) alone."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from posedistill.codecs import Codec
from posedistill.datasets.instance import PoseDataset
from posedistill.datasets.joint import epoch_order, samples_per_epoch
from posedistill.objectives.objective import Batch, Key, Samples
from posedistill.train.augment import AugmentConfig, augment_from

__all__ = ["Key", "KeyBatches", "TrainSamples", "collate", "make_loader"]


class TrainSamples(Samples):
    """Make the augmented sample of a key; augmentation changes to `late` from an epoch on.

    views: 0 draws each sample anew in every epoch; k > 0 uses k draws of it in turn, and as many
    of the late augmentation where that differs.

    >>> from posedistill.codecs import SimCC
    >>> from posedistill.datasets.drawn import DrawnPeople
    >>> plain, codec = AugmentConfig(), SimCC((48, 64), (2.4, 2.8))
    >>> people = DrawnPeople(2, size=64)
    >>> samples = TrainSamples(
    ...     people, codec, seed=0, early=plain, late=plain, late_epoch=9, views=3
    ... )
    >>> [int(samples[Key(epoch, 1, epoch)].views) for epoch in range(5)]
    [0, 1, 2, 0, 1]
    """

    def __init__(  # house rule: all that decides a sample
        self,
        data: PoseDataset,
        codec: Codec,
        *,
        seed: int,
        early: AugmentConfig,
        late: AugmentConfig,
        late_epoch: int,
        views: int = 0,
    ) -> None:
        if views < 0:
            raise ValueError(f"views is {views}; expected 0, for new draws in every epoch, or more")
        self.data = data
        self.codec = codec
        self.seed = seed
        self.early, self.late, self.late_epoch = early, late, late_epoch
        self.views = views

    def __len__(self) -> int:
        return len(self.data.instances)

    def __getitem__(self, key: Key) -> Batch:
        instance = self.data.instances[key.person]
        view = key.view % self.views if self.views else key.view
        sample = augment_from(
            self.data,
            instance,
            size_wh=self.codec.input_size_wh,
            config=self.late if key.epoch >= self.late_epoch else self.early,
            rng=np.random.default_rng([self.seed, view, key.person]),
        )
        *targets, weights = self.codec.encode(sample.keypoints, sample.visible)
        return Batch(
            torch.from_numpy(sample.image),
            tuple(torch.from_numpy(target) for target in targets),
            torch.from_numpy(weights),
            torch.tensor(key.person),
            torch.tensor(self.draw(key)),
        )

    def draw(self, key: Key) -> int:
        """Give which draw of the person a key means: late ones follow the early ones."""
        if not self.views:
            return key.view
        is_late = key.epoch >= self.late_epoch and self.late != self.early
        return key.view % self.views + self.views * is_late

    @property
    def num_draws(self) -> int:
        """Give how many draws of a person there are.

        Raises ValueError where every epoch draws anew.
        """
        if not self.views:
            raise ValueError(
                "samples are drawn anew in every epoch, so none comes twice; --set views=4 uses "
                "four draws of each in turn"
            )
        return self.views * (1 if self.late == self.early else 2)

    def reusing(self, views: int) -> "TrainSamples":
        """Give the same samples with so many draws used in turn.

        Raises ValueError where another number is in use already.
        """
        if self.views not in (0, views):
            raise ValueError(
                f"the run uses {self.views} views of each sample, {views} are to be kept; "
                "set both to the same number, or the first to 0"
            )
        return TrainSamples(
            self.data,
            self.codec,
            seed=self.seed,
            early=self.early,
            late=self.late,
            late_epoch=self.late_epoch,
            views=views,
        )

    def keys_of_all(self) -> list[Key]:
        """Give one key for each sample there can be, of all people and draws."""
        epochs = list(range(self.views))
        if self.late != self.early:
            first = max(self.late_epoch, 0)
            epochs = [*epochs[:first], *range(first, first + self.views)]
        return [
            Key(epoch, person, epoch % self.views)
            for epoch in epochs
            for person in range(len(self))
        ]

    def identity(self) -> dict[str, object]:
        """Give what decides the images of the samples, as JSON takes it."""
        return {
            "seed": self.seed,
            "views": self.views,
            "input_size_wh": self.codec.input_size_wh,
            "augment": asdict(self.early),
            "late_augment": asdict(self.late),
            "skeleton": self.data.skeleton.name,
            "people": _digest(self.data),
        }

    def batches(self, keys: Sequence[list[Key]], *, num_workers: int) -> Iterable[Batch]:
        """Make batches of the samples of keys, in order."""
        return make_loader(self, keys, num_workers=num_workers)


def _digest(data: PoseDataset) -> str:
    """Tell datasets apart by the labels of their people."""
    digest = hashlib.sha256()
    for instance in data.instances:
        digest.update(f"{instance.image_id} {instance.annotation_id}".encode())
        for values in (instance.box_xyxy, instance.keypoints, instance.visible):
            digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


class KeyBatches:
    """List the batches of keys of one process, from a step of the run to its end.

    Each epoch is the order that the data gives it, cut into whole batches; process r of w takes
    every w-th sample of each, so that the same samples meet in a step for any w. The view is the
    epoch or, where `views` are used in turn, its remainder.
    """

    def __init__(  # house rule: all that decides the keys
        self,
        data: PoseDataset,
        batch_size: int,
        *,
        seed: int,
        steps: range,
        rank: int,
        world_size: int,
        views: int = 0,
    ) -> None:
        num_samples = samples_per_epoch(data)
        if batch_size > num_samples:
            raise ValueError(f"batch_size {batch_size} exceeds the {num_samples} training samples")
        if batch_size % world_size:
            raise ValueError(
                f"batch_size {batch_size} must be divisible by the {world_size} processes"
            )
        self.data, self.batch_size, self.seed = data, batch_size, seed
        self.steps, self.rank, self.world_size = steps, rank, world_size
        self.views = views

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[Key]]:
        per_epoch = samples_per_epoch(self.data) // self.batch_size
        order: NDArray[np.int64] | None = None
        for step in self.steps:
            epoch, position = divmod(step, per_epoch)
            if order is None or position == 0:
                order = epoch_order(self.data, self.seed, epoch)
            start = position * self.batch_size
            share = order[start : start + self.batch_size][self.rank :: self.world_size]
            view = epoch % self.views if self.views else epoch
            yield [Key(epoch, int(index), view) for index in share]


def collate(samples: list[Batch]) -> Batch:
    """Stack samples into a batch, images and feature maps in channels-last memory."""
    return Batch(
        _stack_images([sample.images for sample in samples]),
        _stack_each([sample.targets for sample in samples]),
        torch.stack([sample.weights for sample in samples]),
        torch.stack([sample.indices for sample in samples]),
        torch.stack([sample.views for sample in samples]),
        tuple(map(_channels_last, _stack_each([sample.features for sample in samples]))),
    )


def _stack_images(images: list[Tensor]) -> Tensor:
    if images[0].ndim != 3:  # features stand in for them
        return torch.stack(images)
    # As they lie in memory, which is much faster than to turn the stack.
    return torch.stack([image.permute(1, 2, 0) for image in images]).permute(0, 3, 1, 2)


def _stack_each(groups: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.stack(list(group)) for group in zip(*groups, strict=True))


def _channels_last(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=torch.channels_last) if maps.ndim == 4 else maps


def make_loader(
    samples: Dataset[Batch], keys: Iterable[list[Key]], *, num_workers: int
) -> "DataLoader[Batch]":
    """Give a loader of the batches that `keys` lists."""
    return DataLoader(
        samples,
        batch_sampler=keys,
        num_workers=num_workers,
        collate_fn=collate,
        worker_init_fn=_single_threaded,
        prefetch_factor=4 if num_workers else None,
    )


def _single_threaded(worker: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
