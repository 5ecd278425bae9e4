import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posedistill.datasets.halpe import read_halpe
from posedistill.media import write_image
from posedistill.skeleton import Skeleton

HALPE, WHOLEBODY = Skeleton.get("halpe136"), Skeleton.get("wholebody133")
Row = dict[str, Any]  # Any: one JSON record


def _person(**changes: object) -> Row:
    """Give a person whose joint k is at (k, 2k), score 0.5."""
    keypoints = [value for k in range(136) for value in (k, 2 * k, 0.5)]
    row: Row = {"id": 7, "image_id": 3, "bbox": [10, 20, 100, 200], "keypoints": keypoints}
    return row | {"iscrowd": 0, "category_id": 1} | changes


def _write(folder: Path, *people: Row) -> Path:
    write_image(folder / "a.png", np.zeros((300, 400, 3), np.uint8))
    images = [{"id": 3, "file_name": "a.png", "width": 400, "height": 300}]
    file = folder / "halpe.json"
    file.write_text(json.dumps({"images": images, "annotations": people}))
    return file


def test_the_136_joints_are_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    people = read_halpe(_write(tmp_path, _person()), tmp_path)
    (instance,) = people.instances
    assert people.skeleton is HALPE
    assert instance.keypoints.tolist() == [[k, 2 * k] for k in range(136)]
    assert instance.visible.tolist() == [1] * 136
    assert instance.box_xyxy.tolist() == [10, 20, 110, 220]
    assert (instance.area, instance.image_id, instance.annotation_id) == (20000, 3, 7)
    assert people.image(3).shape == (300, 400, 3)


def test_as_the_whole_body_each_joint_is_the_one_of_its_name(tmp_path: Path) -> None:
    people = read_halpe(_write(tmp_path, _person()), tmp_path, skeleton="wholebody133")
    (instance,) = people.instances
    assert people.skeleton is WHOLEBODY
    for place, joint in enumerate(WHOLEBODY.joints):
        assert instance.keypoints[place, 0] == HALPE.joints.index(joint)
    # The big toes stand side by side in Halpe, foot by foot in COCO-WholeBody.
    assert instance.keypoints[17:23, 0].tolist() == [20, 22, 24, 21, 23, 25]


def test_a_score_below_that_of_the_authors_is_no_label(tmp_path: Path) -> None:
    row = _person()
    row["keypoints"][2::3] = [0.34] * 68 + [0.35] * 67 + [2]
    (instance,) = read_halpe(_write(tmp_path, row), tmp_path).instances
    assert instance.visible.tolist() == [0] * 68 + [1] * 68


def test_keypoints_that_are_not_finite_are_unlabelled_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = _person()
    row["keypoints"][3] = float("nan")
    (instance,) = read_halpe(_write(tmp_path, row), tmp_path).instances
    assert np.flatnonzero(instance.visible == 0).tolist() == [1]
    assert np.isfinite(instance.keypoints).all()
    assert "1 keypoints that are not finite" in caplog.text


@pytest.mark.parametrize(
    "unusable",
    [
        {"keypoints": 0},
        {"keypoints": [5.0, 5.0, 0.1] * 136},
        {"iscrowd": 1},
        {"bbox": [10, 20, 0, 50]},
        {"bbox": [500, 20, 50, 50]},
    ],
    ids=["no list", "no label", "crowd", "no area", "outside"],
)
def test_unusable_records_are_left_out(tmp_path: Path, unusable: Row) -> None:
    file = _write(tmp_path, _person(id=1, **unusable), _person(id=2))
    assert [instance.annotation_id for instance in read_halpe(file, tmp_path).instances] == [2]


def test_objects_without_keypoints_are_left_out(tmp_path: Path) -> None:
    ball = {"id": 1, "image_id": 3, "bbox": [1, 1, 5, 5], "category_id": 37}
    assert len(read_halpe(_write(tmp_path, ball, _person()), tmp_path).instances) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keypoints": [1, 2, 1] * 133}, "annotation 0: .*133 keypoints, Halpe has 136"),
        ({"image_id": 9}, "annotation 0: .*image_id 9 is not among the images"),
        ({"bbox": [1, 2]}, "annotation 0"),
        ({"keypoints": [1, 2, 0] * 136}, "no person with labelled keypoints"),
    ],
    ids=["length", "image", "box", "nobody"],
)
def test_faults_name_the_file_and_the_record(tmp_path: Path, changes: Row, message: str) -> None:
    file = _write(tmp_path, _person(**changes))
    with pytest.raises(ValueError, match=message) as raised:
        read_halpe(file, tmp_path)
    assert "halpe.json" in str(raised.value)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    file = _write(tmp_path, _person())
    (tmp_path / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"names 1 images .*a\.png"):
        read_halpe(file, tmp_path)


def test_another_skeleton_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'coco17'.*halpe136, wholebody133"):
        read_halpe(_write(tmp_path, _person()), tmp_path, skeleton="coco17")


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ValueError, match="not a Halpe file"):
        read_halpe(tmp_path / "list.json", tmp_path)
