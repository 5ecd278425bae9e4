"""Overlay: the skeletons of `Poses` drawn over their photo."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.draw.dots import draw_dots
from posedistill.draw.tags import draw_box, draw_id, id_color
from posedistill.media import check_image
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

Canvas = NDArray[np.uint8]
Color = tuple[int, int, int]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_SHIFT = 4  # OpenCV draws at 1/16 pixel
_FARTHEST = 2.0**20  # pixels; beyond that OpenCV's fixed-point coordinates overflow
_RIM: Color = (16, 16, 24)
_BOX: Color = (235, 235, 235)
_FACE: Color = (250, 240, 170)
_LIMBS: Mapping[str, Color] = {"left": (60, 170, 255), "right": (255, 130, 40), "": (120, 225, 110)}
_ENDS: Mapping[str, Color] = {
    "left": (150, 225, 255),
    "right": (255, 205, 120),
    "": (200, 245, 190),
}
_HEAD = ("nose", "eye", "ear", "head_top", "upper_neck")


class _Look(NamedTuple):
    """Hold what of the drawing depends on the skeleton alone."""

    dot_colors: NDArray[np.float32]  # (K, 3)
    line_shares: Floats  # (K,) widths, of the width of a limb
    dot_shares: Floats  # (K,) radii, of the same
    fine_parts: tuple[tuple[str, NDArray[np.int64]], ...]
    links: NDArray[np.int64]  # (L, 2)
    link_colors: NDArray[np.uint8]  # (L, 3)


class _Figures(NamedTuple):
    """Hold where the joints of all persons are, and how wide they are drawn."""

    points: Floats  # (N, K, 2)
    shown: Flags  # (N, K)
    widths: Floats  # (N, K) of lines
    radii: Floats  # (N, K, 2) of dots, without and with their rim


class _Lines(NamedTuple):
    """Hold the lines between shown joints."""

    persons: NDArray[np.int64]  # (n,)
    ends: Floats  # (n, 2, 2)
    widths: Floats  # (n,)
    colors: NDArray[np.uint8]  # (n, 3)

    def take(self, index: NDArray[np.int64]) -> "_Lines":
        return _Lines(self.persons[index], self.ends[index], self.widths[index], self.colors[index])


def draw_overlay(
    image_rgb: Canvas,
    poses: Poses,
    *,
    min_score: float = 0.3,
    boxes: bool = False,
    ids: bool = True,
) -> Canvas:
    """Give a copy of the photo with the skeletons drawn over it.

    image_rgb: (H, W, 3) uint8. A joint with a score below min_score is never drawn, a link only
    where both of its ends are. The left side is blue, the right side orange, what joins them
    green. Line widths follow the size of the person and of the image. boxes: also draw them. ids:
    also draw the track ids, of poses that have them; tag and box have the colour of the id.
    Raises ValueError for an image of another shape or type.

    >>> photo = np.zeros((40, 30, 3), np.uint8)
    >>> np.array_equal(draw_overlay(photo, Poses.empty(Skeleton.get("coco17"))), photo)
    True
    """
    check_image(image_rgb)
    canvas = np.array(image_rgb, order="C")
    # Who is larger is usually nearer, and their lines are drawn over the others'.
    sizes = np.prod(poses.boxes_xyxy[:, 2:] - poses.boxes_xyxy[:, :2], axis=-1)
    poses = poses[np.argsort(sizes, kind="stable")]
    if boxes:
        _draw_boxes(canvas, poses, ids=ids)
    look = _look(poses.skeleton)
    figures = _figures(poses, look, min_score=min_score, short_side=min(canvas.shape[:2]))
    _draw_lines(canvas, _lines(figures, look))
    _draw_dots(canvas, figures, look)
    if ids and poses.ids is not None:
        _draw_ids(canvas, poses, figures, boxes=boxes)
    return canvas


def _is_near(points: Floats) -> Flags:
    return np.asarray((np.abs(points) < _FARTHEST).all(axis=-1))


def _draw_boxes(canvas: Canvas, poses: Poses, *, ids: bool) -> None:
    corners = poses.boxes_xyxy.astype(np.float64)
    for index in np.flatnonzero(_is_near(corners)):
        color = _BOX if poses.ids is None or not ids else id_color(int(poses.ids[index]))
        draw_box(canvas, corners[index], color=color)


def _draw_ids(canvas: Canvas, poses: Poses, figures: _Figures, *, boxes: bool) -> None:
    """Draw the ids at the top of the boxes, or above the persons where there are no boxes."""
    assert poses.ids is not None
    short_side = min(canvas.shape[:2])
    low, high = _bounds(figures.points, figures.shown)
    extents = np.maximum((high - low).max(axis=-1), 0)
    if boxes:
        low, high = np.split(poses.boxes_xyxy.astype(np.float64), 2, axis=1)
    for index in np.flatnonzero(_is_near(low) & _is_near(high)):
        height = float(np.clip(0.05 * extents[index], 9, max(0.03 * short_side, 9)))
        top = low[index, 1] if boxes else low[index, 1] - 0.1 * extents[index]
        middle = (low[index, 0] + high[index, 0]) / 2
        draw_id(canvas, int(poses.ids[index]), above_xy=(middle, top), height=height)


def _bounds(points: Floats, shown: Flags) -> tuple[Floats, Floats]:
    """Give the corners (N, 2) of what is shown; infinite where nothing is."""
    axes = np.moveaxis(points, -1, 0).copy()  # much faster than steps of two numbers
    low = np.where(shown, axes, np.inf).min(axis=-1, initial=np.inf)
    high = np.where(shown, axes, -np.inf).max(axis=-1, initial=-np.inf)
    return low.T, high.T


@lru_cache(maxsize=32)
def skeleton_colors(skeleton: Skeleton) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Give the colours that joints (K, 3) and links (L, 3) are drawn in, RGB.

    >>> [colors.shape for colors in skeleton_colors(Skeleton.get("coco17"))]
    [(17, 3), (19, 3)]
    """
    look = _look(skeleton)
    return look.dot_colors.astype(np.uint8), look.link_colors


def _look(skeleton: Skeleton) -> _Look:
    groups = skeleton.groups
    is_fine = {"left_hand", "right_hand", "hand", "face"}
    is_slight = np.array([any(word in name for word in _HEAD) for name in skeleton.joints])
    is_slight[groups.get("foot", [])] = True
    links = np.array(skeleton.links, np.int64).reshape(-1, 2)
    colors = [_link_color(a, b, skeleton) for a, b in links.tolist()]
    return _Look(
        dot_colors=np.array([_joint_color(k, skeleton) for k in range(len(skeleton))], np.float32),
        line_shares=np.where(is_slight, 0.6, 1.0),
        dot_shares=np.where(is_slight, 0.5, 0.75),
        fine_parts=tuple((name, index) for name, index in groups.items() if name in is_fine),
        links=links,
        link_colors=np.array(colors, np.uint8).reshape(-1, 3),
    )


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


def _figures(poses: Poses, look: _Look, *, min_score: float, short_side: int) -> _Figures:
    """Give where and how wide all persons are drawn: the smaller a part, the finer."""
    points = poses.keypoints.astype(np.float64)
    shown = (poses.scores >= min_score) & _is_near(points)
    points = np.where(shown[..., None], points, 0.0)
    limb = np.clip(0.014 * _extents(points, shown), 1.0, max(0.012 * short_side, 1.0))
    widths = np.maximum(limb * look.line_shares, 1.0)
    radii = limb * look.dot_shares
    for name, index in look.fine_parts:
        extent = _extents(points[:, index], shown[:, index])
        is_face = name == "face"
        widths[:, index] = 1.0 if is_face else np.clip(0.025 * extent, 1.0, limb)
        radii[:, index] = np.clip((0.011 if is_face else 0.016) * extent, 0.7, 0.7 * limb)
    rimmed = radii + 0.6 * np.minimum(_rim_width(short_side), radii)
    return _Figures(points, shown, widths, np.stack([radii, rimmed], axis=-1))


def _extents(points: Floats, shown: Flags) -> Floats:
    """Give the longer side (N, 1) of what is shown of each person."""
    low, high = _bounds(points, shown)
    extents: Floats = np.maximum((high - low).max(axis=-1, keepdims=True), 0.0)
    return extents


def _rim_width(short_side: int) -> float:
    return float(np.clip(short_side / 500, 0.6, 3.0))


def _draw_lines(canvas: Canvas, lines: _Lines) -> None:
    """Draw the persons one after the other, then the thin lines of all."""
    is_wide = lines.widths >= 2
    wide, thin = lines.take(np.flatnonzero(is_wide)), lines.take(np.flatnonzero(~is_wide))
    bars, colors = list(_fixed(_sides(wide, beyond=0.0))), wide.colors.tolist()
    rims, strokes = _rims(wide, _rim_width(min(canvas.shape[:2])))
    starts = np.flatnonzero(np.diff(wide.persons, prepend=-1, append=-1)).tolist()
    for start, end in zip(starts, starts[1:], strict=False):
        of_person = rims[start * strokes : end * strokes]
        cv2.polylines(canvas, of_person, False, _RIM, 1, cv2.LINE_AA, _SHIFT)
        for bar, color in zip(bars[start:end], colors[start:end], strict=True):
            cv2.fillConvexPoly(canvas, bar, color, cv2.LINE_AA, _SHIFT)
    _draw_thin_lines(canvas, thin)


def _lines(figures: _Figures, look: _Look) -> _Lines:
    """Give the lines to draw, person by person, each from wide to thin."""
    persons, links = np.nonzero(figures.shown[:, look.links].all(axis=-1))
    joints = look.links[links]
    widths = figures.widths[persons[:, None], joints].min(axis=-1)
    # The fine parts go last: a hand before a trunk must stay readable.
    order = np.lexsort((-widths, persons))
    ends = figures.points[persons[:, None], joints]
    return _Lines(persons, ends, widths, look.link_colors[links]).take(order)


def _sides(lines: _Lines, *, beyond: float) -> Floats:
    """Give lines, wider on both sides, as rectangles (n, 4, 2); dots hide their corners."""
    first, second = lines.ends[:, 0], lines.ends[:, 1]
    along = second - first
    half = (lines.widths / 2 + beyond) / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], axis=-1) * half[:, None]
    return np.stack([first + across, second + across, second - across, first - across], axis=1)


def _rims(lines: _Lines, width: float) -> tuple[list[NDArray[np.int32]], int]:
    """Give strokes (2, 2), fixed-point, along both sides of lines, and how many a line has.

    A stroke of one pixel with soft edges looks one and a half wide; what of it lies below the line
    is lost. One call draws those of all lines, in half of the time that wider bars below them take.
    """
    count = math.ceil(width / 1.5)
    places = [(number + 0.5) * width / count + 0.4 for number in range(count)]
    sides = np.stack([_sides(lines, beyond=place) for place in places], axis=1)
    return list(_fixed(sides).reshape(-1, 2, 2)), 2 * count


def _draw_thin_lines(canvas: Canvas, lines: _Lines) -> None:
    """Draw lines without a rim: those of one colour and width in one call."""
    kinds = lines.colors @ np.array([1 << 16, 1 << 8, 1]) + (np.rint(lines.widths) > 1) * (1 << 24)
    fixed = _fixed(lines.ends)
    for kind in np.unique(kinds):
        chosen = np.flatnonzero(kinds == kind)
        color = lines.colors[chosen[0]].tolist()
        thickness = max(1, round(lines.widths[chosen[0]]))
        cv2.polylines(canvas, list(fixed[chosen]), False, color, thickness, cv2.LINE_AA, _SHIFT)


def _draw_dots(canvas: Canvas, figures: _Figures, look: _Look) -> None:
    draw_dots(
        canvas,
        figures.points[figures.shown],
        radii=figures.radii[figures.shown].astype(np.float32),
        colors=look.dot_colors[np.nonzero(figures.shown)[1]],
        rim=_RIM,
    )


def _fixed(values: Floats) -> NDArray[np.int32]:
    fixed: NDArray[np.int32] = np.rint(values * 2**_SHIFT).astype(np.int32)
    return fixed
