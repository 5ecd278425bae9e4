"""Keypoints of the face and of the feet on the mesh."""

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("anny", reason="needs the extra synth")

from posedistill.skeleton import Skeleton
from posedistill.synth.body import Person, body_model
from posedistill.synth.keypoints import face_vertices


def points(**expression: float) -> NDArray[np.float32]:
    return body_model().make(Person(expression=expression)).keypoints


def face(**expression: float) -> NDArray[np.float32]:
    return points(**expression)[23:91]


def test_the_face_mirrors_itself() -> None:
    flip = Skeleton.get("face68").flip_permutation
    assert np.abs(face() - face()[flip] * [-1, 1, 1]).max() < 1e-5


def test_the_jaw_runs_from_the_right_ear_over_the_chin_to_the_left_ear() -> None:
    jaw = face()[:17]
    assert (np.diff(jaw[:, 0]) > 0)[2:14].all()
    assert jaw[:, 1].argmin() == 8
    ears = points()[[4, 3]]
    assert np.linalg.norm(jaw[[0, 16]] - ears, axis=1).max() < 0.05


def test_brows_eyes_nose_and_mouth_follow_each_other_downwards() -> None:
    heights = [face()[part, 1].mean() for part in ([*range(17, 27)], [*range(36, 48)], [30])]
    heights += [face()[part, 1].mean() for part in ([31, 35], [51], [62], [66], [57], [8])]
    assert (np.diff(heights) < 0).all()


def test_points_of_each_part_run_from_the_persons_right_to_the_left() -> None:
    x = face()[:, 0]
    for first, last in ((17, 26), (31, 35), (36, 39), (42, 45), (48, 54), (60, 64)):
        assert (np.diff(x[first : last + 1]) > 0).all()
    for first, last in ((39, 41), (45, 47), (54, 59), (64, 67)):  # and back below
        assert (np.diff(x[first : last + 1]) < 0).all()


def test_the_nose_sticks_out_and_its_tip_is_the_body_keypoint() -> None:
    assert face()[:, 2].argmax() == 30
    assert np.linalg.norm(face()[30] - points()[0]) < 0.02


def test_eyes_lie_within_their_lids() -> None:
    for eye, lids in ((1, range(42, 48)), (2, range(36, 42))):
        around = face()[list(lids)]
        low, high = around.min(axis=0), around.max(axis=0)
        assert (points()[eye, :2] > low[:2]).all()
        assert (points()[eye, :2] < high[:2]).all()


def test_a_blink_closes_the_lids_of_its_own_eye() -> None:
    shut = face(eyeBlinkLeft=1.0)
    assert (face()[[43, 44], 1] - face()[[47, 46], 1]).min() > 0.005
    assert (shut[[43, 44], 1] - shut[[47, 46], 1]).max() < 0.0035
    assert np.abs(shut[36:42] - face()[36:42]).max() < 1e-3


def test_an_open_jaw_parts_the_lips_and_lowers_the_chin() -> None:
    wide = face(jawOpen=1.0)
    assert face()[62, 1] - face()[66, 1] < 0.005
    assert wide[62, 1] - wide[66, 1] > 0.015
    assert wide[8, 1] < face()[8, 1] - 0.01


def test_a_smile_widens_the_mouth() -> None:
    smile = face(mouthSmileLeft=1.0, mouthSmileRight=1.0)
    assert np.ptp(smile[[48, 54], 0]) > np.ptp(face()[[48, 54], 0]) * 1.05


def test_face_points_lie_on_the_mesh() -> None:
    vertices = face_vertices()
    assert vertices.max() < body_model().num_vertices
    rest = body_model().rest_vertices[vertices]
    assert np.linalg.norm(rest[:, 0] - rest[:, 1], axis=1).max() < 0.01


def test_toes_are_ahead_of_heels_the_big_toe_inside() -> None:
    feet = points()[17:23]
    assert feet[[0, 3], 2].min() > feet[[2, 5], 2].max() + 0.15
    assert feet[1, 0] > feet[0, 0] > 0 > feet[3, 0] > feet[4, 0]


def test_every_keypoint_has_some_depth_within_the_body() -> None:
    slack = body_model().finder.depth_slack
    assert slack.shape == (133,)
    assert slack.min() > 0
    assert slack.max() < 0.2
    assert slack[11] > slack[9] > slack[30]
