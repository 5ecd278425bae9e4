"""Staged backbones: a network as a row of stages, so that several can share the first of them."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn


class Flow(NamedTuple):
    """Hold what runs through the stages.

    Attributes:
        x: (B, C, h, w) that the next stage takes.
        features: the map of each stage so far, the stem first.
    """

    x: Tensor
    features: tuple[Tensor, ...] = ()


@runtime_checkable
class StagedBackbone(Protocol):
    """Say what a backbone tells of its stages; its `forward` runs all of them in turn.

    Attributes:
        channels: of the maps of the stages, without the stem.
        stage_names: attribute paths of the stages, the stem first.
        aggregate_at: index among the shared stages of the one whose map weighs branches.
        default_shared: how many stages branches share by default, the stem counted.
    """

    channels: tuple[int, ...]
    stage_names: tuple[str, ...]
    aggregate_at: int
    default_shared: int

    @staticmethod
    def through(stage: nn.Module, flow: Flow) -> Flow:
        """Run one stage."""

    @staticmethod
    def early_output(stage: nn.Module, feature: Tensor) -> tuple[Tensor, ...] | None:
        """Give what a stage predicts by itself, in the codec's order; None where it does not."""


def run_stages(  # house rule: in the order of the words
    kind: StagedBackbone | type[StagedBackbone], stages: Sequence[nn.Module], flow: Flow
) -> Flow:
    """Run stages of a kind of backbone one after the other."""
    for stage in stages:
        flow = kind.through(stage, flow)
    return flow


def stages_of(backbone: nn.Module) -> list[nn.Module]:
    """Give the stages of a staged backbone, the stem first.

    >>> from posedistill.models.cspnext import CSPNeXt
    >>> len(stages_of(CSPNeXt(deepen=0.167, widen=0.25)))
    5
    """
    assert isinstance(backbone, StagedBackbone)
    return [backbone.get_submodule(name) for name in backbone.stage_names]


def early_outputs(  # house rule: as `run_stages`
    kind: StagedBackbone | type[StagedBackbone],
    stages: Sequence[nn.Module],
    features: Sequence[Tensor],
) -> list[tuple[Tensor, ...]]:
    """Give what stages predict by themselves from the maps they gave; empty for most kinds."""
    pairs = zip(stages, features, strict=True)
    outputs = [kind.early_output(stage, feature) for stage, feature in pairs]
    return [output for output in outputs if output is not None]
