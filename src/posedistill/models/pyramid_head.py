"""Pyramid head: a light top-down decoder from four backbone stages to stride-4 heatmaps.

After FPN (Lin et al., CVPR 2017): lateral 1x1 units, nearest upsampling and addition, one
3x3 unit at stride 4. It serves to pre-train backbones with dense targets.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from posedistill.models.cspnext import ConvUnit


class PyramidHead(nn.Module):
    """Map the maps of four stages to one heatmap a joint.

    >>> head = PyramidHead((8, 16, 32, 64), num_joints=17)
    >>> import torch
    >>> features = [torch.zeros(1, 8 * 2**i, 32 // 2**i, 24 // 2**i) for i in range(4)]
    >>> tuple(head(tuple(features))[0].shape)
    (1, 17, 32, 24)
    """

    def __init__(self, channels: Sequence[int], *, num_joints: int, width: int = 64) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(ConvUnit(count, width) for count in channels)
        self.smooth = ConvUnit(width, width, 3)
        self.final_layer = nn.Conv2d(width, num_joints, 1)
        nn.init.normal_(self.final_layer.weight, std=0.001)
        nn.init.zeros_(self.final_layer.bias)  # type: ignore[arg-type]  # it has a bias

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Map features, strides 4 to 32, to a tuple of one tensor (B, K, H/4, W/4)."""
        sides = [lateral(x) for lateral, x in zip(self.lateral, features, strict=True)]
        x: Tensor = sides.pop()
        while sides:
            side = sides.pop()
            x = side + nn.functional.interpolate(x, size=side.shape[-2:], mode="nearest")
        return (self.final_layer(self.smooth(x)),)
