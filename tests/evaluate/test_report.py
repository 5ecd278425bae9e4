import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posedistill.evaluate.oks import evaluate_coco17
from posedistill.evaluate.predictions import Prediction, write_predictions
from posedistill.evaluate.report import Report, score, score_file
from posedistill.evaluate.truth import Truth, read_truth

ANNOTATIONS = Path(__file__).resolve().parents[1] / "golden" / "metrics_annotations.json"


def _noisy(truth: Truth, spread: float) -> list[Prediction]:
    # Unlabelled points lie in the person's box: outside of it they would be a false positive.
    centers = truth.boxes_xywh[:, :2] + truth.boxes_xywh[:, 2:] / 2
    keypoints = np.where(truth.visible[:, :, None], truth.keypoints, centers[:, None])
    random = np.random.default_rng(0)
    return [
        Prediction(
            image_id=int(truth.image_ids[index]),
            box_xywh=truth.boxes_xywh[index].astype(np.float32),
            keypoints=random.normal(keypoints[index], spread).astype(np.float32),
            keypoint_scores=random.uniform(0, 1, len(truth.skeleton)).astype(np.float32),
            score=float(random.uniform()),
            box_score=1.0,
        )
        for index in range(len(truth))
    ]


def _data_in_folders() -> dict[str, Any]:  # Any: JSON values
    data: dict[str, Any] = json.loads(ANNOTATIONS.read_text())
    for index, image in enumerate(data["images"]):
        image["file_name"] = f"{'ab'[index % 2]}/{image['file_name']}"
    return data


def test_scoring_the_file_is_scoring_what_was_written(tmp_path: Path) -> None:
    truth = read_truth(ANNOTATIONS)
    predictions = _noisy(truth, 3)
    write_predictions(tmp_path / "out.json", predictions)
    from_memory = score(predictions, truth)
    assert 0 < from_memory.scores["whole/AP"] < 100
    assert score_file(tmp_path / "out.json", ANNOTATIONS) == from_memory


def test_a_file_of_17_keypoints_is_scored_by_the_body_alone(tmp_path: Path) -> None:
    truth = read_truth(ANNOTATIONS, skeleton="coco17")
    predictions = _noisy(truth, 3)
    write_predictions(tmp_path / "out.json", predictions)
    report = score_file(tmp_path / "out.json", ANNOTATIONS)
    expected = evaluate_coco17(ANNOTATIONS, predictions)
    found = report.as_dict()
    assert {name: found[f"body/{name}"] for name in expected} == {
        name: 100 * value for name, value in expected.items()
    }
    extra = {"body/PCK@0.1", "body/PCK@0.05"}
    assert found.keys() == {f"body/{name}" for name in expected} | extra
    assert report.num_persons == {"body": 12}
    header, *rows = str(report).splitlines()
    assert header.split() == ["part", "AP", "AP50", "AP75", "APM", "APL", "AR", "PCK", "persons"]
    assert [row.split()[0] for row in rows] == ["body"]
    values = [f"{100 * expected[name]:.1f}" for name in header.split()[1:7]]
    assert rows[0].split()[1:7] == values


def test_17_keypoints_are_scored_as_the_body_of_133(tmp_path: Path) -> None:
    whole, body = read_truth(ANNOTATIONS), read_truth(ANNOTATIONS, skeleton="coco17")
    predictions = _noisy(whole, 3)
    cut = [
        replace(row, keypoints=row.keypoints[:17], keypoint_scores=row.keypoint_scores[:17])
        for row in predictions
    ]
    expected = {k: v for k, v in score(predictions, whole).as_dict().items() if "body" in k}
    assert score(cut, body).as_dict() == pytest.approx(expected)


def test_the_table_of_folders_has_the_columns_of_the_skeleton() -> None:
    truth = read_truth(_data_in_folders(), skeleton="coco17")
    report = score(_noisy(truth, 3), truth)
    assert str(report).split("\n\n")[1].splitlines()[0].split() == ["images", "body/PCK@0.1"]


def test_the_dict_holds_per_cents_of_all_parts() -> None:
    # One person an image: among several, one may be given the unlabelled hands of another.
    data = json.loads(ANNOTATIONS.read_text())
    rows = sorted(data["annotations"], key=lambda row: np.count_nonzero(row["lefthand_kpts"]))
    data["annotations"] = list({row["image_id"]: row for row in rows}.values())
    truth = read_truth(data)
    scores = score(_noisy(truth, 0), truth).as_dict()
    parts = ("body", "foot", "face", "left_hand", "right_hand", "whole")
    assert [scores[f"{part}/AP"] for part in parts] == pytest.approx([100] * 6)
    assert [scores[f"{part}/AR"] for part in parts] == pytest.approx([100] * 6)
    assert scores["body/PCK@0.1"] == 100
    assert scores["face/NME"] == pytest.approx(0, abs=1e-3)


def test_the_table_shows_a_dash_for_parts_without_labels() -> None:
    data = json.loads(ANNOTATIONS.read_text())
    for row in data["annotations"]:
        row["face_kpts"] = [0] * 204
    truth = read_truth(data)
    report = score(_noisy(truth, 0), truth)
    lines = str(report).splitlines()
    assert lines[0].split() == ["part", "AP", "AP50", "AP75", "AR", "PCK", "persons"]
    assert lines[1].split() == ["body", *["100.0"] * 5, "@0.1", "12"]
    assert lines[3].split() == ["face", *["-"] * 5, "0"]
    assert not [key for key in report.as_dict() if key.startswith("face")]
    assert np.isfinite(list(report.as_dict().values())).all()


def test_the_columns_of_the_table_are_aligned() -> None:
    truth = read_truth(ANNOTATIONS)
    table = str(score(_noisy(truth, 5), truth)).split("\n\n")[0].splitlines()
    assert len(table) == 7
    assert len({len(line) for line in table}) == 1


def test_markdown_has_the_same_cells_as_the_table() -> None:
    truth = read_truth(ANNOTATIONS)
    report = score(_noisy(truth, 5), truth)
    header, rule, *rows = report.as_markdown().split("\n\n")[0].splitlines()
    assert header.count("|") == rule.count("|") == 8
    text_rows = str(report).splitlines()[1:7]
    for row, text in zip(rows, text_rows, strict=True):
        assert row.replace("|", " ").split() == text.split()


def test_folders_are_scored_as_if_alone() -> None:
    data = _data_in_folders()
    truth = read_truth(data)
    predictions = _noisy(truth, 5)
    report = score(predictions, truth)
    assert list(report.folders) == ["a", "b"]
    for folder, scores in report.folders.items():
        data_alone = data | {
            "images": [i for i in data["images"] if i["file_name"].startswith(folder)]
        }
        ids = {image["id"] for image in data_alone["images"]}
        data_alone["annotations"] = [a for a in data["annotations"] if a["image_id"] in ids]
        alone = score([p for p in predictions if p.image_id in ids], read_truth(data_alone))
        assert scores == {k: v for k, v in alone.scores.items() if "PCK" in k or "NME" in k}
    assert "\na " in str(report)
    assert "| a |" in report.as_markdown()


def test_a_single_folder_gets_no_table_of_its_own() -> None:
    data = _data_in_folders()
    images = [image for image in data["images"] if image["file_name"].startswith("a")]
    ids = {image["id"] for image in images}
    people = [person for person in data["annotations"] if person["image_id"] in ids]
    truth = read_truth({**data, "images": images, "annotations": people})
    assert score(_noisy(truth, 5), truth).folders == {}


def test_nothing_labelled_gives_dashes_and_no_numbers() -> None:
    report = score([], read_truth({"images": [{"id": 1}], "annotations": []}))
    assert report.as_dict() == {}
    assert str(report) == str(Report({}, {}))
