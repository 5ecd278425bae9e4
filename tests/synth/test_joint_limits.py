"""The table of angles."""

import numpy as np
import pytest

from posedistill.synth.joint_limits import (
    ANGLES,
    HIGH,
    INDEX,
    LOW,
    mirrored_angles,
    other_side,
    within_limits,
)


def test_names_are_unique_and_limits_are_in_order_around_zero() -> None:
    assert len(INDEX) == len(ANGLES)
    assert (LOW < HIGH).all()
    assert (HIGH > 0).all()


def test_mirroring_twice_gives_the_pose_back() -> None:
    angles = np.random.default_rng(0).normal(0, 30, len(ANGLES))
    assert np.allclose(mirrored_angles(mirrored_angles(angles)), angles)
    assert not np.allclose(mirrored_angles(angles), angles)


def test_a_mirrored_pose_within_the_limits_stays_there() -> None:
    angles = np.random.default_rng(1).uniform(LOW, HIGH)
    mirrored = mirrored_angles(angles)
    assert np.allclose(within_limits(mirrored), mirrored)


@pytest.mark.parametrize("name", INDEX)
def test_every_angle_has_its_other_side(name: str) -> None:
    assert other_side(other_side(name)) == name
    assert (other_side(name) == name) == name.startswith(("spine", "neck", "eyes"))
