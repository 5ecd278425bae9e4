import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posedistill.datasets.coco import CocoDataset, read_coco
from posedistill.datasets.wholebody import read_wholebody
from posedistill.evaluate.boxes import annotated_boxes, read_boxes


def _entry(**changes: Any) -> dict[str, Any]:  # Any: JSON values
    entry = {"image_id": 5, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.25}
    return entry | changes


def _write(path: Path, *entries: Any) -> Path:  # Any: JSON values
    path.write_text(json.dumps(list(entries)))
    return path


def test_boxes_are_grouped_by_image_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "boxes.json",
        _entry(image_id=9),
        _entry(score=0.001),
        _entry(image_id=9, bbox=[-7.5, 0, 3, 4]),
    )
    first, second = read_boxes(path, image_ids=[9, 5, 1])
    assert (first.image_id, first.boxes_xyxy.tolist()) == (5, [[1, 2, 31, 42]])
    assert first.scores.tolist() == pytest.approx([0.001])
    assert (second.image_id, second.boxes_xyxy.tolist()) == (
        9,
        [[1, 2, 31, 42], [-7.5, 0, -4.5, 4]],
    )


def test_what_is_no_person_is_left_out(tmp_path: Path) -> None:
    path = _write(tmp_path / "boxes.json", _entry(category_id=3, image_id=8))
    assert read_boxes(path, image_ids=[5]) == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        pytest.param(3, "entry 1 is a int", id="no object"),
        pytest.param({"image_id": 5}, "entry 1 has no category_id, bbox, score", id="keys"),
        pytest.param(_entry(image_id="5"), "entry 1: image_id is '5'", id="image id"),
        pytest.param(_entry(image_id=8), "entry 1 is of image 8, which", id="image"),
        pytest.param(_entry(bbox=[1, 2, 3]), "entry 1: bbox or score", id="short box"),
        pytest.param(_entry(bbox=None), "entry 1: bbox or score", id="no box"),
        pytest.param(_entry(bbox=[1, 2, 0, 4]), r"entry 1: bbox is \[1, 2, 0, 4\]", id="width"),
        pytest.param(_entry(score=float("nan")), "entry 1: bbox is .* score nan", id="score"),
        pytest.param(_entry(score="high"), "entry 1: bbox or score", id="text"),
    ],
)
def test_a_bad_entry_is_named(tmp_path: Path, entry: Any, message: str) -> None:
    path = _write(tmp_path / "bad.json", _entry(), entry)
    with pytest.raises(ValueError, match=message) as raised:
        read_boxes(path, image_ids=[5])
    assert "bad.json" in str(raised.value)


def test_an_annotation_file_is_told_from_detections(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"images": []}')
    with pytest.raises(ValueError, match=r"bad\.json holds a dict, .* annotation file"):
        read_boxes(tmp_path / "bad.json", image_ids=[])


def _reference(shared_dir: Path) -> dict[str, Any]:  # Any: JSON values
    content: dict[str, Any] = json.loads((shared_dir / "golden" / "valpipe.json").read_text())
    return content


def _photos(shared_dir: Path, layout: str) -> CocoDataset:
    folder = shared_dir / "golden" / "inputs"
    if layout == "coco":
        return read_coco(folder / "test_coco.json", folder)
    return read_wholebody(folder / "test_coco_wholebody.json", folder)


@pytest.mark.parametrize("layout", ["coco", "wholebody"])
def test_the_annotated_boxes_are_those_of_the_reference(shared_dir: Path, layout: str) -> None:
    dataset = _photos(shared_dir, layout)
    samples = _reference(shared_dir)["samples_val"]
    found = annotated_boxes(dataset)
    assert [place.image_id for place in found for _ in place.scores] == [
        sample["img_id"] for sample in samples
    ]
    boxes_xyxy = np.concatenate([place.boxes_xyxy for place in found])
    np.testing.assert_array_equal(boxes_xyxy, [sample["bbox_xyxy"] for sample in samples])
    assert all((place.scores == 1).all() for place in found)


def test_detections_are_those_of_the_reference(shared_dir: Path) -> None:
    dataset = _photos(shared_dir, "wholebody")
    path = shared_dir / "golden" / "inputs" / "test_coco_det_AP_H_56.json"
    samples = _reference(shared_dir)["samples_det"]
    found = read_boxes(path, image_ids=dataset.image_paths)
    assert sum(len(place.scores) for place in found) == len(samples) == 118
    for place in found:
        here = [sample for sample in samples if sample["img_id"] == place.image_id]
        np.testing.assert_array_equal(
            place.boxes_xyxy, np.array([sample["bbox_xyxy"] for sample in here], np.float32)
        )
        np.testing.assert_array_equal(
            place.scores, np.array([sample["score"] for sample in here], np.float32)
        )
