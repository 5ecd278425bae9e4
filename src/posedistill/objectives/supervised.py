"""Supervised training of any model, SimCC or heatmaps."""

from dataclasses import dataclass

import torch
from torch import Tensor

from posedistill.codecs import Codec, SimCC
from posedistill.losses import heatmap_mse, simcc_kl
from posedistill.models.pose_model import PoseModel
from posedistill.objectives.objective import Batch, Objective


@dataclass(frozen=True)
class SupervisedConfig:
    """Weigh the keypoint losses.

    Attributes:
        people_scale: factor on the SimCC loss per person. The reference sums over the people of
            a process's batch and so ties the loss to the batch size (classification_loss.py); a
            factor of 64 gives its value at 64 people a process for any batch and any number of
            processes.
        heatmap_weight: factor on the heatmap loss.
    """

    people_scale: float = 64.0
    heatmap_weight: float = 1000.0


def keypoint_loss(
    outputs: tuple[Tensor, ...], batch: Batch, *, codec: Codec, config: SupervisedConfig
) -> Tensor:
    """Give the supervised loss that fits the codec.

    outputs: as a model gives them for batch.images.
    """
    if isinstance(codec, SimCC):
        total = simcc_kl(outputs[0], outputs[1], batch.targets[0], batch.targets[1], batch.weights)
        return total * (config.people_scale / len(batch.images))
    return heatmap_mse(outputs[0], batch.targets[0], batch.weights) * config.heatmap_weight


def label_losses(
    features: tuple[Tensor, ...],
    outputs: tuple[Tensor, ...],
    *,
    batch: Batch,
    model: PoseModel,
    config: SupervisedConfig,
) -> dict[str, Tensor]:
    """Give the keypoint loss, and that of all stages which predict by themselves.

    features, outputs: as the model gives them for batch.images.
    """
    codec = model.spec.codec
    losses = {"keypoint": keypoint_loss(outputs, batch, codec=codec, config=config)}
    early = model.early_outputs(features)
    if early:
        each = [keypoint_loss(outputs, batch, codec=codec, config=config) for outputs in early]
        losses["early"] = torch.stack(each).sum()
    return losses


class Supervised(Objective):
    """Learn from labels alone."""

    def __init__(self, model: PoseModel, config: SupervisedConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config

    def forward(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Give the keypoint loss, and that of early stages which predict by themselves."""
        features = self.model.features(batch.images)
        outputs = self.model.head(features)
        return label_losses(features, outputs, batch=batch, model=self.model, config=self.config)

    def deployable(self) -> PoseModel:
        """Give the model."""
        return self.model
