import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.evaluate.candidates import Detection
from posedistill.evaluate.oks import PARTS, evaluate_coco17, evaluate_wholebody, oks, oks_nms
from posedistill.evaluate.predictions import Prediction
from posedistill.evaluate.truth import Truth, read_truth
from posedistill.poses import person_score
from posedistill.skeleton import Skeleton

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
ANNOTATIONS = GOLDEN / "metrics_annotations.json"
SIGMAS = Skeleton.get("wholebody133").sigmas
Nms = Literal["oks", "none"]
Score = Literal["box_keypoint", "box"]
# name of the golden numbers by ours; -1 there is a missing key here
STATISTICS = {
    "AP": "AP",
    "AP50": "AP .5",
    "AP75": "AP .75",
    "APM": "AP (M)",
    "APL": "AP (L)",
    "AR": "AR",
    "AR50": "AR .5",
    "AR75": "AR .75",
    "ARM": "AR (M)",
    "ARL": "AR (L)",
}
IOU_TYPES = {part: f"keypoints_{part.replace('_', '')}" for part in PARTS[:-1]}
IOU_TYPES["whole"] = "keypoints_wholebody"
CASES = [
    pytest.param("none", "box_keypoint", "nms=none|score=bbox_keypoint", id="no suppression"),
    pytest.param("none", "box", "nms=none|score=bbox", id="ranked by box"),
    pytest.param("oks", "box_keypoint", "nms=oks_nms|score=bbox_keypoint", id="suppression"),
    # The reference never writes the scores that it lowers back.
    pytest.param("none", "box_keypoint", "nms=soft_oks_nms|score=bbox_keypoint", id="soft"),
]
FORMS = ["mapping", "object", "prediction"]


def _golden() -> dict[str, Any]:  # Any: JSON values
    content: dict[str, Any] = json.loads((GOLDEN / "metrics.json").read_text())
    return content


def _raw(kind: str) -> list[dict[str, Any]]:  # Any: values as of `CropDetection`
    arrays = np.load(GOLDEN / f"metrics_detections_{kind}.npz")
    return [
        {
            "image_id": arrays["img_id"][index],
            "keypoints": arrays["keypoints"][index],
            "keypoint_scores": arrays["keypoint_scores"][index],
            "box_score": arrays["bbox_scores"][index],
            "box_scale_wh": arrays["bbox_scales"][index],
        }
        for index in range(len(arrays["id"]))
    ]


def _in_form(form: str, kind: str) -> list[Detection]:
    rows: list[Detection] = []
    for raw, prediction in zip(_raw(kind), _detections(kind), strict=True):
        forms: dict[str, Detection] = {
            "mapping": raw,
            "object": SimpleNamespace(**raw),
            "prediction": prediction,
        }
        rows.append(forms[form])
    return rows


def _detections(kind: str) -> list[Prediction]:
    arrays = np.load(GOLDEN / f"metrics_detections_{kind}.npz")
    rows = []
    for index in range(len(arrays["id"])):
        scores, box_score = arrays["keypoint_scores"][index], float(arrays["bbox_scores"][index])
        # The stored sizes are padded; suppression looks at the size of the box, not its place.
        size_wh = arrays["bbox_scales"][index] / 1.25
        rows.append(
            Prediction(
                image_id=int(arrays["img_id"][index]),
                box_xywh=np.concatenate([[0, 0], size_wh]).astype(np.float32),
                keypoints=arrays["keypoints"][index],
                keypoint_scores=scores,
                score=person_score(scores, box_score),
                box_score=box_score,
            )
        )
    return rows


def _perfect(truth: Truth) -> list[Prediction]:
    # Unlabelled points lie in the person's box: outside of it they would be a false positive.
    centers = truth.boxes_xywh[:, :2] + truth.boxes_xywh[:, 2:] / 2
    keypoints = np.where(truth.visible[:, :, None], truth.keypoints, centers[:, None])
    return [
        Prediction(
            image_id=int(truth.image_ids[index]),
            box_xywh=truth.boxes_xywh[index].astype(np.float32),
            keypoints=keypoints[index].astype(np.float32),
            keypoint_scores=np.ones(len(truth.skeleton), np.float32),
            score=1.0,
        )
        for index in np.flatnonzero(truth.visible.any(axis=1) & ~truth.is_crowd)
    ]


def _known(golden: dict[str, float]) -> dict[str, float]:
    return {ours: golden[name] for ours, name in STATISTICS.items() if golden[name] != -1}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("nms", "score", "case"), CASES)
def test_wholebody_numbers_are_those_of_the_reference(
    nms: Nms, score: Score, case: str, form: str
) -> None:
    golden = _golden()[f"coco4_wholebody|{case}"]["parts"]
    found = evaluate_wholebody(ANNOTATIONS, _in_form(form, "wholebody"), nms=nms, score=score)
    assert tuple(found) == PARTS
    for part in PARTS:
        assert found[part] == pytest.approx(_known(golden[IOU_TYPES[part]]), abs=1e-9), part


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("nms", "score", "case"), CASES)
def test_body_numbers_are_those_of_the_reference(
    nms: Nms, score: Score, case: str, form: str
) -> None:
    golden = _golden()[f"coco4_body|{case}"]["parts"]["keypoints"]
    found = evaluate_coco17(ANNOTATIONS, _in_form(form, "body"), nms=nms, score=score)
    assert found == pytest.approx(_known(golden), abs=1e-9)


def test_suppression_compares_the_areas_of_the_crops() -> None:
    rows = _raw("wholebody")
    tiny = [row | {"box_scale_wh": row["box_scale_wh"] / 1000} for row in rows]
    everything = evaluate_wholebody(ANNOTATIONS, rows, nms="none")
    assert evaluate_wholebody(ANNOTATIONS, tiny) == everything
    assert evaluate_wholebody(ANNOTATIONS, rows)["body"] != everything["body"]


def _areas() -> NDArray[np.float64]:
    arrays = np.load(GOLDEN / "metrics_detections_wholebody.npz")
    return np.asarray(arrays["bbox_scales"].astype(np.float64).prod(axis=1))


def test_similarity_is_that_of_the_reference() -> None:
    keypoints = np.array([row.keypoints for row in _detections("wholebody")])
    areas = _areas()
    pairs = (areas[:6, None] + areas[None]) / 2
    found = oks(keypoints[:6], keypoints, areas=pairs, sigmas=SIGMAS)
    np.testing.assert_allclose(found, _golden()["oks_first6_vs_all"], atol=1e-5)


def test_suppression_keeps_what_the_reference_keeps() -> None:
    rows = _detections("wholebody")
    golden = _golden()["coco4_wholebody|nms=oks_nms|score=bbox_keypoint"]["kept_scores"]
    kept_scores = []
    for image_id in dict.fromkeys(row.image_id for row in rows):
        here = [index for index, row in enumerate(rows) if row.image_id == image_id]
        kept = oks_nms(
            np.array([rows[index].keypoints for index in here]),
            np.array([rows[index].score for index in here]),
            areas=_areas()[here],
            sigmas=SIGMAS,
        )
        kept_scores += [rows[here[index]].score for index in kept]
    np.testing.assert_allclose(kept_scores, golden, atol=1e-6)


def test_similarity_to_labels_is_that_of_a_slow_loop() -> None:
    random = np.random.default_rng(0)
    labels, poses = random.uniform(0, 99, (3, 17, 2)), random.uniform(0, 99, (4, 17, 2))
    visible, sigmas = random.uniform(size=(3, 17)) < 0.6, random.uniform(0.1, 1, 17)
    areas = random.uniform(50, 5000, 3)
    visible[2] = False
    found = oks(labels, poses, areas=areas[:, None], sigmas=sigmas, visible=visible)
    for row in range(3):
        for column in range(4):
            terms = [
                np.exp(
                    -((labels[row, k] - poses[column, k]) ** 2).sum()
                    / (2 * areas[row] * (2 * sigmas[k]) ** 2)
                )
                for k in range(17)
                if visible[row, k]
            ]
            assert found[row, column] == pytest.approx(np.mean(terms) if terms else 0, rel=1e-9)


def test_suppression_is_that_of_a_slow_loop() -> None:
    random = np.random.default_rng(0)
    bases = random.uniform(0, 300, (4, 1, 17, 2))
    keypoints = (bases + random.normal(0, 3, (4, 6, 17, 2))).reshape(24, 17, 2)
    scores, areas = random.uniform(size=24), random.uniform(3000, 9000, 24)
    sigmas = Skeleton.get("coco17").sigmas
    kept: list[int] = []
    for index in sorted(range(24), key=lambda i: -scores[i]):
        near = [
            oks(
                keypoints[[index]],
                keypoints[[other]],
                areas=np.array([[(areas[index] + areas[other]) / 2]]),
                sigmas=sigmas,
            )[0, 0]
            for other in kept
        ]
        if all(value <= 0.8 for value in near):
            kept.append(index)
    found = oks_nms(keypoints, scores, areas=areas, sigmas=sigmas, threshold=0.8)
    assert 4 <= len(kept) < 24
    assert found.tolist() == kept


def test_suppressing_nothing_gives_nothing() -> None:
    found = oks_nms(np.zeros((0, 17, 2)), np.zeros(0), areas=np.zeros(0), sigmas=np.ones(17))
    assert found.tolist() == []


def test_perfect_detections_score_one() -> None:
    truth = read_truth(ANNOTATIONS)
    for part, values in evaluate_wholebody(truth, _perfect(truth)).items():
        assert values["AP"] == pytest.approx(1), part
        assert values["AR"] == pytest.approx(1), part


@pytest.mark.parametrize(
    "shift", [pytest.param(5000, id="far away"), pytest.param(None, id="none")]
)
def test_hopeless_detections_score_zero(shift: float | None) -> None:
    truth = read_truth(ANNOTATIONS)
    rows = [] if shift is None else _perfect(truth)
    rows = [replace(row, keypoints=row.keypoints + np.float32(shift)) for row in rows]
    for values in evaluate_wholebody(truth, rows).values():
        assert values["AP"] == 0
        assert values["AR"] == 0


def test_the_order_of_detections_does_not_matter() -> None:
    rows = _detections("wholebody")
    assert evaluate_wholebody(ANNOTATIONS, rows[::-1]) == evaluate_wholebody(ANNOTATIONS, rows)


def test_a_part_without_confidence_is_not_ranked_in_it() -> None:
    truth = read_truth(ANNOTATIONS)
    feet = truth.skeleton.groups["foot"]
    silent = np.ones(133, np.float32)
    silent[feet] = 0
    right = _perfect(truth)
    # A better ranked, wrong twin of each would halve the precision of any part that counts it.
    wrong = [
        replace(row, keypoints=row.keypoints + 500, keypoint_scores=silent, score=2.0)
        for row in right
    ]
    found = evaluate_wholebody(truth, right + wrong, nms="none")
    assert found["foot"]["AP"] == pytest.approx(1)
    assert found["face"]["AP"] < 0.6


def test_a_part_that_nobody_is_labelled_for_has_no_statistics() -> None:
    truth = read_truth(ANNOTATIONS)
    visible = truth.visible.copy()
    visible[:, truth.skeleton.groups["face"]] = False
    found = evaluate_wholebody(replace(truth, visible=visible), _perfect(truth))
    assert found["face"] == {}
    assert found["whole"]["AP"] == pytest.approx(1)


def test_a_crowd_is_neither_missed_nor_found() -> None:
    truth = read_truth(ANNOTATIONS)
    is_crowd = truth.is_crowd.copy()
    is_crowd[0] = True
    crowded = replace(truth, is_crowd=is_crowd)
    assert evaluate_wholebody(crowded, _perfect(crowded))["body"]["AR"] == pytest.approx(1)
    assert evaluate_wholebody(truth, _perfect(crowded))["body"]["AR"] < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"image_id": 3}, "detection 0 is of image 3", id="image"),
        pytest.param(
            {"keypoints": np.zeros((17, 2), np.float32), "keypoint_scores": np.zeros(17)},
            "detection 0 has 17 keypoints, expected 133",
            id="keypoints",
        ),
        pytest.param({"box_score": None}, "detection 0 has no box score", id="box score"),
    ],
)
def test_detections_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    row = replace(_detections("wholebody")[0], **change)
    with pytest.raises(ValueError, match=message):
        evaluate_wholebody(ANNOTATIONS, [row], score="box")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        pytest.param({"nms": "soft"}, "nms is 'soft', expected oks or none", id="nms"),
        pytest.param({"score": "sum"}, "score is 'sum', expected box_keypoint or box", id="score"),
    ],
)
def test_unknown_choices_are_refused(choice: dict[str, Any], message: str) -> None:
    for evaluate in (evaluate_wholebody, evaluate_coco17):
        with pytest.raises(ValueError, match=message):
            evaluate(ANNOTATIONS, [], **choice)


def test_a_truth_of_another_skeleton_is_refused() -> None:
    with pytest.raises(ValueError, match="is of wholebody133, expected coco17"):
        evaluate_coco17(read_truth(ANNOTATIONS), [])
