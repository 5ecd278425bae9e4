"""Score: how well boxes of people are found, as COCO counts it, at an overlap of one half.

What COCO's evaluation does for one class, all areas and at most 100 boxes an image, none of whose
people are to be ignored (pycocotools, cocoeval.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posedistill.runtime.association import box_iou
from posedistill.runtime.detector import Boxes

_MOST = 100  # boxes of an image
_RECALLS = np.linspace(0, 1, 101)
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class DetectionScore:
    """Say how well people were found.

    Attributes:
        average_precision: at the overlap. recall: part of the people that is found by boxes with
            a score of `at_score` or more. extra: such boxes, an image, that are nobody's.
        num_images, num_people: that were looked at.
    """

    average_precision: float
    recall: float
    extra: float
    at_score: float
    num_images: int
    num_people: int

    def __str__(self) -> str:
        return (
            f"AP50 {self.average_precision:.3f}; with scores of {self.at_score:g} and more: "
            f"recall {self.recall:.3f}, {self.extra:.2f} boxes an image that are nobody's; "
            f"{self.num_people} people in {self.num_images} images"
        )


def score_boxes(
    found: Sequence[Boxes],
    people: Sequence[Floats],
    *,
    min_overlap: float = 0.5,
    at_score: float = 0.3,
) -> DetectionScore:
    """Score the boxes found in images against those of the people.

    found: of each image, the surest first; people: (n, 4) x1, y1, x2, y2 of each image. Raises
    ValueError where there are no people.

    >>> box = np.float32([[0, 0, 10, 10]])
    >>> score_boxes([Boxes(box, np.float32([0.9]))], [box]).average_precision
    1.0
    """
    num_people = sum(map(len, people))
    if num_people == 0:
        raise ValueError("there are no people to be found in these images")
    hits = [_hits(*pair, min_overlap) for pair in zip(found, people, strict=True)]
    scores = np.concatenate([boxes.scores[:_MOST] for boxes in found])
    order = np.argsort(-scores, kind="stable")
    is_hit = np.concatenate(hits)[order]
    is_shown = scores[order] >= at_score
    return DetectionScore(
        average_precision=_average_precision(is_hit, num_people),
        recall=float((is_hit & is_shown).sum() / num_people),
        extra=float((~is_hit & is_shown).sum() / len(found)),
        at_score=at_score,
        num_images=len(found),
        num_people=num_people,
    )


def _hits(boxes: Boxes, people: Floats, min_overlap: float) -> NDArray[np.bool_]:
    """Give of each box whether it finds somebody whom no surer one has found."""
    overlaps = box_iou(boxes.boxes_xyxy[:_MOST].astype(np.float64), people.astype(np.float64))
    is_hit = np.zeros(len(overlaps), bool)
    for index, row in enumerate(overlaps):
        if len(row) and row.max() >= min_overlap:
            is_hit[index] = True
            overlaps[:, row.argmax()] = -1.0
    return is_hit


def _average_precision(is_hit: NDArray[np.bool_], num_people: int) -> float:
    found = is_hit.cumsum()
    precision = found / np.arange(1, len(found) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(found / num_people, _RECALLS, side="left")
    return float(np.append(precision, 0.0)[place].mean())
