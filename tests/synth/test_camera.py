import numpy as np
import pytest

from posedistill.synth.camera import FRAMINGS, Camera, Framing, draw_camera, view_rotation


@pytest.mark.parametrize("yaw", [0, 90, 200])
@pytest.mark.parametrize("pitch", [-40, 0, 60])
@pytest.mark.parametrize("roll", [0, 30])
def test_a_view_is_a_right_handed_rotation(yaw: float, pitch: float, roll: float) -> None:
    rotation = view_rotation(yaw, pitch, roll=roll)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_from_the_front_the_persons_left_is_on_the_right_of_the_picture() -> None:
    camera = Camera(view_rotation(0, 0), np.array([0, 1, 3.0]), 100.0, (50.0, 50.0))
    left, up = camera.project(np.array([[0.5, 1, 0], [0, 1.5, 0]]))[:, :2]
    assert left[0] > 50
    assert up[1] < 50


def test_a_positive_roll_turns_the_content_anti_clockwise() -> None:
    camera = Camera(view_rotation(0, 0, roll=30), np.array([0, 0, 3.0]), 100.0, (0.0, 0.0))
    right = camera.project(np.array([[0.5, 0, 0]]))[0]
    assert right[1] == pytest.approx(-100 * 0.5 / 3 * 0.5)


def test_points_behind_the_camera_have_no_inverse_depth() -> None:
    camera = Camera(view_rotation(0, 0), np.array([0, 0, 1.0]), 100.0, (0.0, 0.0))
    assert camera.project(np.array([[0, 0, 2.0], [0, 0, 0.5]]))[:, 2].tolist() == [0.0, 2.0]


def test_a_finer_picture_has_its_points_that_much_farther_from_the_corner() -> None:
    camera = Camera(view_rotation(20, 10), np.array([0.3, 1, 3.0]), 100.0, (31.0, 40.0))
    points = np.random.default_rng(0).normal(size=(5, 3))
    finer = camera.scaled(2).project(points)
    np.testing.assert_allclose(finer[:, :2], 2 * camera.project(points)[:, :2], rtol=1e-4)


@pytest.mark.parametrize("framing", FRAMINGS, ids=lambda framing: framing.name)
def test_the_framed_part_is_mostly_inside_the_picture(framing: Framing) -> None:
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(-0.5, 0.5, (133, 3))
    rows = list(framing.keypoints)
    shares = []
    for _ in range(40):
        camera = draw_camera(rng, keypoints, framing=framing, size_wh=(64, 48))
        points = camera.project(keypoints[rows])[:, :2]
        shares.append(((points >= 0) & (points < (64, 48))).all(axis=1).mean())
    assert np.mean(shares) > 0.75
