"""Sheet: many pictures side by side in one, to look at."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

_HEADER = 22


def contact_sheet(
    rows: Sequence[Sequence[NDArray[np.uint8]]],
    *,
    titles: Sequence[str] = (),
    cell_wh: tuple[int, int] = (192, 256),
) -> NDArray[np.uint8]:
    """Lay pictures out in rows, each fitted into a cell, with titles over the columns.

    rows: RGB pictures (H, W, 3) uint8 of any size; gives one picture (H, W, 3).
    Raises ValueError without a picture.

    >>> contact_sheet([[np.zeros((8, 8, 3), np.uint8)]], cell_wh=(20, 10)).shape
    (10, 20, 3)
    """
    if not rows or not rows[0]:
        raise ValueError("a contact sheet needs at least one picture")
    w, h = cell_wh
    header = _HEADER if titles else 0
    columns = max(len(row) for row in rows)
    sheet = np.full((header + h * len(rows), w * columns, 3), 255, np.uint8)
    for column, title in enumerate(titles):
        where = (column * w + 4, header - 7)
        cv2.putText(sheet, title, where, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            top, left = header + r * h, c * w
            sheet[top : top + h, left : left + w] = _fitted(picture, cell_wh)
    return sheet


def _fitted(picture: NDArray[np.uint8], cell_wh: tuple[int, int]) -> NDArray[np.uint8]:
    w, h = cell_wh
    factor = min(w / picture.shape[1], h / picture.shape[0])
    size = (max(round(picture.shape[1] * factor), 1), max(round(picture.shape[0] * factor), 1))
    small = cv2.resize(
        picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    )
    cell = np.full((h, w, 3), 255, np.uint8)
    top, left = (h - size[1]) // 2, (w - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = small
    return cell
