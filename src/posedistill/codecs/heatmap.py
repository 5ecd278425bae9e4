"""Heatmap codec: each keypoint as a Gaussian on a coarse grid.

Paper: Simple Baselines (Xiao et al., ECCV 2018) for the quarter offset; the Gaussian is centred
at the exact sub-pixel position as in DARK (Zhang et al., CVPR 2020). Deliberate difference from
MMPose: a point with visibility below 0.5 gets weight 0, not its visibility.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Heatmap:
    """Encode keypoints as Gaussian maps, decode by argmax and quarter offset.

    input_size_wh: network input, pixels; stride: input pixels per map cell; sigma: Gaussian
    width in map cells. Cell i is centred on input pixel i * stride.

    >>> codec = Heatmap((192, 256))
    >>> maps, weights = codec.encode(np.array([[40.0, 80.0]]), np.ones(1))
    >>> maps.shape, codec.decode(maps)[0].tolist()
    ((1, 64, 48), [[40.0, 80.0]])
    """

    name: ClassVar[str] = "heatmap"
    output_names: ClassVar[tuple[str, ...]] = ("heatmap",)

    input_size_wh: tuple[int, int]
    sigma: float = 2.0
    stride: int = 4

    def __post_init__(self) -> None:
        w, h = self.input_size_wh
        if self.stride <= 0 or self.sigma <= 0 or w % self.stride or h % self.stride:
            raise ValueError(
                f"Heatmap needs a positive sigma and a stride that divides the size: {self}"
            )

    @property
    def map_size_wh(self) -> tuple[int, int]:
        """Give the size of a map."""
        return self.input_size_wh[0] // self.stride, self.input_size_wh[1] // self.stride

    def encode(
        self, keypoints: NDArray[np.floating], visible: NDArray[np.floating]
    ) -> tuple[Floats, Floats]:
        """Give target maps and weights.

        keypoints: (..., K, 2) network-input pixels; visible: (..., K).
        Gives maps (..., K, h, w) with peak 1, and weights (..., K), 0 where a keypoint is not
        visible or its 3-sigma window misses the map.
        """
        w, h = self.map_size_wh
        centers = np.asarray(keypoints, np.float64) / self.stride
        radius = 3 * self.sigma
        outside = (centers - radius >= (w, h)) | (centers + radius + 1 < 0)
        drawn = (np.asarray(visible) >= 0.5) & ~outside.any(-1)
        centers = np.where(drawn[..., None], centers, 0)
        row_x = self._row(centers[..., 0], w) * drawn[..., None]
        row_y = self._row(centers[..., 1], h)
        maps = row_y[..., :, None] * row_x[..., None, :]
        return maps, np.where(drawn, visible, 0).astype(np.float32)

    def _row(self, centers: NDArray[np.float64], cells: int) -> Floats:
        distance = np.arange(cells) - centers[..., None]
        return np.asarray(np.exp(-(distance**2) / (2 * self.sigma**2)), dtype=np.float32)

    def decode(self, heatmaps: Floats) -> tuple[Floats, Floats]:
        """Give keypoints (..., K, 2) in network-input pixels and scores (..., K), the peaks.

        heatmaps: (..., K, h, w). The peak moves a quarter cell towards its higher neighbour;
        at the border it stays. A score of 0 or less puts the point at cell -1.
        """
        h, w = heatmaps.shape[-2:]
        flat = heatmaps.reshape(-1, h, w)
        best = flat.reshape(len(flat), h * w).argmax(-1)
        y, x = best // w, best % w
        n = np.arange(len(flat))
        scores = flat[n, y, x]
        dx = np.sign(flat[n, y, np.minimum(x + 1, w - 1)] - flat[n, y, np.maximum(x - 1, 0)])
        dy = np.sign(flat[n, np.minimum(y + 1, h - 1), x] - flat[n, np.maximum(y - 1, 0), x])
        inner_x, inner_y = (x > 0) & (x < w - 1), (y > 0) & (y < h - 1)
        points = np.stack([x + 0.25 * dx * inner_x, y + 0.25 * dy * inner_y], axis=-1)
        points[scores <= 0] = -1
        shape = heatmaps.shape[:-2]
        keypoints = (points * self.stride).astype(np.float32).reshape(*shape, 2)
        return keypoints, scores.astype(np.float32).reshape(shape)

    def flip_back(
        self, outputs: tuple[Floats, ...], permutation: NDArray[np.int64]
    ) -> tuple[Floats, ...]:
        """Turn the outputs of a mirrored input into those of the input as it was.

        The mirrored map is shifted by one cell: pixel x mirrors to w - 1 - x, while cells mirror
        to w / stride - 1 - i, almost a whole cell apart at stride 4 (OKDHP,
        lib/core/function_okd.py).
        """
        (maps,) = outputs
        mirrored = maps[..., permutation, :, ::-1]
        shifted = mirrored.copy()
        shifted[..., 1:] = mirrored[..., :-1]
        return (shifted,)
