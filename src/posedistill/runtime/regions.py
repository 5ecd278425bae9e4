"""Regions: masks of people as boxes."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posedistill.media import MAX_PIXELS, read_stored_values

_LEAST_FILL = 0.02  # of its box; people fill more of theirs, the shades of a soft edge less
_MOST_THIN = 3  # values that fill less, before they are taken for shades


def boxes_of_mask(mask: ArrayLike) -> NDArray[np.float64]:
    """Give the box of each person in a mask.

    mask: (H, W) bool or whole numbers, where each value but 0 is one person, so that True, or a
    single value, is one person, of how many pieces whatever; or (N, H, W), where in each layer all
    but 0 is one person. Gives (N, 4) x1, y1, x2, y2, edges of pixels, so that a mask of the whole
    image gives 0, 0, W, H; in the order of the values or layers. A layer without a pixel gives no
    box. Raises ValueError for another shape or type.

    >>> boxes_of_mask(np.array([[0, 1, 1, 0], [7, 0, 0, 7]])).tolist()
    [[1.0, 0.0, 3.0, 1.0], [0.0, 1.0, 4.0, 2.0]]
    """
    array = np.asarray(mask)
    if array.dtype != np.bool_ and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"mask has type {array.dtype}; expected bool or whole numbers; of probabilities, "
            "give mask > 0.5"
        )
    if array.ndim not in (2, 3) or 0 in array.shape[-2:]:
        raise ValueError(f"mask has shape {array.shape}; expected (H, W) or (N, H, W)")
    if array.ndim == 2:
        return _boxes_by_value(array)[0]
    if array.shape[2] in (3, 4) and array.shape[0] > 4:
        raise ValueError(
            f"mask has shape {array.shape}, as a picture in colour has; expected (H, W) or "
            "(N, H, W), as read_mask gives"
        )
    boxes = [_boxes_by_value(layer != 0)[0] for layer in array]
    return np.concatenate(boxes) if boxes else np.zeros((0, 4))


def read_mask(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> NDArray[np.int64]:
    """Read a mask from an image file: each value, or each colour, but black is one person.

    max_pixels: as `posedistill.media.read_image` takes it, which raises the same. Transparency is
    dropped. Gives (H, W) whole numbers. Raises ValueError also for a mask with soft edges, as
    smoothing or JPEG make them, where each shade would be a person.

    >>> import cv2
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = cv2.imwrite(f"{folder}/mask.png", np.array([[0, 255, 255]], np.uint8))
    ...     boxes_of_mask(read_mask(f"{folder}/mask.png")).tolist()
    [[1.0, 0.0, 3.0, 1.0]]
    """
    values = read_stored_values(path, max_pixels=max_pixels)
    if not np.issubdtype(values.dtype, np.integer):
        raise ValueError(
            f"{path}: a mask of {values.dtype}; expected whole numbers of 8 or 16 bits"
        )
    mask = values.astype(np.int64)
    if mask.ndim == 3:
        blue, green, red = mask[..., 0], mask[..., 1], mask[..., 2]
        mask = blue | green << 16 | red << 32
    _check_edges(mask, Path(path))
    return mask


def _boxes_by_value(mask: NDArray[np.generic]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give for each value, in their order, its box and how many pixels have it.

    They are found by the runs of equal pixels in the rows, of which there are few.
    """
    h, w = mask.shape
    wide = np.zeros((h, w + 1), mask.dtype)  # background after each row: no run goes beyond it
    wide[:, :w] = mask
    flat = wide.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    ends = np.append(starts[1:], flat.size)
    is_person = flat[starts] != 0
    starts, ends = starts[is_person], ends[is_person]
    values, index = np.unique(flat[starts], return_inverse=True)
    rows, columns = np.divmod(starts, w + 1)
    edges = (columns, rows, columns + ends - starts, rows + 1)
    farthest = (np.minimum, np.minimum, np.maximum, np.maximum)
    boxes = np.tile(np.array([np.inf, np.inf, 0, 0])[:, None], len(values))
    for side, farther, edge in zip(boxes, farthest, edges, strict=True):
        farther.at(side, index, edge)
    counts = np.zeros(len(values))
    np.add.at(counts, index, ends - starts)
    return boxes.T, counts


def _check_edges(mask: NDArray[np.int64], path: Path) -> None:
    """Raise ValueError where most values are spread so thinly that they are shades, not people."""
    boxes, counts = _boxes_by_value(mask)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    num_thin = int((counts < _LEAST_FILL * areas).sum())
    if num_thin > max(_MOST_THIN, len(counts) / 2):
        raise ValueError(
            f"{path}: {num_thin} of the {len(counts)} values in the mask are spread thinly, as "
            "soft edges or JPEG spread them; save it as PNG with hard edges, one value a person"
        )
