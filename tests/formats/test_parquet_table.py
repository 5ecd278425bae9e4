"""Parquet: what other programs see, rows in any order, and files of others."""

import json
from pathlib import Path

import numpy as np
import pytest

from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.parquet_table import read_parquet, write_parquet
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton
from tests.pose_images import assert_same_images, random_poses, tracked

pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")
HAND = Skeleton.get("hand21")


def _images() -> list[ImagePoses]:
    return [
        ImagePoses(7, tracked(random_poses(2, 1, "hand21")), "a.jpg", (640, 480)),
        ImagePoses(3, Poses.empty(HAND), "b.jpg"),
        ImagePoses(9, random_poses(1, 2, "hand21"), time_s=0.5),
    ]


def _write(path: Path) -> Path:
    write_parquet(path, iter(_images()), skeleton=HAND, version="1.2.3")
    return path


def test_a_row_is_a_person_and_joints_are_lists(tmp_path: Path) -> None:
    table = pq.read_table(_write(tmp_path / "a.parquet"))
    assert table["image_id"].to_pylist() == [7, 7, 3, 9]
    assert table["person_index"].to_pylist() == [0, 1, None, 0]
    assert table["track_id"].to_pylist()[2:] == [None, None]
    keypoints = np.array(table["keypoints"].to_pylist()[1], np.float32).reshape(-1, 2)
    np.testing.assert_array_equal(keypoints, _images()[0].poses.keypoints[1])
    metadata = table.schema.metadata
    assert (metadata[b"skeleton"], metadata[b"posedistill"]) == (b"hand21", b"1.2.3")
    assert json.loads(metadata[b"joints"]) == list(HAND.joints)


def test_rows_may_come_in_any_order_and_with_more_columns(tmp_path: Path) -> None:
    table = pq.read_table(_write(tmp_path / "a.parquet"))
    mixed = table.take([3, 1, 2, 0]).append_column("note", [["good"] * 4])
    pq.write_table(mixed, tmp_path / "b.parquet")
    found = read_parquet(tmp_path / "b.parquet")
    assert [image.image_id for image in found] == [9, 7, 3]
    order = {image.image_id: image for image in found}
    assert_same_images([order[image.image_id] for image in _images()], _images())


def test_more_persons_than_a_group_come_back(tmp_path: Path) -> None:
    poses = random_poses(10, 1, "hand21")
    images = [ImagePoses(index, poses) for index in range(410)]
    write_parquet(tmp_path / "a.parquet", iter(images), skeleton=HAND, version="1.2.3")
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 2
    assert_same_images(read_parquet(tmp_path / "a.parquet"), images)


def test_a_list_of_another_length_is_refused_by_file(tmp_path: Path) -> None:
    table = pq.read_table(_write(tmp_path / "odd.parquet"))
    place = table.schema.get_field_index("scores")
    short = pa.array([[0.5], [0.5], None, [0.5]], pa.list_(pa.float32()))
    pq.write_table(table.set_column(place, "scores", short), tmp_path / "odd.parquet")
    with pytest.raises(ValueError, match=r"odd\.parquet.*found 1 values; expected a list of 21"):
        read_parquet(tmp_path / "odd.parquet")


def test_a_table_of_others_is_refused_by_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image_id": [1]}), tmp_path / "odd.parquet")
    with pytest.raises(ValueError, match=r"odd\.parquet.*metadata name no skeleton"):
        read_parquet(tmp_path / "odd.parquet")
