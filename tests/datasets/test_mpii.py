import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posedistill.crop import PADDING, box_matrices, transform_points
from posedistill.datasets.mpii import read_mpii
from posedistill.media import write_image
from posedistill.skeleton import Skeleton

Row = dict[str, Any]  # Any: one JSON record


def _row(**changes: object) -> Row:
    """Give a person at the centre (120, 90), 300 pixels tall, with joint k at (k + 1, 2k + 1)."""
    joints = [[k + 1.0, 2 * k + 1.0] for k in range(16)]
    row: Row = {"image": "015601864.png", "center": [120.0, 90.0], "scale": 1.5, "joints": joints}
    return row | {"joints_vis": [1] * 16} | changes


def _write(folder: Path, *rows: object) -> Path:
    for name in ("015601864.png", "015599452.png"):
        write_image(folder / name, np.zeros((30, 40, 3), np.uint8))
    (folder / "valid.json").write_text(json.dumps(rows))
    return folder / "valid.json"


def test_pixels_are_counted_from_0(tmp_path: Path) -> None:
    people = read_mpii(_write(tmp_path, _row()), tmp_path)
    (instance,) = people.instances
    assert people.skeleton is Skeleton.get("mpii16")
    assert instance.keypoints.tolist() == [[k, 2 * k] for k in range(16)]
    assert instance.visible.tolist() == [1] * 16


def test_the_crop_is_the_published_one(tmp_path: Path) -> None:
    """OKDHP: the side is 200 x scale x 1.25 around (x - 1, y + 15 x scale - 1)."""
    (instance,) = read_mpii(_write(tmp_path, _row()), tmp_path).instances
    middle, half = np.array([120 - 1, 90 + 15 * 1.5 - 1]), 200 * 1.5 * 1.25 / 2
    assert PADDING == 1.25
    matrix = box_matrices(instance.box_xyxy[None], (256, 256))[0]
    corners = np.array([middle - half, middle, middle + half])
    found = transform_points(corners, matrix)
    np.testing.assert_allclose(found, [[0, 0], [128, 128], [256, 256]], atol=1e-3)


def test_people_of_one_image_share_its_id(tmp_path: Path) -> None:
    rows = (_row(), _row(image="015599452.png"), _row())
    people = read_mpii(_write(tmp_path, *rows), tmp_path)
    assert [instance.image_id for instance in people.instances] == [1, 2, 1]
    assert [instance.annotation_id for instance in people.instances] == [1, 2, 3]
    assert people.image_paths[2] == tmp_path / "015599452.png"
    assert people.image(2).shape == (30, 40, 3)


def test_joints_that_are_not_labelled_are_marked(tmp_path: Path) -> None:
    row = _row(joints_vis=[0, 1] * 8)
    (instance,) = read_mpii(_write(tmp_path, row), tmp_path).instances
    assert instance.visible.tolist() == [0, 1] * 8
    assert not instance.keypoints[::2].any()


def test_people_without_a_label_are_left_out(tmp_path: Path) -> None:
    people = read_mpii(_write(tmp_path, _row(joints_vis=[0] * 16), _row()), tmp_path)
    assert [instance.annotation_id for instance in people.instances] == [2]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"image": "015601864.png"}], "record 0 lacks center, scale, joints, joints_vis"),
        (["words"], "record 0 lacks image"),
        ([_row(), _row(joints=[[1, 2]] * 17)], r"record 1: joints of shape \(17, 2\)"),
        ([_row(scale=0)], "record 0: .*scale 0"),
        ([_row(center=[1, float("inf")])], "record 0: center"),
        ([_row(center=None)], "record 0"),
        ([_row(joints_vis=[0] * 16)], "no person with labelled keypoints"),
    ],
    ids=["fields", "words", "joints", "scale", "infinite", "center", "nobody"],
)
def test_faults_name_the_file_and_the_record(
    tmp_path: Path, rows: list[object], message: str
) -> None:
    file = _write(tmp_path, *rows)
    with pytest.raises(ValueError, match=message) as raised:
        read_mpii(file, tmp_path)
    assert "valid.json" in str(raised.value)


def test_a_coco_file_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "coco.json").write_text('{"images": [], "annotations": []}')
    with pytest.raises(ValueError, match="not an MPII list.*found dict"):
        read_mpii(tmp_path / "coco.json", tmp_path)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    file = _write(tmp_path, _row(image="none.png"))
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        read_mpii(file, tmp_path)
