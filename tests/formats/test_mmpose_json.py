"""MMPose JSON: the layouts that MMPose's inferencer and demos write, and ours."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.mmpose_json import read_mmpose, write_mmpose
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton
from tests.pose_images import random_poses

BODY = Skeleton.get("coco17")
PERSON: dict[str, Any] = {  # as split_instances gives it: the box is in a list of its own
    "keypoints": [[float(k), 2.0 * k] for k in range(17)],
    "keypoint_scores": [0.5] * 17,
    "bbox": [[1.0, 2.0, 3.0, 4.0]],
    "bbox_score": 0.75,
}
FRAMES = [{"frame_id": 1, "instances": [PERSON]}, {"frame_id": 2, "instances": []}]
META = {"dataset_name": "coco", "num_keypoints": 17}
LAYOUTS: dict[str, tuple[Any, list[tuple[int, int]]]] = {
    "demo, video": ({"meta_info": META, "instance_info": FRAMES}, [(1, 1), (2, 0)]),
    "demo, photo": ({"meta_info": META, "instance_info": [PERSON, PERSON]}, [(0, 2)]),
    "inferencer, video": (FRAMES, [(1, 1), (2, 0)]),
    "inferencer, photo": ([PERSON], [(0, 1)]),
    "inferencer, photo of nobody": ([], [(0, 0)]),
}


def _file(tmp_path: Path, record: object) -> Path:
    (tmp_path / "odd.json").write_text(json.dumps(record))
    return tmp_path / "odd.json"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_of_mmpose_is_read(tmp_path: Path, layout: str) -> None:
    record, wanted = LAYOUTS[layout]
    images = read_mmpose(_file(tmp_path, record))
    assert [(image.image_id, len(image.poses)) for image in images] == wanted
    for person in images[0].poses:
        assert person.skeleton is BODY
        assert person.keypoints[0, 3].tolist() == [3, 6]
        assert person.boxes_xyxy.tolist() == [[1, 2, 3, 4]]
        assert (person.box_scores.tolist(), person.scores[0, 0]) == ([0.75], 0.5)


def test_a_box_may_stand_alone_or_be_missing(tmp_path: Path) -> None:
    bare = {key: PERSON[key] for key in ("keypoints", "keypoint_scores")}
    (image,) = read_mmpose(_file(tmp_path, [PERSON | {"bbox": [1, 2, 3, 4]}, bare]))
    assert image.poses.boxes_xyxy.tolist() == [[1, 2, 3, 4], [0, 0, 16, 32]]
    assert image.poses.box_scores.tolist() == [0.75, 1]


def test_a_file_has_the_entries_of_mmpose(tmp_path: Path) -> None:
    images = [ImagePoses(4, random_poses(1, 1, "coco17")), ImagePoses(5, Poses.empty(BODY))]
    write_mmpose(tmp_path / "a.json", images, skeleton=BODY, version="1.2.3")
    record = json.loads((tmp_path / "a.json").read_text())
    assert record["meta_info"]["keypoint_id2name"]["9"] == "left_wrist"
    assert record["meta_info"]["posedistill"] == "1.2.3"
    (person,) = record["instance_info"][0]["instances"]
    assert set(person) == set(PERSON)
    assert np.shape(person["keypoints"]) == (17, 2)
    assert np.shape(person["bbox"]) == (1, 4)
    assert record["instance_info"][1] == {"frame_id": 5, "instances": []}


CHANGES: dict[str, tuple[Any, str]] = {
    "word": ("none", "found 'none'; expected an object"),
    "annotations": ({"images": []}, "'instance_info' is missing"),
    "keypoints": (
        [PERSON, PERSON | {"keypoints": [[1, 2]]}],
        "frame 0: found 1 values; expected.* 17",
    ),
    "skeleton": ([PERSON | {"keypoints": [[1, 2]] * 5}], "persons have 5 keypoints"),
    "frame": ([{"instances": []}], "'frame_id' is missing"),
    "twice": ([FRAMES[0], FRAMES[0]], "image 1 comes twice"),
}


@pytest.mark.parametrize(("record", "message"), CHANGES.values(), ids=CHANGES)
def test_another_file_is_refused_by_name(tmp_path: Path, record: object, message: str) -> None:
    with pytest.raises(ValueError, match=rf"odd\.json is no MMPose file: .*{message}"):
        read_mmpose(_file(tmp_path, record))
