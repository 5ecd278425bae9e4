"""The scores that the goals of the embedded models are measured by."""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.embedded_goals import goal_table, source_table
from benchmarks.people_scores import GOALS, measures, sources
from posedistill.evaluate.pck import keypoint_distances
from posedistill.evaluate.predictions import Prediction
from posedistill.evaluate.truth import Truth, read_truth

_FIELDS = {
    "keypoints": 17,
    "foot_kpts": 6,
    "face_kpts": 68,
    "lefthand_kpts": 21,
    "righthand_kpts": 21,
}


def _person(number: int, *, without: tuple[str, ...] = ()) -> dict[str, object]:
    rng = np.random.default_rng(number)
    record: dict[str, object] = {
        "id": number,
        "image_id": number,
        "bbox": [0, 0, 80, 100],
        "area": 8000,
    }
    for field, count in _FIELDS.items():
        points = np.c_[rng.uniform(0, [80, 100], (count, 2)), np.full(count, 2)]
        record[field] = (points * (field not in without)).ravel().tolist()
    return record


def _truth() -> Truth:
    names = [goal.source for goal in GOALS if goal.source]
    return read_truth(
        {
            "images": [
                {"id": number, "file_name": f"{name}/{number}.jpg"}
                for number, name in enumerate(names, 1)
            ],
            "annotations": [_person(number) for number in range(1, len(names) + 1)],
        }
    )


def _moved(truth: Truth, offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the distances of predictions that are off by (133,) pixels to the right."""
    predictions = [
        Prediction(
            image_id=int(truth.image_ids[row]),
            box_xywh=truth.boxes_xywh[row].astype(np.float32),
            keypoints=(truth.keypoints[row] + np.c_[offset, 0 * offset]).astype(np.float32),
            keypoint_scores=np.ones(133, np.float32),
            score=1.0,
        )
        for row in range(len(truth))
    ]
    return keypoint_distances(truth, predictions)


def test_who_hits_all_points_meets_all_goals() -> None:
    truth = _truth()
    table = goal_table(truth, _moved(truth, np.zeros(133)), average_precision=100)
    assert table.count("| yes |") == len(GOALS) + 1
    assert "NO" not in table


def test_who_hits_nothing_misses_all_goals() -> None:
    truth = _truth()
    table = goal_table(truth, _moved(truth, np.full(133, 200.0)), average_precision=0)
    assert table.count("| NO |") == len(GOALS) + 1


def test_a_goal_that_nobody_is_labelled_for_is_neither_met_nor_missed() -> None:
    truth = read_truth({"images": [], "annotations": []})
    assert goal_table(truth, np.zeros((0, 133)), average_precision=None).count("| - | - |") == 7


def test_hands_are_scored_by_their_points_together() -> None:
    content = {
        "images": [{"id": 1, "file_name": "a/1.jpg"}, {"id": 2, "file_name": "b/2.jpg"}],
        "annotations": [_person(1), _person(2, without=("righthand_kpts",))],
    }
    truth = read_truth(content)
    offset = np.zeros(133)
    offset[112:] = 200  # the right hand
    values = measures(truth, _moved(truth, offset))
    assert values["hands @0.2"] == pytest.approx(100 * 2 / 3)
    assert measures(truth, _moved(truth, offset), source="b")["hands @0.2"] == 100
    assert sources(truth) == ["a", "b"]


def test_the_table_of_sources_has_a_row_for_each_and_one_for_all() -> None:
    truth = _truth()
    lines = source_table(truth, _moved(truth, np.zeros(133))).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        f"| {name}" for name in [*sources(truth), "all"]
    ]
    assert lines[-1].endswith("| 100.0 | 100.0 | 100.0 | 0.0 | 100.0 |")
