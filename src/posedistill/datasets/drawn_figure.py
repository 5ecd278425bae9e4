"""The geometry of drawn people: a random pose seen from the front, as 133 exact keypoints.

Points are complex numbers, x + iy with y downwards, so that a turn is a multiplication. The unit
is the height of the head until `sample_figure` puts the figure into the image.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Complexes = NDArray[np.complex128]

HEAD_WIDTH, HEAD_HEIGHT = 0.37, 0.5
"""Half axes of the head, in heads."""

_LEFT, _RIGHT = 1, -1  # the side of the image on which a person facing it has their own left
_FACE = slice(23, 91)
_HANDS = {_LEFT: slice(91, 112), _RIGHT: slice(112, 133)}
_VIEWS = ("whole", "upper", "hands", "one hand", "face")
_VIEW_SHARES = (0.4, 0.24, 0.14, 0.12, 0.1)
_FACE_AND_HAND: tuple[NDArray[np.int64], ...] = (np.r_[23:112, 133], np.r_[23:91, 112:134])
_IN_VIEW: dict[str, NDArray[np.int64]] = {
    "whole": np.arange(134),
    "upper": np.r_[0:13, 23:134],
    "hands": np.r_[23:134],
    "face": np.r_[23:91, 133],
}
# Knuckles along the hand + i towards the thumb, in lengths of the hand; then the three phalanges.
_KNUCKLES = np.array([0.52 + 0.17j, 0.55 + 0.04j, 0.52 - 0.09j, 0.46 - 0.2j])
_PHALANGES = np.array([[0.2, 0.13, 0.11], [0.22, 0.14, 0.12], [0.2, 0.13, 0.11], [0.15, 0.1, 0.09]])
_SPLAY = np.deg2rad([12, 2, -8, -20])
_CURLS = {  # 0 is a straight finger, 1 one folded into the palm: thumb, then index to little finger
    "open": (0.0, 0.0, 0.0, 0.0, 0.0),
    "relaxed": (0.1, 0.25, 0.3, 0.33, 0.35),
    "pointing": (0.7, 0.0, 0.9, 0.95, 0.95),
    "victory": (0.8, 0.0, 0.0, 0.95, 0.95),
    "fist": (0.6, 0.9, 0.93, 0.95, 0.95),
}


@dataclass(frozen=True, eq=False)
class Figure:
    """Hold one person in the pixels of their image.

    Attributes:
        keypoints: (133, 2) pixels, also those outside the image.
        crown: (2,) pixels, the top of the head.
        head: height of the head, pixels.
        palms_shown: whether the left and the right hand show their palm.
    """

    keypoints: NDArray[np.float64]
    crown: NDArray[np.float64]
    head: float
    palms_shown: tuple[bool, bool]


def sample_figure(rng: np.random.Generator, size: int) -> Figure:
    """Give a random person, placed in an image of size x size pixels.

    >>> sample_figure(np.random.default_rng(0), 256).keypoints.shape
    (133, 2)
    """
    view = str(rng.choice(_VIEWS, p=_VIEW_SHARES))
    palms_shown = (bool(rng.random() < 0.5), bool(rng.random() < 0.5))
    points = _person(rng, palms_shown, arms_raised="hand" in view)
    scale, offset = _placement(rng, points[_in_view(rng, view)], view, size)
    placed = points * scale + offset
    keypoints = np.stack([placed.real, placed.imag], axis=-1)
    return Figure(keypoints[:-1], keypoints[-1], head=scale, palms_shown=palms_shown)


def _person(
    rng: np.random.Generator, palms_shown: tuple[bool, bool], *, arms_raised: bool
) -> Complexes:
    """Give the 133 points and, last, the crown of the head; middle of the hips at 0."""
    points = np.zeros(134, np.complex128)
    lean = np.exp(1j * np.deg2rad(rng.normal(0, 7)))
    neck = -2.15j * lean
    turn = lean * np.exp(1j * np.deg2rad(rng.normal(0, 8)))
    middle = neck - 0.76j * turn
    points[_FACE], points[133], points[[4, 3]] = _head(rng, middle, turn)
    points[0] = points[23 + 30]
    points[[2, 1]] = points[59:65].mean(), points[65:71].mean()
    for side, palm in zip((_LEFT, _RIGHT), palms_shown, strict=True):
        shoulder, hip = neck + 0.76 * side * lean, 0.42 * side * lean
        arm, hand = _arm(rng, shoulder, side=side, palm=palm, middle=middle, raised=arms_raised)
        leg, foot = _leg(rng, hip, side)
        other = int(side == _RIGHT)
        points[5 + other : 11 : 2], points[11 + other : 17 : 2] = arm, leg
        points[17 + 3 * other : 20 + 3 * other] = foot
        points[_HANDS[side]] = hand
    return points


def _head(
    rng: np.random.Generator, middle: complex, turn: complex
) -> tuple[Complexes, complex, Complexes]:
    """Give the face, the crown and the ears (image left first)."""

    def place(points: Complexes) -> Complexes:
        scaled = points.real * HEAD_WIDTH + 1j * points.imag * HEAD_HEIGHT
        return np.asarray(middle + turn * scaled)

    ears = place(np.array([-1.04 + 0.04j, 1.04 + 0.04j]))
    return place(_face(rng)), complex(place(np.array([-1.0j]))[0]), ears


def _face(rng: np.random.Generator) -> Complexes:
    """Give the 68 points in half axes of the head: image left is -1, chin is +1i.

    The jaw stays on the outline of the head; all else turns with it, the nose most.
    """
    angle = np.deg2rad(np.linspace(-4, 184, 17))
    jaw = -np.cos(angle) * (1 - 0.12 * np.sin(angle) ** 4) + 1j * np.sin(angle)
    inner = np.concatenate([_brows(rng), _nose(), _eyes(rng), _mouth(rng)])
    depth = np.sqrt(np.clip(1 - np.abs(inner.real) ** 2, 0, 1))
    depth[10:19] += np.array([0, 0.1, 0.25, 0.4, 0.1, 0.15, 0.2, 0.15, 0.1])
    yaw, pitch = rng.uniform(-0.5, 0.5), rng.uniform(-0.12, 0.12)
    x = inner.real * np.cos(yaw) + 0.55 * depth * np.sin(yaw)
    return np.concatenate([jaw, x + 1j * (inner.imag + pitch * depth)])


def _brows(rng: np.random.Generator) -> Complexes:
    along = np.linspace(0, 1, 5)
    height = 0.2 + rng.uniform(-0.04, 0.06) + 0.1 * np.sin(np.pi * (0.1 + 0.75 * (1 - along)))
    right = -0.74 + 0.54 * along - 1j * height
    return np.concatenate([right, -right.conj()[::-1]])


def _nose() -> Complexes:
    bridge = 1j * np.linspace(-0.04, 0.32, 4)
    base = np.linspace(-0.2, 0.2, 5) + 1j * np.array([0.4, 0.43, 0.45, 0.43, 0.4])
    return np.concatenate([bridge, base])


def _eyes(rng: np.random.Generator) -> Complexes:
    opening = rng.uniform(0.035, 0.085)
    eye = np.array([-0.19, -0.07, 0.07, 0.19, 0.07, -0.07]) + 1j * opening * np.array(
        [0, -1, -1, 0, 1, 1]
    )
    return np.concatenate([eye - 0.43, eye + 0.43]) - 0.02j


def _mouth(rng: np.random.Generator) -> Complexes:
    width, smile = rng.uniform(0.26, 0.4), rng.uniform(-0.04, 0.1)
    opening = max(0.0, rng.uniform(-0.12, 0.14))
    outer, inner = np.deg2rad(np.arange(12) * 30), np.deg2rad(np.arange(8) * 45)
    lips = np.sin(outer) * np.where(np.sin(outer) > 0, 0.08 + opening / 2, 0.1 + opening)
    gap = np.sin(inner) * np.where(np.sin(inner) > 0, 0.012 + opening / 2, 0.012 + opening)
    x = width * np.concatenate([-np.cos(outer), -0.8 * np.cos(inner)])
    height = np.concatenate([lips, gap]) + smile * (x / width) ** 2
    return np.asarray(x + 1j * (0.66 - height))


def _arm(
    rng: np.random.Generator,
    shoulder: complex,
    *,
    side: int,
    palm: bool,
    middle: complex,
    raised: bool,
) -> tuple[Complexes, Complexes]:
    """Give shoulder, elbow and wrist, and the hand; try to keep the hand off the face."""
    for _ in range(8):
        upper = rng.uniform(10, 40) if raised else rng.uniform(-5, 150)
        bend = rng.uniform(115, 145) if raised else rng.uniform(-60, 110)
        lengths = np.array([1.3, 1.12]) * rng.uniform(0.8, 1.0, 2)
        directions = 1j * np.exp(-1j * side * np.deg2rad([upper, upper + bend]))
        joints = shoulder + np.concatenate([[0], np.cumsum(lengths * directions)])
        heading = directions[1] * np.exp(1j * np.deg2rad(rng.normal(0, 14)))
        hand = joints[2] + heading * _hand(rng, towards_thumb=-side if palm else side)
        if np.abs(hand - middle).min() > 0.6:
            break
    return joints, hand


def _hand(rng: np.random.Generator, *, towards_thumb: int) -> Complexes:
    """Give the 21 points of a hand that points along +x; the thumb is at +y or -y."""
    curls = np.array(_CURLS[str(rng.choice(list(_CURLS), p=(0.4, 0.25, 0.12, 0.12, 0.11)))])
    curls = np.clip(curls + rng.uniform(-0.04, 0.08, 5), 0, 1)
    thumb = np.array([0.14 + 0.13j, 0.31 + 0.27j, 0.44 + 0.38j, 0.54 + 0.46j])
    folded = np.array([0.14 + 0.13j, 0.31 + 0.24j, 0.42 + 0.2j, 0.47 + 0.08j])
    thumb = thumb + curls[0] * (folded - thumb)
    bends = np.cumsum(curls[1:, None] * np.deg2rad([75, 85, 45]), axis=1)
    spread = _SPLAY * rng.uniform(0.7, 1.5) * (1 - 0.7 * curls[1:])
    steps = _PHALANGES * np.cos(bends) * np.exp(1j * spread)[:, None]
    fingers = _KNUCKLES[:, None] + np.cumsum(np.pad(steps, ((0, 0), (1, 0))), axis=1)
    points = np.concatenate([[0], thumb, fingers.ravel()])
    return np.asarray(0.85 * (points if towards_thumb > 0 else points.conj()))


def _leg(rng: np.random.Generator, hip: complex, side: int) -> tuple[Complexes, Complexes]:
    """Give hip, knee and ankle, and big toe, small toe and heel."""
    lifted = rng.random() < 0.25
    thigh = rng.uniform(30, 80) if lifted else rng.uniform(-4, 28)
    bend = rng.uniform(-100, -20) if lifted else rng.uniform(-12, 6)
    lengths = np.array([1.75, 1.65]) * rng.uniform(0.85 if not lifted else 0.7, 1.0, 2)
    directions = 1j * np.exp(-1j * side * np.deg2rad([thigh, thigh + bend]))
    joints = hip + np.concatenate([[0], np.cumsum(lengths * directions)])
    forward = directions[1] * np.exp(-1j * side * np.deg2rad(rng.uniform(15, 65)))
    inwards = forward * 1j * side
    length = rng.uniform(0.4, 0.65)
    sole = joints[2] + 0.14 * directions[1]
    big_toe = sole + length * forward + 0.1 * inwards
    small_toe = sole + 0.85 * length * forward - 0.12 * inwards
    return joints, np.array([big_toe, small_toe, sole - 0.12 * forward])


def _in_view(rng: np.random.Generator, view: str) -> NDArray[np.int64]:
    """Give the indices of the points that a view is about."""
    if view == "one hand":
        return _FACE_AND_HAND[int(rng.integers(2))]
    return _IN_VIEW[view]


def _placement(
    rng: np.random.Generator, points: Complexes, view: str, size: int
) -> tuple[float, complex]:
    """Give pixels a head, and where the middle of the hips goes."""
    low = complex(points.real.min(), points.imag.min())
    extent = complex(points.real.max(), points.imag.max()) - low
    share = rng.uniform(0.5, 0.7) if view == "face" else rng.uniform(0.72, 0.92)
    scale = float(size * share / max(extent.real, extent.imag))
    room = complex(size, size) - scale * extent
    place = complex(rng.uniform(0.3, 0.7) * room.real, rng.uniform(0.4, 0.6) * room.imag)
    return scale, place - scale * low
