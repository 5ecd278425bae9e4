"""Cameras: where they stand, what they look at, and where points fall in the picture."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

NEAR = 0.05  # metres; nothing nearer is drawn
_FACE, _HANDS = slice(23, 91), (slice(91, 112), slice(112, 133))


@dataclass(frozen=True, eq=False)
class Camera:
    """Map the world to a picture without lens distortion.

    Attributes:
        rotation: (3, 3) rows are the picture's right, its down and the optical axis.
        position: (3,) metres.
        focal: pixels.
        center_xy: where the optical axis meets the picture, pixels from its corner.

    >>> camera = Camera(np.diag([1.0, -1.0, -1.0]), np.array([0, 0, 2.0]), 100.0, (50.0, 40.0))
    >>> camera.project(np.array([[0.0, 0.0, 0.0], [0.2, 0.0, 0.0]])).tolist()
    [[50.0, 40.0, 0.5], [60.0, 40.0, 0.5]]
    """

    rotation: NDArray[np.float64]
    position: NDArray[np.float64]
    focal: float
    center_xy: tuple[float, float]

    def project(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Give x, y in pixels from the picture's corner, and 1 / depth.

        points: (N, 3) metres. The inverse depth is 0 for points nearer than `NEAR` or behind.
        """
        turn = self.rotation.astype(np.float32)
        x, y, depth = turn @ (points.T - self.position[:, None]).astype(np.float32)
        inverse = np.where(depth > NEAR, 1 / np.maximum(depth, NEAR), np.float32(0))
        column = self.focal * x * inverse + self.center_xy[0]
        row = self.focal * y * inverse + self.center_xy[1]
        return np.stack([column, row, inverse], axis=1).astype(np.float32)

    def scaled(self, factor: float) -> "Camera":
        """Give the camera of a picture with that many times the pixels a side."""
        center = (self.center_xy[0] * factor, self.center_xy[1] * factor)
        return replace(self, focal=self.focal * factor, center_xy=center)


@dataclass(frozen=True)
class Framing:
    """Say which part of a person fills how much of the picture.

    Attributes:
        name: plain name.
        keypoints: rows of the whole-body layout that are to be seen.
        fill: least and most share of the picture's width or height, whichever is fuller.
        weight: how often it is drawn.
    """

    name: str
    keypoints: tuple[int, ...]
    fill: tuple[float, float]
    weight: float


def _rows(*parts: slice | int) -> tuple[int, ...]:
    numbers = np.arange(133)
    return tuple(int(k) for part in parts for k in np.atleast_1d(numbers[part]))


FRAMINGS = (
    Framing("face", _rows(_FACE), (0.45, 0.9), 0.07),
    Framing("head and shoulders", _rows(_FACE, 5, 6), (0.6, 1.0), 0.1),
    Framing("left hand", _rows(_HANDS[0]), (0.4, 0.85), 0.025),
    Framing("right hand", _rows(_HANDS[1]), (0.4, 0.85), 0.025),
    Framing("left hand and face", _rows(_FACE, _HANDS[0]), (0.6, 0.95), 0.03),
    Framing("right hand and face", _rows(_FACE, _HANDS[1]), (0.6, 0.95), 0.03),
    Framing("upper body", _rows(slice(0, 13), _FACE, *_HANDS), (0.7, 1.05), 0.2),
    Framing("to the knees", _rows(slice(0, 15), _FACE), (0.75, 1.0), 0.14),
    Framing("whole", _rows(slice(0, 133)), (0.7, 0.95), 0.3),
    Framing("legs", _rows(slice(11, 23)), (0.7, 1.0), 0.03),
    Framing("small", _rows(slice(0, 23)), (0.2, 0.6), 0.05),
)


def draw_framing(rng: np.random.Generator) -> Framing:
    """Draw a framing, by weight.

    >>> draw_framing(np.random.default_rng(0)).name in {framing.name for framing in FRAMINGS}
    True
    """
    weights = np.array([framing.weight for framing in FRAMINGS])
    return FRAMINGS[int(rng.choice(len(FRAMINGS), p=weights / weights.sum()))]


def draw_camera(
    rng: np.random.Generator,
    keypoints: NDArray[np.floating],
    *,
    framing: Framing,
    size_wh: tuple[int, int],
) -> Camera:
    """Draw a camera that looks at a part of a person.

    keypoints: (133, 3) metres. Heights, turns, distances (how strong the perspective is) and how
    far the part is off the middle are random, so the frame often cuts through people.
    """
    target = keypoints[list(framing.keypoints)]
    middle = (target.min(axis=0) + target.max(axis=0)) / 2
    extent = float(np.linalg.norm(np.ptp(target, axis=0)))
    rotation = _draw_rotation(rng, _facing(keypoints, framing))
    distance = max(extent * rng.uniform(1.1, 4.5), 0.35)
    camera = Camera(rotation, middle - rotation[2] * distance, 1.0, (0.0, 0.0))
    seen = camera.project(target)[:, :2]
    low, high = seen.min(axis=0), seen.max(axis=0)
    size = np.array(size_wh)
    fill = rng.uniform(*framing.fill)
    if rng.random() < 0.15:
        fill *= rng.uniform(1.1, 1.6)
    focal = float(fill * np.min(size / np.maximum(high - low, 1e-3)))
    shift = rng.normal(0, 0.05, 2) if rng.random() < 0.7 else rng.uniform(-0.3, 0.3, 2)
    center = size * (0.5 + shift) - focal * (low + high) / 2
    return replace(camera, focal=focal, center_xy=(float(center[0]), float(center[1])))


def _facing(keypoints: NDArray[np.floating], framing: Framing) -> float:
    """Give the side, in degrees of yaw, from where the part of a framing is best seen."""
    if "hand" in framing.name and "face" not in framing.name:
        way = keypoints[list(framing.keypoints)].mean(axis=0) - keypoints[[5, 6, 11, 12]].mean(
            axis=0
        )
    else:
        way = keypoints[0] - keypoints[[3, 4]].mean(axis=0)
    return float(np.rad2deg(np.arctan2(way[0], way[2])))


def _draw_rotation(rng: np.random.Generator, facing: float) -> NDArray[np.float64]:
    """Draw a view: mostly from the front and level, at times from any side, tilted or rolled."""
    yaw = facing + rng.normal(0, 38) if rng.random() < 0.8 else rng.uniform(-180, 180)
    pitch = rng.normal(5, 10) if rng.random() < 0.75 else rng.uniform(-45, 75)
    roll = rng.normal(0, 7) if rng.random() < 0.92 else rng.uniform(-180, 180)
    return view_rotation(yaw, pitch, roll=roll)


def view_rotation(yaw: float, pitch: float, *, roll: float = 0.0) -> NDArray[np.float64]:
    """Give the rows right, down and forward of a camera.

    Degrees: yaw 0 looks from the front (along -z), 90 from +x; a positive pitch looks down from
    above; a positive roll turns the picture's content anti-clockwise.

    >>> view_rotation(0, 0).round(6).tolist() == np.diag([1.0, -1.0, -1.0]).tolist()
    True
    """
    yaw, pitch, roll = np.deg2rad([yaw, pitch, roll])
    back = [np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)]
    forward = -np.array(back)
    right = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
    down = np.cross(forward, right)
    turned_right = np.cos(roll) * right + np.sin(roll) * down
    turned_down = -np.sin(roll) * right + np.cos(roll) * down
    return np.stack([turned_right, turned_down, forward]) + 0.0
