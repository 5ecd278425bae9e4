import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posedistill.draw.controlnet import controlnet
from posedistill.formats.openpose_json import read_openpose, write_openpose
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

WHOLE = Skeleton.get("wholebody133")
SIZE_WH = (640, 480)
FOOT = WHOLE.groups["foot"]
ZEROS = [0.0, 0.0, 0.0]
Bodies = Literal[18, 25]
every_body = pytest.mark.parametrize("body", [18, 25])


def _poses(n: int, seed: int = 0) -> Poses:
    """Give persons of whom about a third of the joints are absent, by a score of 0 or less."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(-0.5, 1.0, (n, 133)).astype(np.float32)
    scores[rng.random((n, 133)) < 0.1] = 0
    low = rng.uniform(-50, 500, (n, 2))
    return Poses(
        keypoints=rng.uniform(-100, 4000, (n, 133, 2)).astype(np.float32),
        scores=scores,
        boxes_xyxy=np.concatenate([low, low + 100], axis=1).astype(np.float32),
        box_scores=rng.uniform(0, 1, n).astype(np.float32),
        skeleton=WHOLE,
    )


def _written(path: Path, poses: Poses, body: Bodies = 25, min_score: float = 0.0) -> Any:
    write_openpose(path, poses, size_wh=SIZE_WH, body=body, min_score=min_score)
    return json.loads(path.read_text())


def _triplets(person: dict[str, list[float]], name: str) -> list[list[float]]:
    flat = person[f"{name}_keypoints_2d"]
    return [flat[start : start + 3] for start in range(0, len(flat), 3)]


def _file(tmp_path: Path, people: object, **others: object) -> Path:
    (tmp_path / "odd.json").write_text(json.dumps({"people": people, **others}))
    return tmp_path / "odd.json"


@every_body
def test_what_the_format_can_hold_reads_back_exactly(tmp_path: Path, body: Bodies) -> None:
    poses = _poses(4)
    write_openpose(tmp_path / "a.json", poses, size_wh=SIZE_WH, body=body)
    read = read_openpose(tmp_path / "a.json")
    is_held = poses.scores > 0  # absent joints lose place and score, 18 joints have no feet
    if body == 18:
        is_held[:, FOOT] = False
    assert read.size_wh == SIZE_WH
    assert read.poses.skeleton is WHOLE
    np.testing.assert_array_equal(read.poses.scores, np.where(is_held, poses.scores, 0))
    np.testing.assert_array_equal(
        read.poses.keypoints, np.where(is_held[..., None], poses.keypoints, 0)
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(x=st.floats(width=32, allow_nan=False, allow_infinity=False), score=st.floats(width=32))
def test_every_number_comes_back_as_itself_or_the_pose_is_refused(
    tmp_path: Path, x: float, score: float
) -> None:
    poses = _poses(1)
    poses.keypoints[0, 99, 0], poses.scores[0, 99] = x, score
    if not np.isfinite(score):
        with pytest.raises(ValueError, match="person 0 is not finite"):
            write_openpose(tmp_path / "a.json", poses, size_wh=SIZE_WH)
        return
    write_openpose(tmp_path / "a.json", poses, size_wh=SIZE_WH)
    read = read_openpose(tmp_path / "a.json").poses
    assert read.scores[0, 99] == max(score, 0)
    assert read.keypoints[0, 99, 0] == (x if score > 0 else 0)


def test_boxes_are_the_extents_of_the_present_joints(tmp_path: Path) -> None:
    poses = _poses(3)
    poses.scores[1] = 0
    write_openpose(tmp_path / "a.json", poses, size_wh=SIZE_WH)
    read = read_openpose(tmp_path / "a.json").poses
    present = poses.keypoints[0][poses.scores[0] > 0]
    assert read.boxes_xyxy[0].tolist() == [*present.min(axis=0), *present.max(axis=0)]
    assert read.boxes_xyxy[1].tolist() == [0, 0, 0, 0]
    assert read.box_scores.tolist() == [1, 1, 1]


def test_a_file_has_the_keys_and_lengths_of_the_format(tmp_path: Path) -> None:
    record = _written(tmp_path / "a.json", _poses(1))
    (person,) = record["people"]
    assert record["version"] == 1.3
    assert (record["canvas_width"], record["canvas_height"]) == SIZE_WH
    assert {key: len(values) for key, values in person.items()} == {
        "person_id": 1,
        "pose_keypoints_2d": 75,
        "face_keypoints_2d": 210,
        "hand_left_keypoints_2d": 63,
        "hand_right_keypoints_2d": 63,
        "pose_keypoints_3d": 0,
        "face_keypoints_3d": 0,
        "hand_left_keypoints_3d": 0,
        "hand_right_keypoints_3d": 0,
    }


def test_each_part_stands_where_the_format_has_it(tmp_path: Path) -> None:
    poses = _poses(1)
    poses.keypoints[0] = np.arange(266).reshape(133, 2)
    poses.scores[:] = 0.5
    (person,) = _written(tmp_path / "a.json", poses)["people"]
    pose, face = _triplets(person, "pose"), _triplets(person, "face")
    assert pose[0] == [0, 1, 0.5]  # nose
    assert pose[1] == [11, 12, 0.5]  # neck, between the joints 5 and 6
    assert pose[4] == [20, 21, 0.5]  # right wrist, joint 10
    assert pose[8] == [23, 24, 0.5]  # mid hip, between 11 and 12
    assert pose[19] == [34, 35, 0.5]  # left big toe, joint 17
    assert pose[24] == [44, 45, 0.5]  # right heel, joint 22
    assert face[0] == [46, 47, 0.5]
    assert face[68:] == [pose[15], pose[16]]  # right and left pupil: the eyes
    assert _triplets(person, "hand_left")[0] == [182, 183, 0.5]
    assert _triplets(person, "hand_right")[20] == [264, 265, 0.5]


def test_the_body_of_18_joints_has_neither_mid_hip_nor_feet(tmp_path: Path) -> None:
    poses = _poses(1)
    poses.scores[:] = 0.5
    (person,) = _written(tmp_path / "a.json", poses, 18)["people"]
    pose = _triplets(person, "pose")
    assert len(pose) == 18
    assert pose[8] == [*poses.keypoints[0, 12], 0.5]  # right hip
    assert pose[17] == [*poses.keypoints[0, 3], 0.5]  # left ear


def test_a_middle_with_one_end_absent_is_absent(tmp_path: Path) -> None:
    poses = _poses(1)
    poses.scores[:] = 0.5
    poses.scores[0, [5, 12]] = 0.1, -1
    (person,) = _written(tmp_path / "a.json", poses, 25, min_score=0.2)["people"]
    pose = _triplets(person, "pose")
    assert pose[1] == pose[5] == pose[8] == pose[9] == ZEROS
    assert pose[2] == [*poses.keypoints[0, 6], 0.5]


def test_joints_below_the_least_score_are_absent_and_those_with_it_are_not(tmp_path: Path) -> None:
    poses = _poses(1)
    poses.scores[:] = 0.25
    poses.scores[0, :3] = 0.125
    write_openpose(tmp_path / "a.json", poses, size_wh=SIZE_WH, min_score=0.25)
    read = read_openpose(tmp_path / "a.json").poses
    assert read.scores[0].tolist() == [0] * 3 + [0.25] * 130


def test_a_negative_least_score_shows_no_absent_joint(tmp_path: Path) -> None:
    poses = _poses(1)
    poses.scores[:] = -0.25
    (person,) = _written(tmp_path / "a.json", poses, 25, min_score=-1)["people"]
    assert not any(person["pose_keypoints_2d"])


def test_a_skeleton_without_face_and_hands_gives_empty_lists(tmp_path: Path) -> None:
    poses = _poses(2).to("coco17")
    (person, _) = _written(tmp_path / "a.json", poses)["people"]
    assert person["face_keypoints_2d"] == person["hand_left_keypoints_2d"] == []
    read = read_openpose(tmp_path / "a.json").poses
    np.testing.assert_array_equal(read.scores[:, :17], np.maximum(poses.scores, 0))
    assert not read.scores[:, 17:].any()


def test_no_persons_are_no_persons_again(tmp_path: Path) -> None:
    assert _written(tmp_path / "a.json", Poses.empty(WHOLE))["people"] == []
    read = read_openpose(tmp_path / "a.json")
    assert len(read.poses) == 0
    assert (read.poses.ids, read.size_wh) == (None, SIZE_WH)


@pytest.mark.parametrize(
    ("ids", "expected"), [([7, 0], [7, 0]), (None, None), ([3, -1], None)], ids=str
)
def test_track_ids_come_back_where_every_person_has_one(
    tmp_path: Path, ids: list[int] | None, expected: list[int] | None
) -> None:
    poses = replace(_poses(2), ids=None if ids is None else np.array(ids))
    record = _written(tmp_path / "a.json", poses)
    assert [person["person_id"] for person in record["people"]] == [[i] for i in ids or (-1, -1)]
    read = read_openpose(tmp_path / "a.json").poses.ids
    assert (read if read is None else read.tolist()) == expected


@pytest.mark.parametrize("others", [{}, {"face_keypoints_2d": []}, {"face_keypoints_2d": None}])
def test_parts_that_a_file_lacks_are_absent(tmp_path: Path, others: dict[str, object]) -> None:
    file = _file(tmp_path, [{"pose_keypoints_2d": [10.0, 20.0, 0.5] * 18, **others}])
    read = read_openpose(file)
    assert read.size_wh is None
    assert read.poses.scores[0].tolist() == [0.5] * 17 + [0.0] * 116
    assert read.poses.boxes_xyxy.tolist() == [[10, 20, 10, 20]]


@pytest.mark.parametrize("count", [68, 70])
def test_a_face_is_read_with_and_without_pupils(tmp_path: Path, count: int) -> None:
    face = [float(number) for number in range(1, 1 + 3 * count)]
    file = _file(tmp_path, [{"pose_keypoints_2d": [], "face_keypoints_2d": face}])
    points = read_openpose(file).poses.keypoints[0, WHOLE.groups["face"]]
    assert points.tolist() == np.reshape(face, (-1, 3))[:68, :2].tolist()


def test_what_is_absent_in_a_file_is_drawn_nowhere(tmp_path: Path) -> None:
    poses = _poses(1)
    poses.scores[:] = 0
    poses.keypoints[0, 0], poses.scores[0, 0] = (300, 200), 1
    write_openpose(tmp_path / "a.json", poses, size_wh=SIZE_WH)
    read = read_openpose(tmp_path / "a.json").poses
    rows, columns = np.nonzero(controlnet(read, SIZE_WH).any(axis=-1))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (196, 204, 296, 304)


def test_a_list_of_one_image_is_that_image(tmp_path: Path) -> None:
    record = _written(tmp_path / "a.json", _poses(2))
    (tmp_path / "list.json").write_text(json.dumps([record]))
    assert len(read_openpose(tmp_path / "list.json").poses) == 2


def test_a_list_of_several_images_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text('[{"people": []}, {"people": []}]')
    with pytest.raises(ValueError, match=r"list\.json holds a list of 2 images.*file of its own"):
        read_openpose(tmp_path / "list.json")


POSE = [1.0, 2.0, 0.5] * 25
ODD_PERSONS: dict[str, tuple[object, str]] = {
    "no object": (3, "is a int; expected an object"),
    "old names": ({"pose_keypoints": POSE}, "has no 'pose_keypoints_2d'; it has"),
    "19 joints": ({"pose_keypoints_2d": [1.0] * 57}, "has 57 numbers; expected a list of 54 or 75"),
    "text": ({"pose_keypoints_2d": "none"}, "has str; expected a list"),
    "word": ({"pose_keypoints_2d": ["1", *POSE[1:]]}, "no finite number"),
    "truth": ({"pose_keypoints_2d": [True, *POSE[1:]]}, "no finite number"),
    "pairs": ({"pose_keypoints_2d": [[1, 2]] * 75}, "no finite number"),
    "infinite": ({"pose_keypoints_2d": [1e39, *POSE[1:]]}, "no finite number"),
    "huge": ({"pose_keypoints_2d": [10**400, *POSE[1:]]}, "no finite number"),
    "nan": ({"pose_keypoints_2d": [float("nan"), *POSE[1:]]}, "no finite number"),
    "hand": ({"pose_keypoints_2d": POSE, "hand_left_keypoints_2d": POSE}, "list of 63 numbers"),
    "id": ({"pose_keypoints_2d": POSE, "person_id": ["a"]}, "person_id is"),
    "bare id": ({"pose_keypoints_2d": POSE, "person_id": 5}, "person_id is 5"),
    "long id": ({"pose_keypoints_2d": POSE, "person_id": [2**70]}, "person_id is"),
}


@pytest.mark.parametrize(("person", "message"), ODD_PERSONS.values(), ids=ODD_PERSONS)
def test_an_odd_person_is_refused_by_file_and_number(
    tmp_path: Path, person: object, message: str
) -> None:
    good = {"pose_keypoints_2d": POSE, "person_id": [-1]}
    with pytest.raises(ValueError, match=rf"odd\.json, person 1.*{message}"):
        read_openpose(_file(tmp_path, [good, person]))


@pytest.mark.parametrize("text", ["[]", "3", '{"people": 3}', '{"images": []}', "[3]"])
def test_another_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(ValueError, match=r"odd\.json"):
        read_openpose(tmp_path / "odd.json")


@pytest.mark.parametrize("size", [(640, None), (0, 480), ("640", "480"), (640.5, 480)], ids=str)
def test_a_canvas_that_is_none_is_refused(tmp_path: Path, size: tuple[object, object]) -> None:
    file = _file(tmp_path, [], canvas_width=size[0], canvas_height=size[1])
    with pytest.raises(ValueError, match=r"odd\.json: size is .*expected \(width, height\)"):
        read_openpose(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such OpenPose file: .*none\.json"):
        read_openpose(tmp_path / "none.json")


def _refused(tmp_path: Path, poses: Poses, message: str, **options: Any) -> None:
    with pytest.raises(ValueError, match=message):
        write_openpose(tmp_path / "a.json", poses, **{"size_wh": SIZE_WH, **options})
    assert os.listdir(tmp_path) == []


def test_a_person_that_is_not_finite_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    poses = _poses(2)
    poses.scores[1, 4], poses.keypoints[1, 4] = 0.5, np.nan
    _refused(tmp_path, poses, r"a\.json, person 1 is not finite")


def test_an_absent_joint_may_be_anywhere(tmp_path: Path) -> None:
    poses = _poses(1)
    poses.scores[0, 4], poses.keypoints[0, 4] = 0, np.nan
    write_openpose(tmp_path / "a.json", poses, size_wh=SIZE_WH)
    assert read_openpose(tmp_path / "a.json").poses.keypoints[0, 4].tolist() == [0, 0]


def test_other_bodies_sizes_and_skeletons_are_refused(tmp_path: Path) -> None:
    _refused(tmp_path, _poses(1), "body is 17; expected 18 or 25", body=17)
    _refused(tmp_path, _poses(1), r"size is \(0, 4\)", size_wh=(0, 4))
    _refused(tmp_path, _poses(1).part("face"), "face68 has no joint of OpenPose's body")
