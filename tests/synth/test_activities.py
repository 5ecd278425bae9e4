"""Activities and arms: the tables and what is drawn from them."""

import numpy as np
import pytest

from posedistill.synth.activities import activities, arms, draw_activity, root_rotation
from posedistill.synth.hands import HAND_SHAPES
from posedistill.synth.joint_limits import ANGLES, INDEX


def _limits(name: str) -> tuple[float, float]:
    angle = ANGLES[INDEX[name if name in INDEX else f"left_{name}"]]
    return angle.low, angle.high


@pytest.mark.parametrize("name", activities())
def test_every_activity_keeps_to_the_limits_and_to_known_arms(name: str) -> None:
    row = activities()[name]
    for key, (low, high) in row["angles"].items():
        lowest, highest = _limits(key)
        assert lowest <= low <= high <= highest, key
    assert {arm for pair in row.get("arms", []) for arm in pair} <= {*arms(), "any"}


@pytest.mark.parametrize("name", arms())
def test_every_arm_keeps_to_known_angles_hands_and_partners(name: str) -> None:
    row = arms()[name]
    for key, (low, high) in row["angles"].items():
        lowest, highest = _limits(key)
        assert lowest - 5 <= low <= high <= highest + 5, key
    assert set(row["hands"]) <= set(HAND_SHAPES)
    assert row.get("pair", name) in arms()


def test_every_activity_comes_up() -> None:
    rng = np.random.default_rng(0)
    assert {draw_activity(rng).activity for _ in range(2500)} == set(activities())


def test_every_arm_is_used() -> None:
    used = {arm for row in activities().values() for pair in row.get("arms", []) for arm in pair}
    used |= {name for name, row in arms().items() if row["likely"] > 0}
    assert used - {"any"} == set(arms())


def test_paired_arms_come_together() -> None:
    rng = np.random.default_rng(1)
    raised = []
    for _ in range(300):
        angles = draw_activity(rng, "handstand").angles
        raised.append(min(angles["left_shoulder_raise"], angles["right_shoulder_raise"]))
    assert min(raised) > 150


@pytest.mark.parametrize("name", ["stand", "crouch", "bend_over"])
def test_those_who_stand_keep_both_feet_level(name: str) -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        draft = draw_activity(rng, name)
        for side in ("left", "right"):
            hip, knee, ankle = (
                draft.angles[f"{side}_{joint}_flex"] for joint in ("hip", "knee", "ankle")
            )
            assert draft.tilt_deg[0] - hip + knee - ankle == pytest.approx(0, abs=1e-9)


def test_a_root_rotation_is_one_and_pitches_rolls_and_yaws() -> None:
    rotation = root_rotation((30.0, -20.0, 70.0))
    assert np.allclose(rotation @ rotation.T, np.eye(3))
    assert np.linalg.det(rotation) > 0
    assert np.allclose(root_rotation((0.0, 90.0, 0.0))[:, 1], [-1, 0, 0])  # lies on the right
    assert np.allclose(root_rotation((0.0, 0.0, 90.0))[:, 2], [1, 0, 0])  # looks to the left
