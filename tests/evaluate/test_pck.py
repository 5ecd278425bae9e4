from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.evaluate.pck import evaluate_pck, keypoint_distances, match_boxes, pck
from posedistill.evaluate.predictions import Prediction
from posedistill.evaluate.truth import Truth, read_truth
from posedistill.skeleton import Skeleton

ANNOTATIONS = Path(__file__).resolve().parents[1] / "golden" / "metrics_annotations.json"
GROUPS = Skeleton.get("wholebody133").groups


def _scene(keypoints: NDArray[np.float64], visible: NDArray[np.bool_]) -> Truth:
    n = len(keypoints)
    return Truth(
        skeleton=Skeleton.get("wholebody133"),
        all_image_ids=(1,),
        image_ids=np.ones(n, np.int64),
        folders=("",) * n,
        boxes_xywh=np.array([[1000.0 * i, 0, 50, 100] for i in range(n)]),
        areas=np.full(n, 2500.0),
        is_crowd=np.zeros(n, np.bool_),
        keypoints=keypoints,
        visible=visible,
    )


def _predictions(truth: Truth, offset: NDArray[np.float64]) -> list[Prediction]:
    return [
        Prediction(
            image_id=int(truth.image_ids[index]),
            box_xywh=truth.boxes_xywh[index].astype(np.float32),
            keypoints=(truth.keypoints[index] + offset[index]).astype(np.float32),
            keypoint_scores=np.ones(133, np.float32),
            score=1.0,
        )
        for index in range(len(truth))
    ]


def _one_person(offset: NDArray[np.float64], *parts: str) -> dict[str, float]:
    visible = np.zeros((1, 133), np.bool_)
    for part in parts:
        visible[:, GROUPS[part]] = True
    truth = _scene(np.full((1, 133, 2), 20.0), visible)
    return evaluate_pck(truth, _predictions(truth, offset[None]))


def test_body_points_are_measured_by_the_longer_side_of_the_box() -> None:
    offset = np.zeros((133, 2))
    offset[:5, 0] = 4  # within 0.05 x 100 and 0.1 x 100
    offset[5:9, 1] = 8  # within 0.1 x 100 only
    offset[9:17] = 8  # 11.3 away: wrong
    found = _one_person(offset, "body")
    assert found == pytest.approx({"body/PCK@0.1": 100 * 9 / 17, "body/PCK@0.05": 100 * 5 / 17})


def test_feet_and_faces_are_measured_by_the_person_too() -> None:
    offset = np.zeros((133, 2))
    offset[GROUPS["foot"][:2], 0] = 5.01
    offset[GROUPS["face"][:17], 0] = 2.01
    found = _one_person(offset, "foot", "face")
    assert found["foot/PCK@0.05"] == pytest.approx(100 * 4 / 6)
    assert found["face/PCK@0.02"] == pytest.approx(100 * 51 / 68)


def test_hands_are_measured_by_their_own_labels() -> None:
    keypoints, visible = np.zeros((1, 133, 2)), np.zeros((1, 133), np.bool_)
    hand = GROUPS["left_hand"]
    keypoints[0, hand[:3]] = [[10, 10], [20, 40], [12, 35]]  # longer side 30
    keypoints[0, hand[3]] = [500, 500]  # not labelled: stretches nothing
    visible[0, hand[:3]] = True
    truth = _scene(keypoints, visible)
    offset = np.zeros((1, 133, 2))
    offset[0, hand[:2], 0] = [5.9, 6.1]
    found = evaluate_pck(truth, _predictions(truth, offset))
    assert found == pytest.approx({"left_hand/PCK@0.2": 100 * 2 / 3})


def test_a_hand_with_one_labelled_point_has_no_length_and_does_not_count() -> None:
    visible = np.zeros((1, 133), np.bool_)
    visible[0, GROUPS["right_hand"][0]] = True
    truth = _scene(np.full((1, 133, 2), 20.0), visible)
    assert evaluate_pck(truth, _predictions(truth, np.zeros((1, 133, 2)))) == {}


def test_face_error_is_by_the_distance_of_the_outer_eye_corners() -> None:
    keypoints = np.full((2, 133, 2), 20.0)
    keypoints[:, GROUPS["face"][36]] = [10, 20]
    keypoints[:, GROUPS["face"][45]] = [50, 50]  # 50 pixels apart
    visible = np.zeros((2, 133), np.bool_)
    visible[:, GROUPS["face"]] = True
    visible[1, GROUPS["face"][45]] = False  # no distance of the eyes: not measured
    offset = np.zeros((2, 133, 2))
    offset[0, GROUPS["face"][:34]] = [3, 4]  # half of the points are 5 pixels off
    truth = _scene(keypoints, visible)
    found = evaluate_pck(truth, _predictions(truth, offset))
    assert found["face/NME"] == pytest.approx(100 * (34 * 5 / 68) / 50, rel=1e-6)


def test_a_labelled_person_without_prediction_has_all_points_wrong() -> None:
    visible = np.ones((2, 133), np.bool_)
    truth = _scene(np.random.default_rng(0).uniform(0, 90, (2, 133, 2)), visible)
    found = evaluate_pck(truth, _predictions(truth, np.zeros((2, 133, 2)))[:1])
    assert found.pop("face/NME") == pytest.approx(0, abs=1e-4)
    assert set(found.values()) == {50.0}


def test_perfect_predictions_are_all_right_and_crowds_are_left_out() -> None:
    truth = read_truth(ANNOTATIONS)
    predictions = _predictions(truth, np.zeros((len(truth), 133, 2)))
    is_crowd = truth.is_crowd.copy()
    is_crowd[0] = True
    wrong = [replace(predictions[0], keypoints=predictions[0].keypoints + 900), *predictions[1:]]
    for found in (
        evaluate_pck(truth, predictions),
        evaluate_pck(replace(truth, is_crowd=is_crowd), wrong),
    ):
        assert found.pop("face/NME") == pytest.approx(0, abs=1e-3)
        assert set(found.values()) == {100.0}


def test_a_scene_of_twice_the_size_has_the_same_scores() -> None:
    truth = read_truth(ANNOTATIONS)
    offset = np.random.default_rng(0).normal(0, 8, (len(truth), 133, 2))
    double = replace(truth, boxes_xywh=2 * truth.boxes_xywh, keypoints=2 * truth.keypoints)
    once = evaluate_pck(truth, _predictions(truth, offset))
    twice = evaluate_pck(double, _predictions(double, 2 * offset))
    assert 0 < once["body/PCK@0.1"] < 100
    assert twice == pytest.approx(once, rel=1e-5)


def test_distances_do_not_depend_on_the_order_of_predictions() -> None:
    truth = read_truth(ANNOTATIONS)
    offset = np.random.default_rng(0).normal(0, 8, (len(truth), 133, 2))
    rows = _predictions(truth, offset)
    np.testing.assert_array_equal(
        keypoint_distances(truth, rows), keypoint_distances(truth, rows[::-1])
    )
    np.testing.assert_allclose(
        keypoint_distances(truth, rows), np.linalg.norm(offset, axis=2), atol=1e-3
    )


def test_equal_boxes_are_matched_in_their_order() -> None:
    boxes_xywh = np.array([[0, 0, 9.0, 9], [0, 0, 9, 9], [4, 0, 9, 9]])
    assert match_boxes(boxes_xywh, boxes_xywh).tolist() == [0, 1, 2]


def test_boxes_that_overlap_too_little_are_not_matched() -> None:
    boxes_xywh = np.array([[0.0, 0, 10, 10]])
    # 10 x 5 of 150 in common: a third; 10 x 7 of 130: more than a half
    assert match_boxes(boxes_xywh, boxes_xywh + [0, 5, 0, 0]).tolist() == [-1]
    assert match_boxes(boxes_xywh, boxes_xywh + [0, 3, 0, 0]).tolist() == [0]


def test_the_best_overlap_wins_and_the_other_box_goes_without() -> None:
    boxes_xywh = np.array([[0.0, 0, 10, 10], [0, 2, 10, 10]])
    assert match_boxes(boxes_xywh, np.array([[0.0, 2, 10, 10]])).tolist() == [-1, 0]


def test_without_labelled_points_there_is_no_share() -> None:
    distances, visible = np.zeros((2, 3)), np.zeros((2, 3), np.bool_)
    assert pck(distances, visible, lengths=np.ones(2), threshold=0.1) is None
