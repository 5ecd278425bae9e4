"""ControlNet: `Poses` as the coloured stick figures that pose ControlNets were trained with.

What is drawn, and how, follows the annotator published with DWPose (Yang et al., 2023), with the
body of OpenPose (Cao et al., 2019). The feet are not drawn. One deliberate difference: a point
that is not finite, or a million pixels away, counts as absent instead of failing.
"""

import colorsys
import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

Canvas = NDArray[np.uint8]
Color = tuple[int, int, int]
Points = NDArray[np.float64]
Scores = NDArray[np.float32]

_MIN_SCORE = 0.3
_FARTHEST = 2.0**20  # pixels; beyond that OpenCV's fixed-point coordinates overflow
_LIMB_HALF_WIDTH, _FINGER_WIDTH, _JOINT_RADIUS, _FACE_RADIUS = 4, 2, 4, 3  # pixels
_LIMB_BRIGHTNESS = 0.6  # beside that of the joints
_HAND_JOINT: Color = (0, 0, 255)
_FACE_POINT: Color = (255, 255, 255)


@dataclass(frozen=True)
class ControlStyle:
    """Say what a control picture shows, and how wide its bodies are drawn.

    body, hands, face: what to draw, of what the skeleton has. body_scale: how often the usual
    4 pixels, half of the width of a limb and the radius of a joint, go into those drawn; hands
    and faces are always as fine.
    """

    body: bool = True
    hands: bool = True
    face: bool = True
    body_scale: float = 1.0


def controlnet(
    poses: Poses,
    size_wh: tuple[int, int],
    *,
    body: bool = True,
    hands: bool = True,
    face: bool = True,
    image_size_wh: tuple[int, int] | None = None,
) -> Canvas:
    """Draw the persons as a control picture: (H, W, 3) uint8 RGB, black behind.

    Keypoints are pixels of the canvas of size_wh or, where image_size_wh is given, of an image of
    that size, and are scaled to the canvas. Lines are as wide on every canvas: draw at the size
    that is wanted rather than enlarge a drawing. A joint with a score below 0.3 is left out, a
    body joint also with just that. body, hands, face: what to draw, of what the skeleton has.
    Raises ValueError for a size that is none, and for a skeleton without OpenPose's body joints.

    >>> controlnet(Poses.empty(Skeleton.get("wholebody133")), (768, 512)).shape
    (512, 768, 3)
    """
    style = ControlStyle(body=body, hands=hands, face=face)
    return draw_styled(poses, size_wh, style=style, image_size_wh=image_size_wh)


def draw_styled(
    poses: Poses,
    size_wh: tuple[int, int],
    *,
    style: ControlStyle,
    image_size_wh: tuple[int, int] | None = None,
) -> Canvas:
    """Draw the persons as `controlnet` does, in a style: (H, W, 3) uint8 RGB.

    Raises ValueError as `controlnet` does.

    >>> wide = ControlStyle(hands=False, face=False, body_scale=3)
    >>> draw_styled(Poses.empty(Skeleton.get("coco17")), (64, 32), style=wide).shape
    (32, 64, 3)
    """
    canvas_wh = _checked_size(size_wh)
    image_wh = canvas_wh if image_size_wh is None else _checked_size(image_size_wh)
    _check_body(poses.skeleton)
    canvas = np.zeros((canvas_wh[1], canvas_wh[0], 3), np.uint8)
    if style.body:
        bodies = poses.to("openpose18")
        points = _on_canvas(bodies, canvas_wh, image_wh)
        canvas = _draw_bodies(canvas, points, scores=bodies.scores, scale=style.body_scale)
    wanted = {"left_hand": style.hands, "right_hand": style.hands, "face": style.face}
    for group in (g for g in wanted if wanted[g] and g in poses.skeleton.groups):
        part = poses.part(group)
        draw_part = _draw_faces if group == "face" else _draw_hands
        draw_part(canvas, _on_canvas(part, canvas_wh, image_wh), part.scores)
    return canvas


def _checked_size(size_wh: tuple[int, int]) -> tuple[int, int]:
    if np.shape(size_wh) == (2,) and all(isinstance(side, int | np.integer) for side in size_wh):
        w, h = int(size_wh[0]), int(size_wh[1])
        if min(w, h) > 0:
            return w, h
    raise ValueError(f"size is {size_wh!r}; expected (width, height), whole pixels, at least 1")


def _check_body(skeleton: Skeleton) -> None:
    needed = (joint for joint in Skeleton.get("openpose18").joints if joint != "neck")
    missing = [joint for joint in needed if joint not in skeleton.joints]
    if missing:
        raise ValueError(
            f"{skeleton.name} lacks {', '.join(missing)}, which a control picture shows; "
            "expected poses of a skeleton such as wholebody133 or coco17"
        )


def _on_canvas(poses: Poses, canvas_wh: tuple[int, int], image_wh: tuple[int, int]) -> Points:
    """Give the points in pixels of the canvas, NaN for those that cannot be drawn."""
    # Divided first also where both sizes are equal, as the reference does: the last bit decides
    # where the result is cut to whole pixels.
    points = poses.keypoints.astype(np.float64) / image_wh * canvas_wh
    is_near = (np.abs(points) < _FARTHEST).all(axis=-1, keepdims=True)
    return np.where(is_near, points, np.nan)


def _draw_bodies(canvas: Canvas, points: Points, *, scores: Scores, scale: float) -> Canvas:
    """Give the canvas with the limbs, darkened, and the joints over them."""
    shown = (scores > _MIN_SCORE) & np.isfinite(points).all(axis=-1)
    links, colors = Skeleton.get("openpose18").links, _color_wheel(scores.shape[1])
    # Limb by limb, each of all persons: this order says what covers what.
    for (a, b), color in zip(links, colors, strict=False):
        for person in points[shown[:, a] & shown[:, b]]:
            _draw_limb(
                canvas, person[[a, b]], half_width=int(_LIMB_HALF_WIDTH * scale), color=color
            )
    canvas = (canvas * _LIMB_BRIGHTNESS).astype(np.uint8)
    for joint, color in enumerate(colors):
        dots, radius = points[shown[:, joint], joint], int(_JOINT_RADIUS * scale)
        _draw_dots(canvas, dots, radius=radius, color=color)
    return canvas


def _draw_hands(canvas: Canvas, points: Points, scores: Scores) -> None:
    links = Skeleton.get("hand21").links
    colors = _color_wheel(len(links))
    for hand, shown in zip(points, _shown_of_part(points, scores), strict=True):
        for (a, b), color in zip(links, colors, strict=True):
            if shown[a] and shown[b]:
                cv2.line(canvas, _pixel(hand[a]), _pixel(hand[b]), color, _FINGER_WIDTH)
        _draw_dots(canvas, hand[shown], radius=_JOINT_RADIUS, color=_HAND_JOINT)


def _draw_faces(canvas: Canvas, points: Points, scores: Scores) -> None:
    shown = _shown_of_part(points, scores)
    _draw_dots(canvas, points[shown], radius=_FACE_RADIUS, color=_FACE_POINT)


def _shown_of_part(points: Points, scores: Scores) -> NDArray[np.bool_]:
    # The reference leaves out what lies in pixel row or column 0; NaN is not >= 1 either.
    return (scores >= _MIN_SCORE) & (points >= 1).all(axis=-1)


def _draw_limb(canvas: Canvas, ends: Points, *, half_width: int, color: Color) -> None:
    first, second = ends
    dx, dy = (first - second).tolist()
    half_axes = (int(math.hypot(dx, dy) / 2), half_width)
    angle = int(math.degrees(math.atan2(dy, dx)))
    outline = cv2.ellipse2Poly(_pixel((first + second) / 2), half_axes, angle, 0, 360, 1)
    cv2.fillConvexPoly(canvas, np.asarray(outline), color)


def _draw_dots(canvas: Canvas, points: Points, *, radius: int, color: Color) -> None:
    for point in points:
        cv2.circle(canvas, _pixel(point), radius, color, cv2.FILLED)


def _pixel(point: Points) -> tuple[int, int]:
    """Give the point cut, not rounded, to whole pixels."""
    return int(point[0]), int(point[1])


def _color_wheel(count: int) -> list[Color]:
    """Give full colours in equal steps of hue, beginning with red."""
    wheel = [colorsys.hsv_to_rgb(index / count, 1.0, 1.0) for index in range(count)]
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in wheel]
