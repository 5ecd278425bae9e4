"""Give hands their shapes: a library of named ones, blended and with noise.

A shape says for each finger which of a few postures it takes, how far the fingers are spread and
what the thumb does. All angles in degrees, as in `joint_limits`.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from posedistill.synth.joint_limits import FINGERS

# flexion of the three joints of a finger, the knuckle first
_POSTURES = {
    "straight": (0, 4, 2),
    "stretched": (-12, 0, -2),
    "relaxed": (22, 32, 16),
    "half": (45, 55, 32),
    "curled": (84, 102, 62),
    "claw": (2, 62, 42),
    "hook": (-2, 96, 62),
    "bent": (78, 10, 4),
    "pinch": (52, 48, 26),
    "around": (48, 66, 36),
}
# of the thumb: oppose, spread, and flexion of its two joints
_THUMBS = {
    "relaxed": (5, 0, 5, 12),
    "out": (-6, 14, -5, -5),
    "up": (-12, 26, -10, -14),
    "beside": (6, -25, 8, 4),
    "across": (48, -12, 38, 48),
    "over": (42, -8, 32, 56),
    "opposed": (52, 2, 18, 28),
    "around": (56, 6, 26, 36),
}
_FAN = (6.0, 0.0, -4.0, -9.0)  # spread of relaxed fingers, the index finger first


class HandShape(NamedTuple):
    """Say what index, middle, ring and little finger do, how far they spread, and the thumb."""

    fingers: tuple[str, str, str, str]
    thumb: str
    fan: float  # 1 is the fan of a flat hand, 2 fingers spread, 0 fingers side by side
    likely: float  # weight when shapes are drawn


def _all(posture: str) -> tuple[str, str, str, str]:
    return (posture, posture, posture, posture)


def _up(*raised: str) -> tuple[str, str, str, str]:
    index, middle, ring, little = ("straight" if name in raised else "curled" for name in FINGERS)
    return (index, middle, ring, little)


HAND_SHAPES: Mapping[str, HandShape] = {
    "relaxed": HandShape(_all("relaxed"), "relaxed", 0.8, 8),
    "flat": HandShape(_all("straight"), "beside", 0.5, 3),
    "open": HandShape(_all("straight"), "out", 1.2, 3),
    "spread": HandShape(_all("stretched"), "out", 2.0, 3),
    "half_open": HandShape(_all("half"), "relaxed", 0.8, 3),
    "fist": HandShape(_all("curled"), "across", 0.2, 3),
    "point": HandShape(_up("index"), "over", 0.3, 2),
    "pistol": HandShape(_up("index"), "up", 0.3, 1),
    "two": HandShape(_up("index", "middle"), "over", 1.8, 2),
    "two_closed": HandShape(_up("index", "middle"), "over", 0.0, 1),
    "three": HandShape(_up("index", "middle", "ring"), "across", 1.5, 1),
    "four": HandShape(_all("straight"), "across", 1.4, 1),
    "five": HandShape(_all("straight"), "out", 1.8, 2),
    "thumbs_up": HandShape(_all("curled"), "up", 0.2, 2),
    "ok": HandShape(("pinch", "straight", "straight", "straight"), "opposed", 1.2, 2),
    "pinch": HandShape(("pinch", "half", "half", "half"), "opposed", 0.5, 2),
    "pen": HandShape(("pinch", "pinch", "half", "half"), "opposed", 0.1, 2),
    "purse": HandShape(_all("pinch"), "opposed", 0.0, 1),
    "claw": HandShape(_all("claw"), "out", 1.4, 1),
    "hook": HandShape(_all("hook"), "beside", 0.3, 1),
    "bar": HandShape(_all("around"), "around", 0.3, 3),
    "ball": HandShape(_all("half"), "opposed", 1.6, 1),
    "phone": HandShape(("relaxed", "half", "half", "half"), "opposed", 0.6, 2),
    "pray": HandShape(_all("straight"), "beside", 0.1, 1),
    "rock": HandShape(_up("index", "little"), "over", 1.0, 1),
    "letter_b": HandShape(_all("straight"), "across", 0.1, 1),
    "letter_c": HandShape(_all("claw"), "around", 0.3, 1),
    "letter_e": HandShape(_all("hook"), "across", 0.2, 1),
    "letter_i": HandShape(_up("little"), "across", 0.3, 1),
    "letter_l": HandShape(_up("index"), "out", 0.3, 1),
    "letter_o": HandShape(_all("pinch"), "around", 0.2, 1),
    "letter_r": HandShape(_up("index", "middle"), "over", -0.6, 1),
    "letter_w": HandShape(_up("index", "middle", "ring"), "over", 1.6, 1),
    "letter_y": HandShape(_up("little"), "out", 1.6, 1),
    "bent": HandShape(_all("bent"), "beside", 0.2, 1),
}


def hand_angles(name: str) -> dict[str, float]:
    """Give the angles in degrees of a hand shape, by name without the side.

    Raises ValueError for an unknown shape, listing the known ones.

    >>> hand_angles("point")["index_flex1"], hand_angles("point")["ring_flex1"]
    (0.0, 84.0)
    """
    if name not in HAND_SHAPES:
        raise ValueError(f"unknown hand shape {name!r}; known are {', '.join(HAND_SHAPES)}")
    shape = HAND_SHAPES[name]
    names = ("thumb_oppose", "thumb_spread", "thumb_flex1", "thumb_flex2")
    angles = dict(zip(names, map(float, _THUMBS[shape.thumb]), strict=True))
    for finger, posture, spread in zip(FINGERS, shape.fingers, _FAN, strict=True):
        angles[f"{finger}_spread"] = spread * shape.fan
        for joint, flex in enumerate(_POSTURES[posture], start=1):
            angles[f"{finger}_flex{joint}"] = float(flex)
    return angles


def draw_hand(rng: np.random.Generator, wanted: str | None = None) -> tuple[str, dict[str, float]]:
    """Draw a hand shape, or take the wanted one, and give its name and its angles in degrees.

    A third of the hands are on their way to another shape, at most half of it.

    >>> import numpy as np
    >>> name, angles = draw_hand(np.random.default_rng(0))
    >>> name in HAND_SHAPES, len(angles)
    (True, 20)
    """
    name = wanted or _any_shape(rng)
    angles = hand_angles(name)
    if rng.random() < 0.35:
        other, share = hand_angles(_any_shape(rng)), rng.uniform(0, 0.5)
        angles = {key: (1 - share) * value + share * other[key] for key, value in angles.items()}
    return name, angles


def _any_shape(rng: np.random.Generator) -> str:
    weights = np.array([shape.likely for shape in HAND_SHAPES.values()], np.float64)
    return str(rng.choice(list(HAND_SHAPES), p=weights / weights.sum()))
