"""Sub-cell offsets beside a slow loop over OpenCV's blur, and beside known places."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.codecs import Heatmap
from posedistill.codecs.heatmap import Refine
from posedistill.codecs.refine import OFFSETS, Offset, dark_offset, dark_udp_offset, quarter_offset

Floats = NDArray[np.float32]
W, H = 14, 18
every_offset = pytest.mark.parametrize("name", list(OFFSETS))


def _bumps(
    rng: np.random.Generator, *, count: int, sigma: float = 2.0
) -> tuple[Floats, NDArray[np.int64]]:
    """Give noisy Gaussians all over the map, also at its border, and their highest cells."""
    x, y = rng.uniform(0, W - 1, count), rng.uniform(0, H - 1, count)
    squares = (np.arange(W) - x[:, None, None]) ** 2 + (
        np.arange(H)[:, None] - y[:, None, None]
    ) ** 2
    maps = np.exp(-squares / (2 * sigma**2)) + 0.02 * rng.standard_normal((count, H, W))
    best = maps.reshape(count, -1).argmax(-1)
    return maps.astype(np.float32), np.stack([best % W, best // W], axis=-1)


def _slow_blur(heatmap: Floats, kernel: int) -> Floats:
    wide = np.pad(heatmap, kernel)
    blurred = np.asarray(cv2.GaussianBlur(wide, (kernel, kernel), 0))
    blurred = blurred[kernel:-kernel, kernel:-kernel]
    return np.asarray(blurred * (heatmap.max() / blurred.max()), np.float32)


def _slow_dark(heatmap: Floats, x: int, y: int, kernel: int) -> list[float]:
    if not (1 < x < W - 2 and 1 < y < H - 2):
        return [0.0, 0.0]
    log = np.log(np.maximum(_slow_blur(heatmap, kernel), 1e-10).astype(np.float64))
    slope_y, slope_x = (axis[y, x] for axis in np.gradient(log))
    (yy, yx), (xy, xx) = (
        [second[y, x] for second in np.gradient(first)] for first in np.gradient(log)
    )
    step = np.linalg.solve([[xx, xy], [yx, yy]], [slope_x, slope_y])
    return [-float(step[0]), -float(step[1])]


def _slow_dark_udp(heatmap: Floats, x: int, y: int, kernel: int) -> list[float]:
    blurred = np.clip(_slow_blur(heatmap, kernel), 1e-3, 50)
    log = np.log(np.pad(blurred, 1, mode="edge").astype(np.float64))
    near = log[y : y + 3, x : x + 3]
    slope = [(near[1, 2] - near[1, 0]) / 2, (near[2, 1] - near[0, 1]) / 2]
    xx = near[1, 2] - 2 * near[1, 1] + near[1, 0]
    yy = near[2, 1] - 2 * near[1, 1] + near[0, 1]
    # The mixed difference over both corners of the main diagonal.
    ahead = (near[2, 2] - near[2, 1]) - (near[1, 2] - near[1, 1])
    behind = (near[1, 1] - near[1, 0]) - (near[0, 1] - near[0, 0])
    xy = (ahead + behind) / 2
    epsilon = float(np.finfo(np.float32).eps)
    step = np.linalg.solve([[xx + epsilon, xy], [xy, yy + epsilon]], slope)
    return [-float(step[0]), -float(step[1])]


@pytest.mark.parametrize(("sigma", "kernel"), [(2.0, 11), (3.0, 17)], ids=str)
@pytest.mark.parametrize(
    ("offset", "slow"), [(dark_offset, _slow_dark), (dark_udp_offset, _slow_dark_udp)]
)
def test_offsets_are_those_of_a_slow_loop_with_the_published_kernel(
    rng: np.random.Generator,
    offset: Offset,
    slow: Callable[[Floats, int, int, int], list[float]],
    sigma: float,
    kernel: int,
) -> None:
    maps, cells = _bumps(rng, count=60, sigma=sigma)
    expected = [
        slow(heatmap, int(x), int(y), kernel) for heatmap, (x, y) in zip(maps, cells, strict=True)
    ]
    offsets = offset(maps, cells, sigma=sigma)
    np.testing.assert_allclose(offsets, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("refine", ["dark", "dark_udp"])
def test_a_codec_refines_with_the_kernel_of_its_sigma(
    rng: np.random.Generator, refine: Refine
) -> None:
    maps, cells = _bumps(rng, count=20, sigma=3.0)
    codec = Heatmap((4 * W, 4 * H), 3.0, refine=refine)
    wide, narrow = (OFFSETS[refine](maps, cells, sigma=sigma) for sigma in (3.0, 2.0))
    np.testing.assert_allclose(codec.decode(maps)[0], 4 * (cells + wide), rtol=1e-5, atol=1e-3)
    assert np.abs(wide - narrow).max() > 0.05


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ([0, 5], [0, 0]),
        ([1, 5], [0, 0.25]),
        ([2, 5], [0.25, 0.25]),
        ([W - 2, 5], [0.25, 0.25]),
        ([W - 1, 5], [0, 0.25]),
        ([5, 0], [0, 0]),
        ([5, 1], [0.25, 0]),
        ([5, H - 1], [0.25, 0]),
    ],
)
def test_a_quarter_offset_is_left_out_at_the_border(cell: list[int], expected: list[float]) -> None:
    rising = np.add.outer(np.arange(H), np.arange(W))[None].astype(np.float32)
    assert quarter_offset(rising, np.array([cell])).tolist() == [expected]


@every_offset
def test_a_map_without_signal_gives_no_offset(name: str) -> None:
    for value in (0.0, -2.0):
        maps = np.full((1, H, W), value, np.float32)
        assert not OFFSETS[name](maps, np.array([[6, 7]])).any()


@every_offset
def test_a_lone_peak_over_negative_cells_gives_a_finite_offset(name: str) -> None:
    maps = np.full((1, H, W), -1, np.float32)
    maps[0, 7, 6] = 0.5
    assert np.isfinite(OFFSETS[name](maps, np.array([[6, 7]]))).all()


@every_offset
def test_a_higher_map_gives_the_same_offset(rng: np.random.Generator, name: str) -> None:
    maps, cells = _bumps(rng, count=20)
    maps = np.maximum(maps, 0.05)  # above the floor of the logarithms
    once, twice = OFFSETS[name](maps, cells), OFFSETS[name](2 * maps, cells)
    np.testing.assert_allclose(once, twice, rtol=1e-3, atol=1e-4)


@every_offset
def test_no_maps_give_no_offsets(name: str) -> None:
    empty = np.zeros((0, H, W), np.float32)
    assert OFFSETS[name](empty, np.zeros((0, 2), np.int64)).shape == (0, 2)
