"""Batches: which samples each step sees, made from (seed, epoch, index) alone."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from posedistill.codecs import Codec
from posedistill.datasets.instance import PoseDataset
from posedistill.objectives.objective import Batch
from posedistill.train.augment import AugmentConfig, augment


class Key(NamedTuple):
    """Name one sample: an instance in an epoch."""

    epoch: int
    person: int


class TrainSamples(Dataset[Batch]):
    """Make the augmented sample of a key; augmentation changes to `late` from an epoch on."""

    def __init__(
        self,
        data: PoseDataset,
        codec: Codec,
        *,
        seed: int,
        early: AugmentConfig,
        late: AugmentConfig,
        late_epoch: int,
    ) -> None:
        self.data = data
        self.codec = codec
        self.seed = seed
        self.early, self.late, self.late_epoch = early, late, late_epoch

    def __len__(self) -> int:
        return len(self.data.instances)

    def __getitem__(self, key: Key) -> Batch:
        instance = self.data.instances[key.person]
        sample = augment(
            self.data.image(instance.image_id),
            instance,
            skeleton=self.data.skeleton,
            size_wh=self.codec.input_size_wh,
            config=self.late if key.epoch >= self.late_epoch else self.early,
            rng=np.random.default_rng([self.seed, key.epoch, key.person]),
        )
        *targets, weights = self.codec.encode(sample.keypoints, sample.visible)
        return Batch(
            torch.from_numpy(sample.image),
            tuple(torch.from_numpy(target) for target in targets),
            torch.from_numpy(weights),
            torch.tensor(key.person),
        )


class KeyBatches:
    """List the batches of keys of one process, from a step of the run to its end.

    Each epoch is a permutation drawn from (seed, epoch), cut into whole batches; process r of w
    takes every w-th sample of each, so that the same samples meet in a step for any w.
    """

    def __init__(
        self,
        num_samples: int,
        batch_size: int,
        *,
        seed: int,
        steps: range,
        rank: int,
        world_size: int,
    ) -> None:
        if batch_size > num_samples:
            raise ValueError(f"batch_size {batch_size} exceeds the {num_samples} training samples")
        if batch_size % world_size:
            raise ValueError(
                f"batch_size {batch_size} must be divisible by the {world_size} processes"
            )
        self.num_samples, self.batch_size, self.seed = num_samples, batch_size, seed
        self.steps, self.rank, self.world_size = steps, rank, world_size

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[Key]]:
        per_epoch = self.num_samples // self.batch_size
        order: NDArray[np.int64] | None = None
        for step in self.steps:
            epoch, position = divmod(step, per_epoch)
            if order is None or position == 0:
                order = np.random.default_rng([self.seed, epoch]).permutation(self.num_samples)
            start = position * self.batch_size
            share = order[start : start + self.batch_size][self.rank :: self.world_size]
            yield [Key(epoch, int(index)) for index in share]


def collate(samples: list[Batch]) -> Batch:
    """Stack samples into a batch, images in channels-last memory."""
    targets: tuple[Tensor, ...] = tuple(
        torch.stack(list(group))
        for group in zip(*(sample.targets for sample in samples), strict=True)
    )
    images = torch.stack([sample.images for sample in samples])
    return Batch(
        images.contiguous(memory_format=torch.channels_last),
        targets,
        torch.stack([sample.weights for sample in samples]),
        torch.stack([sample.indices for sample in samples]),
    )


def make_loader(
    samples: TrainSamples, keys: KeyBatches, *, num_workers: int
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
