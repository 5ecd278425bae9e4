"""Folders of OpenPose files: names as OpenPose gives them, ours with more, others' as they are."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.openpose_folder import read_openpose_folder, write_openpose_folder
from posedistill.formats.openpose_json import write_openpose
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton
from tests.pose_images import random_poses, tracked

WHOLE = Skeleton.get("wholebody133")


def _write(folder: Path, *images: ImagePoses) -> list[str]:
    skeleton = images[0].poses.skeleton
    write_openpose_folder(folder, images, skeleton=skeleton, version="1.2.3")
    return sorted(os.listdir(folder))


def test_photos_frames_and_nameless_images_are_called_as_openpose_calls_them(
    tmp_path: Path,
) -> None:
    nobody = Poses.empty(WHOLE)
    names = _write(
        tmp_path / "new" / "folder",
        ImagePoses(1, nobody, "some/a.jpg"),
        ImagePoses(2, nobody, "other/A.png"),
        ImagePoses(3, nobody, "clip.mp4", time_s=0.1),
        ImagePoses(4, nobody),
    )
    assert names == [
        "000000000004_keypoints.json",
        "A-2_keypoints.json",
        "a_keypoints.json",
        "clip_000000000003_keypoints.json",
    ]


def test_persons_are_those_of_a_single_file_and_the_rest_is_under_one_key(tmp_path: Path) -> None:
    poses = tracked(random_poses(2))
    (name,) = _write(tmp_path / "folder", ImagePoses(7, poses, "a.jpg", (640, 480), 0.5))
    write_openpose(tmp_path / "single.json", poses, size_wh=(640, 480))
    record = json.loads((tmp_path / "folder" / name).read_text())
    about = record.pop("posedistill")
    assert record == json.loads((tmp_path / "single.json").read_text())
    assert (about["version"], about["skeleton"]) == ("1.2.3", "wholebody133")
    assert (about["image_id"], about["file_name"], about["time_s"]) == (7, "a.jpg", 0.5)
    assert len(about["boxes_xyxy"]) == len(about["box_scores"]) == 2


def test_the_files_of_others_are_counted_by_name(tmp_path: Path) -> None:
    poses = random_poses(3)
    for name, n in (("b", 2), ("a", 1)):
        write_openpose(tmp_path / f"{name}.json", poses[:n], size_wh=(640, 480))
    first, second = read_openpose_folder(tmp_path)
    assert [(image.image_id, len(image.poses)) for image in (first, second)] == [(1, 1), (2, 2)]
    assert (first.file_name, first.size_wh, first.time_s) == (None, (640, 480), None)
    assert first.poses.skeleton is WHOLE


def test_files_of_two_runs_are_refused(tmp_path: Path) -> None:
    _write(tmp_path, ImagePoses(1, Poses.empty(WHOLE), "a.jpg"))
    _write(tmp_path, ImagePoses(1, Poses.empty(WHOLE), "b.jpg"))
    with pytest.raises(ValueError, match="two files are of the same image_id"):
        read_openpose_folder(tmp_path)


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no \.json files"):
        read_openpose_folder(tmp_path)


CHANGES: dict[str, tuple[Any, str]] = {
    "skeleton": ("octopus", "unknown skeleton 'octopus'"),
    "boxes_xyxy": ([[1, 2, 3, 4]], "found 1 values; expected a list of 2"),
    "image_id": (True, "'image_id' is True; expected a whole number"),
}


@pytest.mark.parametrize("key", CHANGES)
def test_an_odd_entry_of_ours_is_refused_by_file(tmp_path: Path, key: str) -> None:
    (name,) = _write(tmp_path, ImagePoses(1, random_poses(2), "odd.jpg"))
    record = json.loads((tmp_path / name).read_text())
    record["posedistill"][key] = CHANGES[key][0]
    (tmp_path / name).write_text(json.dumps(record))
    with pytest.raises(ValueError, match=rf"odd_keypoints\.json: .*{CHANGES[key][1]}"):
        read_openpose_folder(tmp_path)
