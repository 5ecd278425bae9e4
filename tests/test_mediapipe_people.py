"""What the comparison with MediaPipe reckons with; MediaPipe itself is not needed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.mediapipe_people import (
    MediaPipe,
    found_faces,
    nearest_distances,
    only_labels,
    wide_boxes,
)
from posedistill.evaluate.truth import Truth, read_truth

_LENGTHS = {
    "keypoints": 17,
    "foot_kpts": 6,
    "face_kpts": 68,
    "lefthand_kpts": 21,
    "righthand_kpts": 21,
}


def _person(number: int, **made_by: str) -> dict[str, Any]:  # Any: JSON
    sources = dict.fromkeys(("body", "feet", "face", "lefthand", "righthand"), "none")
    fields = {field: [10.0 * number, 5.0, 2.0] * count for field, count in _LENGTHS.items()}
    record = {"id": number, "image_id": 1, "bbox": [8, 4, 16, 40], "area": 640}
    return record | fields | {"label_source": sources | made_by}


def _truth(*people: dict[str, Any]) -> Truth:
    images = [{"id": 1, "file_name": "a/1.jpg"}, {"id": 2, "file_name": "b/2.jpg"}]
    return read_truth({"images": images, "annotations": list(people)})


@pytest.mark.parametrize(
    ("body", "by_people"),
    [
        ("human", range(17)),
        ("mediapipe", ()),
        ("human limbs, mediapipe head", range(5, 17)),
        ("nose and eyes from the human face points", range(3)),
    ],
)
def test_each_body_point_is_either_of_people_or_of_mediapipe(body: str, by_people: range) -> None:
    content = {"images": [{"id": 1}], "annotations": [_person(1, body=body)]}
    human = read_truth(only_labels(content, is_human=True)).visible[0]
    other = read_truth(only_labels(content, is_human=False)).visible[0]
    assert np.flatnonzero(human[:17]).tolist() == list(by_people)
    assert (human ^ other)[:17].all()


def test_each_other_part_goes_as_a_whole() -> None:
    person = _person(1, body="human", face="human", lefthand="mediapipe")
    content = {"images": [{"id": 1}], "annotations": [person]}
    human = read_truth(only_labels(content, is_human=True)).visible[0]
    assert human[23:91].all()
    assert not human[91:112].any()
    assert read_truth(only_labels(content, is_human=False)).visible[0][91:112].all()
    assert person["lefthand_kpts"][2] == 2  # as it was


def test_all_that_says_who_labelled_the_shared_people_is_known(shared_dir: Path) -> None:
    path = shared_dir / "data" / "people" / "annotations" / "val.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    everybody = read_truth(content).visible
    human = read_truth(only_labels(content, is_human=True)).visible
    other = read_truth(only_labels(content, is_human=False)).visible
    assert (human ^ other)[everybody].all()
    assert 6000 < human[:, :17].sum() < everybody[:, :17].sum()
    assert human[:, 23:91].any(axis=1).sum() == 81


def test_the_nearest_pair_goes_first_and_nobody_is_taken_twice() -> None:
    truth = _truth(_person(1), _person(2))
    near_second = truth.keypoints[1] + [1.0, 0]
    farther = truth.keypoints[1] + [4.0, 3.0]
    distances = nearest_distances(truth, {1: np.stack([farther, near_second])})
    np.testing.assert_allclose(distances[1], 1)
    np.testing.assert_allclose(distances[0], np.hypot(14, 3))


def test_who_is_not_found_is_infinitely_far() -> None:
    truth = _truth(_person(1), _person(2))
    one = truth.keypoints[:1].copy()
    one[0, 91:] = np.nan
    distances = nearest_distances(truth, {1: one, 2: one})
    assert np.isfinite(distances[0]).sum() == 91
    assert np.isinf(distances[1]).all()
    assert np.isinf(nearest_distances(truth, {1: one[:0]})).all()


def test_faces_count_as_found_where_all_of_them_is() -> None:
    truth = _truth(_person(1), _person(2))
    distances = np.zeros((2, 133))
    distances[1, 50] = np.inf
    assert found_faces(truth, distances, source=None) == 0.5
    assert found_faces(truth, distances, source="b") is None


def test_boxes_get_an_eighth_on_each_side() -> None:
    assert wide_boxes(_truth(_person(1))).tolist() == [[6, -1, 26, 49]]


def test_landmarks_take_their_places_among_the_133(tmp_path: Path) -> None:
    mediapipe = MediaPipe(tmp_path, [0])
    mediapipe.take_faces(np.arange(68) + 100)
    marks = {name: [[k, k + 0.5] for k in range(count)] for name, count in _MARKS.items()}
    points = mediapipe.keypoints({**marks, "right_hand": None})
    assert points[[0, 1, 2, 3, 4, 5, 10, 16], 0].tolist() == [0, 2, 5, 7, 8, 11, 16, 28]
    assert points[[17, 19, 20, 22], 0].tolist() == [31, 29, 32, 30]  # toe and heel, left first
    assert points[[23, 90], 0].tolist() == [100, 167]
    assert points[[91, 111], 1].tolist() == [0.5, 20.5]
    assert np.flatnonzero(np.isnan(points[:, 0])).tolist() == [18, 21, *range(112, 133)]


_MARKS = {"pose": 33, "face": 468, "left_hand": 21}
