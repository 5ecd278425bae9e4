"""Branched model: networks that share their first stages, and the unit that weighs their outputs.

Paper: Online Knowledge Distillation for Efficient Pose Estimation (OKDHP; Li et al., ICCV 2021).
Built from the published design, not from the released code, which takes outputs by their place in
one long list and so leaves the first branch out of the ensemble: here an output is
`branches[b].stages[s]`. Deliberate differences: maps of more than 256 channels are narrowed
before the aggregation unit; the softmax weighs SimCC logits too. docs/online.md has the rest.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from posedistill.models.files import build
from posedistill.models.pose_model import PoseModel, normalise
from posedistill.models.staged import Flow, StagedBackbone, early_outputs, run_stages, stages_of
from posedistill.skeleton import Skeleton
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD, Spec

Outputs = tuple[Tensor, ...]  # of one network, in the order of its codec
Unit = Literal["published", "released", "mean"]
_WIDTH = 256  # channels of the unit's paths, those of an hourglass
_SQUEEZED = 64
_KERNELS = (3, 5, 7)


class AggregationUnit(nn.Module):
    """Weigh branches against each other, for each joint, by a map that all of them share.

    Paths of 3x3, 5x5 and 7x7 convolutions with a 1x1 each and a path of the averaged map with a
    1x1 are averaged over the map, joined and squeezed to 64 numbers; a linear layer a branch and a
    softmax over the branches give the weights. With is_released there is no averaged path and no
    1x1, and the paths are added up, as in the authors' code.

    >>> unit = AggregationUnit(8, num_branches=3, num_joints=17)
    >>> weights = unit(torch.zeros(2, 8, 4, 4))
    >>> tuple(weights.shape), [round(float(x), 6) for x in weights.sum(1)[0, :2]]
    ((2, 3, 17), [1.0, 1.0])
    """

    def __init__(
        self, channels: int, *, num_branches: int, num_joints: int, is_released: bool = False
    ) -> None:
        super().__init__()
        self.is_released = is_released
        width = min(channels, _WIDTH)
        self.narrow = nn.Conv2d(channels, width, 1) if channels > width else nn.Identity()
        self.paths = nn.ModuleList(
            _path(width, kernel, has_mixing=not is_released) for kernel in _KERNELS
        )
        self.average = nn.Identity() if is_released else nn.Conv2d(width, width, 1)
        joined = width if is_released else width * (len(_KERNELS) + 1)
        self.squeeze = nn.Linear(joined, _SQUEEZED)
        self.votes = nn.ModuleList(nn.Linear(_SQUEEZED, num_joints) for _ in range(num_branches))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w) to weights (B, T, K) that add up to 1 over the T branches."""
        x = self.narrow(x)
        pooled = [path(x).mean(dim=(2, 3)) for path in self.paths]
        if self.is_released:
            joined = torch.stack(pooled).sum(dim=0)
        else:
            average = self.average(x.mean(dim=(2, 3), keepdim=True)).flatten(1)
            joined = torch.cat([*pooled, average], dim=1)
        squeezed = self.squeeze(joined)
        votes = torch.stack([vote(squeezed) for vote in self.votes], dim=1)
        return torch.softmax(votes.float(), dim=1)


def _path(width: int, kernel: int, *, has_mixing: bool) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(width, width, kernel, padding=kernel // 2),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    ]
    return (
        nn.Sequential(*layers, nn.Conv2d(width, width, 1)) if has_mixing else nn.Sequential(*layers)
    )


class Branch(nn.Module):
    """Hold what a branch has of its own: its last stages and its head."""

    def __init__(self, stages: Sequence[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.head = head


class BranchedOutputs(NamedTuple):
    """Hold all that a branched model predicts.

    Attributes:
        shared: of shared stages that predict by themselves.
        branches: of each branch, its own stages' that predict by themselves, then its head's.
        ensemble: the last outputs of all branches, weighed.
        weights: (B, T, K) of that.
    """

    shared: list[Outputs]
    branches: list[list[Outputs]]
    ensemble: Outputs
    weights: Tensor


class BranchedModel(nn.Module):
    """Join models that share their first stages; any of them can be had as an ordinary model.

    models: one a branch, of one kind of backbone, skeleton and codec, as `build` gives them; the
    shared stages are those of the first. num_shared: stages shared, the stem counted; 0 takes the
    default of the first model's backbone. unit: how branches are weighed, see `AggregationUnit`;
    ``mean`` gives all the same weight. Raises ValueError for models that cannot share that much.

    >>> models = [build("rtmpose-n", "coco17", (64, 64)) for _ in range(3)]
    >>> network = BranchedModel(models)
    >>> outputs = network(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    >>> len(outputs.branches), tuple(outputs.ensemble[0].shape)
    (3, (1, 17, 128))
    >>> network.model(2).spec.architecture
    'rtmpose-n'
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, models: Sequence[PoseModel], *, num_shared: int = 0, unit: Unit = "published"
    ) -> None:
        super().__init__()
        if unit not in get_args(Unit):
            raise ValueError(f"unit is {unit!r}; expected one of {', '.join(get_args(Unit))}")
        num_shared = _num_shared(models, num_shared)
        kind = models[0].backbone
        assert isinstance(kind, StagedBackbone)
        self._kind: type[StagedBackbone] = type(kind)
        self._aggregate_at = kind.aggregate_at
        self.specs: tuple[Spec, ...] = tuple(model.spec for model in models)
        self.shared = nn.ModuleList(stages_of(kind)[:num_shared])
        self.branches = nn.ModuleList(
            Branch(stages_of(model.backbone)[num_shared:], model.head) for model in models
        )
        self.unit: AggregationUnit | None = None
        if unit != "mean":
            self.unit = AggregationUnit(
                _map_channels(models[0].spec, num_shared),
                num_branches=len(models),
                num_joints=len(Skeleton.get(models[0].spec.skeleton)),
                is_released=unit == "released",
            )
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> BranchedOutputs:
        """Map uint8 RGB crops (B, 3, h, w) to what all branches predict."""
        shared_stages = list(self.shared)
        flow = run_stages(self._kind, shared_stages, Flow(normalise(images, self.mean, self.std)))
        branches = []
        for branch in map(self.branch, range(len(self.branches))):
            stages = list(branch.stages)
            features = run_stages(self._kind, stages, flow).features
            early = early_outputs(self._kind, stages, features[len(shared_stages) :])
            branches.append([*early, branch.head(features[1:])])
        last = [outputs[-1] for outputs in branches]
        weights = self._weigh(flow.features[self._aggregate_at], last[0][0])
        return BranchedOutputs(
            shared=early_outputs(self._kind, shared_stages, flow.features),
            branches=branches,
            ensemble=tuple(_weighed(parts, weights) for parts in zip(*last, strict=True)),
            weights=weights,
        )

    def _weigh(self, x: Tensor, output: Tensor) -> Tensor:
        if self.unit is not None:
            weights: Tensor = self.unit(x)
            return weights
        count = len(self.branches)
        return output.new_full((len(output), count, output.shape[1]), 1 / count)

    def branch(self, index: int) -> Branch:
        """Give what a branch has of its own."""
        branch = self.branches[index]
        assert isinstance(branch, Branch)
        return branch

    def model(self, index: int) -> PoseModel:
        """Give the model of a branch, sharing the weights: shared stages, own stages and head."""
        branch, spec = self.branch(index), self.specs[index]
        shell = _without_weights(spec)
        assert isinstance(shell.backbone, StagedBackbone)
        names = shell.backbone.stage_names
        for name, stage in zip(names, [*self.shared, *branch.stages], strict=True):
            _put(shell.backbone, name, stage)
        model = PoseModel(shell.backbone, branch.head, spec).train(self.training)
        model.mean, model.std = self.mean, self.std
        return model


class Ensemble(nn.Module):
    """Give the weighed output of all branches, to be scored beside them."""

    def __init__(self, network: BranchedModel) -> None:
        super().__init__()
        self.network = network
        self.spec = network.specs[0]

    def forward(self, images: Tensor) -> Outputs:
        """Map uint8 RGB crops (B, 3, h, w) to the codec's outputs, in its order."""
        outputs: BranchedOutputs = self.network(images)
        return outputs.ensemble


def _weighed(parts: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Add up (B, K, ...) of each branch, weights (B, T, K)."""
    stacked = torch.stack([part.float() for part in parts], dim=1)
    return (stacked * weights.view(*weights.shape, *[1] * (stacked.ndim - 3))).sum(dim=1)


def _without_weights(spec: Spec) -> PoseModel:
    with torch.device("meta"):
        return build(spec.architecture, spec.skeleton, spec.input_size_wh)


def _put(backbone: nn.Module, name: str, stage: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(backbone.get_submodule(parent), last, stage)


def _map_channels(spec: Spec, num_shared: int) -> int:
    """Give the channels of the map that weighs branches; on the meta device that costs nothing."""
    shell = _without_weights(spec).eval()
    kind = shell.backbone
    assert isinstance(kind, StagedBackbone)
    w, h = spec.input_size_wh
    images = torch.zeros(1, 3, h, w, device="meta")
    flow = run_stages(kind, stages_of(shell.backbone)[:num_shared], Flow(images))
    return flow.features[kind.aggregate_at].shape[1]


def _num_shared(models: Sequence[PoseModel], num_shared: int) -> int:
    """Give how many stages are shared.

    Raises ValueError where the models cannot share them.
    """
    if len(models) < 2:
        raise ValueError(f"{len(models)} branch; online distillation takes two or more")
    first = models[0]
    kind = first.backbone
    if not isinstance(kind, StagedBackbone):
        raise ValueError(f"the stages of {first.spec.architecture} cannot be shared")
    num_shared = num_shared or kind.default_shared
    for model in models:
        name = model.spec.architecture
        other = (model.spec.skeleton, model.spec.codec)
        if type(model.backbone) is not type(kind) or other != (
            first.spec.skeleton,
            first.spec.codec,
        ):
            raise ValueError(
                f"{name} cannot be a branch beside {first.spec.architecture}: branches have one "
                "kind of backbone, one skeleton and one codec"
            )
        stages = stages_of(model.backbone)
        if not 1 <= num_shared <= len(stages) or _shapes(stages[:num_shared]) != _shapes(
            stages_of(first.backbone)[:num_shared]
        ):
            raise ValueError(
                f"{name} and {first.spec.architecture} cannot share {num_shared} stages; "
                f"{name} has {len(stages)}, the stem counted"
            )
    return num_shared


def _shapes(stages: Sequence[nn.Module]) -> list[tuple[str, torch.Size]]:
    return [(name, value.shape) for stage in stages for name, value in stage.state_dict().items()]
