"""Close-ups: photos of heads and upper bodies, which data of whole people lack.

Either a part of a photo of a whole, upright person is taken, at its full resolution, or the box of
a close-up that has none is reckoned from its face.
"""

import numpy as np
from numpy.typing import NDArray

_SHOULDERS, _HIPS, _NOSE = (5, 6), (11, 12), 0
_UPPER = slice(0, 11)  # head and arms
_LEAST_SIDE = 48  # pixels of a window
# In heights or widths of a labelled face, brows to chin and jaw to jaw. A head is about twice as
# high as that face, a body 7.5 heads, shoulders three times the width.
_HAIR, _BODY, _SHOULDER_SIDE = 0.75, 13.0, 1.5

Floats = NDArray[np.float32]


def upper_body(
    size_wh: tuple[int, int], *, box_xyxy: Floats, keypoints: Floats, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Floats] | None:
    """Give a window on the upper part of a person and the person's box in it, or None.

    None unless nose, shoulders and hips are known and stand upright. size_wh: of the photo.
    box_xyxy: (4,) and keypoints: (17, 3) in the order of COCO, pixels; rng: says how far the window
    reaches. Gives (4,) x1, y1, x2, y2 of the window and the box in pixels of the window.

    >>> box, unknown = np.float32([0, 0, 60, 190]), np.zeros((17, 3), np.float32)
    >>> rng = np.random.default_rng(0)
    >>> upper_body((64, 200), box_xyxy=box, keypoints=unknown, rng=rng) is None
    True
    """
    nose, shoulders, hips = (_middle(keypoints, part) for part in ((_NOSE,), _SHOULDERS, _HIPS))
    if nose is None or shoulders is None or hips is None:
        return None
    trunk = float(hips[1] - shoulders[1])
    if not (nose[1] < shoulders[1] < hips[1]) or abs(hips[0] - shoulders[0]) > 0.5 * trunk:
        return None
    bottom = shoulders[1] + trunk * rng.uniform(0.1, 1.6)
    top = max(0.0, box_xyxy[1] - trunk * rng.uniform(0.0, 0.6))
    seen = keypoints[_UPPER][keypoints[_UPPER][:, 2] > 0]
    inside = seen[seen[:, 1] < bottom]
    x1 = max(float(box_xyxy[0]), float(inside[:, 0].min()) - 0.3 * trunk)
    x2 = min(float(box_xyxy[2]), float(inside[:, 0].max()) + 0.3 * trunk)
    height = bottom - top
    width = max(height * rng.uniform(0.7, 1.7), 0.75 * (x2 - x1))
    left = (x1 + x2) / 2 - width * rng.uniform(0.35, 0.65)
    w, h = size_wh
    window = np.array([max(0, left), top, min(w, left + width), min(h, bottom)]).astype(np.int64)
    if (window[2:] - window[:2]).min() < _LEAST_SIDE:
        return None
    box = np.array([x1, box_xyxy[1], x2, min(box_xyxy[3], bottom)]) - np.tile(window[:2], 2)
    return window, np.clip(box, 0, np.tile(window[2:] - window[:2], 2)).astype(np.float32)


def box_of_face(face: Floats, size_wh: tuple[int, int]) -> Floats:
    """Reckon the box (4,) of the upright person whose face is known, cut at the photo's sides.

    face: (68, 2) points of 300-W (Sagonas et al., 2013), pixels. size_wh: of the photo.

    >>> face = np.tile(np.float32([[40, 50], [60, 70]]), (34, 1))
    >>> box_of_face(face, (100, 200)).tolist()
    [20.0, 35.0, 80.0, 200.0]
    """
    low, high = face.min(axis=0), face.max(axis=0)
    (width, height), middle = high - low, (low + high) / 2
    side = _SHOULDER_SIDE * width
    top = low[1] - _HAIR * height
    box = np.array([middle[0] - side, top, middle[0] + side, top + _BODY * height])
    return np.asarray(np.clip(box, 0, np.tile(size_wh, 2)), np.float32)


def cut(image_rgb: NDArray[np.uint8], window_xyxy: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Give the part (h, w, 3) of an image.

    >>> cut(np.zeros((9, 9, 3), np.uint8), np.array([1, 2, 5, 9])).shape
    (7, 4, 3)
    """
    x1, y1, x2, y2 = window_xyxy
    return np.ascontiguousarray(image_rgb[y1:y2, x1:x2])


def _middle(keypoints: Floats, indices: tuple[int, ...]) -> Floats | None:
    rows = keypoints[list(indices)]
    middle: Floats = rows[:, :2].mean(axis=0)
    return middle if (rows[:, 2] > 0).all() else None
