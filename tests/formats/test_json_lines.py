"""JSON lines: appended to, cut off anywhere, joined, and always read as far as lines are whole."""

import json
import logging
from pathlib import Path

import pytest

from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.json_lines import JsonLines, iterate_jsonl, read_jsonl, write_jsonl
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton
from tests.pose_images import assert_same_images, random_poses, tracked

HAND = Skeleton.get("hand21")


def _images() -> list[ImagePoses]:
    return [
        ImagePoses(0, tracked(random_poses(1, 1, "hand21")), "ü.jpg", (640, 480)),
        ImagePoses(1, Poses.empty(HAND), "b.jpg"),
        ImagePoses(2, random_poses(2, 2, "hand21"), "c.jpg"),
    ]


def _append(path: Path, *images: ImagePoses) -> None:
    with JsonLines(path, skeleton=HAND, version="1.2.3") as lines:
        for image in images:
            lines.write(image)


def test_a_line_is_an_image_that_says_all_of_itself(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", _images(), skeleton=HAND, version="1.2.3")
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["image_id"] for record in records] == [0, 1, 2]
    assert {(record["skeleton"], record["posedistill"]) for record in records} == {
        ("hand21", "1.2.3")
    }
    assert [len(record["persons"]) for record in records] == [1, 0, 2]
    assert len(records[2]["persons"][1]["keypoints"]) == 21


def test_appending_gives_the_file_that_writing_gives(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "whole.jsonl", _images(), skeleton=HAND, version="1.2.3")
    for image in _images():
        _append(tmp_path / "a.jsonl", image)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_a_line_is_in_the_file_before_it_is_closed(tmp_path: Path) -> None:
    with JsonLines(tmp_path / "a.jsonl", skeleton=HAND, version="1.2.3") as lines:
        for count, image in enumerate(_images(), 1):
            lines.write(image)
            assert len(read_jsonl(tmp_path / "a.jsonl")) == count


def test_files_can_be_joined(tmp_path: Path) -> None:
    first, *others = _images()
    _append(tmp_path / "1.jsonl", first)
    _append(tmp_path / "2.jsonl", *others)
    joined = b"\n".join((tmp_path / f"{part}.jsonl").read_bytes() for part in (1, 2))
    (tmp_path / "all.jsonl").write_bytes(joined)
    assert_same_images(read_jsonl(tmp_path / "all.jsonl"), _images())


def _whole_lines(content: bytes) -> int:
    """Count by another way: all lines with an end, and a last one that only lacks the end."""
    lines = content.split(b"\n")
    return len(lines) - 1 + lines[-1].endswith(b"]}")


@pytest.mark.parametrize("left", [0, 1, 300, 2000, -300, -2, -1])
def test_a_file_cut_off_anywhere_is_read_and_gone_on_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, left: int
) -> None:
    path = tmp_path / "a.jsonl"
    _append(path, *_images())
    content = path.read_bytes()[:left]
    count = _whole_lines(content)
    is_whole = content.endswith((b"\n", b"]}")) or not content
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert_same_images(read_jsonl(path), _images()[:count])
    assert ("last line is not finished" in caplog.text) == (not is_whole)
    _append(path, *_images()[count:])
    assert_same_images(read_jsonl(path), _images())


def test_an_unfinished_line_longer_than_a_block_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    _append(path, _images()[0])
    with path.open("ab") as file:
        file.write(b'{"image_id": 5, "persons": [' + b"1, " * 100_000)
    _append(path, _images()[1])
    assert_same_images(read_jsonl(path), _images()[:2])


def test_an_odd_line_that_is_not_the_last_is_refused_by_number(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    _append(path, *_images())
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:-10] + b"\n" + lines[2])
    with pytest.raises(ValueError, match=r"odd\.jsonl, line 2: "):
        read_jsonl(path)
    assert next(iterate_jsonl(path)).image_id == 0


def test_other_poses_are_not_appended(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="are of coco17, the file is of hand21"):
        _append(tmp_path / "a.jsonl", ImagePoses(1, random_poses(1, 1, "coco17")))
    assert (tmp_path / "a.jsonl").read_bytes() == b""
    with pytest.raises(FileNotFoundError, match="no such folder: .*none"):
        _append(tmp_path / "none" / "a.jsonl")
