"""Parts of a body that run into each other."""

import numpy as np
import pytest

pytest.importorskip("anny", reason="needs the extra synth")

from posedistill.synth.collisions import capsules
from posedistill.synth.joint_limits import ANGLES, HIGH, INDEX, LOW, mirrored_angles


def overlap(fatness: float = 0.3, **angles: float) -> float:
    pose = np.zeros(len(ANGLES))
    for name, value in angles.items():
        pose[INDEX[name]] = value
    return capsules().overlap(pose, fatness)


def test_standing_with_the_arms_beside_the_body_is_free() -> None:
    assert overlap(left_shoulder_raise=12, right_shoulder_raise=12) == 0


def test_a_hand_in_the_belly_is_deep() -> None:
    inside = {"left_shoulder_raise": 10, "left_elbow_flex": 75, "left_shoulder_turn": 90}
    assert overlap(**inside, left_shoulder_plane=0) > 0.04


def test_crossed_legs_run_into_each_other() -> None:
    assert overlap(left_hip_spread=-22, right_hip_spread=-22) > 0.03


def test_fatter_bodies_overlap_more() -> None:
    inside = {"left_shoulder_raise": 10, "left_elbow_flex": 75, "left_shoulder_turn": 90}
    assert overlap(1.0, **inside) > overlap(0.0, **inside)


def test_a_mirrored_pose_overlaps_as_much() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        pose = rng.uniform(LOW, HIGH)
        expected = capsules().overlap(pose)
        assert capsules().overlap(mirrored_angles(pose)) == pytest.approx(expected, abs=1e-3)
