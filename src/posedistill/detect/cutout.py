"""Cut-outs: which pixels of a photo are the person, from the keypoints.

Method: GrabCut (Rother et al., 2004) of OpenCV, begun from the limbs, drawn thick, as person and
from all that is outside the box as background.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.skeleton import Skeleton

_SIDE = 160  # pixels of the longest side, at which masks are made
_ROUNDS = 3
_MARGIN = 0.06  # of the box, within which the person may reach beyond it
_THICKNESS = 0.07  # of the root of the box area: that of a limb
_AREA = (0.12, 0.85)  # least and largest part of the box that a person fills
_TRUNK = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
_HEAD = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


def cut_out(
    image_rgb: NDArray[np.uint8],
    keypoints: NDArray[np.float32],
    *,
    box_xyxy: NDArray[np.float32],
) -> NDArray[np.bool_] | None:
    """Give the mask (h, w) of a person, of a smaller size, or None where no mask can be trusted.

    image_rgb: (H, W, 3) uint8; keypoints: (17, 3) in the order of COCO: x, y in pixels of the
    image, and a third number above 0 for those that are known; box_xyxy: (4,) pixels.

    >>> image = np.full((64, 64, 3), 255, np.uint8)
    >>> cut_out(image, np.zeros((17, 3), np.float32), box_xyxy=np.float32([8, 8, 56, 56])) is None
    True
    """
    scale = min(1.0, _SIDE / max(image_rgb.shape[:2]))
    small = cv2.resize(image_rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    h, w = small.shape[:2]
    low, high = box_xyxy[:2] * scale, box_xyxy[2:] * scale
    margin = _MARGIN * (high - low)
    x1, y1 = np.maximum(low - margin, 0).astype(int)
    x2, y2 = np.minimum(high + margin, (w, h)).astype(int)
    sure = _drawn(keypoints * (scale, scale, 1), (h, w), float(np.sqrt((high - low).prod())))
    labels = np.full((h, w), cv2.GC_BGD, np.uint8)
    labels[y1:y2, x1:x2] = cv2.GC_PR_BGD
    labels[cv2.dilate(sure, np.ones((5, 5), np.uint8)) > 0] = cv2.GC_PR_FGD
    labels[sure > 0] = cv2.GC_FGD
    if not sure.any() or not (labels == cv2.GC_BGD).any():
        return None
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(small, labels, (0, 0, 1, 1), *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    mask = _largest((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))
    part = mask.sum() / max((high - low).prod(), 1)
    return mask if _AREA[0] < part < _AREA[1] else None


def _drawn(
    keypoints: NDArray[np.float64], size_hw: tuple[int, int], side: float
) -> NDArray[np.uint8]:
    """Draw trunk, limbs and head as far as they are known."""
    skeleton = Skeleton.get("coco17")
    index = {name: place for place, name in enumerate(skeleton.joints)}
    canvas = np.zeros(size_hw, np.uint8)
    points, known = keypoints[:, :2].round().astype(int), keypoints[:, 2] > 0
    thickness = max(1, round(_THICKNESS * side))
    for first, second in skeleton.links:
        if known[first] and known[second]:
            cv2.line(canvas, points[first].tolist(), points[second].tolist(), 1, thickness)
    trunk = [index[name] for name in _TRUNK]
    if known[trunk].all():
        cv2.fillConvexPoly(canvas, cv2.convexHull(points[trunk].astype(np.int32)), 1)
    head = [index[name] for name in _HEAD if known[index[name]]]
    if head:
        centre = points[head].mean(axis=0).round().astype(int)
        cv2.circle(canvas, centre.tolist(), thickness, 1, -1)
    return canvas


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    _, labels, rows, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if len(rows) < 2:
        return mask
    return np.equal(labels, 1 + int(rows[1:, cv2.CC_STAT_AREA].argmax()))
