"""SimCC codec: each keypoint as one distribution over x bins and one over y bins.

Paper: SimCC (Li et al., ECCV 2022). Rules and constants: MMPose,
codecs/simcc_label.py. No deliberate differences.
"""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Peaks = tuple[NDArray[np.int64], Floats]
_MANY = 2**21  # logits from which on two threads take less time than one
_SIGMAS_XY = {(192, 256): (4.9, 5.66), (288, 384): (6.0, 6.93)}


@dataclass(frozen=True)
class SimCC:
    """Encode keypoints as Gaussian rows over split pixels, decode by argmax.

    input_size_wh: network input, pixels. sigma_xy: Gaussian widths in bins, (4.9, 5.66) at
    192x256 and (6.0, 6.93) at 288x384. split_ratio: bins per pixel.

    >>> codec = SimCC((192, 256), (4.9, 5.66))
    >>> x, y, weights = codec.encode(np.array([[10.0, 20.0]]), np.ones(1))
    >>> x.shape, y.shape
    ((1, 384), (1, 512))
    >>> codec.decode(x, y)[0].tolist()
    [[10.0, 20.0]]
    """

    name: ClassVar[str] = "simcc"
    output_names: ClassVar[tuple[str, ...]] = ("simcc_x", "simcc_y")

    input_size_wh: tuple[int, int]
    sigma_xy: tuple[float, float]
    split_ratio: float = 2.0

    def __post_init__(self) -> None:
        if self.split_ratio <= 0 or min(self.sigma_xy) <= 0 or min(self.input_size_wh) <= 0:
            raise ValueError(f"SimCC needs positive size, sigma and split ratio, got {self}")

    @property
    def bins_xy(self) -> tuple[int, int]:
        """Give the numbers of x and y bins."""
        return (
            int(self.input_size_wh[0] * self.split_ratio),
            int(self.input_size_wh[1] * self.split_ratio),
        )

    def encode(
        self, keypoints: NDArray[np.floating], visible: NDArray[np.floating]
    ) -> tuple[Floats, Floats, Floats]:
        """Give target rows and weights.

        keypoints: (..., K, 2) network-input pixels; visible: (..., K).
        Gives x (..., K, Wx), y (..., K, Hy), weights (..., K), float32. A keypoint whose
        3-sigma window misses the input gets weight 0; one with visibility below 0.5 gets an
        empty target and keeps its visibility as weight.
        """
        visible = np.asarray(visible, np.float64)
        centers = np.around(np.asarray(keypoints, np.float64) * self.split_ratio)
        radius = 3 * np.asarray(self.sigma_xy)
        outside = (centers - radius >= self.bins_xy) | (centers + radius + 1 < 0)
        shown = visible >= 0.5
        weights = np.where(shown & outside.any(-1), 0, visible)
        drawn = shown & ~outside.any(-1)
        rows = [self._rows(centers[..., axis], drawn, axis) for axis in (0, 1)]
        return rows[0], rows[1], weights.astype(np.float32)

    def _rows(self, centers: NDArray[np.float64], drawn: NDArray[np.bool_], axis: int) -> Floats:
        num_bins = self.bins_xy[axis]
        rows = np.zeros((*drawn.shape, num_bins), np.float32)
        curve, middle = _curve(num_bins, self.sigma_xy[axis])
        known = drawn & np.isfinite(centers)
        starts = middle - centers[known].astype(np.int64)
        rows[known] = np.lib.stride_tricks.sliding_window_view(curve, num_bins)[starts]
        rows[drawn & ~known] = np.nan  # for the loss to tell, not to be hidden
        return rows

    def decode(self, logits_x: Floats, logits_y: Floats) -> tuple[Floats, Floats]:
        """Give keypoints and scores.

        logits_x: (..., K, Wx), logits_y: (..., K, Hy). Gives keypoints (..., K, 2) in
        network-input pixels and scores (..., K) = min of both maxima. A score of 0 or less
        puts the point at bin -1. A highest logit that is infinite, or any that is NaN, makes the
        score NaN.
        """
        (best_x, peaks_x), (best_y, peaks_y) = _peaks_of_both(logits_x, logits_y)
        best = np.stack([best_x, best_y], axis=-1).astype(np.float32)
        scores = np.minimum(peaks_x, peaks_y).astype(np.float32)
        best[scores <= 0] = -1
        scores[np.isinf(peaks_x) | np.isinf(peaks_y)] = np.nan
        return best / np.float32(self.split_ratio), scores

    def flip_back(
        self, outputs: tuple[Floats, ...], permutation: NDArray[np.int64]
    ) -> tuple[Floats, ...]:
        """Turn the outputs of a mirrored input into those of the input as it was.

        The x bins are reversed without a shift, as in the reference (rtmcc_head.py).
        """
        logits_x, logits_y = outputs
        return logits_x[..., permutation, ::-1], logits_y[..., permutation, :]


def _peaks_of_both(logits_x: Floats, logits_y: Floats) -> tuple[Peaks, Peaks]:
    """Give the highest bins and their values, of many logits by two threads at once."""
    if logits_x.size + logits_y.size < _MANY:
        return _peaks(logits_x), _peaks(logits_y)
    peaks_x = _other_thread().submit(_peaks, logits_x)  # numpy lets go of the interpreter lock
    peaks_y = _peaks(logits_y)
    return peaks_x.result(), peaks_y


@lru_cache
def _other_thread() -> ThreadPoolExecutor:
    """Give a thread that waits for work, as starting one takes as long as the work."""
    if hasattr(os, "register_at_fork"):  # a forked process has none of the threads
        os.register_at_fork(after_in_child=_other_thread.cache_clear)
    return ThreadPoolExecutor(1, thread_name_prefix="simcc")


def _peaks(logits: Floats) -> Peaks:
    """Give where (..., K) the rows are highest, and how high, reading each of them once."""
    rows = logits.reshape(-1, logits.shape[-1])
    best = rows.argmax(-1)
    peaks = rows[np.arange(len(rows)), best]
    return best.reshape(logits.shape[:-1]), peaks.reshape(logits.shape[:-1])


@lru_cache
def _curve(num_bins: int, sigma: float) -> tuple[Floats, int]:
    """Give a Gaussian whose windows are the rows of all centres, and where its middle is.

    Centres are whole bins, from 3 sigma and one bin below 0 to 3 sigma above the last bin.
    """
    middle = num_bins + math.ceil(3 * sigma) + 1
    distance = np.arange(2 * middle + 1) - float(middle)
    return np.exp(-(distance**2) / (2 * sigma**2)).astype(np.float32), middle


def published_sigma_xy(size_wh: tuple[int, int]) -> tuple[float, float]:
    """Give the SimCC sigmas, in bins, that RTMPose of an input size was trained with.

    Sizes that were not published follow their rule, the square root of an eighth of the side.

    >>> published_sigma_xy((192, 256)), published_sigma_xy((32, 72))
    ((4.9, 5.66), (2.0, 3.0))
    """
    w, h = size_wh
    return _SIGMAS_XY.get(size_wh, (math.sqrt(w / 8), math.sqrt(h / 8)))
