"""The painting of drawn people: limbs as shaded capsules, on a background of random shapes."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.drawn_figure import HEAD_HEIGHT, HEAD_WIDTH, Figure

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]

_FINE = 2  # painted this much larger, then averaged: soft edges at every size
_BITS = 4  # OpenCV draws in sixteenths of a pixel
_CIRCLE = np.stack([f(np.linspace(0, 2 * np.pi, 14, endpoint=False)) for f in (np.cos, np.sin)], -1)
_SHADES = ((1.0, 0.72), (0.84, 1.0), (0.45, 1.1))  # radius and brightness, from edge to middle
_SKINS = np.array([[255, 219, 190], [233, 184, 148], [198, 141, 102], [141, 92, 62], [92, 58, 41]])
_HAIRS = np.array([[40, 28, 22], [96, 62, 38], [176, 130, 72], [214, 186, 128], [150, 150, 152]])
_FINGERS = tuple(tuple(range(start, start + 4)) for start in (17, 13, 9, 5, 1))


@dataclass(frozen=True, eq=False)
class _Looks:
    """Hold the colours (3,) RGB of one person and the cut of hair and clothes."""

    skin: Floats
    hair: Floats
    shirt: Floats
    trousers: Floats
    shoes: Floats
    has_long_hair: bool
    has_long_sleeves: bool
    has_long_trousers: bool


def paint(rng: np.random.Generator, figure: Figure, *, size: int) -> Image:
    """Give the picture of a figure, (size, size, 3) RGB.

    >>> from posedistill.datasets.drawn_figure import sample_figure
    >>> rng = np.random.default_rng(0)
    >>> paint(rng, sample_figure(rng, 64), size=64).shape
    (64, 64, 3)
    """
    canvas = _background(rng, size * _FINE)
    looks = _sample_looks(rng)
    points = figure.keypoints * _FINE + 0.5 * (_FINE - 1)
    crown = figure.crown * _FINE + 0.5 * (_FINE - 1)
    head = figure.head * _FINE
    _paint_body(canvas, points, head, looks)
    _paint_head(canvas, points, crown, looks=looks, head=head)
    _paint_arms(canvas, points, head, looks)
    for start, palm_shown in zip((91, 112), figure.palms_shown, strict=True):
        _paint_hand(canvas, points[start : start + 21], head, looks.skin, palm_shown=palm_shown)
    picture = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return _expose(rng, np.asarray(picture, np.uint8))


def _expose(rng: np.random.Generator, picture: Image) -> Image:
    grain = rng.uniform(1, 6) * rng.standard_normal((*picture.shape[:2], 1), np.float32)
    exposed = picture * np.float32(rng.uniform(0.8, 1.1)) + grain
    return np.clip(exposed, 0, 255, out=exposed).astype(np.uint8)


def _background(rng: np.random.Generator, size: int) -> Image:
    corners = _muted(rng.uniform(30, 225, (2, 2, 3))).astype(np.float32)
    canvas = cv2.resize(corners, (size, size), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    for _ in range(rng.integers(2, 9)):
        centers = rng.uniform(0, size, 2) + rng.normal(0, size / 5, (rng.integers(1, 5), 2))
        radii = rng.uniform(0.01, 0.12, len(centers)) * size
        _blob(canvas, centers, radii, _muted(rng.uniform(20, 235, 3)))
    return canvas


def _sample_looks(rng: np.random.Generator) -> _Looks:
    return _Looks(
        skin=_between(rng, _SKINS),
        hair=_between(rng, _HAIRS),
        shirt=_muted(rng.uniform(10, 255, 3)),
        trousers=_muted(rng.uniform(10, 210, 3)),
        shoes=_muted(rng.uniform(15, 240, 3)),
        has_long_hair=bool(rng.random() < 0.4),
        has_long_sleeves=bool(rng.random() < 0.5),
        has_long_trousers=bool(rng.random() < 0.7),
    )


def _muted(color: Floats) -> Floats:
    return np.asarray(0.5 * color + 0.5 * color.mean(-1, keepdims=True))


def _between(rng: np.random.Generator, palette: NDArray[np.int64]) -> Floats:
    """Give a colour between two neighbours of a palette."""
    place = rng.uniform(0, len(palette) - 1)
    first = int(place)
    return np.asarray(palette[first] + (place - first) * (palette[first + 1] - palette[first]))


def _blob(canvas: Image, centers: Floats, radii: Floats | float, color: Floats) -> None:
    """Fill the convex hull of circles; two circles make a capsule."""
    rims = centers[:, None] + np.reshape(radii, (-1, 1, 1)) * _CIRCLE
    hull = cv2.convexHull(rims.reshape(-1, 2).astype(np.float32))
    cv2.fillConvexPoly(canvas, _fixed(hull), _rgb(color), cv2.LINE_AA, _BITS)


def _shaded(canvas: Image, centers: Floats, radii: Floats | float, color: Floats) -> None:
    for shrink, brightness in _SHADES:
        _blob(canvas, centers, np.asarray(radii) * shrink, color * brightness)


def _polygon(canvas: Image, points: Floats, color: Floats) -> None:
    cv2.fillPoly(canvas, [_fixed(points)], _rgb(color), cv2.LINE_AA, _BITS)


def _stroke(canvas: Image, points: Floats, width: float, color: Floats) -> None:
    thickness = max(1, round(width))
    cv2.polylines(canvas, [_fixed(points)], False, _rgb(color), thickness, cv2.LINE_AA, _BITS)


def _fixed(points: NDArray[np.floating]) -> NDArray[np.int32]:
    return np.asarray(np.rint(points * (1 << _BITS)), np.int32)


def _rgb(color: Floats) -> tuple[float, float, float]:
    red, green, blue = (min(255.0, max(0.0, value)) for value in color.tolist())
    return red, green, blue


def _paint_body(canvas: Image, points: Floats, head: float, looks: _Looks) -> None:
    shoulders, hips = points[5:7], points[11:13]
    up = (shoulders - hips).mean(0) / np.linalg.norm((shoulders - hips).mean(0))
    if looks.has_long_hair:
        ears = points[3:5]
        ends = np.stack([ears, ears - 0.75 * head * up]).reshape(-1, 2)
        _blob(canvas, ends, 0.14 * head, looks.hair * 0.8)
    shin = looks.trousers if looks.has_long_trousers else looks.skin
    for side in (0, 1):
        hip, knee, ankle = points[11 + side :: 2][:3]
        big_toe, small_toe, heel = points[17 + 3 * side : 20 + 3 * side]
        radii = np.array([0.15, 0.11, 0.1, 0.12]) * head
        _shaded(canvas, np.stack([knee, ankle]), np.array([0.2, 0.12]) * head, shin)
        _shaded(canvas, np.stack([ankle, heel, small_toe, big_toe]), radii, looks.shoes)
        _blob(canvas, big_toe[None], 0.06 * head, 255 - 0.6 * looks.shoes)
        _blob(canvas, small_toe[None], 0.035 * head, 255 - 0.6 * looks.shoes)
        _shaded(canvas, np.stack([hip, knee]), np.array([0.3, 0.21]) * head, looks.trousers)
    _shaded(canvas, hips, 0.32 * head, looks.trousers)
    waist = hips + 0.25 * head * up
    trunk = np.concatenate([shoulders - 0.12 * head * up, waist])
    _shaded(canvas, trunk, np.array([0.22, 0.22, 0.26, 0.26]) * head, looks.shirt)


def _paint_head(
    canvas: Image, points: Floats, crown: Floats, *, looks: _Looks, head: float
) -> None:
    ears, face = points[3:5], points[23:91]
    middle = ears.mean(0)
    down = (middle - crown) / np.linalg.norm(middle - crown)
    across = (ears[0] - ears[1]) / np.linalg.norm(ears[0] - ears[1])
    neck = np.stack([middle + 0.3 * head * down, points[5:7].mean(0) - 0.05 * head * down])
    _shaded(canvas, neck, 0.17 * head, looks.skin * 0.8)
    _blob(canvas, ears, 0.085 * head, looks.skin * 0.78)
    _blob(canvas, ears, 0.05 * head, looks.skin * 0.95)
    arc = np.linspace(np.pi, 0, 15)[:, None]
    center = crown + HEAD_HEIGHT * head * down
    dome = -np.cos(np.pi - arc) * HEAD_WIDTH * across - np.sin(arc) * HEAD_HEIGHT * down
    rim = center + head * dome
    _polygon(canvas, center + 1.1 * head * dome, looks.hair)
    outline = np.concatenate([face[:17], rim[::-1]])
    _polygon(canvas, outline, looks.skin * 0.5)
    _polygon(canvas, center + 0.96 * (outline - center), looks.skin)
    brow = center - 0.24 * head * down
    fringe = np.concatenate([center + head * dome[2:-2] * 1.04, (brow + 0.2 * head * across)[None]])
    _polygon(canvas, fringe, looks.hair)
    _paint_face(canvas, face, head, looks)


def _paint_face(canvas: Image, face: Floats, head: float, looks: _Looks) -> None:
    dark = looks.skin * 0.55
    for start in (17, 22):
        _stroke(canvas, face[start : start + 5], 0.032 * head, looks.hair * 0.7)
    for start in (36, 42):
        eye = face[start : start + 6]
        _blob(canvas, eye, 0.012 * head, dark * 0.6)
        _polygon(canvas, eye, np.array([245.0, 245.0, 245.0]))
        _blob(canvas, eye.mean(0)[None], 0.026 * head, np.array([45.0, 40.0, 60.0]))
    _stroke(canvas, face[27:31], 0.02 * head, looks.skin * 0.8)
    _blob(canvas, face[29:31], 0.035 * head, looks.skin * 1.12)
    _stroke(canvas, face[31:36], 0.02 * head, dark)
    _polygon(canvas, face[48:60], looks.skin * np.array([0.82, 0.45, 0.45]))
    _polygon(canvas, face[60:68], np.array([60.0, 15.0, 20.0]))


def _paint_arms(canvas: Image, points: Floats, head: float, looks: _Looks) -> None:
    sleeve = looks.shirt if looks.has_long_sleeves else looks.skin
    for side in (0, 1):
        shoulder, elbow, wrist = points[5 + side :: 2][:3]
        upper, fore = np.stack([shoulder, elbow]), np.stack([elbow, wrist])
        _shaded(canvas, fore, np.array([0.15, 0.1]) * head, sleeve)
        _shaded(canvas, upper, np.array([0.2, 0.15]) * head, looks.shirt * 0.94)


def _paint_hand(
    canvas: Image, hand: Floats, head: float, skin: Floats, *, palm_shown: bool
) -> None:
    """Paint palm, then fingers, the thumb last; a back has nails, a palm a crease."""
    knuckles = hand[[0, 1, 5, 9, 13, 17]]
    _blob(canvas, knuckles, 0.075 * head, skin * 0.6)
    _blob(canvas, knuckles, 0.06 * head, skin * (1.06 if palm_shown else 0.97))
    if palm_shown:
        _stroke(canvas, hand[[1, 9, 17]] * 0.6 + hand[0] * 0.4, 0.018 * head, skin * 0.72)
    for finger in _FINGERS:
        joints = hand[list(finger)]
        width = (0.11 if finger[0] == 1 else 0.095) * head
        _stroke(canvas, joints, width + 0.03 * head, skin * 0.6)
        _stroke(canvas, joints, width, skin * (1.06 if palm_shown else 0.97))
        _blob(canvas, hand[finger[0]][None], 0.015 * head, skin * 0.75)
        if not palm_shown:
            _blob(canvas, joints[-1:], 0.03 * head, skin * 0.5 + 125)
