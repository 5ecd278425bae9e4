"""Heatmap head: one 1x1 convolution, and the heatmap codec of networks that give such maps."""

from torch import Tensor, nn

from posedistill.codecs import Heatmap

_SIGMA, _SIGMA_BY_SIZE_WH = 2.0, {(288, 384): 3.0}


class HeatmapHead(nn.Module):
    """Map the last feature map to one heatmap a joint, of the same size.

    >>> import torch
    >>> tuple(HeatmapHead(8, num_joints=17)((torch.zeros(1, 8, 16, 12),))[0].shape)
    (1, 17, 16, 12)
    """

    def __init__(self, channels: int, *, num_joints: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, num_joints, 1)

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Map features, the last (B, C, h, w), to a tuple of one tensor (B, K, h, w)."""
        return (self.score(features[-1]),)


def heatmap_codec(input_size_wh: tuple[int, int], *, multiple_of: int) -> Heatmap:
    """Give the codec of Simple Baselines (Xiao et al., ECCV 2018), with sigmas as published.

    multiple_of: what the sides have to be, for the network to give maps of a quarter of them.
    Raises ValueError where they are not.

    >>> [heatmap_codec(size, multiple_of=32).sigma for size in ((192, 256), (288, 384))]
    [2.0, 3.0]
    """
    if any(side % multiple_of or side <= 0 for side in input_size_wh):
        nearest = tuple(max(round(side / multiple_of), 1) * multiple_of for side in input_size_wh)
        raise ValueError(
            f"input_size_wh is {input_size_wh}; expected multiples of {multiple_of}, "
            f"such as {nearest}"
        )
    sigma = _SIGMA_BY_SIZE_WH.get(input_size_wh, _SIGMA)
    return Heatmap(input_size_wh, sigma, center="rounded", window=True)
