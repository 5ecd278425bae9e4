"""MobileNetV2 without its classifier.

Paper: Sandler et al., CVPR 2018. Parameter names and the first weights follow torchvision's
mobilenet_v2, so that its ImageNet checkpoints fit; its blocks, one after the other, are the stages.
No deliberate differences.
"""

from torch import Tensor, nn

from posedistill.models.cspnext import DepthwiseConv2d
from posedistill.models.stage_row import StageRow

# (expansion, channels, blocks, stride of the first)
_GROUPS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_STEM, _LAST = 32, 1280


def _conv_unit(  # house rule: as nn.Conv2d takes them
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    kind = nn.Conv2d if groups == 1 else DepthwiseConv2d
    conv = kind(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """Widen by 1x1, convolve each channel by 3x3, narrow by 1x1; the input added where it fits."""

    def __init__(self, inputs: int, outputs: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        middle = inputs * expansion
        widen = [_conv_unit(inputs, middle, 1)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *widen,
            _conv_unit(middle, middle, 3, stride=stride, groups=middle),
            nn.Conv2d(middle, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.adds_input = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H/stride, W/stride)."""
        out: Tensor = self.conv(x)
        return x + out if self.adds_input else out


class MobileNetV2(StageRow):
    """Stem, 17 inverted residual blocks and a 1x1 unit to 1280 channels, to stride 32.

    >>> import torch
    >>> tuple(MobileNetV2()(torch.zeros(1, 3, 64, 64))[-1].shape)
    (1, 1280, 2, 2)
    """

    def __init__(self) -> None:
        blocks: list[nn.Module] = [_conv_unit(3, _STEM, 3, stride=2)]
        channels = [_STEM]
        for expansion, outputs, num_blocks, first_stride in _GROUPS:
            for stride in (first_stride, *[1] * (num_blocks - 1)):
                blocks.append(
                    InvertedResidual(channels[-1], outputs, expansion=expansion, stride=stride)
                )
                channels.append(outputs)
        blocks.append(_conv_unit(channels[-1], _LAST, 1))
        super().__init__(tuple(f"features.{index}" for index in range(len(blocks))))
        self.channels = (*channels[1:], _LAST)
        self.features = nn.Sequential(*blocks)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
