"""Marginals: a heatmap teacher as a SimCC student hears it, a row and a column for each joint.

A SimCC target is a Gaussian of height 1 along each axis, so is a heatmap's along its two. The row
of a joint is the highest cell of each column of its map; in logarithms, where a Gaussian is a
parabola, it is interpolated to the student's bins by a cubic that is exact for parabolas
(Catmull-Rom), and scaled so that a peak of the heatmaps' width gets the width of the student's
targets and keeps its height. A map with two peaks gives two. What a joint's row and column do not
say is which peak of the one belongs to which of the other.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posedistill.codecs import Heatmap, SimCC

_FLOOR = 1e-3  # of the highest cell; what is lower counts as so low
_TINY = 1e-6
_REACH = 1.5  # widths of a heatmap's peak to each side in which the highest bin is its peak


class Marginals:
    """Turn heatmaps of one codec into logits of a SimCC codec, input sizes of one aspect.

    >>> marginals = Marginals(Heatmap((48, 64)), SimCC((48, 64), (2.4, 2.8)))
    >>> [tuple(rows.shape) for rows in marginals(torch.zeros(1, 17, 16, 12))]
    [(1, 17, 96), (1, 17, 128)]
    """

    def __init__(self, source: Heatmap, target: SimCC) -> None:
        self._weights, self._powers, self._reaches = [], [], []
        for axis in (0, 1):
            enlarged = target.input_size_wh[axis] / source.input_size_wh[axis]
            bins_per_cell = source.cell_size_xy[axis] * enlarged * target.split_ratio
            places = np.arange(target.bins_xy[axis]) / bins_per_cell
            self._weights.append(torch.from_numpy(_cubic(places, source.map_size_wh[axis])))
            sigma = source.sigma * bins_per_cell
            self._powers.append((sigma / target.sigma_xy[axis]) ** 2)
            self._reaches.append(math.ceil(_REACH * sigma))

    def __call__(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, K, h, w) to rows (B, K, Wx) and (B, K, Hy), float32.

        Rows of a map without a positive cell are 0.
        """
        heatmaps = heatmaps.float()
        highest = heatmaps.amax(dim=(2, 3)).clamp(min=0).unsqueeze(-1)
        fine = [
            (heatmaps.amax(dim=2 + axis) / highest.clamp(min=_TINY)).clamp(min=_FLOOR).log()
            @ self._weights[axis].to(heatmaps.device)
            for axis in (0, 1)
        ]
        # between the cells a peak is higher than the highest of them, on either axis
        gains = [row.amax(dim=-1, keepdim=True).clamp(min=0) for row in fine]
        height = highest * (gains[0] + gains[1]).exp()
        x, y = (height * self._sharpened(row, axis) for axis, row in enumerate(fine))
        return x, y

    def _sharpened(self, fine: Tensor, axis: int) -> Tensor:
        """Give every peak of logarithms (B, K, bins) its new width and leave its height."""
        fine = fine - fine.amax(dim=-1, keepdim=True)
        reach = self._reaches[axis]
        peak = torch.nn.functional.max_pool1d(fine, 2 * reach + 1, stride=1, padding=reach)
        return (peak + (fine - peak) * self._powers[axis]).exp()


def _cubic(places: NDArray[np.float64], cells: int) -> NDArray[np.float32]:
    """Give (cells, places) Catmull-Rom weights; beyond the outer cells the line goes on flat."""
    weights = np.zeros((cells, len(places)), np.float32)
    base = np.floor(places).astype(int)
    t = places - base
    taps = (
        ((-t + 2) * t - 1) * t / 2,
        ((3 * t - 5) * t * t + 2) / 2,
        ((-3 * t + 4) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    )
    for offset, tap in zip((-1, 0, 1, 2), taps, strict=True):
        np.add.at(weights, (np.clip(base + offset, 0, cells - 1), np.arange(len(places))), tap)
    return weights
