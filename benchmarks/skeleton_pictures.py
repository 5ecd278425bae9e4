"""Draw the skeletons with the numbers of their joints, for docs/skeletons.md.

    python benchmarks/skeleton_pictures.py --out docs/img

writes ``skeleton-NAME.png`` for every skeleton. Places are schematic, of a person who faces the
reader: their own left is on the right of the picture. Joints, links, groups and order come from
`Skeleton`, so that the pictures show what the code does.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.draw.overlay import draw_overlay
from posedistill.media import write_image
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

ROOT = Path(__file__).resolve().parents[1]
Canvas = NDArray[np.uint8]
Place = tuple[float, float]

_GROUND = (33, 38, 48)
_INK = (245, 246, 248)
_FONT, _FONT_SCALE, _THICKNESS, _TAG_HEIGHT = cv2.FONT_HERSHEY_DUPLEX, 0.8, 1, 18
_MARGIN = 60  # pixels around a panel's joints, for their numbers
_GAP = 12  # pixels from a joint to its number
_DENSITY = 2  # pixels drawn for one that a page shows
_UP, _DOWN, _OUT, _RIGHT = (0.0, -1.0), (0.0, 1.0), (1.0, 0.0), (1.0, 0.0)
_BESIDE = (1.0, 0.8)  # of what lies on a line that runs straight down

# Where joints are, and where their numbers go from there; x of left ones, right ones are mirrored.
# The unit is the height of a head, which is drawn larger than life.
_BODY: dict[str, tuple[Place, Place]] = {
    "nose": ((0, 0.16), _BESIDE),
    "eye": ((0.26, -0.12), _UP),
    "ear": ((0.56, 0.02), _OUT),
    "head": ((0, -0.75), _UP),
    "head_top": ((0, -0.75), _UP),
    "upper_neck": ((0, 0.72), _RIGHT),
    "neck": ((0, 1.0), _BESIDE),
    "thorax": ((0, 1.2), _BESIDE),
    "shoulder": ((0.85, 1.1), _OUT),
    "elbow": ((1.3, 2.2), _OUT),
    "wrist": ((1.55, 3.2), _OUT),
    "mid_hip": ((0, 3.2), (1.0, -0.8)),
    "pelvis": ((0, 3.2), (1.0, -0.8)),
    "hip": ((0.45, 3.3), _OUT),
    "knee": ((0.62, 4.75), _OUT),
    "ankle": ((0.78, 6.1), _OUT),
    "heel": ((0.64, 6.45), (-1.0, 0.0)),
    "big_toe": ((0.92, 6.75), _DOWN),
    "small_toe": ((1.26, 6.6), _OUT),
}
_FINGERS = {"thumb": -60, "forefinger": -23, "middle_finger": -3, "ring_finger": 17}
_FINGERS |= {"pinky_finger": 38}  # degrees from upwards
_LENGTHS = {"thumb": (0.35, 0.7, 1.0, 1.25), "forefinger": (1.2, 1.63, 1.96, 2.25)}
_LENGTHS |= {"middle_finger": (1.25, 1.72, 2.07, 2.4), "ring_finger": (1.2, 1.62, 1.95, 2.25)}
_LENGTHS |= {"pinky_finger": (1.15, 1.46, 1.7, 1.93)}


class Panel(NamedTuple):
    """Hold one part of a picture.

    Attributes:
        groups: which joints are drawn. shown_wh: its size on a page, pixels.
    """

    groups: tuple[str, ...]
    shown_wh: tuple[int, int]

    @property
    def size_wh(self) -> tuple[int, int]:
        """Give its size in the file, pixels."""
        return self.shown_wh[0] * _DENSITY, self.shown_wh[1] * _DENSITY


class Tag(NamedTuple):
    """Hold where the number of a joint is written: its middle, pixels, and its text."""

    middle: Place
    text: str

    def box_xyxy(self) -> tuple[float, float, float, float]:
        """Give the pixels that the text covers."""
        width = cv2.getTextSize(self.text, _FONT, _FONT_SCALE, _THICKNESS)[0][0]
        x, y = self.middle
        return x - width / 2, y - _TAG_HEIGHT / 2, x + width / 2, y + _TAG_HEIGHT / 2


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "img", metavar="DIR")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name in Skeleton.names():
        write_image(out / f"skeleton-{name}.png", draw(Skeleton.get(name)))


def draw(skeleton: Skeleton) -> Canvas:
    """Give the picture of a skeleton: (H, W, 3) uint8 RGB."""
    rows = [
        np.concatenate([draw_panel(skeleton, panel) for panel in row], axis=1)
        for row in panels(skeleton)
    ]
    return np.concatenate(rows)


def panels(skeleton: Skeleton) -> list[list[Panel]]:
    """Give the panels of a picture, row by row, each from left to right."""
    if "body" not in skeleton.groups:
        (group,) = skeleton.groups
        return [[Panel((group,), (400, 400) if group == "face" else (300, 300))]]
    if "face" not in skeleton.groups:
        return [[Panel(tuple(skeleton.groups), (235, 370))]]
    hands = [Panel(("right_hand",), (370, 300)), Panel(("left_hand",), (370, 300))]
    return [[Panel(("body", "foot"), (280, 460)), Panel(("face",), (460, 460))], hands]


def draw_panel(skeleton: Skeleton, panel: Panel) -> Canvas:
    """Give one panel: the joints of some groups, their links and their numbers."""
    points, tags = place(skeleton, panel)
    w, h = panel.size_wh
    shown = np.zeros(len(skeleton), np.float32)
    shown[_joints(skeleton, panel)] = 1
    poses = Poses(
        keypoints=points[None],
        scores=shown[None],
        boxes_xyxy=np.array([[0, 0, w, h]], np.float32),
        box_scores=np.ones(1, np.float32),
        skeleton=skeleton,
    )
    canvas = draw_overlay(np.full((h, w, 3), _GROUND, np.uint8), poses)
    for tag in tags:
        left, _, _, bottom = tag.box_xyxy()
        at = (round(left), round(bottom))
        cv2.putText(canvas, tag.text, at, _FONT, _FONT_SCALE, _INK, _THICKNESS, cv2.LINE_AA)
    return canvas


def place(skeleton: Skeleton, panel: Panel) -> tuple[NDArray[np.float32], list[Tag]]:
    """Give where the joints (K, 2) of a panel are, pixels, and their numbers."""
    index = _joints(skeleton, panel)
    placed = [_schematic(skeleton, joint) for joint in index]
    units = np.array([at for at, _ in placed])
    low, high = units.min(axis=0), units.max(axis=0)
    room = np.array(panel.size_wh) - 2 * _MARGIN
    scale = float((room / (high - low)).min())
    middle = np.array(panel.size_wh) / 2
    points = np.zeros((len(skeleton), 2), np.float32)
    points[index] = (units - (low + high) / 2) * scale + middle
    tags = [
        _tag(str(joint), (float(x), float(y)), towards=towards)
        for joint, (x, y), (_, towards) in zip(index, points[index], placed, strict=True)
    ]
    return points, tags


def _tag(text: str, at: Place, *, towards: Place) -> Tag:
    left, top, right, bottom = Tag((0, 0), text).box_xyxy()
    away = ((right - left) / 2 + _GAP, (bottom - top) / 2 + _GAP)
    return Tag((at[0] + away[0] * towards[0], at[1] + away[1] * towards[1]), text)


def _joints(skeleton: Skeleton, panel: Panel) -> list[int]:
    return [int(joint) for group in panel.groups for joint in skeleton.groups[group]]


def _schematic(skeleton: Skeleton, joint: int) -> tuple[Place, Place]:
    """Give where a joint is, in units, and in which direction its number goes."""
    name = skeleton.joints[joint]
    side, _, rest = name.partition("_")
    is_sided = side in ("left", "right")
    word, mirror = (rest, -1.0 if side == "right" else 1.0) if is_sided else (name, 1.0)
    if name.startswith("face-"):
        return _FACE[int(name.removeprefix("face-"))]
    is_body = word in _BODY and "body" in skeleton.groups  # of a hand, the wrist is another
    (x, y), (dx, dy) = _BODY[word] if is_body else _hand(word)
    return (mirror * x, y), (mirror * dx, dy)


def _hand(word: str) -> tuple[Place, Place]:
    """Give a joint of the left hand with its back to the reader: the thumb is on the right."""
    if word in ("hand_root", "wrist"):
        return (0.0, 0.0), _DOWN
    finger, number = word[:-1], int(word[-1])
    angle = math.radians(_FINGERS[finger])
    length = _LENGTHS[finger][number - 1]
    across = (math.cos(angle), -math.sin(angle))
    return (-length * math.sin(angle), -length * math.cos(angle)), across


def _face() -> Iterator[tuple[Place, Place]]:
    """Give the 68 points of a face, from the right of the person to their left."""
    for step in range(17):  # the jaw, from ear to ear
        angle = math.pi * (1 - step / 16)
        outwards = (math.cos(angle), 0.35 + 0.65 * math.sin(angle))
        yield (math.cos(angle), 1.4 * math.sin(angle)), _unit(outwards)
    for start in (-0.8, 0.24):  # the brows
        yield from (
            ((start + 0.14 * step, -0.42 - 0.1 * math.sin(math.pi * (step + 0.5) / 5)), _UP)
            for step in range(5)
        )
    yield from (((0.0, -0.2 + 0.14 * step), _RIGHT) for step in range(4))
    yield from (((0.11 * (step - 2), 0.36 - 0.02 * abs(step - 2)), _DOWN) for step in range(5))
    for middle in (-0.46, 0.46):
        yield from _ring(middle, -0.12, (0.19, 0.09), 6)
    yield from _ring(0.0, 0.86, (0.46, 0.32), 12)
    for at, (dx, dy) in _ring(0.0, 0.86, (0.36, 0.22), 8):
        yield at, (-dx, -dy)  # the inner lips: their numbers go inside


def _ring(x: float, y: float, half_wh: Place, count: int) -> Iterator[tuple[Place, Place]]:
    """Give points around an opening, from its left end over the top."""
    for step in range(count):
        angle = math.pi - 2 * math.pi * step / count
        dx, dy = math.cos(angle), -math.sin(angle)
        yield (x + half_wh[0] * dx, y + half_wh[1] * dy), (dx, dy)


def _unit(vector: Place) -> Place:
    length = math.hypot(*vector)
    return vector[0] / length, vector[1] / length


_FACE: Sequence[tuple[Place, Place]] = tuple(_face())

if __name__ == "__main__":
    main()
