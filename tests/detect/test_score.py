"""Scores of boxes beside COCO's evaluation."""

import contextlib
import io

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.detect.score import score_boxes
from posedistill.runtime.detector import Boxes

Floats = NDArray[np.float32]


def _scene(rng: np.random.Generator) -> tuple[Boxes, Floats]:
    """Give people, and boxes near some of them with others elsewhere, the surest first."""
    low = rng.uniform(0, 200, (rng.integers(0, 5), 2))
    people = np.concatenate([low, low + rng.uniform(20, 90, low.shape)], axis=1)
    near = people[rng.random(len(people)) < 0.8] + rng.normal(0, 5, 4)
    low = rng.uniform(0, 200, (rng.integers(1, 4), 2))
    boxes = np.concatenate([near, near + 3, np.concatenate([low, low + 40], axis=1)])
    scores = np.sort(rng.random(len(boxes)))[::-1]
    boxes = rng.permutation(boxes)
    return Boxes(boxes.astype(np.float32), scores.astype(np.float32)), people.astype(np.float32)


def _xywh(box: Floats) -> list[float]:
    x1, y1, x2, y2 = map(float, box)
    return [x1, y1, x2 - x1, y2 - y1]


def _coco_ap50(found: list[Boxes], people: list[Floats]) -> float:
    coco_eval = pytest.importorskip("faster_coco_eval")
    images = [{"id": index, "width": 300, "height": 300} for index in range(len(people))]
    truth = [
        {"image_id": i, "category_id": 1, "bbox": _xywh(box), "area": 900.0, "iscrowd": 0}
        for i, rows in enumerate(people)
        for box in rows
    ]
    for number, row in enumerate(truth):
        row["id"] = number + 1
    results = [
        {"image_id": i, "category_id": 1, "bbox": _xywh(box), "score": float(score)}
        for i, boxes in enumerate(found)
        for box, score in zip(boxes.boxes_xyxy, boxes.scores, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        categories = [{"id": 1, "name": "person"}]
        coco = coco_eval.COCO(
            {"images": images, "annotations": truth, "categories": categories, "info": {}}
        )
        evaluation = coco_eval.COCOeval_faster(coco, coco.loadRes(results), "bbox")
        evaluation.run()
    return float(evaluation.stats[1])


def test_average_precision_is_that_of_coco(rng: np.random.Generator) -> None:
    found, people = zip(*(_scene(rng) for _ in range(40)), strict=True)
    ours = score_boxes(list(found), list(people)).average_precision
    assert 0.2 < ours < 0.9  # neither hopeless nor perfect
    assert ours == pytest.approx(_coco_ap50(list(found), list(people)), abs=1e-6)


def test_a_person_counts_once() -> None:
    box = np.array([[0, 0, 10, 10]], np.float32)
    twice = Boxes(box.repeat(2, axis=0), np.array([0.9, 0.8], np.float32))
    score = score_boxes([twice], [box])
    assert (score.recall, score.extra, score.average_precision) == (1.0, 1.0, 1.0)


def test_boxes_of_low_scores_are_neither_found_nor_extra() -> None:
    box = np.array([[0, 0, 10, 10]], np.float32)
    score = score_boxes([Boxes(box, np.array([0.2], np.float32))], [box], at_score=0.3)
    assert (score.recall, score.extra) == (0.0, 0.0)


def test_finding_nobody_scores_nothing() -> None:
    none = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    score = score_boxes([none], [np.array([[0, 0, 10, 10]], np.float32)])
    assert (score.average_precision, score.recall, score.extra) == (0.0, 0.0, 0.0)


def test_images_without_people_have_no_score() -> None:
    none = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    with pytest.raises(ValueError, match="no people"):
        score_boxes([none], [np.zeros((0, 4), np.float32)])
