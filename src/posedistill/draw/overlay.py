"""Overlay: the skeletons of `Poses` drawn over their photo."""

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.media import check_image
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

Color = tuple[int, int, int]
Points = NDArray[np.float64]

_SHIFT = 4  # OpenCV draws at 1/16 pixel
_FARTHEST = 2.0**20  # pixels; beyond that OpenCV's fixed-point coordinates overflow
_OUTLINE: Color = (16, 16, 24)
_BOX: Color = (235, 235, 235)
_FACE: Color = (250, 240, 170)
_LIMBS: Mapping[str, Color] = {"left": (60, 170, 255), "right": (255, 130, 40), "": (120, 225, 110)}
_ENDS: Mapping[str, Color] = {
    "left": (150, 225, 255),
    "right": (255, 205, 120),
    "": (200, 245, 190),
}
_HEAD = ("nose", "eye", "ear", "head_top", "upper_neck")


class _Stroke(NamedTuple):
    """Hold how wide one part of a person is drawn, pixels."""

    line: float
    dot: float


def draw_overlay(
    image_rgb: NDArray[np.uint8], poses: Poses, *, min_score: float = 0.3, boxes: bool = False
) -> NDArray[np.uint8]:
    """Give a copy of the photo with the skeletons drawn over it.

    image_rgb: (H, W, 3) uint8. A joint with a score below min_score is never drawn, a link only
    where both of its ends are. The left side is blue, the right side orange, what joins them
    green. Line widths follow the size of the person and of the image. boxes: also draw them.
    Raises ValueError for an image of another shape or type.

    >>> photo = np.zeros((40, 30, 3), np.uint8)
    >>> np.array_equal(draw_overlay(photo, Poses.empty(Skeleton.get("coco17"))), photo)
    True
    """
    check_image(image_rgb)
    canvas = np.array(image_rgb, order="C")
    # Who is larger is usually nearer, and is drawn over the others.
    sizes = np.prod(poses.boxes_xyxy[:, 2:] - poses.boxes_xyxy[:, :2], axis=-1)
    for index in np.argsort(sizes, kind="stable"):
        points = poses.keypoints[index].astype(np.float64)
        shown = (poses.scores[index] >= min_score) & (np.abs(points) < _FARTHEST).all(axis=-1)
        if boxes:
            _draw_box(canvas, poses.boxes_xyxy[index].astype(np.float64))
        if shown.any():
            _draw_person(canvas, points, shown, poses.skeleton)
    return canvas


def _draw_box(canvas: NDArray[np.uint8], box_xyxy: Points) -> None:
    width = max(1, round(min(canvas.shape[:2]) / 400))
    if (np.abs(box_xyxy) < _FARTHEST).all():
        low, high = _fixed(box_xyxy[:2]), _fixed(box_xyxy[2:])
        cv2.rectangle(canvas, low, high, _OUTLINE, width + 2, cv2.LINE_AA, _SHIFT)
        cv2.rectangle(canvas, low, high, _BOX, width, cv2.LINE_AA, _SHIFT)


def _draw_person(
    canvas: NDArray[np.uint8], points: Points, shown: NDArray[np.bool_], skeleton: Skeleton
) -> None:
    strokes = _strokes(points, shown, skeleton, min(canvas.shape[:2]))
    links = [link for link in skeleton.links if shown[link[0]] and shown[link[1]]]
    # The fine parts go last: a hand before a trunk must stay readable.
    links.sort(key=lambda link: -min(strokes[link[0]].line, strokes[link[1]].line))
    dots = sorted(np.flatnonzero(shown), key=lambda joint: -strokes[joint].dot)
    colors = [_joint_color(joint, skeleton) for joint in range(len(skeleton))]
    rim = float(np.clip(min(canvas.shape[:2]) / 500, 0.6, 3.0))
    for a, b in links:
        width = min(strokes[a].line, strokes[b].line)
        if width >= 2:
            _draw_line(canvas, (points[a], points[b]), _OUTLINE, width + 2 * rim)
    for a, b in links:
        width = min(strokes[a].line, strokes[b].line)
        _draw_line(canvas, (points[a], points[b]), _link_color(a, b, skeleton), width)
    for joint in dots:
        radius = strokes[joint].dot
        _draw_dot(canvas, points[joint], _OUTLINE, radius + 0.6 * min(rim, radius))
        _draw_dot(canvas, points[joint], colors[joint], radius)


def _strokes(
    points: Points, shown: NDArray[np.bool_], skeleton: Skeleton, short_side: int
) -> list[_Stroke]:
    """Give the stroke of each joint: the smaller a part, the finer."""
    person = _extent(points[shown])
    limb = float(np.clip(0.014 * person, 1.0, max(0.012 * short_side, 1.0)))
    strokes = [_Stroke(limb, 0.75 * limb)] * len(skeleton)
    for joint, name in enumerate(skeleton.joints):
        if any(word in name for word in _HEAD):
            strokes[joint] = _Stroke(max(0.6 * limb, 1.0), 0.5 * limb)
    for group, index in skeleton.groups.items():
        extent = _extent(points[index][shown[index]])
        if "hand" in group:
            fine = float(np.clip(0.025 * extent, 1.0, limb))
            part = _Stroke(fine, float(np.clip(0.016 * extent, 0.4, 0.7 * limb)))
        elif group == "face":
            part = _Stroke(1.0, float(np.clip(0.011 * extent, 0.4, 0.7 * limb)))
        elif group == "foot":
            part = _Stroke(max(0.6 * limb, 1.0), 0.5 * limb)
        else:
            continue
        for joint in index:
            strokes[joint] = part
    return strokes


def _extent(points: Points) -> float:
    return float(np.ptp(points, axis=0).max()) if len(points) else 0.0


def _side(joint: int, skeleton: Skeleton) -> str:
    name = skeleton.joints[joint]
    return next((side for side in ("left", "right") if name.startswith(side)), "")


def _joint_color(joint: int, skeleton: Skeleton) -> Color:
    group = next((group for group, index in skeleton.groups.items() if joint in index), "body")
    if group == "face":
        return _FACE
    return _ENDS[_side(joint, skeleton)]


def _link_color(a: int, b: int, skeleton: Skeleton) -> Color:
    side, other = _side(a, skeleton), _side(b, skeleton)
    palette = _LIMBS if a in skeleton.groups.get("body", ()) else _ENDS
    return palette[side or other] if side == other or "" in (side, other) else palette[""]


def _fixed(point: Points) -> tuple[int, int]:
    x, y = np.round(point * 2**_SHIFT).astype(int).tolist()
    return x, y


def _draw_line(
    canvas: NDArray[np.uint8], ends: tuple[Points, Points], color: Color, width: float
) -> None:
    start, end = _fixed(ends[0]), _fixed(ends[1])
    cv2.line(canvas, start, end, color, max(1, round(width)), cv2.LINE_AA, _SHIFT)


def _draw_dot(canvas: NDArray[np.uint8], point: Points, color: Color, radius: float) -> None:
    fixed_radius = max(1, round(radius * 2**_SHIFT))
    cv2.circle(canvas, _fixed(point), fixed_radius, color, -1, cv2.LINE_AA, _SHIFT)
