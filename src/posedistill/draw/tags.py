"""Tags: the box and the id of a tracked person, in a colour that stays with the id."""

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]

_INK: Color = (16, 16, 24)
_GOLDEN = (5**0.5 - 1) / 2  # of a turn: hues that follow each other lie far apart
_CAPITAL = 22.0  # pixels, the height of a digit of the font at scale 1


def id_color(track_id: int) -> Color:
    """Give the colour (RGB) of a track id: always the same, and unlike that of the next.

    >>> id_color(7) == id_color(7) != id_color(8)
    True
    """
    r, g, b = colorsys.hsv_to_rgb(track_id * _GOLDEN % 1.0, 0.6, 1.0)
    return round(255 * r), round(255 * g), round(255 * b)


def draw_box(canvas: NDArray[np.uint8], box_xyxy: NDArray[np.float64], *, color: Color) -> None:
    """Draw a box with a dark rim onto the canvas itself.

    canvas: (H, W, 3) uint8. box_xyxy: pixels.

    >>> canvas = np.zeros((9, 9, 3), np.uint8)
    >>> draw_box(canvas, np.array([2.0, 2, 6, 6]), color=(255, 255, 255))
    >>> canvas[2, :, 0].tolist()
    [16, 16, 255, 255, 255, 255, 255, 16, 16]
    """
    width = max(1, round(min(canvas.shape[:2]) / 400))
    x1, y1, x2, y2 = np.rint(box_xyxy).astype(int).tolist()
    cv2.rectangle(canvas, (x1, y1), (x2, y2), _INK, width + 2)
    cv2.rectangle(canvas, (x1, y1), (x2, y2), color, width)


def draw_id(
    canvas: NDArray[np.uint8], track_id: int, *, above_xy: tuple[float, float], height: float
) -> None:
    """Draw an id, dark on its colour, onto the canvas itself, centred above a point.

    height: of a digit, pixels. The tag is moved into the picture where it would leave it.

    >>> canvas = np.zeros((40, 60, 3), np.uint8)
    >>> draw_id(canvas, 3, above_xy=(30, 30), height=10)
    >>> bool(canvas[:30].any()), bool(canvas[31:].any())
    (True, False)
    """
    scale, text = height / _CAPITAL, str(track_id)
    thickness = max(1, round(1.7 * scale))
    (w, h), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    edge = max(2, round(height / 4))
    x = _within(above_xy[0] - w / 2 - edge, canvas.shape[1] - w - 2 * edge)
    y = _within(above_xy[1] - h - 2 * edge, canvas.shape[0] - h - 2 * edge)
    far = (x + w + 2 * edge - 1, y + h + 2 * edge - 1)
    cv2.rectangle(canvas, (x, y), far, id_color(track_id), cv2.FILLED)
    start, font = (x + edge, y + edge + h), cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(canvas, text, start, font, scale, _INK, thickness, cv2.LINE_AA)


def _within(value: float, last: int) -> int:
    return max(min(round(value), last), 0)
