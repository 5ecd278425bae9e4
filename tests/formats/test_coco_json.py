import json
import os
from pathlib import Path

import numpy as np
import pytest

from posedistill.formats.coco_json import (
    ImagePoses,
    read_annotations,
    write_annotations,
)
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

WHOLE = Skeleton.get("wholebody133")


def _random_poses(n: int, seed: int = 0) -> Poses:
    rng = np.random.default_rng(seed)
    low = rng.uniform(-50, 500, (n, 2))
    boxes = np.concatenate([low, low + rng.uniform(1, 900, (n, 2))], axis=1)
    return Poses(
        keypoints=rng.uniform(-100, 4000, (n, 133, 2)).astype(np.float32),
        scores=rng.normal(0.4, 0.4, (n, 133)).astype(np.float32),
        boxes_xyxy=boxes.astype(np.float32),
        box_scores=rng.uniform(0, 1, n).astype(np.float32),
        skeleton=WHOLE,
    )


def _images() -> list[ImagePoses]:
    return [
        ImagePoses(7, _random_poses(2), "a.jpg", (640, 480)),
        ImagePoses(3, Poses.empty(WHOLE), "empty.jpg", (10, 20)),
        ImagePoses(9, _random_poses(1, seed=1), "ü/b.png", (4000, 3000)),
    ]


def _assert_equal(first: Poses, second: Poses) -> None:
    for name in ("keypoints", "scores", "boxes_xyxy", "box_scores"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_annotations_read_back_exactly_with_the_images_without_persons(tmp_path: Path) -> None:
    write_annotations(tmp_path / "poses.json", _images(), skeleton=WHOLE, version="1.2.3")
    read = read_annotations(tmp_path / "poses.json")
    for image, original in zip(read, _images(), strict=True):
        assert (image.image_id, image.file_name) == (original.image_id, original.file_name)
        assert image.size_wh == original.size_wh
        _assert_equal(image.poses, original.poses)


def test_an_annotation_file_names_joints_links_skeleton_and_version(tmp_path: Path) -> None:
    write_annotations(tmp_path / "poses.json", _images(), skeleton=WHOLE, version="1.2.3")
    record = json.loads((tmp_path / "poses.json").read_text())
    (category,) = record["categories"]
    assert record["info"]["skeleton"] == "wholebody133"
    assert record["info"]["posedistill"] == "1.2.3"
    assert category["keypoints"][:2] == ["nose", "left_eye"]
    assert [16, 14] in category["skeleton"]  # left ankle to left knee, counted from 1
    assert min(map(min, category["skeleton"])) == 1
    assert record["images"][0] == {"id": 7, "file_name": "a.jpg", "width": 640, "height": 480}


def test_annotations_mark_each_joint_as_seen_or_not_and_count_them(tmp_path: Path) -> None:
    image = _images()[0]
    write_annotations(tmp_path / "poses.json", [image], skeleton=WHOLE, version="1.2.3")
    persons = json.loads((tmp_path / "poses.json").read_text())["annotations"]
    assert [person["id"] for person in persons] == [1, 2]
    for person, scores in zip(persons, image.poses.scores, strict=True):
        assert person["keypoints"][2::3] == np.where(scores > 0, 2, 0).tolist()
        assert person["num_keypoints"] == (scores > 0).sum()
        assert person["area"] == pytest.approx(person["bbox"][2] * person["bbox"][3], abs=1e-3)


def test_a_pose_that_is_not_finite_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    poses = _random_poses(1)
    poses.scores[0, 4] = np.nan
    image = ImagePoses(1, poses, "a.jpg")
    with pytest.raises(ValueError, match=r"image a\.jpg: a pose is not finite"):
        write_annotations(tmp_path / "poses.json", [image], skeleton=WHOLE, version="1")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "text", ["[]", '{"info": {}}', '{"info": {"skeleton": "octopus"}}'], ids=["list", "bare", "odd"]
)
def test_an_annotation_file_of_others_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(ValueError, match=r"odd\.json is no posedistill annotation file"):
        read_annotations(tmp_path / "odd.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        read_annotations(tmp_path / "none.json")
