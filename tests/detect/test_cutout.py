"""Cut-outs of a drawn person."""

import cv2
import numpy as np
import pytest

from posedistill.detect.cutout import cut_out
from posedistill.skeleton import Skeleton

PLACES = {
    "nose": (60, 24),
    "left_shoulder": (76, 44),
    "right_shoulder": (44, 44),
    "left_hip": (70, 90),
    "right_hip": (50, 90),
    "left_knee": (72, 120),
    "right_knee": (48, 120),
    "left_ankle": (73, 150),
    "right_ankle": (47, 150),
}


def _person(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give a photo of a red person before green, and the true mask."""
    mask = np.zeros((180, 120), np.uint8)
    cv2.circle(mask, (60, 24), 12, 1, -1)
    cv2.fillConvexPoly(mask, np.array([(42, 40), (78, 40), (74, 95), (46, 95)]), 1)
    for x in (49, 71):
        cv2.line(mask, (x, 90), (x, 154), 1, 14)
    image = np.where(mask[..., None] > 0, np.array([170, 60, 50]), np.array([60, 140, 70]))
    noise = rng.normal(0, 15, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), mask > 0


def _keypoints() -> np.ndarray:
    keypoints = np.zeros((17, 3), np.float32)
    for index, name in enumerate(Skeleton.get("coco17").joints):
        if name in PLACES:
            keypoints[index] = (*PLACES[name], 2)
    return keypoints


def test_a_person_is_cut_out(rng: np.random.Generator) -> None:
    image, expected = _person(rng)
    box = np.array([36, 10, 84, 162], np.float32)
    mask = cut_out(image, _keypoints(), box_xyxy=box)
    assert mask is not None
    whole = cv2.resize(mask.astype(np.uint8), (120, 180)) > 0
    assert (whole & expected).sum() / (whole | expected).sum() > 0.85


def test_a_large_photo_gives_a_mask_of_a_smaller_size(rng: np.random.Generator) -> None:
    image, _ = _person(rng)
    large = np.kron(image, np.ones((3, 3, 1), np.uint8))
    keypoints = _keypoints() * np.array([3, 3, 1], np.float32)
    mask = cut_out(large, keypoints, box_xyxy=np.array([108, 30, 252, 486], np.float32))
    assert mask is not None
    assert max(mask.shape) == pytest.approx(160, abs=1)


def test_without_keypoints_there_is_no_mask(rng: np.random.Generator) -> None:
    image, _ = _person(rng)
    nothing, box = np.zeros((17, 3), np.float32), np.array([36, 10, 84, 162], np.float32)
    assert cut_out(image, nothing, box_xyxy=box) is None
