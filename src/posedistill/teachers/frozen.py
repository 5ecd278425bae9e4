"""Frozen: a torch model as a teacher."""

import hashlib
from functools import cached_property

import torch
from torch import Tensor

from posedistill.models.pose_model import PoseModel
from posedistill.spec import Spec
from posedistill.teachers.teacher import Answer


class Frozen:
    """Hold a trained model that only answers.

    It is no `nn.Module`, so that it never enters parameters, checkpoints, EMA or DDP buckets,
    and `train()` of whatever holds it cannot reach it. (The reference keeps the teacher as a
    child; the loop's `train()` then lets its BatchNorm statistics drift.)

    batch_statistics: do as the reference does: normalise by the statistics of each batch, and
    let the running ones follow them.

    >>> from posedistill.models import build
    >>> teacher = Frozen(build("rtmpose-t", "coco17", (64, 96)))
    >>> [tuple(rows.shape) for rows in teacher.answer(torch.zeros(1, 3, 96, 64)).logits]
    [(1, 17, 128), (1, 17, 192)]
    """

    def __init__(self, model: PoseModel, *, batch_statistics: bool = False) -> None:
        self.model = model.requires_grad_(False).train(batch_statistics)
        self.batch_statistics = batch_statistics

    @property
    def spec(self) -> Spec:
        """Give the spec of the held model."""
        return self.model.spec

    @property
    def channels(self) -> int | None:
        """Give the channels of the last feature map; None where the backbone does not say."""
        return last_channels(self.model)

    @cached_property
    def fingerprint(self) -> str:
        """Give a digest of the weights, as they are at the first call, and of the spec."""
        digest = hashlib.sha256(self.spec.to_json().encode())
        for name, value in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.cpu().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    def answer(self, images: Tensor) -> Answer:
        """Answer uint8 RGB crops (B, 3, h, w): logits and all backbone maps."""
        features = self.features(images)
        return Answer(self.head(features), features)

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
        if not self.batch_statistics:
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


def last_channels(model: PoseModel) -> int | None:
    """Give the channels of a model's last feature map; None where its backbone does not say.

    >>> from posedistill.models import build
    >>> last_channels(build("rtmpose-t"))
    384
    """
    channels = getattr(model.backbone, "channels", None)
    return int(channels[-1]) if isinstance(channels, tuple) else None
