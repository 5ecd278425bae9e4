import numpy as np
import pytest

pytest.importorskip("numba")

from posedistill.synth.annotate import behind, mask_box, owner_masks, visibility
from posedistill.synth.raster import Raster, rasterise

SQUARE = np.array([[0, 1, 2], [1, 3, 2]], np.int32)


def _square(low: float, high: float, *, depth: float) -> np.ndarray:
    corners = [[low, low], [low, high], [high, low], [high, high]]
    return np.array([[x, y, 1 / depth] for x, y in corners], np.float32)


def test_a_square_in_front_hides_what_is_behind_it_and_nothing_else() -> None:
    body, cover = _square(0, 40, depth=3), _square(0, 20, depth=2)
    raster = rasterise(
        np.concatenate([body, cover]), np.concatenate([SQUARE, SQUARE + 4]), size_wh=(40, 40)
    )
    points = np.array([[10, 10, 1 / 3.05], [30, 30, 1 / 3.05], [50, 10, 1 / 3], [-1, 3, 1 / 3]])
    visible = visibility(points, raster, depth_slack=np.full(4, 0.1))
    assert visible.tolist() == [1, 2, 0, 0]


def test_slack_lets_a_joint_be_seen_through_its_own_flesh() -> None:
    raster = rasterise(_square(0, 9, depth=3), SQUARE, size_wh=(9, 9))
    points = np.array([[4, 4, 1 / 3.1]] * 2)
    assert visibility(points, raster, depth_slack=np.array([0.15, 0.05])).tolist() == [2, 1]


def test_a_point_at_the_edge_of_its_surface_is_seen_past_it() -> None:
    raster = rasterise(_square(0, 4, depth=1), SQUARE, size_wh=(9, 9))
    points = np.array([[4.5, 2, 1 / 3]])
    assert visibility(points, raster, depth_slack=np.zeros(1)).tolist() == [2]


def test_a_point_behind_the_camera_is_outside() -> None:
    raster = rasterise(_square(0, 4, depth=1), SQUARE, size_wh=(9, 9))
    assert visibility(np.array([[2.0, 2, 0]]), raster, depth_slack=np.zeros(1)).tolist() == [0]


def test_cutouts_hide_points_and_masks() -> None:
    raster = rasterise(_square(0, 8, depth=1), SQUARE, size_wh=(8, 8))
    cutouts = np.zeros((4, 4), np.bool_)
    cutouts[:, :2] = True
    hidden = behind(raster, cutouts)
    masks = owner_masks(hidden, np.zeros(2, np.int32), num_people=1, size_wh=(4, 4))
    assert (masks[0] == ~cutouts).all()
    points = np.array([[1, 4, 1.0], [7, 4, 1.0]])
    assert visibility(points, hidden, depth_slack=np.full(2, 0.01)).tolist() == [1, 2]


def test_a_mask_is_where_at_least_half_of_a_pixel_belongs_to_its_owner() -> None:
    faces = np.array([[0, 0, 0, 1], [0, 1, -1, -1]], np.int32)
    raster = Raster(np.ones((2, 4), np.float32), faces)
    masks = owner_masks(raster, np.array([0, 1], np.int32), num_people=2, size_wh=(2, 1))
    assert masks[:, 0].tolist() == [[True, False], [False, False]]


def test_a_box_holds_the_pixels_of_its_mask_and_no_more() -> None:
    mask = np.zeros((10, 12), np.bool_)
    mask[3:5, 7:11] = True
    assert mask_box(mask).tolist() == [7, 3, 11, 5]
