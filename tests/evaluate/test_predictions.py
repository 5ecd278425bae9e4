import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posedistill.evaluate.predictions import (
    Prediction,
    predictions_of,
    read_predictions,
    write_predictions,
)
from posedistill.poses import Poses, person_score
from posedistill.skeleton import Skeleton


def _random_predictions(count: int, k: int = 133) -> list[Prediction]:
    random = np.random.default_rng(0)
    return [
        Prediction(
            image_id=index * 1000,
            box_xywh=random.uniform(0, 500, 4).astype(np.float32),
            keypoints=random.uniform(-20, 640, (k, 2)).astype(np.float32),
            keypoint_scores=random.uniform(-0.1, 1, k).astype(np.float32),
            score=float(random.uniform()),
            box_score=float(random.uniform()),
        )
        for index in range(count)
    ]


def _entry(**changes: Any) -> dict[str, Any]:  # Any: JSON values
    entry = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.5}
    return entry | {"keypoints": [0.5] * 399} | changes


@pytest.mark.parametrize("k", [133, 17, 16])
def test_reading_back_gives_exactly_what_was_written(tmp_path: Path, k: int) -> None:
    predictions = _random_predictions(3, k)
    write_predictions(tmp_path / "out.json", predictions)
    for before, after in zip(predictions, read_predictions(tmp_path / "out.json"), strict=True):
        assert after.image_id == before.image_id
        assert after.score == before.score
        assert after.box_score == before.box_score
        np.testing.assert_array_equal(after.box_xywh, before.box_xywh)
        np.testing.assert_array_equal(after.keypoints, before.keypoints)
        np.testing.assert_array_equal(after.keypoint_scores, before.keypoint_scores)


def test_the_file_has_the_coco_results_layout(tmp_path: Path) -> None:
    (prediction,) = _random_predictions(1)
    write_predictions(tmp_path / "folder" / "out.json", [prediction])
    (entry,) = json.loads((tmp_path / "folder" / "out.json").read_text())
    assert {"image_id", "category_id", "bbox", "score", "keypoints"} <= entry.keys()
    assert entry["category_id"] == 1
    assert entry["bbox"] == pytest.approx(prediction.box_xywh.tolist())
    triplets = np.reshape(entry["keypoints"], (133, 3))
    np.testing.assert_allclose(triplets[:, :2], prediction.keypoints, rtol=1e-6)
    np.testing.assert_allclose(triplets[:, 2], prediction.keypoint_scores, rtol=1e-6)


def test_a_broken_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Prediction]:
        yield from _random_predictions(1)
        raise KeyboardInterrupt

    write_predictions(tmp_path / "out.json", [])
    with pytest.raises(KeyboardInterrupt):
        write_predictions(tmp_path / "out.json", interrupted())
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
    assert read_predictions(tmp_path / "out.json") == []


def test_predictions_without_box_score_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text(json.dumps([_entry()]))
    (prediction,) = read_predictions(tmp_path / "out.json")
    assert prediction.box_score is None
    assert prediction.score == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "is not JSON", id="no JSON"),
        pytest.param("{}", "holds a dict, expected a list", id="an object"),
        pytest.param(json.dumps([_entry(), 3]), "entry 1 is a int", id="no object"),
        pytest.param(json.dumps([{"image_id": 1}]), "entry 0 has no category_id, bbox", id="keys"),
        pytest.param(json.dumps([_entry(category_id=2)]), "category_id 2", id="category"),
        pytest.param(json.dumps([_entry(image_id="a")]), "image_id is 'a'", id="image id"),
        pytest.param(json.dumps([_entry(score=None)]), "entry 0", id="score"),
        pytest.param(
            json.dumps([_entry(), _entry(keypoints=[0] * 51)]),
            "entry 1, keypoints: 51 values, expected .* 399",
            id="length",
        ),
        pytest.param(
            json.dumps([_entry(keypoints=[0] * 51), _entry()]),
            "entry 1, keypoints: 399 values, expected .* 51",
            id="other length",
        ),
        pytest.param(
            json.dumps([_entry(keypoints=[0] * 45)]), "45 values, expected .* 399", id="15 joints"
        ),
        pytest.param(json.dumps([_entry(bbox=[1, 2])]), "bbox: 2 values", id="box"),
        pytest.param(json.dumps([_entry(bbox=["a"] * 4)]), "not all are numbers", id="text"),
        pytest.param(
            json.dumps([_entry(keypoints=[float("nan")] * 399)]), "not finite", id="not finite"
        ),
    ],
)
def test_a_bad_file_is_named_with_the_entry_at_fault(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as raised:
        read_predictions(path)
    assert "bad.json" in str(raised.value)


def test_person_score_is_that_of_a_slow_loop() -> None:
    scores = np.random.default_rng(1).uniform(-0.2, 1, 133).astype(np.float32)
    total, count = 0.0, 0
    for value in scores.tolist():
        if value > 0.2:
            total, count = total + value, count + 1
    assert person_score(scores, 0.7) == pytest.approx(0.7 * total / count, rel=1e-12)


def test_a_person_without_sure_keypoints_scores_zero() -> None:
    assert person_score(np.full(133, 0.2), 1.0) == 0.0


def test_predictions_of_poses_keep_the_unpadded_boxes() -> None:
    skeleton = Skeleton.get("coco17")
    poses = Poses(
        keypoints=np.ones((2, 17, 2), np.float32),
        scores=np.full((2, 17), 0.5, np.float32),
        boxes_xyxy=np.array([[1, 2, 11, 22], [0, 0, 5, 5]], np.float32),
        box_scores=np.array([1, 0.5], np.float32),
        skeleton=skeleton,
    )
    first, second = predictions_of(poses, 7)
    assert first.image_id == second.image_id == 7
    assert first.box_xywh.tolist() == [1, 2, 10, 20]
    assert (first.score, second.score) == (0.5, 0.25)


def test_a_prediction_whose_arrays_do_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"keypoint_scores has shape \(3,\), expected \(17,\)"):
        Prediction(
            1,
            np.zeros(4, np.float32),
            np.zeros((17, 2), np.float32),
            np.zeros(3, np.float32),
            score=1.0,
        )
