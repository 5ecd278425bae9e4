"""MPII's protocol: head boxes are found, and files that do not belong together are refused."""

from pathlib import Path

import numpy as np
import pytest

from posedistill.evaluate.mpii import RELEASE, people_to_score
from posedistill.evaluate.truth import read_truth
from tests.mpii_files import Row, rect, row, write_ground_truth, write_list, write_release

HEADS = [[1.0, 2, 31, 42], [5, 5, 25, 35], [9, 8, 49, 58]]


def _rows() -> list[Row]:
    return [row(20 * n, image=f"{n // 2}.png", joints_vis=[1, n % 2] * 8) for n in range(3)]


def _with_heads() -> list[Row]:
    return [record | {"head_box": head} for record, head in zip(_rows(), HEADS, strict=True)]


def _release(folder: Path, rows: list[Row]) -> Path:
    images = [(f"{n}.png", 1, [rect(r) for r in rows if r["image"] == f"{n}.png"]) for n in (0, 1)]
    return write_release(folder / RELEASE, images)


def _heads(annotations: Path) -> list[list[float]]:
    heads = [person.head_box_xyxy for person in people_to_score(annotations)]
    return [head.tolist() for head in heads if head is not None]


def test_head_boxes_of_the_records_are_taken_first(tmp_path: Path) -> None:
    write_ground_truth(tmp_path / "gt_valid.mat", _rows()[:1])  # would be refused
    assert _heads(write_list(tmp_path / "valid.json", _with_heads())) == HEADS


@pytest.mark.parametrize(
    ("name", "truth"),
    [
        ("valid.json", "gt_valid.mat"),
        ("mine.json", "gt_mine.mat"),
        ("mpii_val.json", "mpii_gt_val.mat"),
    ],
)
def test_the_ground_truth_lies_beside_the_list(tmp_path: Path, name: str, truth: str) -> None:
    pytest.importorskip("scipy", reason="needs the extra evaluate")
    write_ground_truth(tmp_path / truth, _with_heads())
    assert _heads(write_list(tmp_path / name, _rows())) == HEADS


def test_labels_are_those_of_the_ground_truth(tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="needs the extra evaluate")
    other = [record | {"joints_vis": [0, 1] * 8} for record in _with_heads()]
    other[0]["joints"] = (np.array(other[0]["joints"]) + 0.5).tolist()
    write_ground_truth(tmp_path / "gt_valid.mat", other)
    people = people_to_score(write_list(tmp_path / "valid.json", _rows()))
    assert [person.labelled.tolist() for person in people] == [[False, True] * 8] * 3
    assert people[0].joints.tolist() == other[0]["joints"]
    assert [person.image for person in people] == ["0.png", "0.png", "1.png"]


def test_the_release_gives_head_boxes_by_image_and_centre(tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="needs the extra evaluate")
    _release(tmp_path, _with_heads()[::-1])
    assert _heads(write_list(tmp_path / "valid.json", _rows())) == HEADS
    assert _heads(write_list(tmp_path / "few.json", [_rows()[1]])) == HEADS[1:2]


def test_the_release_can_be_scored_as_it_is(tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="needs the extra evaluate")
    assert _heads(_release(tmp_path, _with_heads())) == HEADS


def test_where_head_boxes_were_looked_for_is_told(tmp_path: Path) -> None:
    rows = [_with_heads()[0], *_rows()[1:]]
    with pytest.raises(FileNotFoundError) as raised:
        people_to_score(write_list(tmp_path / "valid.json", rows))
    text = str(raised.value)
    assert "2 records, the first is 1, lack head_box" in text
    assert f"no gt_valid.mat and mpii_human_pose_v1_u12_1.mat in {tmp_path}" in text


def test_a_ground_truth_of_other_people_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="needs the extra evaluate")
    valid = write_list(tmp_path / "valid.json", _rows())
    write_ground_truth(tmp_path / "gt_valid.mat", _with_heads()[:2])
    with pytest.raises(ValueError, match=r"valid\.json has 3 people, .*gt_valid\.mat 2"):
        people_to_score(valid)
    small = {"head_box": [1, 1, 11, 11]}
    turned = [_rows()[n] | {"joints": _rows()[2 - n]["joints"]} | small for n in range(3)]
    write_ground_truth(tmp_path / "gt_valid.mat", turned)
    with pytest.raises(ValueError, match="2 of 3 are labelled elsewhere, the first is record 0"):
        people_to_score(valid)


def test_people_whom_the_release_lacks_are_named(tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="needs the extra evaluate")
    valid = write_list(tmp_path / "valid.json", _rows())
    _release(tmp_path, _with_heads()[:2])
    with pytest.raises(ValueError, match=r"no head box for record 2 .*1\.png at \[160\.0, 90\.0\]"):
        people_to_score(valid)
    _release(tmp_path, [*_with_heads()[:2], _rows()[2]])
    with pytest.raises(ValueError, match="no head box for record 2"):
        people_to_score(valid)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        pytest.param([5, 5, 5, 5], "record 1 .* has no size", id="point"),
        pytest.param([5, 5, 9], "record 1: head box", id="short"),
        pytest.param([5, 5, 9, float("nan")], "record 1: head box", id="not finite"),
    ],
)
def test_a_head_box_that_is_none_is_named(tmp_path: Path, head: list[float], message: str) -> None:
    rows = [_with_heads()[0], row(head_box=head)]
    with pytest.raises(ValueError, match=message):
        people_to_score(write_list(tmp_path / "valid.json", rows))


def test_the_truth_counts_pixels_from_0_and_images_as_the_people_do(tmp_path: Path) -> None:
    truth = read_truth(write_list(tmp_path / "valid.json", _with_heads()), skeleton="mpii16")
    assert truth.image_ids.tolist() == [1, 1, 2]
    assert truth.keypoints[1, 3].tolist() == [3.25 + 20, 6 + 20]
    assert not truth.keypoints[0, 1::2].any()  # not labelled
    assert truth.visible[:, 1].tolist() == [False, True, False]
    assert truth.boxes_xywh[0].tolist() == [119 - 150, 89 + 22.5 - 150, 300, 300]
    assert truth.head_boxes_xyxy is not None
    assert truth.head_boxes_xyxy[0].tolist() == [0, 1, 30, 41]
    assert not truth.is_crowd.any()


def test_the_content_of_a_file_is_no_mpii_file() -> None:
    with pytest.raises(ValueError, match="read from a file"):
        read_truth({"images": [], "annotations": []}, skeleton="mpii16")
