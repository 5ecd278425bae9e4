"""Box to network input and back: the one home of the pixel-centre convention.

The convention is that of MMPose's TopdownAffine without UDP (topdown_transforms.py): the box centre
maps to (w/2, h/2) of the network input, and one factor k = w / box width scales both axes.

Crops are those of the reference to the bit, under every version of OpenCV: boxes and the three
points that fix a matrix are float32, as there, and samples are placed in 32nds of a pixel, as
OpenCV 4's warpAffine does (OpenCV 5 interpolates in float, up to 5 grey levels away).
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

PADDING = 1.25
_FARTHEST = 2.0**19  # pixels; sample positions are summed in 32 bits, 1024ths of a pixel each
_INT16 = np.iinfo(np.int16)


def box_to_center_scale(
    boxes_xyxy: NDArray[np.floating], *, padding: float = PADDING
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Give the centres and the padded sizes of boxes.

    boxes_xyxy: (..., 4) pixels; gives center (..., 2) and scale_wh (..., 2), pixels, of the
    precision of the boxes.

    >>> center, scale = box_to_center_scale(np.array([0.0, 0.0, 10.0, 20.0]))
    >>> center.tolist(), scale.tolist()
    ([5.0, 10.0], [12.5, 25.0])
    """
    low, high = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]
    return (low + high) / 2, (high - low) * padding


def fix_aspect(scale_wh: NDArray[np.floating], size_wh: tuple[int, int]) -> NDArray[np.floating]:
    """Widen the short side of boxes until they have the aspect of the network input.

    scale_wh: (..., 2) pixels; gives (..., 2) of the same precision.

    >>> fix_aspect(np.array([10.0, 10.0]), (192, 256)).tolist()
    [10.0, 13.333333333333334]
    """
    aspect = size_wh[0] / size_wh[1]
    w, h = scale_wh[..., 0], scale_wh[..., 1]
    return np.stack([np.maximum(w, h * aspect), np.maximum(h, w / aspect)], axis=-1)


def affine_matrix(  # house rule: centre, size and input size belong together
    center: NDArray[np.floating],
    scale_wh: NDArray[np.floating],
    size_wh: tuple[int, int],
    *,
    rotation: float = 0.0,
) -> NDArray[np.float64]:
    """Give the matrix from image pixels to network-input pixels.

    center, scale_wh: (2,) pixels, the scale already of the input's aspect; rotation in degrees.
    Gives (2, 3). A positive rotation turns the content counter-clockwise.

    >>> affine_matrix(np.array([5.0, 5.0]), np.array([10.0, 10.0]), (20, 20)).tolist()
    [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    """
    angle = np.deg2rad(rotation)
    left = -0.5 * float(scale_wh[0]) * np.array([np.cos(angle), np.sin(angle)])
    source = _corner(center, left)
    target = _corner(np.array([size_wh[0] / 2, size_wh[1] / 2]), np.array([-0.5 * size_wh[0], 0]))
    return np.asarray(cv2.getAffineTransform(source, target), np.float64) + 0.0  # no -0.0


def _corner(center: NDArray[np.floating], left: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give the centre, the middle of the left side and the corner a quarter turn from there."""
    points = np.empty((3, 2), np.float32)
    points[0] = center
    points[1] = center + left
    x, y = points[0] - points[1]
    points[2] = points[1] + np.array([-y, x])
    return points


def invert_affine(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give the inverse of affine matrices.

    matrix: (..., 2, 3); gives (..., 2, 3).

    >>> invert_affine(np.array([[2.0, 0.0, 4.0], [0.0, 2.0, 0.0]])).tolist()
    [[0.5, 0.0, -2.0], [0.0, 0.5, 0.0]]
    """
    linear = np.linalg.inv(np.asarray(matrix, np.float64)[..., :2])
    offset = -linear @ matrix[..., 2:]
    return np.concatenate([linear, offset], axis=-1) + 0.0  # no -0.0


def transform_points(
    points: NDArray[np.floating], matrix: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Move points by an affine matrix.

    points: (..., 2) pixels; matrix: (2, 3), or (N, 2, 3) for points (N, K, 2).

    >>> transform_points(np.array([[1.0, 2.0]]), np.array([[2.0, 0, 1], [0, 2, 0]])).tolist()
    [[3.0, 4.0]]
    """
    linear, offset = matrix[..., :2], matrix[..., 2]
    moved = np.asarray(points, np.float64) @ np.swapaxes(linear, -1, -2)
    return np.asarray(moved + (offset if matrix.ndim == 2 else offset[:, None, :]))


def warp(  # house rule: as cv2.warpAffine takes them
    image: NDArray[np.uint8], matrix: NDArray[np.floating], size_wh: tuple[int, int]
) -> NDArray[np.uint8]:
    """Cut one crop out of an image: bilinear, black outside.

    image: (H, W, 3) uint8, sides up to 32766; matrix: (2, 3), image to crop; gives (h, w, 3).

    >>> warp(np.ones((4, 4, 3), np.uint8), np.array([[1.0, 0, 0], [0, 1, 0]]), (2, 3)).shape
    (3, 2, 3)
    """
    return _warp_back(image, invert_affine(matrix), size_wh)


def _warp_back(
    image: NDArray[np.uint8], back: NDArray[np.float64], size_wh: tuple[int, int]
) -> NDArray[np.uint8]:
    """Give what `warp` does, by the matrix from crop to image."""
    positions, fractions = _sampling(back, size_wh)
    crop = cv2.remap(image, positions, fractions, cv2.INTER_LINEAR)
    return np.asarray(crop, dtype=np.uint8)


def _sampling(
    back: NDArray[np.float64], size_wh: tuple[int, int]
) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """Give where each pixel of a crop lies in the image, as cv2.remap takes it in fixed point.

    back: (2, 3), crop to image. Gives whole pixels (h, w, 2), and (h, w) the 32nds beyond: y * 32
    + x. The steps from 1024ths to 32nds are those of OpenCV 4's warpAffine.
    """
    w, h = size_wh
    columns = _fixed(back[:, :1] * np.arange(w))
    rows = _fixed(back[:, 1:2] * np.arange(h) + back[:, 2:]) + 16
    x = (_distinct(rows[0])[:, None] + columns[0]) >> 5
    y = (rows[1][:, None] + _distinct(columns[1])) >> 5
    positions = np.empty((h, w, 2), np.int16)
    positions[..., 0] = np.clip(x >> 5, _INT16.min, _INT16.max)
    positions[..., 1] = np.clip(y >> 5, _INT16.min, _INT16.max)
    fractions = (x & 31).astype(np.uint16) + ((y & 31) << 5).astype(np.uint16)
    return positions, fractions


def _fixed(places: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(np.clip(places, -_FARTHEST, _FARTHEST) * 1024).astype(np.int32)


def _distinct(places: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give one value where all are equal, so that crops without rotation cost less."""
    return places[:1] if (places == places[0]).all() else places


def box_matrices(
    boxes_xyxy: NDArray[np.floating], size_wh: tuple[int, int], *, padding: float = PADDING
) -> NDArray[np.float64]:
    """Give the matrices from image to network input for boxes.

    boxes_xyxy: (N, 4) pixels; gives (N, 2, 3).
    Raises ValueError for boxes without area or with coordinates that are not finite.

    >>> box_matrices(np.array([[0.0, 0, 30, 40]]), (192, 256)).shape
    (1, 2, 3)
    """
    boxes = np.asarray(boxes_xyxy, np.float32).reshape(-1, 4)
    for index, box in enumerate(boxes):
        if not np.isfinite(box).all() or box[2] <= box[0] or box[3] <= box[1]:
            raise ValueError(
                f"box {index} is {box.tolist()}; "
                "expected finite x1, y1, x2, y2 with x2 > x1 and y2 > y1"
            )
    center, scale = box_to_center_scale(boxes, padding=padding)
    scale = fix_aspect(scale, size_wh)
    matrices = [affine_matrix(c, s, size_wh) for c, s in zip(center, scale, strict=True)]
    return np.stack(matrices) if matrices else np.zeros((0, 2, 3))


def crop_boxes(  # house rule: as `warp` takes them
    image_rgb: NDArray[np.uint8],
    matrices: Sequence[NDArray[np.floating]] | NDArray[np.floating],
    size_wh: tuple[int, int],
    *,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Cut the crops of all matrices into one batch.

    image_rgb: (H, W, 3) uint8; gives (N, 3, h, w) uint8: `out`, rows of a larger batch that are to
    be written to, where that is given.

    >>> crop_boxes(np.zeros((9, 9, 3), np.uint8), [np.eye(3)[:2]], (6, 8)).shape
    (1, 3, 8, 6)
    """
    shape = (len(matrices), 3, size_wh[1], size_wh[0])
    batch = np.empty(shape, np.uint8) if out is None else out
    assert batch.shape == shape
    assert batch.flags.c_contiguous, "cv2.split would write elsewhere"
    if not len(matrices):
        return batch
    for planes, back in zip(batch, invert_affine(np.asarray(matrices)), strict=True):
        cv2.split(_warp_back(image_rgb, back, size_wh), list(planes))
    return batch
