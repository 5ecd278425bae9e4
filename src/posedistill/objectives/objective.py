"""Objective: what trains; the samples it trains on, and their batches."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from posedistill.models.pose_model import PoseModel

MODEL = "model"  # name of the only candidate


class Batch(NamedTuple):
    """Hold one batch of training samples.

    Attributes:
        images: (B, 3, h, w) uint8 RGB crops; (B, 0) where features stand in for them.
        targets: what is to be learnt, in the order of the codec's outputs: the codec's arrays, or
            logits where features stand in for images.
        weights: (B, K) keypoint weights.
        indices: (B,) index of each sample in the dataset.
        views: (B,) which draw of the augmentation each sample is.
        features: backbone maps that were computed before; empty where images are given.
    """

    images: Tensor
    targets: tuple[Tensor, ...]
    weights: Tensor
    indices: Tensor
    views: Tensor
    features: tuple[Tensor, ...] = ()

    def to(self, device: torch.device) -> "Batch":
        """Give the batch on a device; indices and views, which name samples, stay on the CPU.

        >>> one = torch.zeros(1)
        >>> Batch(one, (one,), one, one, one).to(torch.device("meta")).targets[0].device.type
        'meta'
        """
        if device.type == "cpu":
            return self
        return self._replace(
            images=self.images.to(device, non_blocking=True),
            targets=tuple(part.to(device, non_blocking=True) for part in self.targets),
            weights=self.weights.to(device, non_blocking=True),
            features=tuple(part.to(device, non_blocking=True) for part in self.features),
        )


class Key(NamedTuple):
    """Name one sample: a person in an epoch, and which draw of the augmentation."""

    epoch: int
    person: int
    view: int


class Samples(Dataset[Batch]):
    """Give the augmented sample of a key, without the batch axis, and say what makes it.

    Attributes:
        views: 0 where each epoch draws anew, else how many draws are used in turn.
    """

    views: int

    @abstractmethod
    def __len__(self) -> int:
        """Give the number of people."""

    @abstractmethod
    def __getitem__(self, key: Key) -> Batch:
        """Make a sample."""

    @property
    @abstractmethod
    def num_draws(self) -> int:
        """Give how many draws of a person there are, the `views` of a batch being below it.

        Raises ValueError where `views` is 0.
        """

    @abstractmethod
    def draw(self, key: Key) -> int:
        """Give which draw of the person a key means, the `views` of its sample."""

    @abstractmethod
    def reusing(self, views: int) -> "Samples":
        """Give the same samples with so many draws used in turn.

        Raises ValueError where another number is in use already.
        """

    @abstractmethod
    def keys_of_all(self) -> list[Key]:
        """Give one key for each sample there can be, of all people and draws."""

    @abstractmethod
    def identity(self) -> dict[str, object]:
        """Give what decides the images of the samples, as JSON takes it."""

    @abstractmethod
    def batches(self, keys: Sequence[list[Key]], *, num_workers: int) -> Iterable[Batch]:
        """Make batches of the samples of keys, in order."""


class Objective(nn.Module):
    """Give named losses for a batch, and the model that comes out of training."""

    @abstractmethod
    def forward(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Give weighted scalar losses by name, to be summed; progress is in [0, 1)."""

    @abstractmethod
    def deployable(self) -> PoseModel:
        """Give the ordinary model, sharing the weights that train."""

    def candidates(self) -> dict[str, PoseModel]:
        """Give the models of which validation picks the one to deploy; most have but one."""
        return {MODEL: self.deployable()}

    def companions(self) -> dict[str, nn.Module]:
        """Give what validation scores beside them, by name; each has a `spec`."""
        return {}

    def choose(self, name: str) -> None:
        """Take a candidate as the one to deploy from now on."""
        assert name == MODEL

    def training_samples(
        self,
        samples: Samples,
        folder: Path,
        *,
        num_workers: int = 0,
    ) -> Dataset[Batch]:
        """Give what to train on in place of the samples; most objectives take them as they are.

        Called once on every process, when the objective is on its device; training begins when all
        have returned.
        folder: where files may be kept, of the run. num_workers: processes to make samples with.
        """
        return samples

    def held_state(self) -> dict[str, Tensor]:
        """Give what a step changes outside the module tree; most objectives have nothing there."""
        return {}

    def load_held_state(self, state: dict[str, Tensor]) -> None:
        """Take up what `held_state` gave."""
        assert not state
