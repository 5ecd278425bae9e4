import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posedistill.evaluate.truth import read_truth

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "metrics_annotations.json"
PEOPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "people" / "annotations"


def _person(**changes: Any) -> dict[str, Any]:  # Any: JSON values
    person = {"id": 3, "image_id": 5, "bbox": [0, 0, 9, 9], "area": 40, "keypoints": [2] * 51}
    return person | changes


def _data(*people: dict[str, Any]) -> dict[str, Any]:
    return {"images": [{"id": 5, "file_name": "lspet/a.jpg"}], "annotations": list(people)}


def test_the_parts_follow_each_other_in_the_order_of_the_skeleton() -> None:
    row = json.loads(GOLDEN.read_text())["annotations"][0]
    truth = read_truth(GOLDEN)
    flat = row["keypoints"] + row["foot_kpts"] + row["face_kpts"]
    flat += row["lefthand_kpts"] + row["righthand_kpts"]
    np.testing.assert_array_equal(truth.keypoints[0, :, 0], flat[0::3])
    np.testing.assert_array_equal(truth.keypoints[0, :, 1], flat[1::3])
    np.testing.assert_array_equal(truth.visible[0], np.array(flat[2::3]) > 0)


def test_a_part_without_a_key_counts_as_unlabelled() -> None:
    truth = read_truth(_data(_person()))
    assert truth.visible[0, :17].all()
    assert not truth.visible[0, 17:].any()


def test_each_person_knows_the_first_folder_of_the_image() -> None:
    data = {"images": [{"id": 5, "file_name": "a.jpg"}], "annotations": [_person()]}
    assert read_truth(_data(_person())).folders == ("lspet",)
    assert read_truth(data).folders == ("",)


def test_keypoints_that_are_not_finite_count_as_unlabelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        truth = read_truth(_data(_person(keypoints=[float("nan")] * 3 + [2] * 48)))
    assert truth.visible[0, :17].tolist() == [False] + [True] * 16
    assert "1 keypoints that are not finite" in caplog.text


@pytest.mark.parametrize(
    ("person", "message"),
    [
        pytest.param(_person(keypoints=[1] * 50), "annotation 3, keypoints", id="length"),
        pytest.param(_person(keypoints=["a"] * 51), "expected 51 numbers", id="text"),
        pytest.param(_person(image_id=6), "belongs to image 6", id="image"),
        pytest.param(_person(bbox=[0, 0, 9]), "annotation 3, bbox", id="box"),
        pytest.param(_person(bbox=[0, 0, 9, float("inf")]), "finite", id="endless box"),
        pytest.param(_person(area=None), "annotation 3, area", id="area"),
        pytest.param({"id": 3, "image_id": 5}, "has no bbox, area, keypoints", id="keys"),
    ],
)
def test_an_unusable_annotation_is_named(person: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_truth(_data(person))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("no", "is not JSON", id="no JSON"),
        pytest.param("[]", "holds a list, .* prediction file", id="predictions"),
        pytest.param('{"images": []}', "has no list 'annotations'", id="no annotations"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(ValueError, match=message) as raised:
        read_truth(tmp_path / "bad.json")
    assert "bad.json" in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        read_truth(tmp_path / "none.json")


@pytest.mark.skipif(not PEOPLE.is_dir(), reason="the people data is not beside the project")
def test_the_people_data_has_the_label_counts_of_its_readme() -> None:
    truth = read_truth(PEOPLE / "val.json")
    groups = truth.skeleton.groups
    assert len(truth) == 1055
    assert truth.visible[:, groups["body"]].sum() == 12867
    counts = [
        int(truth.visible[:, groups[part]].any(axis=1).sum())
        for part in ("foot", "face", "left_hand", "right_hand")
    ]
    assert counts == [302, 222, 71, 81]
