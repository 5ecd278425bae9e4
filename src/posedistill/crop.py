"""Box to network input and back: the one home of the pixel-centre convention.

The convention is that of MMPose's TopdownAffine without UDP (topdown_transforms.py): the box centre
maps to (w/2, h/2) of the network input, and one factor k = w / box width scales both axes.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

PADDING = 1.25


def box_to_center_scale(
    boxes_xyxy: NDArray[np.floating], *, padding: float = PADDING
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the centres and the padded sizes of boxes.

    boxes_xyxy: (..., 4) pixels; gives center (..., 2) and scale_wh (..., 2), pixels.

    >>> center, scale = box_to_center_scale(np.array([0.0, 0.0, 10.0, 20.0]))
    >>> center.tolist(), scale.tolist()
    ([5.0, 10.0], [12.5, 25.0])
    """
    boxes = np.asarray(boxes_xyxy, dtype=np.float64)
    low, high = boxes[..., :2], boxes[..., 2:]
    return (low + high) / 2, (high - low) * padding


def fix_aspect(scale_wh: NDArray[np.floating], size_wh: tuple[int, int]) -> NDArray[np.float64]:
    """Widen the short side of boxes until they have the aspect of the network input.

    scale_wh: (..., 2) pixels; gives (..., 2).

    >>> fix_aspect(np.array([10.0, 10.0]), (192, 256)).tolist()
    [10.0, 13.333333333333334]
    """
    scale = np.asarray(scale_wh, dtype=np.float64)
    aspect = size_wh[0] / size_wh[1]
    w, h = scale[..., 0], scale[..., 1]
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
    factor = size_wh[0] / float(scale_wh[0])
    angle = np.deg2rad(rotation)
    cos, sin = factor * np.cos(angle), factor * np.sin(angle)
    linear = np.array([[cos, sin], [-sin, cos]])
    offset = np.array([size_wh[0] / 2, size_wh[1] / 2]) - linear @ np.asarray(center, np.float64)
    return np.concatenate([linear, offset[:, None]], axis=1) + 0.0  # no -0.0


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

    image: (H, W, 3) uint8; matrix: (2, 3), image to crop; gives (h, w, 3).

    >>> warp(np.ones((4, 4, 3), np.uint8), np.array([[1.0, 0, 0], [0, 1, 0]]), (2, 3)).shape
    (3, 2, 3)
    """
    matrix = np.asarray(matrix, np.float64)
    crop = cv2.warpAffine(image, matrix, size_wh, flags=cv2.INTER_LINEAR)
    return np.asarray(crop, dtype=np.uint8)


def box_matrices(
    boxes_xyxy: NDArray[np.floating], size_wh: tuple[int, int], *, padding: float = PADDING
) -> NDArray[np.float64]:
    """Give the matrices from image to network input for boxes.

    boxes_xyxy: (N, 4) pixels; gives (N, 2, 3).
    Raises ValueError for boxes without area or with coordinates that are not finite.

    >>> box_matrices(np.array([[0.0, 0, 30, 40]]), (192, 256)).shape
    (1, 2, 3)
    """
    boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
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
    image_rgb: NDArray[np.uint8], matrices: Sequence[NDArray[np.floating]], size_wh: tuple[int, int]
) -> NDArray[np.uint8]:
    """Cut the crops of all matrices into one batch.

    image_rgb: (H, W, 3) uint8; gives (N, 3, h, w) uint8.

    >>> crop_boxes(np.zeros((9, 9, 3), np.uint8), [np.eye(3)[:2]], (6, 8)).shape
    (1, 3, 8, 6)
    """
    batch = np.empty((len(matrices), 3, size_wh[1], size_wh[0]), np.uint8)
    for row, matrix in zip(batch, matrices, strict=True):
        row[:] = warp(image_rgb, matrix, size_wh).transpose(2, 0, 1)
    return batch
