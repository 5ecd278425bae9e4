"""ResNet-18 without its classifier.

Paper: He et al., CVPR 2016. Parameter names and the first weights follow torchvision's resnet18, so
that its ImageNet checkpoints fit; its modules, one after the other, are the stages. No deliberate
differences.
"""

from torch import Tensor, nn

from posedistill.models.stage_row import StageRow

_CHANNELS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, the input added; with a stride a 1x1 convolution fits it."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H/stride, W/stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out)) + self.downsample(x)
        activated: Tensor = self.relu(out)
        return activated


class ResNet18(StageRow):
    """Seven-by-seven stem and four pairs of basic blocks, strides 4 to 32.

    >>> import torch
    >>> tuple(ResNet18()(torch.zeros(1, 3, 64, 64))[-1].shape)
    (1, 512, 2, 2)
    """

    def __init__(self) -> None:
        layers = tuple(f"layer{index}" for index in range(1, 5))
        super().__init__(("conv1", "bn1", "relu", "maxpool", *layers))
        stem = _CHANNELS[0]
        self.channels = (stem, stem, stem, *_CHANNELS)
        self.conv1 = nn.Conv2d(3, stem, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU()  # not in place: the map before it is a stage's own
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        inputs = stem
        for name, outputs in zip(layers, _CHANNELS, strict=True):
            stride = 1 if name == layers[0] else 2
            first = BasicBlock(inputs, outputs, stride=stride)
            setattr(self, name, nn.Sequential(first, BasicBlock(outputs, outputs, stride=1)))
            inputs = outputs
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
