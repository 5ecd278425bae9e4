"""CSPNeXt backbone, arch P5.

Paper: RTMDet (Lyu et al., 2022); MMPose, backbones/cspnext.py. Parameter names follow the published
RTMPose checkpoints. BatchNorm has eps 1e-5 and momentum 0.1, as those checkpoints were trained.
Deliberate difference: `forward` gives the maps of all four stages, not the last alone.
"""

import torch
from torch import Tensor, nn

from posedistill.models.stage_row import StageRow

# (in, out, blocks, residual add, spatial pyramid pooling) before scaling
_STAGES = (
    (64, 128, 3, True, False),
    (128, 256, 6, True, False),
    (256, 512, 6, True, False),
    (512, 1024, 3, False, True),
)


class DepthwiseConv2d(nn.Conv2d):
    """Convolve each channel on its own; under CPU autocast in float32.

    bf16 depthwise kernels of the CPU backend are four to six times slower, forward and backward,
    than its float32 ones in channels-last memory, casts included.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W), of the input's type."""
        if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float()).to(x.dtype)


class ConvUnit(nn.Module):
    """Convolve, normalise, activate: Conv2d without bias, BatchNorm, SiLU."""

    def __init__(  # house rule: as nn.Conv2d takes them
        self, inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        kind = nn.Conv2d if groups == 1 else DepthwiseConv2d
        self.conv = kind(
            inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(outputs)
        self.activate = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H/stride, W/stride)."""
        out: Tensor = self.activate(self.bn(self.conv(x)))
        return out


class SeparableConv(nn.Module):
    """Depthwise 5x5 unit, then pointwise 1x1 unit."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise_conv = ConvUnit(channels, channels, 5, groups=channels)
        self.pointwise_conv = ConvUnit(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        out: Tensor = self.pointwise_conv(self.depthwise_conv(x))
        return out


class Block(nn.Module):
    """Full 3x3 unit, separable 5x5 unit, and the input added where `residual`."""

    def __init__(self, channels: int, *, residual: bool) -> None:
        super().__init__()
        self.conv1 = ConvUnit(channels, channels, 3)
        self.conv2 = SeparableConv(channels)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        out: Tensor = self.conv2(self.conv1(x))
        return out + x if self.residual else out


class ChannelAttention(nn.Module):
    """Weight each channel by a gate of its global average."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        gate = self.fc(x.mean(dim=(2, 3), keepdim=True))
        return x * nn.functional.hardsigmoid(gate)


class CSPLayer(nn.Module):
    """Cross-stage partial layer: half the channels through the blocks, half past them."""

    def __init__(self, channels: int, num_blocks: int, *, residual: bool) -> None:
        super().__init__()
        middle = channels // 2
        self.main_conv = ConvUnit(channels, middle)
        self.short_conv = ConvUnit(channels, middle)
        self.final_conv = ConvUnit(2 * middle, channels)
        self.blocks = nn.Sequential(*(Block(middle, residual=residual) for _ in range(num_blocks)))
        self.attention = ChannelAttention(2 * middle)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        joined = torch.cat([self.blocks(self.main_conv(x)), self.short_conv(x)], dim=1)
        out: Tensor = self.final_conv(self.attention(joined))
        return out


class SpatialPyramid(nn.Module):
    """Concatenate the map with its maxima over 5x5, 9x9 and 13x13 windows."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvUnit(channels, channels // 2)
        self.poolings = nn.ModuleList(
            nn.MaxPool2d(kernel, stride=1, padding=kernel // 2) for kernel in (5, 9, 13)
        )
        self.conv2 = ConvUnit(channels // 2 * 4, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        x = self.conv1(x)
        out: Tensor = self.conv2(torch.cat([x, *(pooling(x) for pooling in self.poolings)], dim=1))
        return out


class CSPNeXt(StageRow):
    """Four stages of strided unit and CSP layer behind a stem of three units.

    deepen and widen scale the numbers of blocks and channels; `channels` lists the channels of
    the four stages, at strides 4, 8, 16 and 32.

    >>> backbone = CSPNeXt(deepen=0.167, widen=0.375)
    >>> [tuple(feature.shape) for feature in backbone(torch.zeros(1, 3, 64, 64))][-1]
    (1, 384, 2, 2)
    """

    def __init__(self, *, deepen: float, widen: float) -> None:
        super().__init__(("stem", *(f"stage{index}" for index in range(1, 5))))
        stem = int(64 * widen)
        half = int(64 * widen // 2)
        self.stem = nn.Sequential(
            ConvUnit(3, half, 3, stride=2), ConvUnit(half, half, 3), ConvUnit(half, stem, 3)
        )
        self.channels = tuple(int(stage[1] * widen) for stage in _STAGES)
        for index, (inputs, outputs, blocks, residual, has_pyramid) in enumerate(_STAGES, start=1):
            channels = int(outputs * widen)
            layers: list[nn.Module] = [ConvUnit(int(inputs * widen), channels, 3, stride=2)]
            if has_pyramid:
                layers.append(SpatialPyramid(channels))
            num_blocks = max(round(blocks * deepen), 1)
            layers.append(CSPLayer(channels, num_blocks, residual=residual))
            setattr(self, f"stage{index}", nn.Sequential(*layers))
