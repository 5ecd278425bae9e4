"""Left and right: people whose labels look exchanged, judged against the others of the file.

A pair such as the two hips gives a vector from right to left. Pairs of one person agree: seen along
the shoulders, left hip, elbow, knee and eye lie on the side of the left shoulder. One pair that
does not is common (crossed legs); several that disagree as widely as others agree are seldom right.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.skeleton import Skeleton

Points = NDArray[np.float64]
Flags = NDArray[np.bool_]


class _Rule(NamedTuple):
    """Name a pair that gives a person's axis, and the pairs that must not all lie against it.

    depth: how far against it, in medians of how far other people's lie along it.
    """

    axis: str
    others: tuple[str, ...]
    depth: float
    text: str


_RULES = (
    _Rule("shoulder", ("hip",), 0.75, "shoulders and hips point opposite ways"),
    _Rule(
        "shoulder",
        ("elbow", "wrist"),
        0.5,
        "elbows and wrists lie across, on the side of the other shoulder",
    ),
    _Rule(
        "hip",
        ("knee", "ankle"),
        0.75,
        "knees and ankles lie across, on the side of the other hip",
    ),
    _Rule("shoulder", ("eye",), 0.75, "eyes and shoulders point opposite ways"),
    _Rule("shoulder", ("ear",), 0.75, "ears and shoulders point opposite ways"),
)

# Lengths in extents of the labelled body, medians of 10,000 people (COCO, Leeds Sports, fashion).
_USUAL = {
    "shoulder": 0.23,
    "elbow": 0.38,
    "wrist": 0.36,
    "hip": 0.15,
    "knee": 0.2,
    "ankle": 0.19,
    "eye": 0.043,
    "ear": 0.083,
}
_ENOUGH = 50  # people for a median of the file's own
_WIDE = 0.75  # of the median: an axis that is much shorter says little
_MIN_EYES = 4.0  # pixels between the eyes; labels are seldom finer than one
_MAX_NOSE = -0.3  # eye distances that the nose lies below the eyes; -0.1 for heads thrown back


def crossed(keypoints: Points, visible: Flags, *, skeleton: Skeleton) -> dict[int, list[str]]:
    """Give, by person, what speaks for left and right exchanged in a part of the body.

    keypoints: (N, K, 2) pixels, visible: (N, K). A person is named where the pairs of a rule all
    lie against an axis of at least 0.75 of the file's median, each by at least 0.75 of the median
    by which others lie along it; 0.5 for arms, which seldom cross.

    >>> skeleton = Skeleton.get("coco17")
    >>> points, visible = np.zeros((1, 17, 2)), np.zeros((1, 17), bool)
    >>> points[0, [5, 6, 11, 12]] = [[60, 0], [0, 0], [0, 100], [40, 100]]
    >>> visible[0, [5, 6, 11, 12]] = True
    >>> crossed(points, visible, skeleton=skeleton)
    {0: ['shoulders and hips point opposite ways']}
    """
    sides = {part: _side(keypoints, visible, part, skeleton=skeleton) for part in _USUAL}
    scale = _extents(keypoints, visible, skeleton)
    found: dict[int, list[str]] = {}
    for rule in _RULES:
        across, is_known = sides[rule.axis]
        width = np.linalg.norm(across, axis=-1)
        direction = across / np.maximum(width, 1e-9)[:, None]
        width = width / scale
        is_crossed = is_known & (width >= _WIDE * _median(width, is_known, rule.axis))
        for part in rule.others:
            vectors, has_part = sides[part]
            along = (vectors * direction).sum(axis=-1) / scale
            has_both = is_known & has_part
            usual = _median(along, has_both & (along > 0), part)
            is_crossed &= has_both & (along < -rule.depth * usual)
        for person in np.flatnonzero(is_crossed).tolist():
            found.setdefault(person, []).append(rule.text)
    return found


def mirrored(keypoints: Points, visible: Flags, *, skeleton: Skeleton) -> tuple[Flags, Flags]:
    """Say whose eyes and nose are placed as in a mirror, and of whom that can be told at all.

    keypoints: (N, K, 2) pixels, visible: (N, K); gives two arrays (N,). However a face is turned in
    the image, the way from the left eye to the nose goes clockwise around the middle of the eyes.

    >>> skeleton = Skeleton.get("coco17")
    >>> points, visible = np.zeros((1, 17, 2)), np.ones((1, 17), bool)
    >>> points[0, :3] = [[10, 22], [0, 10], [20, 10]]
    >>> mirrored(points, visible, skeleton=skeleton)[0].tolist()
    [True]
    """
    names = ("nose", "left_eye", "right_eye")
    if not set(names) <= set(skeleton.joints):
        return np.zeros(len(keypoints), bool), np.zeros(len(keypoints), bool)
    index = [skeleton.joints.index(name) for name in names]
    nose, left, right = np.moveaxis(keypoints[:, index], 1, 0)
    across, down = left - right, nose - (left + right) / 2
    distance = np.linalg.norm(across, axis=-1)
    is_known = visible[:, index].all(axis=1) & (distance >= _MIN_EYES)
    turn = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
    return is_known & (turn < _MAX_NOSE * distance**2), is_known


def _side(
    keypoints: Points, visible: Flags, part: str, *, skeleton: Skeleton
) -> tuple[Points, Flags]:
    """Give the vectors from right to left (N, 2) and whether both ends are labelled (N,)."""
    names = (f"left_{part}", f"right_{part}")
    if not set(names) <= set(skeleton.joints):
        return np.zeros((len(keypoints), 2)), np.zeros(len(keypoints), bool)
    left, right = (skeleton.joints.index(name) for name in names)
    is_known = visible[:, left] & visible[:, right]
    return np.where(is_known[:, None], keypoints[:, left] - keypoints[:, right], 0), is_known


def _extents(keypoints: Points, visible: Flags, skeleton: Skeleton) -> NDArray[np.float64]:
    """Give the longer side of the labelled body joints of each person, at least a pixel."""
    body = skeleton.groups["body"]
    points, is_seen = keypoints[:, body], visible[:, body, None]
    low = np.where(is_seen, points, np.inf).min(axis=1)
    high = np.where(is_seen, points, -np.inf).max(axis=1)
    sides = np.where(np.isfinite(low), high - low, 0)
    return np.asarray(np.maximum(sides.max(axis=-1), 1.0))


def _median(values: NDArray[np.float64], chosen: Flags, part: str) -> float:
    return float(np.median(values[chosen])) if chosen.sum() >= _ENOUGH else _USUAL[part]
