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

    batch_statistics: do as the reference does: normalise by the statistics of each batch, and
    let the running ones follow them.
    """

    def __init__(self, model: PoseModel, *, batch_statistics: bool = False) -> None:
        self.model = model.requires_grad_(False).train(batch_statistics)
        self._batch_statistics = batch_statistics

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

    def moved_statistics(self) -> dict[str, Tensor]:
        """Give what answering has changed: nothing, or with `batch_statistics` the running ones."""
        if not self._batch_statistics:
            return {}
        state = self.model.state_dict()
        return {name: state[name] for name, _ in self.model.named_buffers() if name in state}

    def restore_statistics(self, statistics: dict[str, Tensor]) -> None:
        """Take up what `moved_statistics` gave before."""
        for name, value in self.moved_statistics().items():
            value.copy_(statistics[name])

    def _follow(self, images: Tensor) -> None:
        if self.model.mean.device != images.device:
            self.model.to(images.device)
