"""Predict: a network in training finds people as its exported file will."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from posedistill.detect.model import PersonDetector, TwoLooks
from posedistill.runtime.detector import Boxes
from posedistill.runtime.letterbox import letterbox
from posedistill.runtime.suppression import suppress

_BATCH = 16
_MOST_OVERLAP = 0.45  # of two boxes that stay, as `posedistill.runtime.detector` has it


@torch.no_grad()
def find_people(
    model: PersonDetector | TwoLooks,
    images_rgb: Sequence[NDArray[np.uint8]],
    *,
    side: int,
    score_threshold: float = 0.01,
) -> list[Boxes]:
    """Give the people of each image, as `posedistill.runtime.detector` does with a file.

    model: `TwoLooks` for what a file of it finds, the network alone for one look.

    >>> find_people(PersonDetector(), [np.zeros((40, 30, 3), np.uint8)], side=32, score_threshold=1)
    [Boxes(boxes_xyxy=array([], shape=(0, 4), dtype=float32), scores=array([], dtype=float32))]
    """
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    found: list[Boxes] = []
    for start in range(0, len(images_rgb), _BATCH):
        images = images_rgb[start : start + _BATCH]
        planes = np.empty((len(images), 3, side, side), np.uint8)
        ratios = [letterbox(*pair) for pair in zip(images, planes, strict=True)]
        boxes, logits = model(torch.from_numpy(planes).to(device))
        rows = zip(boxes.cpu().numpy(), logits.sigmoid().cpu().numpy(), ratios, strict=True)
        for boxes_xyxy, scores, ratio in rows:
            kept = scores > score_threshold
            boxes_xyxy, scores = boxes_xyxy[kept] / np.float32(ratio), scores[kept]
            order = suppress(boxes_xyxy, scores, threshold=_MOST_OVERLAP)
            found.append(Boxes(boxes_xyxy[order], scores[order]))
    model.train(was_training)
    return found
