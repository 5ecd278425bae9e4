"""Dots: as large as asked for, where they belong, cut at the border, one beside the other."""

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.draw.dots import draw_dots

WHITE = np.full((1, 3), 255, np.float32)


def _drawn(
    points: list[tuple[float, float]], radius: float, rim: float = 0.0, side: int = 60
) -> NDArray[np.uint8]:
    canvas = np.full((side, side, 3), 100, np.uint8)
    radii = np.full((len(points), 2), (radius, radius + rim), np.float32)
    colors = np.repeat(WHITE, len(points), axis=0)
    draw_dots(canvas, np.array(points), radii=radii, colors=colors, rim=(0, 0, 0))
    return canvas


def _coverage(center: tuple[float, float], radius: float, side: int = 60) -> NDArray[np.float64]:
    """Give which share of each pixel a disc covers, by counting in a grid 20 times as fine."""
    fine = (np.arange(side * 20) + 0.5) / 20 - 0.5
    inside = np.hypot(fine - center[0], fine[:, None] - center[1]) <= radius
    return np.asarray(inside.reshape(side, 20, side, 20).mean(axis=(1, 3)))


@pytest.mark.parametrize("radius", [0.7, 1.0, 1.5, 2.7, 6.2, 13.0])
@pytest.mark.parametrize("center", [(30.0, 30.0), (30.3, 29.6), (29.5, 30.5)])
def test_a_dot_covers_what_a_disc_covers(center: tuple[float, float], radius: float) -> None:
    share = (_drawn([center], radius)[..., 0] - 100.0) / 155
    exact = _coverage(center, radius)
    assert np.abs(share - exact).max() < 0.2
    assert share.sum() == pytest.approx(exact.sum(), rel=0.12, abs=0.45)
    middle = (
        (share * np.arange(60)).sum() / share.sum(),
        (share.T * np.arange(60)).sum() / share.sum(),
    )
    assert middle == pytest.approx(center, abs=0.06)


def test_a_rim_lies_around_the_dot() -> None:
    row = _drawn([(30, 30)], 4, rim=3)[30, :, 0]
    assert (row[26:35] > 200).sum() == 7
    assert (row[24:26] == 0).all()
    assert (row[35:37] == 0).all()
    assert (row[:23] == 100).all()


@pytest.mark.parametrize(
    "point", [(0, 0), (59.4, 20), (-2, 30), (30, 61.5), (-90, 20), (1e6, -1e6)]
)
def test_dots_are_cut_at_the_border(point: tuple[float, float]) -> None:
    wide = np.full((260, 260, 3), 100, np.uint8)
    moved, radii = np.array([point]) + 100, np.array([[4, 5]], np.float32)
    draw_dots(wide, moved, radii=radii, colors=WHITE, rim=(0, 0, 0))
    np.testing.assert_array_equal(_drawn([point], 4, rim=1), wide[100:160, 100:160])


def test_many_dots_at_once_are_as_one_after_the_other(rng: np.random.Generator) -> None:
    grid = np.stack(np.meshgrid(np.arange(20), np.arange(20)), axis=-1).reshape(-1, 2)
    points = 12 + 24 * grid + rng.uniform(-0.5, 0.5, (400, 2))
    inner = rng.uniform(0.4, 9, 400)
    radii = np.stack([inner, inner + rng.uniform(0, 2, 400)], axis=-1).astype(np.float32)
    colors = rng.integers(0, 256, (400, 3)).astype(np.float32)
    photo = rng.integers(0, 256, (500, 500, 3), dtype=np.uint8)
    at_once, in_turns = photo.copy(), photo.copy()
    draw_dots(at_once, points, radii=radii, colors=colors, rim=(1, 2, 3))
    for k in range(400):
        one = slice(k, k + 1)
        draw_dots(in_turns, points[one], radii=radii[one], colors=colors[one], rim=(1, 2, 3))
    np.testing.assert_array_equal(at_once, in_turns)


def test_where_like_dots_overlap_neither_bites_into_the_other() -> None:
    both = _drawn([(28, 30), (31, 30)], 3)
    alone = np.maximum(_drawn([(28, 30)], 3), _drawn([(31, 30)], 3))
    np.testing.assert_array_equal(both, alone)


def test_no_dots_change_nothing() -> None:
    assert (_drawn([], 3) == 100).all()
