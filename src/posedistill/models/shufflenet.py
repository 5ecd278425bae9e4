"""ShuffleNetV2 x1.0 without its classifier.

Paper: Ma et al., ECCV 2018. Parameter names follow torchvision's shufflenet_v2_x1_0, so that its
ImageNet checkpoints fit; its modules, one after the other, are the stages. No deliberate
differences.
"""

import torch
from torch import Tensor, nn

from posedistill.models.cspnext import DepthwiseConv2d
from posedistill.models.stage_row import StageRow

_STEM, _LAST = 24, 1024
# name: (channels, blocks)
_GROUPS = {"stage2": (116, 4), "stage3": (232, 8), "stage4": (464, 4)}


def _conv_norm(inputs: int, outputs: int, *, kernel: int = 1, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


def _depthwise_norm(channels: int, *, stride: int) -> list[nn.Module]:
    conv = DepthwiseConv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False)
    return [conv, nn.BatchNorm2d(channels)]


def _activated(layers: list[nn.Module]) -> list[nn.Module]:
    return [*layers, nn.ReLU(inplace=True)]


class ShuffleBlock(nn.Module):
    """Half of the channels pass three convolutions, half do not; then both are interleaved.

    A block that halves the map sends all channels both ways.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        half = outputs // 2
        self.halves_map = stride > 1
        self.branch1 = nn.Sequential()
        if self.halves_map:
            self.branch1 = nn.Sequential(
                *_depthwise_norm(inputs, stride=stride), *_activated(_conv_norm(inputs, half))
            )
        self.branch2 = nn.Sequential(
            *_activated(_conv_norm(inputs if self.halves_map else half, half)),
            *_depthwise_norm(half, stride=stride),
            *_activated(_conv_norm(half, half)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H/stride, W/stride)."""
        first, second = (x, x) if self.halves_map else x.chunk(2, dim=1)
        halves = torch.stack([self.branch1(first), self.branch2(second)], dim=2)
        return halves.flatten(1, 2)  # channels of the first and the second half in turn


class ShuffleNetV2(StageRow):
    """Stem, pooling, three groups of blocks and a 1x1 unit to 1024 channels, to stride 32.

    >>> import torch
    >>> tuple(ShuffleNetV2()(torch.zeros(1, 3, 64, 64))[-1].shape)
    (1, 1024, 2, 2)
    """

    def __init__(self) -> None:
        super().__init__(("conv1", "maxpool", *_GROUPS, "conv5"))
        self.channels = (_STEM, *(outputs for outputs, _ in _GROUPS.values()), _LAST)
        self.conv1 = nn.Sequential(*_activated(_conv_norm(3, _STEM, kernel=3, stride=2)))
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        inputs = _STEM
        for name, (outputs, num_blocks) in _GROUPS.items():
            blocks = [ShuffleBlock(inputs, outputs, stride=2)]
            blocks += [ShuffleBlock(outputs, outputs, stride=1) for _ in range(num_blocks - 1)]
            setattr(self, name, nn.Sequential(*blocks))
            inputs = outputs
        self.conv5 = nn.Sequential(*_activated(_conv_norm(inputs, _LAST)))
