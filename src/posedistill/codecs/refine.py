"""Sub-cell refinement: how far the peak of a heatmap lies from its highest cell.

Papers: Simple Baselines (Xiao et al., ECCV 2018) for the quarter offset, DARK (Zhang et al., CVPR
2020), UDP (Huang et al., CVPR 2020). Rules and constants: MMPose, codecs/utils/refinement.py.
Deliberate difference: a map without any signal gets no offset instead of NaN.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Cells = NDArray[np.int64]
Offsets = NDArray[np.float64]

_SIGMA = 2.0  # of the Gaussians in most heatmaps, cells
_LOG_FLOOR = 1e-10
_LOG_RANGE_UDP = (1e-3, 50.0)


class Offset(Protocol):
    """Say how far the peaks of heatmaps (M, h, w) lie from their highest cells (M, 2), x and y.

    sigma: of the Gaussians that the maps were learnt from, cells.
    """

    def __call__(self, heatmaps: Floats, cells: Cells, *, sigma: float = _SIGMA) -> Offsets:
        """Give (M, 2) cells."""
        ...


def no_offset(heatmaps: Floats, cells: Cells, *, sigma: float = _SIGMA) -> Offsets:
    """Give zeros: the peak is the highest cell.

    heatmaps: (M, h, w); cells: (M, 2), x and y of the highest; gives (M, 2) cells.

    >>> no_offset(np.zeros((1, 4, 4), np.float32), np.array([[1, 2]])).tolist()
    [[0.0, 0.0]]
    """
    return np.zeros((len(heatmaps), 2))


def quarter_offset(heatmaps: Floats, cells: Cells, *, sigma: float = _SIGMA) -> Offsets:
    """Give a quarter cell towards the higher neighbour on each axis.

    heatmaps: (M, h, w); cells: (M, 2), x and y of the highest; gives (M, 2) cells. As in the
    reference, a peak in the first two cells or the last one of an axis stays on that axis, and
    one in the first cell of the other axis stays as well.

    >>> heatmap = np.exp(-np.square(np.arange(9) - 4.2) / 8)
    >>> maps = (heatmap[:, None] * heatmap)[None].astype(np.float32)
    >>> quarter_offset(maps, np.array([[4, 4]])).tolist()
    [[0.25, 0.25]]
    """
    h, w = heatmaps.shape[-2:]
    x, y = cells[:, 0], cells[:, 1]
    step_x = np.sign(_tap(heatmaps, cells, 1, 0) - _tap(heatmaps, cells, -1, 0))
    step_y = np.sign(_tap(heatmaps, cells, 0, 1) - _tap(heatmaps, cells, 0, -1))
    moves_x = (x > 1) & (x < w - 1) & (y > 0)
    moves_y = (y > 1) & (y < h - 1) & (x > 0)
    return 0.25 * np.stack([step_x * moves_x, step_y * moves_y], axis=-1).astype(np.float64)


def dark_offset(heatmaps: Floats, cells: Cells, *, sigma: float = _SIGMA) -> Offsets:
    """Give the step to the top of the parabola through the blurred map's logarithm (DARK).

    heatmaps: (M, h, w); cells: (M, 2), x and y of the highest; gives (M, 2) cells; sigma:
    of the Gaussians, cells, which the blur follows. A peak within two cells of the border stays.

    >>> heatmap = np.exp(-np.square(np.arange(25) - 12.2) / 8)
    >>> maps = (heatmap[:, None] * heatmap)[None].astype(np.float32)
    >>> dark_offset(maps, np.array([[12, 12]])).round(3).tolist()
    [[0.2, 0.2]]
    """
    h, w = heatmaps.shape[-2:]
    x, y = cells[:, 0], cells[:, 1]
    log = _Log(np.maximum(_blur(heatmaps, sigma), _LOG_FLOOR), cells)
    slope_x = (log.at(1, 0) - log.at(-1, 0)) / 2
    slope_y = (log.at(0, 1) - log.at(0, -1)) / 2
    bend_xx = (log.at(2, 0) - 2 * log.at(0, 0) + log.at(-2, 0)) / 4
    bend_yy = (log.at(0, 2) - 2 * log.at(0, 0) + log.at(0, -2)) / 4
    bend_xy = (log.at(1, 1) - log.at(-1, 1) - log.at(1, -1) + log.at(-1, -1)) / 4
    step = _newton_step(slope_x, slope_y, bends=(bend_xx, bend_xy, bend_yy))
    is_inside = (x > 1) & (x < w - 2) & (y > 1) & (y < h - 2)
    return np.where(is_inside[:, None], step, 0)


def dark_udp_offset(heatmaps: Floats, cells: Cells, *, sigma: float = _SIGMA) -> Offsets:
    """Give the step to the top as `dark_offset` does, with the differences of UDP.

    heatmaps: (M, h, w); cells: (M, 2), x and y of the highest; gives (M, 2) cells; sigma:
    of the Gaussians, cells, which the blur follows. Neighbours are one cell away, values stay
    within 0.001 and 50, and the border repeats its cells, so that peaks on the border move too.

    >>> heatmap = np.exp(-np.square(np.arange(25) - 12.2) / 8)
    >>> maps = (heatmap[:, None] * heatmap)[None].astype(np.float32)
    >>> dark_udp_offset(maps, np.array([[12, 12]])).round(3).tolist()
    [[0.2, 0.2]]
    """
    log = _Log(np.clip(_blur(heatmaps, sigma), *_LOG_RANGE_UDP), cells)
    here = log.at(0, 0)
    slope_x = (log.at(1, 0) - log.at(-1, 0)) / 2
    slope_y = (log.at(0, 1) - log.at(0, -1)) / 2
    sum_x, sum_y = log.at(1, 0) + log.at(-1, 0), log.at(0, 1) + log.at(0, -1)
    epsilon = np.finfo(np.float32).eps  # makes a flat map's matrix regular
    bend_xx, bend_yy = sum_x - 2 * here + epsilon, sum_y - 2 * here + epsilon
    bend_xy = (log.at(1, 1) + log.at(-1, -1) - sum_x - sum_y + 2 * here) / 2
    return _newton_step(slope_x, slope_y, bends=(bend_xx, bend_xy, bend_yy))


OFFSETS: dict[str, Offset] = {
    "none": no_offset,
    "quarter": quarter_offset,
    "dark": dark_offset,
    "dark_udp": dark_udp_offset,
}


class _Log:
    """Logarithms of maps (M, h, w) around one cell (M, 2) of each."""

    def __init__(self, heatmaps: Floats, cells: Cells) -> None:
        self._heatmaps, self._cells = heatmaps, cells

    def at(self, dx: int, dy: int) -> Offsets:
        values = _tap(self._heatmaps, self._cells, dx, dy)
        return np.asarray(np.log(values, dtype=np.float64))


def _tap(heatmaps: Floats, cells: Cells, dx: int, dy: int) -> Floats:
    """Give the values (M,) beside the cells; beyond the border its cells repeat."""
    h, w = heatmaps.shape[-2:]
    x, y = np.clip(cells[:, 0] + dx, 0, w - 1), np.clip(cells[:, 1] + dy, 0, h - 1)
    return heatmaps[np.arange(len(heatmaps)), y, x]


def _blur(heatmaps: Floats, sigma: float) -> Floats:
    """Blur maps (M, h, w), zeros around them, and give them back the height of their peaks."""
    h, w = heatmaps.shape[-2:]
    blurred = _blur_matrix(h, sigma) @ heatmaps @ _blur_matrix(w, sigma)
    least = np.float32(1e-12)  # what a map without signal is divided by
    scale = heatmaps.max((1, 2)) / np.maximum(blurred.max((1, 2)), least)
    return np.asarray(blurred * scale[:, None, None], dtype=np.float32)


def _blur_matrix(size: int, sigma: float) -> Floats:
    """Give the blur along one axis as a symmetric matrix (size, size).

    The kernel has 11 cells for a Gaussian of 2 and 17 for one of 3, as published, and others by
    the same rule; its own spread is what OpenCV derives from its length, 2 and 2.9.
    """
    radius = max(round(3 * sigma) - 1, 1)
    spread = 0.3 * (radius - 1) + 0.8
    taps = np.arange(-radius, radius + 1)
    total = np.exp(-(taps**2) / (2 * spread**2)).sum()
    distance = np.abs(np.arange(size)[:, None] - np.arange(size))
    matrix = np.exp(-(distance**2) / (2 * spread**2)) / total
    return np.where(distance <= radius, matrix, 0).astype(np.float32)


def _newton_step(
    slope_x: Offsets, slope_y: Offsets, *, bends: tuple[Offsets, Offsets, Offsets]
) -> Offsets:
    """Give -H^-1 g (M, 2) for slopes (M,) and bends xx, xy, yy (M,); 0 where H is singular."""
    xx, xy, yy = bends
    determinant = xx * yy - xy**2
    is_regular = determinant != 0
    divisor = np.where(is_regular, determinant, 1)
    step = np.stack([xy * slope_y - yy * slope_x, xy * slope_x - xx * slope_y], axis=-1)
    return np.asarray(step / divisor[:, None] * is_regular[:, None])
