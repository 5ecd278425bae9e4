"""Dots: many small rimmed discs on a picture, all in one go."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from posedistill.media import check_image

Floats = NDArray[np.float32]

_PIXELS_AT_ONCE = 1 << 16  # of dots times pixels a dot; bounds the memory


def draw_dots(
    canvas: NDArray[np.uint8],
    points: NDArray[np.float64],
    *,
    radii: Floats,
    colors: Floats,
    rim: tuple[int, int, int],
) -> None:
    """Draw rimmed discs with soft edges onto the canvas itself.

    canvas: (H, W, 3) uint8, contiguous. points: (N, 2) pixels; what lies outside is cut off.
    radii: (N, 2) pixels, without and with the rim. colors: (N, 3) of the discs; rim: of the rims.
    Small discs are drawn over large ones; of two alike, a pixel belongs to the nearer. Much faster
    than one call of OpenCV a disc, and rounder.

    >>> canvas = np.zeros((9, 9, 3), np.uint8)
    >>> one, white = np.array([[1.0, 1.5]], np.float32), np.full((1, 3), 255, np.float32)
    >>> draw_dots(canvas, np.array([[4.0, 4.0]]), radii=one, colors=white, rim=(0, 0, 0))
    >>> canvas[4, :, 0].tolist()
    [0, 0, 0, 128, 255, 128, 0, 0, 0]
    """
    check_image(canvas)
    reaches = np.ceil(2 * radii[:, 1] + 1) / 2  # how far a disc and its soft edge go
    for reach in np.unique(reaches)[::-1].tolist():
        chosen = np.flatnonzero(reaches == reach)
        offsets = _offsets(reach)
        step = max(_PIXELS_AT_ONCE // len(offsets), 1)
        for start in range(0, len(chosen), step):
            part = chosen[start : start + step]
            _stamp(canvas, points[part], radii[part], (colors[part], rim), offsets)


@cache
def _offsets(reach: float) -> NDArray[np.int64]:
    """Give the pixels (x, y) around a point that a disc may touch, the farthest first."""
    side = np.arange(-int(reach) - 1, int(reach) + 2)
    around = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    distances = np.hypot(around[:, 0], around[:, 1])
    order = np.argsort(-distances, kind="stable")
    half_diagonal = np.sqrt(0.5)  # of the pixel that a point is rounded to
    offsets: NDArray[np.int64] = around[order[distances[order] < reach + half_diagonal]]
    return offsets


def _stamp(
    canvas: NDArray[np.uint8],
    points: NDArray[np.float64],
    radii: Floats,
    colors: tuple[Floats, tuple[int, int, int]],
    offsets: NDArray[np.int64],
) -> None:
    pixels = np.rint(points)
    shift = (points - pixels).astype(np.float32)
    across = offsets[:, :1].astype(np.float32) - shift[:, 0]
    down = offsets[:, 1:].astype(np.float32) - shift[:, 1]
    inside = radii[:, 1] + np.float32(0.5) - np.sqrt(across * across + down * down)
    # Offset by offset, so that of the values for a pixel the last, which stays, is the nearest's.
    dot, depth, places = _touched(inside, pixels.astype(np.int64), offsets, canvas)
    covered = np.minimum(depth, 1)
    filled = np.clip(depth - (radii[:, 1] - radii[:, 0]).take(dot), 0, 1)
    flat, places = canvas.reshape(-1), 3 * places + np.arange(3)[:, None]
    mixed = flat.take(places) * (1 - covered)
    mixed += (covered - filled) * np.array(colors[1], np.float32)[:, None]
    mixed += filled * np.ascontiguousarray(colors[0].T).take(dot, axis=1)
    flat[places] = (mixed + np.float32(0.5)).astype(np.uint8)


def _touched(
    inside: Floats, pixels: NDArray[np.int64], offsets: NDArray[np.int64], canvas: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Give the dot that each pixel to draw on is of, how deep in it, and the pixel's place."""
    size_wh = np.array(canvas.shape[1::-1])
    is_touched, reach = inside > 0, offsets.max()
    at_edge = np.flatnonzero(((pixels < reach) | (pixels >= size_wh - reach)).any(axis=1))
    if len(at_edge):
        around = offsets[:, None] + pixels[at_edge]
        is_touched[:, at_edge] &= ((around >= 0) & (around < size_wh)).all(axis=-1)
    index = np.flatnonzero(is_touched)
    row = np.array([1, size_wh[0]])
    places = ((offsets @ row)[:, None] + pixels @ row).ravel().take(index)
    dot = index - index // len(pixels) * len(pixels)  # faster than the remainder
    return dot, inside.ravel().take(index), places
