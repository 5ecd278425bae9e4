"""MPII in MATLAB files: the release says what the lists say, `gt_valid.mat` what PCKh needs."""

import sys
from pathlib import Path

import numpy as np
import pytest

from posedistill.datasets.mpii import image_names, read_mpii
from posedistill.datasets.mpii_mat import read_ground_truth, read_release
from tests.mpii_files import (
    EMPTY,
    NAMES,
    Row,
    points,
    rect,
    row,
    structs,
    write_ground_truth,
    write_list,
    write_release,
)

pytest.importorskip("scipy", reason="needs the extra evaluate")
A, B = "015601864.png", "015599452.png"


def _same_people(folder: Path) -> tuple[Path, Path]:
    """Write three people of two images as a list and as the release."""
    hidden = [0, 1, 1, 1] * 4
    rows = [row(), row(7, joints_vis=hidden), row(3, image=B, scale=0.75)]
    images = [(A, 1, [rect(rows[0]), rect(rows[1])]), (B, 1, [rect(rows[2])])]
    release = write_release(folder / "mpii_human_pose_v1_u12_1.mat", images)
    return write_list(folder / "train.json", rows), release


def test_the_release_gives_the_people_of_the_lists(tmp_path: Path) -> None:
    lists, release = (read_mpii(file, tmp_path / "images") for file in _same_people(tmp_path))
    assert len(lists.instances) == len(release.instances) == 3
    for one, other in zip(lists.instances, release.instances, strict=True):
        assert (one.image_id, one.annotation_id) == (other.image_id, other.annotation_id)
        assert one.area == other.area
        np.testing.assert_array_equal(one.box_xyxy, other.box_xyxy)
        np.testing.assert_array_equal(one.keypoints, other.keypoints)
        np.testing.assert_array_equal(one.visible, other.visible)
    assert lists.image_paths == release.image_paths
    assert lists.instances[0].keypoints[3].tolist() == [3.25, 6]


@pytest.mark.parametrize(
    "is_visible",
    [(1, 0), ("1", "0"), (EMPTY,), (1, EMPTY, "0")],
    ids=["numbers", "text", "empty", "of all kinds"],
)
def test_a_joint_is_labelled_whatever_is_said_of_its_visibility(
    tmp_path: Path, is_visible: tuple[object, ...]
) -> None:
    person = row(joints_vis=[0, 1] * 8)
    record = rect(person, annopoints=points(person, is_visible=is_visible))
    (read,) = read_release(write_release(tmp_path / "r.mat", [(A, 1, [record])]))
    assert read.labelled.tolist() == [False, True] * 8
    np.testing.assert_array_equal(read.joints[1::2], person["joints"][1::2])


def test_a_point_may_lack_the_field_of_visibility(tmp_path: Path) -> None:
    record = rect(row(), annopoints=structs({"point": structs({"x": 5, "y": 6, "id": 9})}))
    (read,) = read_release(write_release(tmp_path / "r.mat", [(A, 1, [record])]))
    assert np.flatnonzero(read.labelled).tolist() == [9]
    assert read.joints[9].tolist() == [5, 6]


def test_a_point_without_a_place_is_no_label(tmp_path: Path) -> None:
    placeless = structs({"x": 5, "y": 6, "id": 9}, {"x": EMPTY, "y": 6, "id": 2}, {"id": 3})
    record = rect(row(), annopoints=structs({"point": placeless}))
    (read,) = read_release(write_release(tmp_path / "r.mat", [(A, 1, [record])]))
    assert np.flatnonzero(read.labelled).tolist() == [9]


@pytest.mark.parametrize(
    "change",
    [
        {"scale": EMPTY},
        {"objpos": EMPTY},
        {"objpos": structs({"x": EMPTY, "y": 5})},
        {"annopoints": EMPTY},
        {"annopoints": structs({"point": EMPTY})},
    ],
    ids=["scale", "objpos", "half an objpos", "annopoints", "point"],
)
def test_people_who_cannot_be_trained_are_left_out(tmp_path: Path, change: Row) -> None:
    images = [(A, 1, [rect(row(), **change), rect(row(4))]), (B, 1, [])]
    (read,) = read_release(write_release(tmp_path / "r.mat", images))
    assert read.center.tolist() == [124, 90]


def test_fields_that_nobody_of_an_image_has_are_not_missed(tmp_path: Path) -> None:
    bare = {"x1": 1, "y1": 1, "x2": 5, "y2": 5}
    located = {key: rect(row())[key] for key in ("scale", "objpos")}
    images = [(A, 1, [bare]), (B, 1, [located]), ("c.png", 1, [rect(row())])]
    (read,) = read_release(write_release(tmp_path / "r.mat", images))
    assert read.image == "c.png"


def test_test_images_are_not_read(tmp_path: Path) -> None:
    path = write_release(tmp_path / "r.mat", [(A, 0, [rect(row())]), (B, 1, [rect(row())])])
    assert image_names(path) == {B}


def test_head_boxes_are_read_where_there_is_one(tmp_path: Path) -> None:
    records = [rect(row(head_box=[4, 5, 34, 45.5])), rect(row(1)), rect(row(2), x1=3, y1=4)]
    people = read_release(write_release(tmp_path / "r.mat", [(A, 1, records)]))
    heads = [person.head_box_xyxy for person in people]
    assert heads[0] is not None
    assert heads[0].tolist() == [4, 5, 34, 45.5]
    assert heads[1:] == [None, None]


def test_images_can_be_left_out(tmp_path: Path) -> None:
    _, release = _same_people(tmp_path)
    validation = write_list(tmp_path / "valid.json", [row(image=A)])
    people = read_mpii(release, tmp_path / "images", without=image_names(validation))
    assert [people.image_paths[i.image_id].name for i in people.instances] == [B]


def test_a_release_of_faults_names_the_person(tmp_path: Path) -> None:
    bad = structs({"point": structs({"x": 1, "y": 1, "id": 16})})
    records = [rect(row()), rect(row(), annopoints=bad)]
    path = write_release(tmp_path / "r.mat", [(A, 1, []), (A, 1, records)])
    with pytest.raises(ValueError, match=r"r\.mat: annolist\(2\)\.annorect\(2\): .* id 16"):
        read_release(path)
    path = write_release(tmp_path / "r.mat", [(A, 1, [rect(row(), scale="tall")])])
    with pytest.raises(ValueError, match=r"annolist\(1\)\.annorect\(1\): .*tall"):
        read_release(path)


def test_other_files_are_told_apart(tmp_path: Path) -> None:
    truth = write_ground_truth(tmp_path / "gt_valid.mat", [row()])
    with pytest.raises(ValueError, match="gt_valid.mat has no RELEASE; it has dataset_joints, "):
        read_release(truth)
    release = write_release(tmp_path / "r.mat", [(A, 1, [rect(row())])])
    with pytest.raises(ValueError, match="r.mat has no dataset_joints, .*; it has RELEASE"):
        read_ground_truth(release)
    (tmp_path / "list.mat").write_text("[]" * 400)
    with pytest.raises(ValueError, match="list.mat cannot be read as a MATLAB file"):
        read_release(tmp_path / "list.mat")
    (tmp_path / "new.mat").write_bytes(
        b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\0" * 99
    )
    with pytest.raises(ValueError, match=r"new.mat cannot be read as a MATLAB file: .*7\.3"):
        read_release(tmp_path / "new.mat")


def test_without_scipy_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_ground_truth(tmp_path / "gt_valid.mat", [row()])
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(ImportError, match=r"needs scipy: pip install posedistill\[evaluate\]"):
        read_ground_truth(path)


@pytest.mark.parametrize("count", [1, 3], ids=["one person", "three people"])
def test_the_ground_truth_is_read_person_by_person(tmp_path: Path, count: int) -> None:
    heads = [[float(n), 2.0, 30.0 + n, 40.0] for n in range(count)]
    rows = [row(n, joints_vis=[n % 2, 1] * 8, head_box=heads[n]) for n in range(count)]
    truth = read_ground_truth(write_ground_truth(tmp_path / "gt_valid.mat", rows))
    np.testing.assert_array_equal(truth.joints, [record["joints"] for record in rows])
    np.testing.assert_array_equal(truth.labelled, [record["joints_vis"] for record in rows])
    np.testing.assert_array_equal(truth.head_boxes_xyxy, heads)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset_joints": np.array([NAMES[::-1]], object)}, "expected rank at place 1"),
        ({"pos_gt_src": np.zeros((2, 16, 3))}, r"pos_gt_src has shape \(2, 16, 3\), expected"),
        ({"jnt_missing": np.zeros((16, 2))}, "are of 3, 2 and 3 people"),
        ({"headboxes_src": np.full((2, 2, 3), np.nan)}, "headboxes_src holds values"),
    ],
    ids=["names", "shape", "count", "not finite"],
)
def test_a_ground_truth_of_faults_is_told(tmp_path: Path, change: Row, message: str) -> None:
    path = write_ground_truth(tmp_path / "gt_valid.mat", [row(n) for n in range(3)], **change)
    with pytest.raises(ValueError, match=message) as raised:
        read_ground_truth(path)
    assert "gt_valid.mat" in str(raised.value)
