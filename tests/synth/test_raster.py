import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("numba")

from posedistill.synth.raster import rasterise

SIZE_WH = (40, 30)


def _random_triangles(seed: int, count: int = 12) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    rng = np.random.default_rng(seed)
    points = np.stack(
        [
            rng.uniform(-10, 50, 3 * count),
            rng.uniform(-10, 40, 3 * count),
            1 / rng.uniform(1, 5, 3 * count),
        ],
        axis=1,
    )
    return points.astype(np.float32), np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


def _ray_depth(corners: NDArray[np.float64], pixel: tuple[float, float]) -> float:
    """Cut the ray through a pixel, focal length 1, with a triangle in space; inf if it misses."""
    space = np.stack(
        [corners[:, 0] / corners[:, 2], corners[:, 1] / corners[:, 2], 1 / corners[:, 2]]
    )
    shares = np.linalg.solve(space, np.array([pixel[0], pixel[1], 1.0]))
    return float(1 / shares.sum()) if (shares >= 0).all() else np.inf


@pytest.mark.parametrize("seed", range(3))
def test_pixels_hold_the_nearest_face_that_their_ray_meets(seed: int) -> None:
    points, faces = _random_triangles(seed)
    raster = rasterise(points, faces, size_wh=SIZE_WH)
    corners = points[faces].astype(np.float64)
    unsure = 0
    for row in range(0, SIZE_WH[1], 3):
        for column in range(0, SIZE_WH[0], 3):
            depths = np.array([_ray_depth(c, (column + 0.5, row + 0.5)) for c in corners])
            found, nearest = raster.faces[row, column], int(depths.argmin())
            expected = nearest if np.isfinite(depths[nearest]) else -1
            unsure += found != expected
            if found == expected >= 0:
                depth = 1 / raster.inverse_depth[row, column]
                assert depth == pytest.approx(depths[nearest], rel=1e-3)
    assert unsure <= 1  # a ray along an edge, in float32


def test_the_nearer_of_two_faces_wins_in_either_order() -> None:
    near = [[0, 0, 1], [0, 8, 1], [8, 0, 1]]
    far = [[0, 0, 0.5], [0, 8, 0.5], [8, 0, 0.5]]
    faces = np.arange(6, dtype=np.int32).reshape(2, 3)
    first = rasterise(np.array(near + far, np.float32), faces, size_wh=(4, 4))
    second = rasterise(np.array(far + near, np.float32), faces, size_wh=(4, 4))
    assert first.faces[0, 0] == 0
    assert second.faces[0, 0] == 1


def test_a_closed_face_is_not_seen_from_behind() -> None:
    points = np.array([[0, 0, 1], [8, 0, 1], [0, 8, 1]], np.float32)
    faces = np.array([[0, 1, 2]], np.int32)
    closed = rasterise(points, faces, size_wh=(4, 4), is_closed=np.array([True]))
    assert closed.faces.max() == -1
    assert rasterise(points, faces, size_wh=(4, 4)).faces.max() == 0


def test_a_face_is_cut_where_its_coverage_falls_below_zero() -> None:
    points = np.array([[0, 0, 1], [0, 40, 1], [40, 0, 1], [40, 40, 1]], np.float32)
    faces = np.array([[0, 1, 2], [1, 3, 2]], np.int32)
    coverage = np.array([-1, -1, 1, 1], np.float32)
    raster = rasterise(points, faces, size_wh=(40, 40), coverage=coverage)
    assert (raster.faces[:, :20] == -1).all()
    assert (raster.faces[:, 20:] >= 0).all()


def test_faces_with_a_point_behind_the_camera_are_not_drawn() -> None:
    points = np.array([[0, 0, 1], [0, 8, 0], [8, 0, 1]], np.float32)
    raster = rasterise(points, np.array([[0, 1, 2]], np.int32), size_wh=(4, 4))
    assert raster.faces.max() == -1


def test_two_triangles_of_a_square_cover_its_pixels_without_a_gap() -> None:
    points = np.array([[1.3, 2.1, 1], [1.3, 9.7, 1], [8.9, 2.1, 1], [8.9, 9.7, 1]], np.float32)
    raster = rasterise(points, np.array([[0, 1, 2], [1, 3, 2]], np.int32), size_wh=(12, 12))
    inside = np.arange(12) + 0.5
    columns, rows = (inside > 1.3) & (inside < 8.9), (inside > 2.1) & (inside < 9.7)
    assert ((raster.faces >= 0) == rows[:, None] & columns).all()
