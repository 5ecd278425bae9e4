import json
from pathlib import Path

import numpy as np
import pytest

from posedistill.datasets.drawn import DrawnPeople
from posedistill.datasets.instance import Instance, PoseDataset
from posedistill.datasets.wholebody import read_wholebody
from posedistill.skeleton import Skeleton

SKELETON = Skeleton.get("wholebody133")
INDEX = {name: index for index, name in enumerate(SKELETON.joints)}


@pytest.fixture(scope="module")
def people() -> DrawnPeople:
    return DrawnPeople(60, seed=3)


def _keypoint(instance: Instance, name: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.asarray(instance.keypoints[INDEX[name]])


def test_drawn_people_are_a_data_set(people: DrawnPeople) -> None:
    dataset: PoseDataset = people
    assert dataset.skeleton.name == "wholebody133"
    assert len(dataset.instances) == 60


def test_a_sample_depends_on_seed_and_index_alone(people: DrawnPeople) -> None:
    again = DrawnPeople(9, seed=3)
    assert np.array_equal(again.instances[8].keypoints, people.instances[8].keypoints)
    assert np.array_equal(again.image(9), people.image(9))
    assert np.array_equal(again.image(9), again.image(9))


def test_other_seeds_give_other_people(people: DrawnPeople) -> None:
    other = DrawnPeople(1, seed=4)
    assert not np.array_equal(other.instances[0].keypoints, people.instances[0].keypoints)
    assert not np.array_equal(other.image(1), people.image(1))


def test_images_are_rgb_of_the_wanted_size() -> None:
    image = DrawnPeople(1, size=96).image(1)
    assert image.shape == (96, 96, 3)
    assert image.dtype == np.uint8
    assert image.std() > 5


def test_visible_says_whether_a_keypoint_is_in_the_image(people: DrawnPeople) -> None:
    for instance in people.instances:
        inside = ((instance.keypoints >= 0) & (instance.keypoints <= 255)).all(axis=1)
        assert np.array_equal(instance.visible, inside)


def test_the_box_holds_the_visible_keypoints_and_stays_in_the_image(people: DrawnPeople) -> None:
    for instance in people.instances:
        seen = instance.keypoints[instance.visible > 0]
        x1, y1, x2, y2 = instance.box_xyxy
        assert (seen >= (x1, y1)).all()
        assert (seen <= (x2, y2)).all()
        assert 0 <= x1 < x2 <= 255
        assert 0 <= y1 < y2 <= 255
        assert 0 < instance.area < (x2 - x1) * (y2 - y1)


@pytest.mark.parametrize("part", ["shoulder", "hip", "ear", "eye"])
def test_their_own_left_is_on_the_right_of_the_image(people: DrawnPeople, part: str) -> None:
    for instance in people.instances:
        assert _keypoint(instance, f"left_{part}")[0] > _keypoint(instance, f"right_{part}")[0]


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_root_of_a_hand_is_its_wrist(people: DrawnPeople, side: str) -> None:
    for instance in people.instances:
        root, wrist = _keypoint(instance, f"{side}_hand_root"), _keypoint(instance, f"{side}_wrist")
        np.testing.assert_allclose(root, wrist, atol=1e-3)


def test_body_and_face_agree_on_nose_and_eyes(people: DrawnPeople) -> None:
    for instance in people.instances:
        face = instance.keypoints[SKELETON.groups["face"]]
        np.testing.assert_allclose(_keypoint(instance, "nose"), face[30], atol=1e-3)
        np.testing.assert_allclose(_keypoint(instance, "right_eye"), face[36:42].mean(0), atol=1e-3)
        np.testing.assert_allclose(_keypoint(instance, "left_eye"), face[42:48].mean(0), atol=1e-3)


def test_faces_stand_upright_from_brow_to_chin(people: DrawnPeople) -> None:
    for instance in people.instances:
        face = instance.keypoints[SKELETON.groups["face"]]
        order = [face[17:27], face[36:48], face[31:36], face[48:60], face[7:10]]
        heights = [points[:, 1].mean() for points in order]
        assert heights == sorted(heights)


def test_toes_of_a_foot_are_nearer_to_each_other_than_to_the_heel(people: DrawnPeople) -> None:
    for instance in people.instances:
        for side in ("left", "right"):
            big, small, heel = (
                _keypoint(instance, f"{side}_{name}") for name in ("big_toe", "small_toe", "heel")
            )
            assert np.linalg.norm(big - small) < np.linalg.norm(big - heel)


def test_some_samples_are_whole_people_and_some_close_ups(people: DrawnPeople) -> None:
    shown = np.array([instance.visible.mean() for instance in people.instances])
    assert (shown == 1).mean() > 0.2
    assert (shown < 0.95).mean() > 0.3
    faces = [np.ptp(i.keypoints[SKELETON.groups["face"], 1]) for i in people.instances]
    assert max(faces) > 90
    assert min(faces) < 25


def test_skin_is_where_the_palms_are(people: DrawnPeople) -> None:
    """Compare the palms and the middle of the face: both are skin, whatever stands behind."""
    distances = []
    for instance in people.instances[:30]:
        image = people.image(instance.image_id).astype(float)
        palm = instance.keypoints[[91, 96, 108]].mean(axis=0)
        cheek = instance.keypoints[[23 + 3, 23 + 31, 23 + 48]].mean(axis=0)
        if min(palm) > 3 and max(palm) < 252:
            colors = [
                image[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2] for x, y in (palm, cheek)
            ]
            distances.append(np.abs(colors[0].mean((0, 1)) - colors[1].mean((0, 1))).mean())
    assert len(distances) > 10
    assert np.median(distances) < 25


def test_written_people_are_read_back(people: DrawnPeople, tmp_path: Path) -> None:
    few = DrawnPeople(3, seed=3, size=128)
    annotations, images_dir = few.write(tmp_path / "drawn")
    dataset = read_wholebody(annotations, images_dir)
    assert len(dataset.instances) == 3
    for written, read in zip(few.instances, dataset.instances, strict=True):
        seen = written.visible > 0
        assert np.array_equal(read.visible, written.visible)
        np.testing.assert_allclose(read.keypoints[seen], written.keypoints[seen], atol=1e-4)
        np.testing.assert_allclose(read.box_xyxy, written.box_xyxy, atol=1e-4)
        assert read.area == pytest.approx(written.area)
        assert np.array_equal(dataset.image(read.image_id), few.image(written.image_id))


def test_the_annotation_file_has_the_fields_of_coco_wholebody(tmp_path: Path) -> None:
    annotations, _ = DrawnPeople(1).write(tmp_path)
    content = json.loads(annotations.read_text(encoding="utf-8"))
    (person,) = content["annotations"]
    lengths = {key: len(value) for key, value in person.items() if isinstance(value, list)}
    assert lengths == {
        "bbox": 4,
        "keypoints": 51,
        "foot_kpts": 18,
        "face_kpts": 204,
        "lefthand_kpts": 63,
        "righthand_kpts": 63,
    }
    for part in ("foot", "face", "lefthand", "righthand"):
        labelled = any(value > 0 for value in person[f"{part}_kpts"][2::3])
        assert person[f"{part}_valid"] == labelled
    assert person["num_keypoints"] == sum(value > 0 for value in person["keypoints"][2::3])
    assert content["categories"][0]["name"] == "person"


@pytest.mark.parametrize(("count", "size"), [(0, 256), (1, 16)])
def test_no_people_and_tiny_images_are_refused(count: int, size: int) -> None:
    with pytest.raises(ValueError, match=f"got {count} and {size}"):
        DrawnPeople(count, size=size)


@pytest.mark.parametrize("image_id", [0, 61])
def test_an_image_that_is_not_there_is_refused(people: DrawnPeople, image_id: int) -> None:
    with pytest.raises(ValueError, match="ids are 1 to 60"):
        people.image(image_id)
