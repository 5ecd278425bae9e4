"""Online distillation: branches of one network learn from labels and from their own ensemble.

Paper: Online Knowledge Distillation for Efficient Pose Estimation (OKDHP; Li et al., ICCV 2021),
and its released code, lib/core/function_okd.py and loss.py. Deliberate differences from that code:
the ensemble is made of the last output of every branch (there one branch is left out and an
intermediate output is in); as a target it is detached (option `detach_target`); the ramp is
a part of the run, not a number of epochs; SimCC logits are distilled too, each axis a distribution.
The ratio of the losses is the published one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from posedistill.codecs import Codec, SimCC
from posedistill.losses import heatmap_kl, simcc_kl
from posedistill.models.branches import BranchedModel, Ensemble, Outputs, Unit
from posedistill.models.pose_model import PoseModel
from posedistill.objectives.objective import Batch, Objective
from posedistill.objectives.supervised import SupervisedConfig, keypoint_loss

# The reference's squared error is half the mean (loss.py), `heatmap_mse` the mean.
_OF_SQUARED_ERROR = 2.0


@dataclass(frozen=True)
class OnlineConfig:
    """Say which branches there are, and weigh their losses.

    Attributes:
        branches: architecture of each branch, as `build` names it; the first is what is deployed,
            the best of those like it. Empty for num_branches of the recipe's model.
        num_branches: how many, where they are all alike.
        shared_stages: stages that all branches share, the stem counted; 0 shares what the kind of
            network does by default: stem and half of the stacks, the whole of a backbone.
        unit: how the ensemble is weighed: by the aggregation unit as ``published`` or as
            ``released``, or ``mean`` for plain averaging.
        kd_weight: factor of the distillation loss, 2 as released. ensemble_weight: of the
            ensemble's own keypoint loss, 1 as released.
        temperature: of both sides of the distillation loss, 1 as released.
        ramp: part of the run in which the distillation loss rises as exp(-5 (1 - t)^2); 0.6 are the
            published 90 of 150 epochs. 0 has it in full from the start.
        detach_target: whether the ensemble, as a target, is kept from learning from its pupils; the
            released code lets it.
    """

    branches: tuple[str, ...] = ()
    num_branches: int = 3
    shared_stages: int = 0
    unit: Unit = "published"
    kd_weight: float = 2.0
    ensemble_weight: float = 1.0
    temperature: float = 1.0
    ramp: float = 0.6
    detach_target: bool = True
    supervised: SupervisedConfig = field(default_factory=SupervisedConfig)


def make_online(
    build_branch: Callable[[str], PoseModel], name: str, *, config: OnlineConfig
) -> "Online":
    """Build the branches and what trains them.

    build_branch: gives an untrained model by architecture; name: what branches are by default.
    Raises ValueError for branches that do not fit together.

    >>> from posedistill.models import build
    >>> online = make_online(
    ...     lambda name: build(name, "coco17", (64, 64)), "rtmpose-n", config=OnlineConfig()
    ... )
    >>> list(online.candidates())
    ['branch 1', 'branch 2', 'branch 3']
    """
    names = config.branches or (name,) * config.num_branches
    network = BranchedModel(
        [build_branch(branch) for branch in names],
        num_shared=config.shared_stages,
        unit=config.unit,
    )
    return Online(network, config)


def ramp_up(progress: float, length: float) -> float:
    """Give exp(-5 (1 - t)^2), t going from 0 to 1 in the first `length` of the run.

    >>> [round(ramp_up(progress, 0.6), 4) for progress in (0.0, 0.3, 0.6, 0.9)]
    [0.0067, 0.2865, 1.0, 1.0]
    """
    if progress >= length:
        return 1.0
    return math.exp(-5 * (1 - progress / length) ** 2)


def online_kl(
    outputs: Outputs, target: Outputs, *, batch: Batch, codec: Codec, config: OnlineConfig
) -> Tensor:
    """Give the KL divergence from an ensemble to one output, on the scale of the keypoint loss.

    Without the weight and the ramp of the config. Joints of weight 0 count nothing, as released.
    """
    temperature, supervised = config.temperature, config.supervised
    if isinstance(codec, SimCC):
        x, y, wanted_x, wanted_y = (part / temperature for part in (*outputs, *target))
        total = simcc_kl(x, y, wanted_x, wanted_y, batch.weights) * temperature**2
        return total * (supervised.people_scale / len(batch.images))
    total = heatmap_kl(outputs[0], target[0], batch.weights, temperature=temperature)
    return total * _OF_SQUARED_ERROR * supervised.heatmap_weight


class Online(Objective):
    """Train the branches of one network on labels and on their weighed ensemble.

    Losses: ``keypoint`` is that of the labels on every output, ``ensemble`` on the ensemble,
    ``distil`` the KL divergence from the ensemble to every output. Raises ValueError for a
    temperature of 0 or less, and where nothing would teach the aggregation unit.
    """

    def __init__(self, network: BranchedModel, config: OnlineConfig) -> None:
        super().__init__()
        _check(config)
        self.network = network
        self.config = config
        self.best = 0

    def forward(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Give the losses of all branches."""
        config, codec = self.config, self.network.specs[0].codec
        seen = self.network(batch.images)
        outputs = [*seen.shared, *(output for branch in seen.branches for output in branch)]
        hard = [
            keypoint_loss(output, batch, codec=codec, config=config.supervised)
            for output in outputs
        ]
        losses = {"keypoint": torch.stack(hard).sum()}
        if config.ensemble_weight:
            own = keypoint_loss(seen.ensemble, batch, codec=codec, config=config.supervised)
            losses["ensemble"] = config.ensemble_weight * own
        if config.kd_weight:
            target = seen.ensemble
            if config.detach_target:
                target = tuple(part.detach() for part in target)
            soft = [
                online_kl(output, target, batch=batch, codec=codec, config=config)
                for output in outputs
            ]
            weight = config.kd_weight * ramp_up(progress, config.ramp)
            losses["distil"] = weight * torch.stack(soft).sum()
        return losses

    def deployable(self) -> PoseModel:
        """Give the branch that was chosen, the first before any was."""
        return self.network.model(self.best)

    def candidates(self) -> dict[str, PoseModel]:
        """Give the branches that are built like the first."""
        wanted = self.network.specs[0].architecture
        return {
            _name(index): self.network.model(index)
            for index, spec in enumerate(self.network.specs)
            if spec.architecture == wanted
        }

    def companions(self) -> dict[str, nn.Module]:
        """Give the branches that are built otherwise, and the ensemble."""
        deployed = self.candidates()
        others: dict[str, nn.Module] = {
            _name(index): self.network.model(index)
            for index in range(len(self.network.specs))
            if _name(index) not in deployed
        }
        return {**others, "ensemble": Ensemble(self.network)}

    def choose(self, name: str) -> None:
        """Take a candidate as the one to deploy."""
        self.best = int(name.removeprefix("branch ")) - 1

    def held_state(self) -> dict[str, Tensor]:
        """Give which branch was chosen."""
        return {"best": torch.tensor(self.best)}

    def load_held_state(self, state: dict[str, Tensor]) -> None:
        """Take up which branch was chosen."""
        self.best = int(state["best"])


def _name(index: int) -> str:
    return f"branch {index + 1}"


def _check(config: OnlineConfig) -> None:
    if config.temperature <= 0:
        raise ValueError(f"objective.temperature is {config.temperature}; expected more than 0")
    is_taught = config.ensemble_weight or (config.kd_weight and not config.detach_target)
    if config.unit != "mean" and not is_taught:
        raise ValueError(
            f"nothing teaches the aggregation unit {config.unit!r}: objective.ensemble_weight is "
            "0 and the target is detached; --set objective.unit=mean averages without one"
        )
