"""Optimisation: parameter groups, learning-rate curve, moving average of weights.

Rules: the published RTMPose configurations, with MMEngine's AdamW, LinearLR + CosineAnnealingLR and
ExpMomentumEMA. No deliberate differences. With weight_decay 0 AdamW is Adam; with milestones beside
it, that is how OKDHP trains (tools/train.py: Adam and MultiStepLR).
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@dataclass(frozen=True)
class OptimConfig:
    """Say how weights move.

    Attributes:
        lr: learning rate after warm-up. weight_decay: of all parameters but BatchNorm and biases.
        warmup_steps: steps of linear warm-up from 1e-5 of lr; 0 for none.
        flat_fraction: part of the run before the cosine begins.
        final_factor: part of lr that the cosine ends on.
        milestones: parts of the run after which lr falls to milestone_factor of what it was. Where
            there are any, there is no cosine.
        clip_norm: largest gradient norm; None does not clip.
        ema: whether the averaged weights are those that are evaluated and kept, or those of now.
        ema_momentum, ema_gamma: the average takes in (1 - momentum) exp(-(1 + n) / gamma)
            + momentum of the weights at update n.

    Raises ValueError for a milestone that is no part of a run.
    """

    lr: float = 4e-3
    weight_decay: float = 0.05
    warmup_steps: int = 1000
    flat_fraction: float = 0.5
    final_factor: float = 0.05
    milestones: tuple[float, ...] = ()
    milestone_factor: float = 0.1
    clip_norm: float | None = None
    ema: bool = True
    ema_momentum: float = 2e-4
    ema_gamma: float = 2000.0

    def __post_init__(self) -> None:
        if not all(0 < milestone < 1 for milestone in self.milestones):
            raise ValueError(
                f"optim.milestones is {self.milestones}; expected parts of the run between 0 and "
                "1, such as 0.6,0.8 for epochs 90 and 120 of 150"
            )


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Split trainable parameters into those that decay and those that do not.

    BatchNorm parameters and every parameter named `bias` do not; ScaleNorm gains, gamma, beta and
    res_scale do, as in the reference.

    >>> groups = parameter_groups(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), 0.05)
    >>> [len(group["params"]) for group in groups]
    [1, 3]
    """
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for owner in module.modules():
        for name, parameter in owner.named_parameters(recurse=False):
            if parameter.requires_grad:
                is_plain = isinstance(owner, _BatchNorm) or name == "bias"
                (plain if is_plain else decayed).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]


def learning_rate(step: int, total_steps: int, *, config: OptimConfig) -> float:
    """Give the learning rate of a 0-based step: warm-up, then flat and cosine, or falling steps.

    >>> learning_rate(5000, 27000, config=OptimConfig())
    0.004
    """
    fall = _milestone_factor if config.milestones else _cosine_factor
    factor = fall(step, total_steps, config=config)
    if step < config.warmup_steps:
        factor *= 1e-5 + (1 - 1e-5) * step / max(config.warmup_steps - 1, 1)
    return config.lr * factor


def _cosine_factor(step: int, total_steps: int, *, config: OptimConfig) -> float:
    start = int(total_steps * config.flat_fraction)
    if step <= start:
        return 1.0
    part = (step - start) / max(total_steps - start, 1)
    cosine = (1 + math.cos(math.pi * part)) / 2
    return config.final_factor + (1 - config.final_factor) * cosine


def _milestone_factor(step: int, total_steps: int, *, config: OptimConfig) -> float:
    # rounded: as a float, a part such as 90 / 150 may fall just short of the step that it means
    passed = sum(step >= round(total_steps * milestone) for milestone in config.milestones)
    return config.milestone_factor**passed


class Ema:
    """Keep the moving average of a module's weights and buffers."""

    def __init__(self, module: nn.Module, config: OptimConfig) -> None:
        self.momentum, self.gamma = config.ema_momentum, config.ema_gamma
        self.num_updates = 0
        self.average = {name: value.clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take in the present weights; the first update copies them."""
        rate = (1 - self.momentum) * math.exp(-(1 + self.num_updates) / self.gamma) + self.momentum
        pairs = [(self.average[name], value) for name, value in module.state_dict().items()]
        mixed = [pair for pair in pairs if self.num_updates and pair[0].is_floating_point()]
        if (
            mixed
        ):  # all at once: a kernel each would take a GPU longer than the steps of a small model
            averages, values = zip(*mixed, strict=True)
            torch._foreach_lerp_(averages, values, rate)
        for average, value in pairs:
            if not (self.num_updates and average.is_floating_point()):
                average.copy_(value)
        self.num_updates += 1

    @contextmanager
    def swapped_in(self, module: nn.Module) -> Iterator[None]:
        """Give the module the averaged weights for a while."""
        present = {name: value.clone() for name, value in module.state_dict().items()}
        module.load_state_dict(self.average)
        try:
            yield
        finally:
            module.load_state_dict(present)

    def state(self) -> dict[str, Tensor | int | dict[str, Tensor]]:
        """Give what `load` needs."""
        return {"num_updates": self.num_updates, "average": self.average}

    def load(self, num_updates: int, average: dict[str, Tensor]) -> None:
        """Take up a saved state."""
        self.num_updates = num_updates
        for name, value in average.items():
            self.average[name].copy_(value)
