"""Name the angles of a pose, their limits and how a mirror changes them.

All angles are in degrees and all are zero in the attention pose: upright, arms hanging, palms to
the thighs, fingers straight, thumbs relaxed. Angles of the left and of the right have the same
sign where they mirror each other. The limits are those of a limber adult (after the ranges of the
American Academy of Orthopaedic Surgeons, wider where gymnasts need it).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Angle(NamedTuple):
    """One angle of a pose: its name, its limits and the noise it bears, in degrees."""

    name: str
    low: float
    high: float
    noise: float


FINGERS = ("index", "middle", "ring", "little")
_TRUNK = (
    Angle("spine_flex", -40, 90, 5),
    Angle("spine_bend", -35, 35, 4),
    Angle("spine_turn", -45, 45, 5),
    Angle("neck_flex", -50, 50, 8),
    Angle("neck_bend", -35, 35, 5),
    Angle("neck_turn", -70, 70, 11),
    Angle("eyes_turn", -35, 35, 9),
    Angle("eyes_up", -25, 20, 6),
)
_SIDE = (
    Angle("clavicle_up", -8, 35, 3),
    Angle("clavicle_forward", -18, 25, 4),
    Angle("shoulder_raise", 3, 175, 7),
    Angle("shoulder_plane", -75, 140, 9),
    Angle("shoulder_turn", -90, 90, 10),
    Angle("elbow_flex", 0, 148, 9),
    Angle("forearm_turn", -80, 85, 12),
    Angle("wrist_flex", -70, 75, 10),
    Angle("wrist_bend", -28, 20, 6),
    Angle("hip_flex", -45, 130, 6),
    Angle("hip_spread", -22, 85, 4),
    Angle("hip_turn", -68, 40, 6),
    Angle("knee_flex", 0, 155, 6),
    Angle("ankle_flex", -60, 30, 5),
    Angle("ankle_turn", -20, 30, 4),
    Angle("toes_flex", -60, 40, 4),
    Angle("thumb_oppose", -15, 65, 5),
    Angle("thumb_spread", -32, 35, 5),
    Angle("thumb_flex1", -15, 60, 5),
    Angle("thumb_flex2", -20, 80, 6),
)
_FINGER = (
    Angle("spread", -20, 20, 2),
    Angle("flex1", -25, 95, 5),
    Angle("flex2", 0, 110, 5),
    Angle("flex3", -8, 80, 4),
)


def _side_angles(side: str) -> tuple[Angle, ...]:
    own = [row._replace(name=f"{side}_{row.name}") for row in _SIDE]
    fingers = [
        row._replace(name=f"{side}_{finger}_{row.name}") for finger in FINGERS for row in _FINGER
    ]
    return (*own, *fingers)


ANGLES: tuple[Angle, ...] = (*_TRUNK, *_side_angles("left"), *_side_angles("right"))
INDEX: Mapping[str, int] = {angle.name: index for index, angle in enumerate(ANGLES)}
LOW: NDArray[np.float64] = np.array([angle.low for angle in ANGLES], np.float64)
HIGH: NDArray[np.float64] = np.array([angle.high for angle in ANGLES], np.float64)
NOISE: NDArray[np.float64] = np.array([angle.noise for angle in ANGLES], np.float64)
_SIDEWAYS = ("spine_bend", "spine_turn", "neck_bend", "neck_turn", "eyes_turn")
_SIGN = np.array([-1.0 if angle.name in _SIDEWAYS else 1.0 for angle in ANGLES])


def other_side(name: str) -> str:
    """Give the name on the other side of the body; a name of neither side stays.

    >>> other_side("left_knee_flex"), other_side("spine_flex")
    ('right_knee_flex', 'spine_flex')
    """
    for here, there in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(here):
            return there + name.removeprefix(here)
    return name


_SWAP = np.array([INDEX[other_side(angle.name)] for angle in ANGLES])


def mirrored_angles(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the angles (A,) of the mirrored pose.

    >>> import numpy as np
    >>> pose = np.zeros(len(ANGLES))
    >>> pose[INDEX["left_knee_flex"]], pose[INDEX["neck_turn"]] = 90, 20
    >>> twin = mirrored_angles(pose)
    >>> float(twin[INDEX["right_knee_flex"]]), float(twin[INDEX["neck_turn"]])
    (90.0, -20.0)
    """
    swapped: NDArray[np.float64] = angles[_SWAP] * _SIGN
    return swapped


def within_limits(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the angles (A,) clipped to their limits.

    >>> import numpy as np
    >>> float(within_limits(np.full(len(ANGLES), -90.0))[INDEX["left_knee_flex"]])
    0.0
    """
    return np.clip(angles, LOW, HIGH)
