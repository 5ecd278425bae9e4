"""SimCC head of RTMPose (RTMCC head): per-joint tokens, one gated attention unit, two classifiers.

Paper: RTMPose (Jiang et al., 2023), GAU (Hua et al., 2022); MMPose, rtmcc_head.py.
Parameter
names follow the published checkpoints. No deliberate differences.
"""

import torch
from torch import Tensor, nn

_HIDDEN, _EXPANDED, _QUERY = 256, 512, 128


class ScaleNorm(nn.Module):
    """Divide by the root mean square of the last axis, times one learned gain."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = size**-0.5
        self.g = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., size) to the same shape."""
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True) * self.scale
        out: Tensor = x / norm.clamp(min=1e-5) * self.g
        return out


class Scale(nn.Module):
    """Multiply each channel by a learned factor."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., size) to the same shape."""
        return x * self.scale


class GatedAttention(nn.Module):
    """Gated attention unit over tokens, squared-ReLU attention without softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(2, _QUERY))
        self.beta = nn.Parameter(torch.rand(2, _QUERY))
        self.o = nn.Linear(_EXPANDED, _HIDDEN, bias=False)
        self.uv = nn.Linear(_HIDDEN, 2 * _EXPANDED + _QUERY, bias=False)
        self.ln = ScaleNorm(_HIDDEN)
        self.res_scale = Scale(_HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, K, 256) to the same shape."""
        uv = nn.functional.silu(self.uv(self.ln(x)))
        u, v, base = torch.split(uv, [_EXPANDED, _EXPANDED, _QUERY], dim=-1)
        query = base * self.gamma[0] + self.beta[0]
        key = base * self.gamma[1] + self.beta[1]
        attention = torch.relu(query @ key.transpose(1, 2) / _QUERY**0.5).square()
        out: Tensor = self.res_scale(x) + self.o(u * (attention @ v))
        return out


class SimCCHead(nn.Module):
    """Map the last feature map to logits over x bins and over y bins.

    >>> head = SimCCHead(384, num_joints=133, map_size_wh=(6, 8), bins_xy=(384, 512))
    >>> [tuple(logits.shape) for logits in head((torch.zeros(1, 384, 8, 6),))]
    [(1, 133, 384), (1, 133, 512)]
    """

    def __init__(
        self,
        channels: int,
        *,
        num_joints: int,
        map_size_wh: tuple[int, int],
        bins_xy: tuple[int, int],
    ) -> None:
        super().__init__()
        cells = map_size_wh[0] * map_size_wh[1]
        self.map_size_wh = map_size_wh
        self.final_layer = nn.Conv2d(channels, num_joints, 7, padding=3)
        self.mlp = nn.Sequential(ScaleNorm(cells), nn.Linear(cells, _HIDDEN, bias=False))
        self.gau = GatedAttention()
        self.cls_x = nn.Linear(_HIDDEN, bins_xy[0], bias=False)
        self.cls_y = nn.Linear(_HIDDEN, bins_xy[1], bias=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # final_layer has a bias
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Map features, the last (B, C, h, w), to logits (B, K, Wx) and (B, K, Hy)."""
        tokens = self.final_layer(features[-1]).flatten(2)
        tokens = self.gau(self.mlp(tokens))
        return self.cls_x(tokens), self.cls_y(tokens)
