"""Objective: what trains; the batch it trains on."""

from abc import abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from posedistill.models.pose_model import PoseModel


class Batch(NamedTuple):
    """Hold one batch of training samples.

    Attributes:
        images: (B, 3, h, w) uint8 RGB crops.
        targets: the codec's target arrays, in the order of its outputs.
        weights: (B, K) keypoint weights.
        indices: (B,) index of each sample in the dataset.
    """

    images: Tensor
    targets: tuple[Tensor, ...]
    weights: Tensor
    indices: Tensor


class Objective(nn.Module):
    """Give named losses for a batch, and the model that comes out of training."""

    @abstractmethod
    def forward(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Give weighted scalar losses by name, to be summed; progress is in [0, 1)."""

    @abstractmethod
    def deployable(self) -> PoseModel:
        """Give the ordinary model, sharing the weights that train."""

    def held_state(self) -> dict[str, Tensor]:
        """Give what a step changes outside the module tree; most objectives have nothing there."""
        return {}

    def load_held_state(self, state: dict[str, Tensor]) -> None:
        """Take up what `held_state` gave."""
        assert not state
