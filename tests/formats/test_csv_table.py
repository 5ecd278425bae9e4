"""CSV: what other programs see, and what they may do to a file before we read it again."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posedistill.formats.csv_table import read_csv, write_csv
from posedistill.formats.image_poses import ImagePoses
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton
from tests.pose_images import assert_same_images, random_poses, tracked

BODY = Skeleton.get("coco17")


def _images() -> list[ImagePoses]:
    return [
        ImagePoses(0, Poses.empty(BODY), "clip.mp4", (640, 480), 0.0),
        ImagePoses(1, tracked(random_poses(2, 1, "coco17")), "clip.mp4", (640, 480), 1 / 30),
        ImagePoses(2, tracked(random_poses(1, 2, "coco17")), "clip.mp4", (640, 480), 2 / 30),
    ]


def _written(path: Path) -> list[list[str]]:
    write_csv(path, _images(), skeleton=BODY, version="1.2.3")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def _rewritten(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def test_a_row_is_a_person_and_its_columns_are_named_by_joint(tmp_path: Path) -> None:
    header, nobody, first, second, third = _written(tmp_path / "a.csv")
    poses = _images()[1].poses
    assert header[:7] == [
        *("skeleton", "posedistill", "image_id", "file_name", "width", "height", "time_s")
    ]
    row = dict(zip(header, second, strict=True))
    assert row["skeleton"] == "coco17"
    assert (row["person_index"], row["image_id"], row["time_s"]) == ("1", "1", repr(1 / 30))
    assert np.float32(row["left_wrist_y"]) == poses.keypoints[1, 9, 1]
    assert np.float32(row["left_wrist_score"]) == poses.scores[1, 9]
    assert np.float32(row["box_x2"]) == poses.boxes_xyxy[1, 2]
    assert poses.raw_keypoints is not None
    assert np.float32(row["left_wrist_raw_x"]) == poses.raw_keypoints[1, 9, 0]
    assert (first[7], third[7]) == ("0", "0")
    assert set(nobody[7:]) == {""}


def test_rows_may_come_in_any_order(tmp_path: Path) -> None:
    header, nobody, first, second, third = _written(tmp_path / "a.csv")
    found = read_csv(_rewritten(tmp_path / "a.csv", [header, third, second, nobody, first]))
    assert_same_images(sorted(found, key=lambda image: image.image_id), _images())
    assert [image.image_id for image in found] == [2, 1, 0]


def test_what_a_spreadsheet_does_to_a_file_is_read(tmp_path: Path) -> None:
    """It adds a mark, a column and an empty line, moves columns and makes 7.0 of 7."""
    rows = _written(tmp_path / "a.csv")
    place = rows[0].index("track_id")
    for row in rows[1:]:
        row[place] = f"{row[place]}.0" if row[place] else ""
    rows = [["\ufeffnote" if row is rows[0] else "good", *row[::-1]] for row in rows]
    assert_same_images(read_csv(_rewritten(tmp_path / "a.csv", [*rows, []])), _images())


def test_without_raw_keypoints_there_are_no_columns_for_them(tmp_path: Path) -> None:
    images = [ImagePoses(1, random_poses(1, 1, "coco17"))]
    write_csv(tmp_path / "a.csv", images, skeleton=BODY, version="1.2.3")
    header = (tmp_path / "a.csv").read_text().splitlines()[0].split(",")
    assert len(header) == 14 + 3 * 17


def test_raw_keypoints_that_come_late_are_refused(tmp_path: Path) -> None:
    plain = replace(_images()[1], image_id=5, poses=random_poses(1, 1, "coco17"))
    with pytest.raises(ValueError, match=r"image clip\.mp4 has raw keypoints and the first"):
        write_csv(tmp_path / "a.csv", [plain, _images()[2]], skeleton=BODY, version="1.2.3")
    write_csv(tmp_path / "a.csv", [_images()[2], plain], skeleton=BODY, version="1.2.3")
    assert_same_images(read_csv(tmp_path / "a.csv"), [_images()[2], plain])


@pytest.mark.parametrize("name", ["a\rb.jpg", "a\udc80.jpg"], ids=["line break", "no text"])
def test_a_file_name_that_is_no_line_of_text_is_refused(tmp_path: Path, name: str) -> None:
    images = [ImagePoses(1, Poses.empty(BODY), name)]
    with pytest.raises(ValueError, match=r"the file name .* is no line of text"):
        write_csv(tmp_path / "a.csv", images, skeleton=BODY, version="1.2.3")


CHANGES = {
    "image_id": ("", "line 3: image_id is empty"),
    "person_index": ("0", "image 1 has two persons of index 0"),
    "width": ("", "line 4: one of width and height is empty"),
    "box_x1": ("", "line 4: could not convert"),
    "box_y1": ("nan", "line 4: found nan; expected a finite number"),
    "track_id": ("1.5", "line 4: track_id is '1.5'; expected a whole number"),
    "file_name": ("b.mp4", "the rows of image 1 do not agree"),
    "skeleton": ("octopus", "line 4: unknown skeleton 'octopus'"),
}


@pytest.mark.parametrize("column", CHANGES)
def test_an_odd_cell_is_refused_by_file_and_line(tmp_path: Path, column: str) -> None:
    value, message = CHANGES[column]
    rows = _written(tmp_path / "odd.csv")
    rows[2 if column == "image_id" else 3][rows[0].index(column)] = value
    with pytest.raises(ValueError, match=rf"odd\.csv: .*{message}"):
        read_csv(_rewritten(tmp_path / "odd.csv", rows))


def test_another_table_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("image_id,x,y\n1,2,3\n")
    with pytest.raises(ValueError, match=r"odd\.csv: .*no column skeleton, posedistill, .* more"):
        read_csv(tmp_path / "odd.csv")
    rows = _written(tmp_path / "odd.csv")
    _rewritten(tmp_path / "odd.csv", [row[:-1] if row is rows[2] else row for row in rows])
    with pytest.raises(ValueError, match=r"line 3: it has 98 columns; the header has 99"):
        read_csv(tmp_path / "odd.csv")


def test_pandas_reads_the_numbers(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    write_csv(tmp_path / "a.csv", _images(), skeleton=BODY, version="1.2.3")
    table = pandas.read_csv(tmp_path / "a.csv")
    persons = table.dropna(subset=["person_index"])
    assert persons["image_id"].tolist() == [1, 1, 2]
    wanted = np.concatenate([image.poses.keypoints[:, 9, 0] for image in _images()])
    np.testing.assert_array_equal(persons["left_wrist_x"].to_numpy(np.float32), wanted)
