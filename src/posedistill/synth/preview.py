"""Preview: a sheet of synthetic people, each picture beside itself with its labels drawn."""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.draw.dots import draw_dots
from posedistill.draw.overlay import draw_overlay
from posedistill.draw.sheet import contact_sheet
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton
from posedistill.synth.dataset import SynthPeople
from posedistill.synth.labels import SKELETON, label

if TYPE_CHECKING:
    from posedistill.synth.scene import Scene

MOST = 64
_PAIRS_IN_A_ROW = 6
_CELL = 256
_HIDDEN, _RIM = (255, 60, 200), (16, 16, 24)


def preview(people: SynthPeople, count: int = MOST) -> NDArray[np.uint8]:
    """Give a sheet (H, W, 3) RGB of the first images, six pairs in a row.

    count: images, at most `MOST` and as many as there are. Points that are labelled but hidden have
    a pink dot, those that are not labelled are left out.

    >>> preview(SynthPeople(8)).shape  # doctest: +SKIP
    (512, 3072, 3)
    """
    cells: list[NDArray[np.uint8]] = []
    for image_id in people.image_ids[: min(count, MOST)]:
        scene = people.scene(image_id)
        cells += [scene.image_rgb, draw_labels(scene)]
    width = 2 * _PAIRS_IN_A_ROW
    rows = [cells[start : start + width] for start in range(0, len(cells), width)]
    return contact_sheet(rows, cell_wh=(_CELL, _CELL))


def draw_labels(scene: "Scene") -> NDArray[np.uint8]:
    """Give the image of a scene, twice as large, with the labels of all people drawn."""
    canvas = cv2.resize(scene.image_rgb, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    if not scene.people:
        return np.asarray(canvas, np.uint8)
    labels = np.stack([label(person) for person in scene.people])
    points = np.stack([2 * person.keypoints + 0.5 for person in scene.people])
    poses = Poses(
        keypoints=points.astype(np.float32),
        scores=(labels > 0).astype(np.float32),
        boxes_xyxy=np.stack([2 * person.box_xyxy for person in scene.people]).astype(np.float32),
        box_scores=np.ones(len(points), np.float32),
        skeleton=Skeleton.get(SKELETON),
    )
    drawn = draw_overlay(np.asarray(canvas, np.uint8), poses, boxes=True)
    hidden = points[labels == 1].astype(np.float64)
    if len(hidden):
        radii = np.tile(np.array([1.6, 2.4], np.float32), (len(hidden), 1))
        colors = np.tile(np.array(_HIDDEN, np.float32), (len(hidden), 1))
        draw_dots(drawn, hidden, radii=radii, colors=colors, rim=_RIM)
    return drawn
