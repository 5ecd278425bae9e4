"""What can be read off a raster: who is seen where, and which keypoints are hidden."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.synth.raster import Raster

SEEN, HIDDEN, OUTSIDE = 2.0, 1.0, 0.0


@dataclass(frozen=True, eq=False)
class ScenePerson:
    """Hold what is known of a person in a picture.

    Attributes:
        keypoints: (133, 2) float32 pixels, the first pixel's centre at (0, 0).
        visible: (133,) float32: 2 seen, 1 hidden inside the picture, 0 outside of it.
        box_xyxy: (4,) float32 of the seen pixels, from the first's left edge to the last's right.
        mask: (H, W) bool, the seen pixels.
    """

    keypoints: NDArray[np.float32]
    visible: NDArray[np.float32]
    box_xyxy: NDArray[np.float32]
    mask: NDArray[np.bool_]


def mask_box(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give the box of a mask's pixels, x0, y0, x1, y1; the mask holds at least one.

    >>> mask_box(np.array([[False, False], [False, True]])).tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def owner_masks(
    raster: Raster, owners: NDArray[np.int32], *, num_people: int, size_wh: tuple[int, int]
) -> NDArray[np.bool_]:
    """Give (P, H, W) masks: of each person, the pixels that they fill at least by half.

    raster: of the same picture or finer; owners: (F,) the person of each face.
    """
    padded = np.append(owners, np.int32(-1))  # what the row -1 of "no face" reads
    seen = padded[raster.faces]
    shares = [
        cv2.resize((seen == person).astype(np.float32), size_wh, interpolation=cv2.INTER_AREA)
        for person in range(num_people)
    ]
    first = np.argmax(shares, axis=0)  # two people may fill half of a pixel each
    masks = [(share >= 0.5) & (first == person) for person, share in enumerate(shares)]
    return np.array(masks)


def behind(raster: Raster, cutouts: NDArray[np.bool_]) -> Raster:
    """Give a raster in which nothing is seen where a cut-out (H, W) stands right in front.

    >>> raster = Raster(np.ones((2, 2), np.float32), np.zeros((2, 2), np.int32))
    >>> behind(raster, np.array([[True]])).faces.max()
    np.int32(-1)
    """
    finer = raster.faces.shape[0] // cutouts.shape[0]
    mask = cutouts.repeat(finer, axis=0).repeat(finer, axis=1)
    near = np.where(mask, np.float32(1e3), raster.inverse_depth)
    return Raster(near, np.where(mask, np.int32(-1), raster.faces))


def visibility(
    points: NDArray[np.floating], raster: Raster, *, depth_slack: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Give 2 for points that can be seen, 1 for hidden ones, 0 for those outside the picture.

    points: (K, 3) x, y, 1 / depth in pixels of the raster; depth_slack: (K,) how far behind the
    nearest surface a point may lie and be seen, metres.

    >>> raster = Raster(np.full((4, 4), 0.5, np.float32), np.zeros((4, 4), np.int32))
    >>> points = np.array([[2, 2, 1 / 2.05], [2, 2, 1 / 2.2], [9, 2, 0.5]])
    >>> visibility(points, raster, depth_slack=np.full(3, 0.1)).tolist()
    [2.0, 1.0, 0.0]
    """
    height, width = raster.faces.shape
    x, y, inverse = points.T
    is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (inverse > 0)
    depth = 1 / np.where(is_inside, inverse, 1.0)
    column, row = (np.where(is_inside, value, 0).astype(int) for value in (x, y))
    nearest = np.zeros(len(points))  # the farthest surface in the pixels around
    for step_y in (-1, 0, 1):
        for step_x in (-1, 0, 1):
            i, j = np.clip(row + step_y, 0, height - 1), np.clip(column + step_x, 0, width - 1)
            found = raster.inverse_depth[i, j]
            nearest = np.maximum(nearest, np.where(found > 0, 1 / np.maximum(found, 1e-6), 1e6))
    is_seen = nearest >= depth - depth_slack
    visible = np.where(is_seen, SEEN, HIDDEN)
    return np.where(is_inside, visible, OUTSIDE).astype(np.float32)
