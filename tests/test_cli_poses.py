"""`posedistill poses convert`: any format in, any format out."""

import argparse
from pathlib import Path

import pytest

from posedistill import __version__
from posedistill.cli_poses import add_poses
from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.table import FORMATS
from posedistill.skeleton import Skeleton
from tests.pose_images import assert_same_images, random_poses, tracked

WHOLE = Skeleton.get("wholebody133")


def _run(*words: str | Path) -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_poses(parser.add_subparsers(required=True))
    arguments = parser.parse_args(["poses", "convert", *map(str, words)])
    return int(arguments.run(arguments))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "poses.json"
    FORMATS["coco"].write(path, _images(), skeleton=WHOLE, version="1.2.3")
    return path


def _images() -> list[ImagePoses]:
    return [ImagePoses(4, tracked(random_poses(2)), "a.jpg", (640, 480), 0.5)]


@pytest.mark.parametrize("name", ["mmpose", "csv", "npz", "jsonl"])
def test_the_suffixes_say_the_formats(
    source: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"other{FORMATS[name].suffix}"
    assert _run(source, "--out", out) == 0
    assert_same_images(FORMATS[name].read(out), _images(), are_boxes_exact=False)
    line = f"1 image, 2 persons, wholebody133: {out} ({name})"
    assert capsys.readouterr().out == f"{line}\n"


def test_formats_can_be_said(source: Path, tmp_path: Path) -> None:
    _run(source, "--out", tmp_path / "a.txt", "--to", "csv")
    _run(tmp_path / "a.txt", "--from", "csv", "--out", tmp_path / "b.txt", "--to", "jsonl")
    found = FORMATS["jsonl"].read(tmp_path / "b.txt")
    assert_same_images(found, _images(), are_boxes_exact=False)
    assert f'"posedistill": "{__version__}"' in (tmp_path / "b.txt").read_text()


def test_a_folder_is_openpose(source: Path, tmp_path: Path) -> None:
    assert _run(source, "--out", tmp_path / "folder") == 0
    assert _run(tmp_path / "folder", "--out", tmp_path / "b.csv") == 0
    (image,) = FORMATS["csv"].read(tmp_path / "b.csv")
    assert (image.image_id, image.file_name, len(image.poses)) == (4, "a.jpg", 2)


def test_joints_are_rearranged_as_poses_do_it(source: Path, tmp_path: Path) -> None:
    _run(source, "--out", tmp_path / "a.npz", "--skeleton", "openpose25")
    (image,) = FORMATS["npz"].read(tmp_path / "a.npz")
    (wanted,) = _images()
    assert image.poses.skeleton.name == "openpose25"
    assert image.poses.keypoints.tolist() == wanted.poses.to("openpose25").keypoints.tolist()


def test_what_is_read_is_never_overwritten(source: Path) -> None:
    before = source.read_bytes()
    with pytest.raises(ValueError, match="would overwrite what is read"):
        _run(source, "--out", source, "--to", "csv")
    assert source.read_bytes() == before


def test_a_file_of_no_images_needs_the_name_of_a_skeleton(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").touch()
    with pytest.raises(ValueError, match=r"none\.jsonl holds no images.*by --skeleton"):
        _run(tmp_path / "none.jsonl", "--out", tmp_path / "a.json")
    _run(tmp_path / "none.jsonl", "--out", tmp_path / "a.json", "--skeleton", "coco17")
    assert FORMATS["coco"].read(tmp_path / "a.json") == []


def test_a_misspelt_skeleton_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown skeleton 'cocos'"):
        _run(tmp_path / "none.csv", "--out", tmp_path / "a.json", "--skeleton", "cocos")
