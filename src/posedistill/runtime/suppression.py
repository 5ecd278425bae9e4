"""Suppression: of boxes that overlap, the surest."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def suppress(boxes_xyxy: Floats, scores: Floats, *, threshold: float) -> NDArray[np.intp]:
    """Give which boxes stay when each leaves out those it overlaps, the surest first.

    boxes_xyxy: (N, 4) pixels; scores: (N,); threshold: a larger intersection over union leaves
    out. Corners count as pixels that belong to the box, so that sides are x2 - x1 + 1 long.

    >>> boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 7], [20, 0, 29, 9]], np.float32)
    >>> suppress(boxes, np.array([0.5, 0.9, 0.7], np.float32), threshold=0.45).tolist()
    [1, 2]
    """
    order = np.argsort(-scores, kind="stable")
    x1, y1, x2, y2 = boxes_xyxy[order].astype(np.float64).T
    x2, y2 = x2 + 1, y2 + 1
    areas = (x2 - x1) * (y2 - y1)
    left = np.arange(len(order))
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        w = np.minimum(x2[best], x2[left]) - np.maximum(x1[best], x1[left])
        h = np.minimum(y2[best], y2[left]) - np.maximum(y1[best], y1[left])
        shared = np.maximum(w, 0) * np.maximum(h, 0)
        left = left[shared <= threshold * (areas[best] + areas[left] - shared)]
    return order[np.array(kept, np.intp)]
