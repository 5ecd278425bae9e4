import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.codecs import SimCC
from posedistill.evaluate.predictions import read_predictions
from posedistill.evaluate.report import score_file
from posedistill.evaluate.run import evaluate
from posedistill.media import write_image
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec

SIZE_WH = (96, 128)
BOXES_XYWH = {1: [[10, 20, 30, 40]], 2: [[5, 5, 40, 60], [50, 8, 30, 80]]}


class CentreSession:
    """Say of every crop that all keypoints are in its middle."""

    provider = "numpy"

    def __init__(self, skeleton: str = "wholebody133") -> None:
        self.spec = Spec("centre", skeleton, SimCC(SIZE_WH, (4.9, 5.66)))

    def __call__(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        k = len(Skeleton.get(self.spec.skeleton))
        logits = [np.zeros((len(crops), k, 2 * side), np.float32) for side in SIZE_WH]
        for array in logits:
            array[:, :, array.shape[2] // 2] = 0.5
        return tuple(logits)

    def close(self) -> None:
        """Hold nothing, free nothing."""


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    people: list[dict[str, Any]] = []  # Any: JSON values
    for image_id, boxes_xywh in BOXES_XYWH.items():
        write_image(tmp_path / f"{image_id}.png", np.zeros((100, 100, 3), np.uint8))
        for x, y, w, h in boxes_xywh:
            point = [x + w / 2, y + h / 2, 2]
            parts = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68}
            parts |= {"lefthand_kpts": 21, "righthand_kpts": 21}
            labels = {name: point * count for name, count in parts.items()}
            row = {"id": len(people) + 1, "image_id": image_id, "bbox": [x, y, w, h]}
            row |= {"area": w * h / 2, "num_keypoints": 17, "iscrowd": 0, "category_id": 1}
            people.append(row | labels)
    write_image(tmp_path / "3.png", np.zeros((100, 100, 3), np.uint8))  # without persons
    images = [
        {"id": image_id, "file_name": f"{image_id}.png", "width": 100, "height": 100}
        for image_id in [*BOXES_XYWH, 3]
    ]
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps({"images": images, "annotations": people}))
    return path


# The mirror image of the middle bin is its neighbour: half a pixel of the crop.
@pytest.mark.parametrize(
    ("flip_test", "least_ap"),
    [pytest.param(False, 99.99, id="plain"), pytest.param(True, 95, id="flip test")],
)
def test_a_model_that_is_right_scores_hundred(
    annotations: Path, tmp_path: Path, flip_test: bool, least_ap: float
) -> None:
    report = evaluate(
        CentreSession(),
        annotations=annotations,
        images_dir=tmp_path,
        out=None,
        flip_test=flip_test,
        progress=False,
    )
    assert report.scores["whole/AP"] > least_ap
    assert report.scores["body/PCK@0.05"] == 100
    assert report.num_persons["whole"] == 3


def test_the_file_holds_all_persons_and_scores_as_the_run_did(
    annotations: Path, tmp_path: Path
) -> None:
    out = tmp_path / "predictions" / "out.json"
    report = evaluate(
        CentreSession(), annotations=annotations, images_dir=tmp_path, out=out, progress=False
    )
    predictions = read_predictions(out)
    assert [prediction.image_id for prediction in predictions] == [1, 2, 2]
    boxes_xywh = [box for boxes in BOXES_XYWH.values() for box in boxes]
    assert [prediction.box_xywh.tolist() for prediction in predictions] == boxes_xywh
    assert predictions[0].box_score == 1
    assert predictions[0].score == pytest.approx(0.5)
    assert score_file(out, annotations) == report


def test_a_missing_image_stops_the_run_before_it_begins(annotations: Path, tmp_path: Path) -> None:
    (tmp_path / "2.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"2\.png"):
        evaluate(
            CentreSession(),
            annotations=annotations,
            images_dir=tmp_path,
            out=tmp_path / "out.json",
            progress=False,
        )
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("layout", ["COCO-WholeBody", "COCO"])
def test_a_model_of_17_keypoints_is_scored_by_the_body(
    annotations: Path, tmp_path: Path, layout: str
) -> None:
    if layout == "COCO":
        content = json.loads(annotations.read_text())
        for row in content["annotations"]:
            for key in ("foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts"):
                del row[key]
        annotations.write_text(json.dumps(content))
    out = tmp_path / "out.json"
    report = evaluate(
        CentreSession("coco17"),
        annotations=annotations,
        images_dir=tmp_path,
        out=out,
        progress=False,
    )
    scores = report.as_dict()
    assert min(scores[f"body/{name}"] for name in ("AP", "AP50", "AP75", "APM", "AR")) > 99.99
    assert scores["body/PCK@0.05"] == 100
    assert report.num_persons == {"body": 3}
    assert score_file(out, annotations) == report


def _write_boxes(path: Path, *rows: tuple[int, list[float], float]) -> Path:
    entries = [
        {"image_id": image_id, "category_id": 1, "bbox": box_xywh, "score": score}
        for image_id, box_xywh, score in rows
    ]
    path.write_text(json.dumps(entries))
    return path


def test_the_boxes_of_a_detector_are_predicted_and_their_scores_count(
    annotations: Path, tmp_path: Path
) -> None:
    right = [(i, [float(v) for v in box], 0.9) for i, rows in BOXES_XYWH.items() for box in rows]
    wrong: list[tuple[int, list[float], float]] = [
        (3, [-20.5, 0, 50, 60], 0.5),  # no person there; partly outside
        (2, [5, 70, 20, 20], 0.001),
    ]
    out = tmp_path / "out.json"
    report = evaluate(
        CentreSession(),
        annotations=annotations,
        images_dir=tmp_path,
        out=out,
        boxes=_write_boxes(tmp_path / "boxes.json", *wrong, *right),
        progress=False,
    )
    predictions = read_predictions(out)
    assert [(row.image_id, row.box_xywh.tolist()) for row in predictions] == [
        (1, right[0][1]),
        (2, wrong[1][1]),
        (2, right[1][1]),
        (2, right[2][1]),
        (3, wrong[0][1]),
    ]
    assert [row.box_score for row in predictions] == pytest.approx([0.9, 0.001, 0.9, 0.9, 0.5])
    assert [row.score for row in predictions] == pytest.approx([0.45, 5e-4, 0.45, 0.45, 0.25])
    assert report.scores["whole/AP"] > 99.99  # the wrong ones rank below all right ones
    assert score_file(out, annotations) == report


def test_a_surer_box_without_a_person_costs_precision(annotations: Path, tmp_path: Path) -> None:
    right = [(i, [float(v) for v in box], 0.5) for i, rows in BOXES_XYWH.items() for box in rows]
    boxes = _write_boxes(tmp_path / "boxes.json", (3, [0, 0, 50, 60], 0.9), *right)
    report = evaluate(
        CentreSession(),
        annotations=annotations,
        images_dir=tmp_path,
        out=None,
        boxes=boxes,
        progress=False,
    )
    # Precision 1/2, 2/3, 3/4; interpolated from the right it is 3/4 everywhere.
    assert report.scores["whole/AP"] == pytest.approx(75)
    assert report.scores["whole/AR"] == pytest.approx(100)


def test_the_annotated_boxes_as_detections_give_the_same_scores(
    annotations: Path, tmp_path: Path
) -> None:
    rows = [(i, [float(v) for v in box], 1.0) for i, rows in BOXES_XYWH.items() for box in rows]
    boxes = _write_boxes(tmp_path / "boxes.json", *rows)
    plain, detected = (
        evaluate(
            CentreSession(),
            annotations=annotations,
            images_dir=tmp_path,
            out=None,
            boxes=path,
            progress=False,
        )
        for path in (None, boxes)
    )
    assert plain == detected


def test_a_missing_image_with_boxes_but_no_labels_stops_the_run(
    annotations: Path, tmp_path: Path
) -> None:
    (tmp_path / "3.png").unlink()
    boxes = _write_boxes(tmp_path / "boxes.json", (3, [0, 0, 50, 60], 0.9))
    with pytest.raises(FileNotFoundError, match=r"3\.png"):
        evaluate(
            CentreSession(),
            annotations=annotations,
            images_dir=tmp_path,
            out=None,
            boxes=boxes,
            progress=False,
        )


def test_a_model_of_another_skeleton_is_refused(annotations: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="gives hand21; only models of wholebody133, coco17, mpii16"
    ):
        evaluate(
            CentreSession("hand21"),
            annotations=annotations,
            images_dir=tmp_path,
            out=None,
            progress=False,
        )
