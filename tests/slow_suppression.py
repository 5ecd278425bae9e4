"""Suppression as a plain loop over pairs of boxes."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def slow_suppress(boxes: Floats, scores: Floats, threshold: float) -> list[int]:
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda index: -scores[index]):
        x1, y1, x2, y2 = (float(value) for value in boxes[index])
        overlaps = []
        for other in kept:
            u1, v1, u2, v2 = (float(value) for value in boxes[other])
            w = max(0.0, min(x2, u2) - max(x1, u1) + 1)
            h = max(0.0, min(y2, v2) - max(y1, v1) + 1)
            union = (x2 - x1 + 1) * (y2 - y1 + 1) + (u2 - u1 + 1) * (v2 - v1 + 1) - w * h
            overlaps.append(w * h / union)
        if all(overlap <= threshold for overlap in overlaps):
            kept.append(index)
    return kept
