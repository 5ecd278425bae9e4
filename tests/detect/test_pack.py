"""Packs: what is read from annotations, and what comes back from the file."""

import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from posedistill.detect.pack import (
    PackPlan,
    background_pictures,
    decode,
    load_pack,
    people_pictures,
    read_photos,
    save_pack,
)
from posedistill.media import write_image
from tests.detect.pictures import empty_picture, green_person


def _annotated(folder: Path, boxes_xywh: list[list[float]], *, is_crowd: int = 0) -> Path:
    """Write one photo of 80x40 pixels in a folder `street`, and its labels."""
    (folder / "street").mkdir()
    write_image(folder / "street" / "one.png", np.full((40, 80, 3), 99, np.uint8))
    image = {"id": 7, "file_name": "street/one.png", "width": 80, "height": 40}
    people = [
        {"image_id": 7, "bbox": box, "iscrowd": is_crowd, "keypoints": [0] * 51}
        for box in boxes_xywh
    ]
    record = {"images": [image], "annotations": people}
    (folder / "labels.json").write_text(json.dumps(record))
    return folder / "labels.json"


def test_boxes_shrink_with_their_picture(tmp_path: Path) -> None:
    labels = _annotated(tmp_path, [[10, 4, 20, 30], [60, 0, 30, 20]])
    (picture,) = people_pictures(labels, tmp_path, plan=PackPlan(side=40))
    assert decode(picture).shape == (20, 40, 3)
    # The second is cut at the side of the picture.
    assert picture.boxes_xyxy.tolist() == [[5, 2, 15, 17], [30, 0, 40, 10]]
    assert (picture.source, picture.is_complete, picture.mask) == ("street", False, b"")


def test_close_ups_without_a_box_of_their_own_are_left_out(tmp_path: Path) -> None:
    labels = _annotated(tmp_path, [[0, 0, 80, 40]])
    assert read_photos(labels, tmp_path) == {}
    assert list(read_photos(labels, tmp_path, is_complete=True)) == ["street"]


def test_crowds_are_nobody(tmp_path: Path) -> None:
    labels = _annotated(tmp_path, [[0, 0, 80, 20]], is_crowd=1)
    (photo,) = read_photos(labels, tmp_path)["street"]
    assert len(photo.boxes_xyxy) == 0


def test_another_json_file_holds_no_labels(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"images": 3}')
    with pytest.raises(ValueError, match="as COCO's"):
        read_photos(tmp_path / "settings.json", tmp_path)


def test_labels_without_a_box_are_named(tmp_path: Path) -> None:
    labels = _annotated(tmp_path, [[10, 4, 20, 30]])
    labels.write_text(labels.read_text().replace("bbox", "box"))
    with pytest.raises(ValueError, match=r"labels.json.*'bbox'"):
        read_photos(labels, tmp_path)


def test_of_many_pictures_some_are_taken_evenly(tmp_path: Path) -> None:
    for index in range(9):
        write_image(tmp_path / f"{index}.png", np.full((8, 8, 3), 25 * index, np.uint8))
    rows = list(background_pictures(tmp_path, plan=PackPlan(most={"backgrounds": 3})))
    assert [int(decode(row).mean().round(-1)) for row in rows] == [0, 100, 200]
    assert all(row.is_complete for row in rows)


def test_a_pack_gives_back_what_went_in(tmp_path: Path) -> None:
    rows = [empty_picture(), green_person(has_mask=True), green_person(width=8)]
    assert save_pack(tmp_path / "some.npz", rows) == 3
    for row, back in zip(rows, load_pack(tmp_path / "some.npz"), strict=True):
        for wanted, got in zip(astuple(row), astuple(back), strict=True):
            np.testing.assert_array_equal(wanted, got)


def test_an_empty_pack_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no pictures"):
        save_pack(tmp_path / "none.npz", [])


def test_another_file_is_no_pack(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", boxes=np.zeros(3))
    with pytest.raises(ValueError, match="is no pack"):
        load_pack(tmp_path / "other.npz")
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(ValueError, match="is no pack"):
        load_pack(tmp_path / "text.npz")
