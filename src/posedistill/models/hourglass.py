"""Stacked hourglass networks.

Papers: Newell et al., ECCV 2016; as the plain network of OKDHP (Li et al., ICCV 2021),
lib/models/hourglass.py. Deliberate difference: maps with an odd number of cells are pooled with
their last row or column by itself, where the reference fails; so inputs need be multiples of 4
only, not of 64.
"""

from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from posedistill.models.heatmap_head import HeatmapHead, heatmap_codec
from posedistill.models.pose_model import PoseModel
from posedistill.models.stage_row import StageRow
from posedistill.models.staged import Flow
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec

_STRIDE = 4
_DEPTH = 4
_WIDTH, _NARROW_WIDTH = 256, 64


class Bottleneck(nn.Module):
    """Residual unit, pre-activated: 1x1 to planes, 3x3, 1x1 to twice the planes; the input added.

    The input passes a 1x1 convolution on its way where its channels differ.
    """

    def __init__(self, inputs: int, planes: int) -> None:
        super().__init__()
        outputs = 2 * planes
        self.units = nn.Sequential(
            *_activated_conv(inputs, planes),
            *_activated_conv(planes, planes, kernel=3),
            *_activated_conv(planes, outputs),
        )
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, 2 * planes, H, W)."""
        out: Tensor = self.shortcut(x) + self.units(x)
        return out


def _activated_conv(inputs: int, outputs: int, *, kernel: int = 1) -> list[nn.Module]:
    return [
        nn.BatchNorm2d(inputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2),
    ]


class Hourglass(nn.Module):
    """Halve the map `depth` times and double it back, a bottleneck at each turn.

    >>> import torch
    >>> tuple(Hourglass(16, depth=4)(torch.zeros(1, 16, 24, 18)).shape)
    (1, 16, 24, 18)
    """

    def __init__(self, width: int, *, depth: int) -> None:
        super().__init__()
        planes = width // 2
        self.skip = Bottleneck(width, planes)
        self.down = Bottleneck(width, planes)
        self.inner = Hourglass(width, depth=depth - 1) if depth > 1 else Bottleneck(width, planes)
        self.up = Bottleneck(width, planes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, H, W) to the same shape."""
        low = self.up(self.inner(self.down(max_pool2d(x, 2, ceil_mode=True))))
        skip: Tensor = self.skip(x)
        # Cell i takes cell i // 2 of the half map, also where the number of cells is odd.
        return skip + interpolate(low, size=skip.shape[-2:], mode="nearest")


class Link(nn.Module):
    """Lead from one stack to the next: what it took, its map and its heatmaps, added up."""

    def __init__(self, width: int, num_joints: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(width, num_joints, 1)
        self.from_feature = nn.Conv2d(width, width, 1)
        self.from_score = nn.Conv2d(num_joints, width, 1)

    def forward(self, x: Tensor, feature: Tensor) -> Tensor:
        """Map what a stack took and what it gave, both (B, width, h, w), to what the next takes."""
        out: Tensor = x + self.from_feature(feature) + self.from_score(self.score(feature))
        return out


class Stack(nn.Module):
    """One hourglass, a bottleneck and a 1x1 unit; `link` leads to the next stack, if there is one.

    >>> import torch
    >>> stack = Stack(16, num_joints=17, has_next=True)
    >>> x = torch.zeros(2, 16, 16, 16)
    >>> feature = stack(x)
    >>> tuple(stack.link(x, feature).shape), tuple(stack.link.score(feature).shape)
    ((2, 16, 16, 16), (2, 17, 16, 16))
    """

    def __init__(self, width: int, *, num_joints: int, has_next: bool) -> None:
        super().__init__()
        self.hourglass = Hourglass(width, depth=_DEPTH)
        self.residual = Bottleneck(width, width // 2)
        self.fc = nn.Sequential(
            nn.Conv2d(width, width, 1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.link: Link | None = Link(width, num_joints) if has_next else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, h, w) to the same shape."""
        out: Tensor = self.fc(self.residual(self.hourglass(x)))
        return out


class HourglassBackbone(StageRow):
    """Stem to stride 4, and stacks that each predict; the last one's prediction is the head's.

    >>> import torch
    >>> backbone = HourglassBackbone(2, num_joints=17, width=16)
    >>> [tuple(feature.shape) for feature in backbone(torch.zeros(2, 3, 64, 64))]
    [(2, 16, 16, 16), (2, 16, 16, 16)]
    """

    aggregate_at: int = 0

    def __init__(self, num_stacks: int, num_joints: int, *, width: int = _WIDTH) -> None:
        super().__init__(("stem", *(f"stacks.{index}" for index in range(num_stacks))))
        self.channels = (width,) * num_stacks
        self.default_shared = 1 + num_stacks // 2
        self.stem = _stem(width)
        self.stacks = nn.ModuleList(
            Stack(width, num_joints=num_joints, has_next=index < num_stacks - 1)
            for index in range(num_stacks)
        )

    @staticmethod
    def through(stage: nn.Module, flow: Flow) -> Flow:
        """Run the stem, or a stack and its link to the next one."""
        feature = stage(flow.x)
        link = stage.link if isinstance(stage, Stack) else None
        x = feature if link is None else link(flow.x, feature)
        return Flow(x, (*flow.features, feature))

    @staticmethod
    def early_output(stage: nn.Module, feature: Tensor) -> tuple[Tensor, ...] | None:
        """Give the heatmaps (B, K, h, w) of a stack that is not the last; of others None."""
        if not isinstance(stage, Stack) or stage.link is None:
            return None
        return (stage.link.score(feature),)


def _stem(width: int) -> nn.Sequential:
    quarter, half = width // 4, width // 2
    return nn.Sequential(
        nn.Conv2d(3, quarter, 7, stride=2, padding=3),
        nn.BatchNorm2d(quarter),
        nn.ReLU(inplace=True),
        Bottleneck(quarter, quarter),
        nn.MaxPool2d(2),
        Bottleneck(half, half),
        Bottleneck(width, half),
    )


def hourglass(  # house rule: as `build`
    num_stacks: int, skeleton: str, input_size_wh: tuple[int, int], *, is_narrow: bool = False
) -> PoseModel:
    """Give a stacked hourglass network, untrained.

    is_narrow: 64 channels instead of 256; not published, for trials in minutes. Raises ValueError
    for sides that are no multiples of 4.

    >>> hourglass(1, "coco17", (64, 64), is_narrow=True).spec.architecture
    'hourglass-1-narrow'
    """
    num_joints = len(Skeleton.get(skeleton))
    codec = heatmap_codec(input_size_wh, multiple_of=_STRIDE)
    width = _NARROW_WIDTH if is_narrow else _WIDTH
    name = f"hourglass-{num_stacks}" + ("-narrow" if is_narrow else "")
    return PoseModel(
        HourglassBackbone(num_stacks, num_joints, width=width),
        HeatmapHead(width, num_joints=num_joints),
        Spec(name, skeleton, codec),
    )
