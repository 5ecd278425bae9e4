"""Heatmap codec: each keypoint as a Gaussian on a coarse grid.

Papers: Simple Baselines (Xiao et al., ECCV 2018) for rounded centres and the quarter offset, DARK
(Zhang et al., CVPR 2020) for exact centres, UDP (Huang et al., CVPR 2020) for the grid. Rules and
constants: MMPose, codecs/msra_heatmap.py and udp_heatmap.py. Deliberate differences: the grid
"udp" decodes to the pixels that were encoded, the reference to w / (w - 1) times them (grid
"udp_reference"); a map without a positive value decodes to cell -1 also with UDP, there NaN.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from posedistill.codecs.refine import OFFSETS

Floats = NDArray[np.float32]
Center = Literal["exact", "rounded"]
Refine = Literal["none", "quarter", "dark", "dark_udp"]
Grid = Literal["stride", "udp", "udp_reference"]


@dataclass(frozen=True)
class Heatmap:
    """Encode keypoints as Gaussian maps, decode by argmax and a sub-cell offset.

    What the reference's codecs do: MSRA is center="rounded", window=True; unbiased MSRA is
    refine="dark"; UDP is window=True, refine="dark_udp", grid="udp_reference".

    Attributes:
        input_size_wh: network input, pixels.
        sigma: width of the Gaussian in map cells.
        stride: input pixels per map cell.
        center: of the Gaussian: the exact place, or the nearest cell.
        window: draw only the cells within 3 sigma of the nearest cell.
        refine: how decoding moves off the highest cell; "dark" blurs as suits sigma.
        grid: "stride": cell i is centred on input pixel i * stride. "udp": the first and last
            cells are centred on the first and last pixels. "udp_reference": the same, but
            decoding puts the last cell on pixel w, as the reference's un-crop expects it.

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
    center: Center = "exact"
    window: bool = False
    refine: Refine = "quarter"
    grid: Grid = "stride"

    def __post_init__(self) -> None:
        w, h = self.input_size_wh
        if self.stride <= 0 or self.sigma <= 0 or w % self.stride or h % self.stride:
            raise ValueError(
                f"Heatmap needs a positive sigma and a stride that divides the size: {self}"
            )
        _check("center", self.center, allowed=get_args(Center))
        _check("window", self.window, allowed=(True, False))
        _check("refine", self.refine, allowed=get_args(Refine))
        _check("grid", self.grid, allowed=get_args(Grid))
        if self.grid != "stride" and min(self.map_size_wh) < 2:
            raise ValueError(f"grid {self.grid!r} needs maps of two cells or more a side: {self}")

    @property
    def map_size_wh(self) -> tuple[int, int]:
        """Give the size of a map."""
        return self.input_size_wh[0] // self.stride, self.input_size_wh[1] // self.stride

    @property
    def cell_size_xy(self) -> tuple[float, float]:
        """Give the input pixels between two cells along x and y, as targets are encoded."""
        x, y = self._pixels_per_cell(decoding=False).tolist()
        return x, y

    def encode(
        self, keypoints: NDArray[np.floating], visible: NDArray[np.floating]
    ) -> tuple[Floats, Floats]:
        """Give target maps and weights.

        keypoints: (..., K, 2) network-input pixels; visible: (..., K).
        Gives maps (..., K, h, w) with peak 1, and weights (..., K). A keypoint whose 3-sigma
        window misses the map gets weight 0; one with visibility below 0.5 gets an empty map and
        keeps its visibility as weight.
        """
        visible = np.asarray(visible, np.float64)
        scale = self._pixels_per_cell(decoding=False).astype(np.float32)
        exact = (np.asarray(keypoints, np.float32) / scale).astype(np.float64)  # as the reference
        nearest = np.trunc(exact + 0.5)  # towards zero also left of the map, as the reference
        is_exact = self.center == "exact"
        outside = self._is_outside(exact if is_exact and not self.window else nearest)
        shown = visible >= 0.5
        drawn = shown & ~outside
        centers = np.where(drawn[..., None], exact if is_exact else nearest, 0)
        windows = np.where(drawn[..., None], nearest, 0)
        row_x = self._row(centers[..., 0], windows[..., 0], self.map_size_wh[0])
        row_y = self._row(centers[..., 1], windows[..., 1], self.map_size_wh[1])
        row_x *= drawn[..., None]
        maps = row_y[..., :, None] * row_x[..., None, :]
        return maps, np.where(shown & outside, 0, visible).astype(np.float32)

    def _pixels_per_cell(self, *, decoding: bool) -> NDArray[np.float64]:
        """Give the input pixels between two cells along x and y."""
        if self.grid == "stride":
            return np.full(2, float(self.stride))
        last_pixel = np.array(self.input_size_wh, np.float64)
        if not (decoding and self.grid == "udp_reference"):
            last_pixel -= 1
        return np.asarray(last_pixel / (np.array(self.map_size_wh) - 1))

    def _is_outside(self, centers: NDArray[np.float64]) -> NDArray[np.bool_]:
        radius = 3 * self.sigma
        beyond = (centers - radius >= self.map_size_wh) | (centers + radius + 1 < 0)
        return np.asarray(beyond.any(-1))

    def _row(
        self, centers: NDArray[np.float64], windows: NDArray[np.float64], cells: int
    ) -> Floats:
        index = np.arange(cells)
        row = np.exp(-((index - centers[..., None]) ** 2) / (2 * self.sigma**2))
        if self.window:
            row[np.abs(index - windows[..., None]) > 3 * self.sigma] = 0
        return np.asarray(row, dtype=np.float32)

    def decode(self, heatmaps: Floats) -> tuple[Floats, Floats]:
        """Give keypoints (..., K, 2) in network-input pixels and scores (..., K), the peaks.

        heatmaps: (..., K, h, w). A score of 0 or less puts the point at cell -1.
        """
        h, w = heatmaps.shape[-2:]
        flat = heatmaps.reshape(-1, h, w)
        best = flat.reshape(len(flat), h * w).argmax(-1)
        cells = np.stack([best % w, best // w], axis=-1)
        scores = flat[np.arange(len(flat)), cells[:, 1], cells[:, 0]]
        points = cells + OFFSETS[self.refine](flat, cells, sigma=self.sigma)
        points[scores <= 0] = -1
        shape = heatmaps.shape[:-2]
        keypoints = (points * self._pixels_per_cell(decoding=True)).astype(np.float32)
        return keypoints.reshape(*shape, 2), scores.astype(np.float32).reshape(shape)

    def flip_back(
        self, outputs: tuple[Floats, ...], permutation: NDArray[np.int64]
    ) -> tuple[Floats, ...]:
        """Turn the outputs of a mirrored input into those of the input as it was.

        On the grid "stride" the mirrored map is shifted by one cell: pixel x mirrors to w - 1 - x,
        while cells mirror to w / stride - 1 - i, almost a whole cell apart at stride 4 (OKDHP,
        lib/core/function_okd.py). On the grids of UDP cells mirror onto cells.
        """
        (maps,) = outputs
        mirrored = maps[..., permutation, :, ::-1]
        if self.grid != "stride":
            return (mirrored,)
        shifted = mirrored.copy()
        shifted[..., 1:] = mirrored[..., :-1]
        return (shifted,)


def _check(name: str, value: object, *, allowed: Iterable[object]) -> None:
    if value not in allowed:
        choices = ", ".join(map(repr, allowed))
        raise ValueError(f"{name} is {value!r}; expected one of {choices}")
