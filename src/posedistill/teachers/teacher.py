"""Teacher: what every kind of held network answers, and how it is told apart from others."""

from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from posedistill.spec import Spec


class Answer(NamedTuple):
    """Hold what a teacher says of a batch, without gradient.

    Attributes:
        logits: the codec's outputs, in its order; SimCC rows (B, K, bins) or heatmaps
            (B, K, h, w).
        features: backbone maps, the last (B, C, h, w) for the feature loss; None where the
            teacher cannot give them.
    """

    logits: tuple[Tensor, ...]
    features: tuple[Tensor, ...] | None


@runtime_checkable
class Teacher(Protocol):
    """Answer crops of the size, skeleton and codec of a spec.

    No teacher is an `nn.Module`: held by an objective, it enters neither its parameters nor its
    checkpoints, and `train()` cannot reach it.
    """

    @property
    def spec(self) -> Spec:
        """Give what surrounds the network."""

    @property
    def channels(self) -> int | None:
        """Give the channels of the last feature map; None where there are no features."""

    @property
    def fingerprint(self) -> str:
        """Give a digest of weights and spec: equal for teachers that answer alike."""

    def answer(self, images: Tensor) -> Answer:
        """Answer uint8 RGB crops (B, 3, h, w) on their device."""
