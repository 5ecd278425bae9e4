"""Teachers: held networks, never part of what trains."""

import torch
from torch import Tensor

from posedistill.models.pose_model import PoseModel
from posedistill.spec import Spec


class Frozen:
    """Hold a trained model that only answers.

    It is no `nn.Module`, so that it never enters parameters, checkpoints, EMA or DDP buckets,
    and `train()` of whatever holds it cannot reach it. (The reference keeps the teacher as a
    child; the loop's `train()` then lets its BatchNorm statistics drift.)
    """

    def __init__(self, model: PoseModel) -> None:
        self.model = model.eval().requires_grad_(False)

    @property
    def spec(self) -> Spec:
        """Give the spec of the held model."""
        return self.model.spec

    @torch.no_grad()
    def features(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map uint8 RGB crops (B, 3, h, w) to backbone maps, without gradient."""
        self._follow(images)
        return self.model.features(images)

    @torch.no_grad()
    def head(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Map backbone maps to the codec's outputs, without gradient."""
        out: tuple[Tensor, ...] = self.model.head(features)
        return out

    def _follow(self, images: Tensor) -> None:
        if self.model.mean.device != images.device:
            self.model.to(images.device)
