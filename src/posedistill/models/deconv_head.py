"""Deconvolution head: three transposed convolutions from stride 32 to stride-4 heatmaps.

Paper: Simple Baselines (Xiao et al., ECCV 2018). No deliberate differences.
"""

from torch import Tensor, nn

_WIDTH, _NUM_LAYERS = 256, 3


class DeconvHead(nn.Module):
    """Map the last feature map to one heatmap a joint, of eight times its size.

    >>> import torch
    >>> head = DeconvHead(32, num_joints=17)
    >>> tuple(head((torch.zeros(1, 32, 2, 3),))[0].shape)
    (1, 17, 16, 24)
    """

    def __init__(self, channels: int, *, num_joints: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in (channels, *[_WIDTH] * (_NUM_LAYERS - 1)):
            deconv = nn.ConvTranspose2d(inputs, _WIDTH, 4, stride=2, padding=1, bias=False)
            nn.init.normal_(deconv.weight, std=0.001)
            layers += [deconv, nn.BatchNorm2d(_WIDTH), nn.ReLU(inplace=True)]
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(_WIDTH, num_joints, 1)
        nn.init.normal_(self.final_layer.weight, std=0.001)
        nn.init.zeros_(self.final_layer.bias)  # type: ignore[arg-type]  # it has a bias

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Map features, the last (B, C, h, w), to a tuple of one tensor (B, K, 8h, 8w)."""
        return (self.final_layer(self.deconv_layers(features[-1])),)
