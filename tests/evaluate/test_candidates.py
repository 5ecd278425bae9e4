from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.evaluate.candidates import Detection, as_candidate
from posedistill.evaluate.predictions import Prediction


@dataclass(frozen=True, eq=False)
class Found:
    """Hold a detection as a caller with classes of its own has it."""

    image_id: int
    keypoints: NDArray[np.float32]
    keypoint_scores: NDArray[np.float32]
    box_score: float
    box_scale_wh: NDArray[np.float32]


def _fields(**changes: Any) -> dict[str, Any]:  # Any: values as of `Found`
    random = np.random.default_rng(0)
    fields: dict[str, Any] = {
        "image_id": 7,
        "keypoints": random.uniform(0, 99, (17, 2)).astype(np.float32),
        "keypoint_scores": np.array([0.1, 0.5, 0.7] + [0] * 14, np.float32),
        "box_score": 0.5,
        "box_scale_wh": np.array([30, 40], np.float32),
    }
    return fields | changes


def test_a_detection_is_ranked_by_its_box_and_its_sure_keypoints() -> None:
    candidate = as_candidate(_fields(), score="box_keypoint", where="")
    assert candidate.score == pytest.approx(0.5 * (0.5 + 0.7) / 2)
    assert as_candidate(_fields(), score="box", where="").score == 0.5


def test_the_area_is_that_of_the_crop() -> None:
    assert as_candidate(_fields(), score="box", where="").crop_area == 1200


def test_objects_mappings_and_lists_are_the_same_detection() -> None:
    fields = _fields()
    lists = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in fields.items()}
    forms: list[Detection] = [fields, Found(**fields), SimpleNamespace(**fields), lists]
    forms.append(fields | {"image_id": np.int64(7), "box_score": np.float32(0.5)})
    for form in forms:
        candidate = as_candidate(form, score="box_keypoint", where="")
        assert (candidate.image_id, candidate.crop_area) == (7, 1200)
        assert candidate.score == pytest.approx(0.3)
        np.testing.assert_array_equal(candidate.keypoints, fields["keypoints"])
        np.testing.assert_array_equal(candidate.keypoint_scores, fields["keypoint_scores"])


def test_a_prediction_is_ranked_by_the_score_it_has_and_its_padded_box() -> None:
    fields = _fields()
    prediction = Prediction(
        image_id=7,
        box_xywh=np.array([5, 5, 24, 20], np.float32),  # 24 x 32 in the aspect of crops
        keypoints=fields["keypoints"],
        keypoint_scores=fields["keypoint_scores"],
        score=0.9,
        box_score=0.2,
    )
    candidate = as_candidate(prediction, score="box_keypoint", where="")
    assert (candidate.score, candidate.crop_area) == (0.9, 1200)
    assert as_candidate(prediction, score="box", where="").score == 0.2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"image_id": "a"}, "here: image_id or box_score is no number", id="image"),
        pytest.param({"box_score": None}, "here: image_id or box_score is no number", id="box"),
        pytest.param({"box_score": np.nan}, "here, box_score .* not finite", id="nan score"),
        pytest.param({"keypoints": np.zeros((16, 2))}, r"here, keypoints .* \(17, 2\)", id="count"),
        pytest.param({"keypoints": np.full((17, 2), np.inf)}, "not finite", id="endless"),
        pytest.param({"keypoint_scores": np.zeros((17, 1))}, "keypoint_scores has", id="scores"),
        pytest.param({"box_scale_wh": [1, 2, 3]}, r"box_scale_wh .* expected \(2,\)", id="scale"),
        pytest.param({"box_scale_wh": ["a", "b"]}, "not all are numbers", id="text"),
    ],
)
def test_what_cannot_be_used_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_candidate(_fields(**changes), score="box_keypoint", where="here")


def test_missing_fields_are_listed() -> None:
    fields = _fields()
    del fields["box_scale_wh"], fields["box_score"]
    for form in (fields, SimpleNamespace(**fields)):
        with pytest.raises(ValueError, match="here has no box_score, box_scale_wh; expected a Pre"):
            as_candidate(form, score="box", where="here")
