"""YOLOX: what the rows that it gives stand for.

Paper: Ge et al., 2021, "YOLOX: Exceeding YOLO Series in 2021". Decoded as the annotator of DWPose
does (onnxdet.py).
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_STRIDES = (8, 16, 32)


class Cells(NamedTuple):
    """Hold the cells of the grids that lie over an input, one for each row of the output.

    Attributes:
        places_xy: (cells, 2) column and row in its grid. strides: (cells, 1) pixels.
    """

    places_xy: Floats
    strides: Floats


@cache
def yolox_cells(size_wh: tuple[int, int]) -> Cells:
    """Give the cells of strides 8, 16 and 32 over an input, each grid row by row.

    size_wh: of the input, pixels. The arrays are shared: not to be written to.

    >>> yolox_cells((64, 32)).strides.ravel().tolist()[30:]
    [8.0, 8.0, 16.0, 16.0, 16.0, 16.0, 16.0, 16.0, 16.0, 16.0, 32.0, 32.0]
    """
    shapes = [(size_wh[1] // stride, size_wh[0] // stride) for stride in _STRIDES]
    places = [np.indices(shape)[::-1].reshape(2, -1).T for shape in shapes]
    strides = np.repeat(np.array(_STRIDES, np.float32), [len(grid) for grid in places])
    return Cells(np.concatenate(places).astype(np.float32), strides[:, None])


def yolox_boxes(rows: Floats, cells: Cells) -> Floats:
    """Give the boxes that rows of YOLOX stand for.

    rows: (N, 4 or more), each x, y, log w, log h in strides from its cell; cells: of these rows.
    Gives (N, 4) x1, y1, x2, y2 in pixels of the input.

    >>> rows = np.zeros((16 + 4 + 1, 6), np.float32)
    >>> yolox_boxes(rows, yolox_cells((32, 32)))[17].tolist()
    [8.0, -8.0, 24.0, 8.0]
    """
    centers = (rows[:, :2] + cells.places_xy) * cells.strides
    halves = np.exp(rows[:, 2:4]) * (cells.strides / 2)
    return np.concatenate([centers - halves, centers + halves], axis=1)
