import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.skeleton import Skeleton, convert_keypoints, part_skeleton

WHOLEBODY = Skeleton.get("wholebody133")
every_skeleton = pytest.mark.parametrize("name", Skeleton.names())


def _other_side(joint: str) -> str:
    swaps = {"left": "right", "right": "left"}
    return "_".join(swaps.get(word, word) for word in joint.split("_"))


@every_skeleton
def test_mirroring_twice_changes_nothing(name: str) -> None:
    permutation = Skeleton.get(name).flip_permutation
    assert permutation[permutation].tolist() == list(range(len(permutation)))


@every_skeleton
def test_named_sides_change_places_in_the_mirror(name: str) -> None:
    skeleton = Skeleton.get(name)
    for joint, partner in zip(skeleton.joints, skeleton.flip_permutation, strict=True):
        if joint.startswith(("left_", "right_")):
            assert skeleton.joints[partner] == _other_side(joint)


@every_skeleton
def test_sigmas_and_links_fit_the_joints(name: str) -> None:
    skeleton = Skeleton.get(name)
    assert skeleton.sigmas.shape == (len(skeleton),)
    assert (skeleton.sigmas > 0).all()
    assert len(set(skeleton.joints)) == len(skeleton)
    assert all(0 <= joint < len(skeleton) for link in skeleton.links for joint in link)
    assert all(first != second for first, second in skeleton.links)


@every_skeleton
def test_the_mirror_maps_links_of_a_paired_skeleton_onto_links(name: str) -> None:
    skeleton = Skeleton.get(name)
    links = {frozenset(link) for link in skeleton.links}
    mirrored = {frozenset(int(skeleton.flip_permutation[j]) for j in link) for link in links}
    assert mirrored == links


@every_skeleton
def test_tables_cannot_be_changed_by_accident(name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        Skeleton.get(name).sigmas[0] = 1.0


def test_the_groups_of_the_whole_body_cover_each_joint_once_in_order() -> None:
    joined = np.concatenate(list(WHOLEBODY.groups.values()))
    assert list(WHOLEBODY.groups) == ["body", "foot", "face", "left_hand", "right_hand"]
    assert [len(group) for group in WHOLEBODY.groups.values()] == [17, 6, 68, 21, 21]
    assert joined.tolist() == list(range(133))


def test_each_joint_of_a_left_hand_becomes_the_same_joint_of_the_right_hand() -> None:
    left, right = WHOLEBODY.groups["left_hand"], WHOLEBODY.groups["right_hand"]
    assert WHOLEBODY.flip_permutation[left].tolist() == right.tolist()


def test_the_mirrored_jaw_runs_from_the_other_ear() -> None:
    jaw = WHOLEBODY.groups["face"][:17]
    assert WHOLEBODY.flip_permutation[jaw].tolist() == jaw[::-1].tolist()


def test_the_whole_body_equals_the_published_table(shared_dir: Path) -> None:
    file = shared_dir / "spec" / "coco_wholebody_133.json"
    published = json.loads(file.read_text(encoding="utf-8"))
    assert list(WHOLEBODY.joints) == [row["name"] for row in published["keypoints"]]
    assert WHOLEBODY.flip_permutation.tolist() == published["flip_indices"]
    assert WHOLEBODY.sigmas.tolist() == published["sigmas"]
    assert list(WHOLEBODY.upper) == published["upper_body_ids"]
    assert list(WHOLEBODY.lower) == published["lower_body_ids"]
    links = {tuple(row["indices"]) for row in published["skeleton"]}
    assert links <= set(WHOLEBODY.links)


def test_coco17_is_the_body_of_the_whole_body() -> None:
    coco, body = Skeleton.get("coco17"), WHOLEBODY.groups["body"]
    assert coco.joints == tuple(WHOLEBODY.joints[index] for index in body)
    assert coco.sigmas.tolist() == WHOLEBODY.sigmas[body].tolist()


@pytest.mark.parametrize("group", ["body", "face", "left_hand", "right_hand"])
def test_the_skeleton_of_a_group_has_its_size(group: str) -> None:
    assert len(part_skeleton(group)) == len(WHOLEBODY.groups[group])


def test_feet_have_no_skeleton_of_their_own() -> None:
    with pytest.raises(ValueError, match="foot"):
        part_skeleton("foot")


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'coco18'.*wholebody133, coco17"):
        Skeleton.get("coco18")


# Joint by joint as OpenPose's models list them, as indices of the 133; a pair is its middle.
NECK, MID_HIP = (5, 6), (11, 12)
OPENPOSE: dict[str, list[int | tuple[int, int]]] = {
    "openpose18": [0, NECK, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3],
    "openpose25": [
        *(0, NECK, 6, 8, 10, 5, 7, 9, MID_HIP, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3),
        *(17, 18, 19, 20, 21, 22),
    ],
}
every_openpose = pytest.mark.parametrize("name", OPENPOSE)


def _random(
    name: str, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32], Skeleton]:
    skeleton = Skeleton.get(name)
    points = rng.random((3, len(skeleton), 2)).astype(np.float32)
    return points, rng.random((3, len(skeleton))).astype(np.float32), skeleton


@every_openpose
@pytest.mark.parametrize("source", ["wholebody133", "coco17"])
def test_openpose_joints_come_from_the_same_named_ones(
    name: str, source: str, rng: np.random.Generator
) -> None:
    points, scores, skeleton = _random(source, rng)
    openpose = Skeleton.get(name)
    moved, moved_scores = convert_keypoints(points, scores, source=skeleton, target=openpose)
    for target, origin in enumerate(OPENPOSE[name]):
        ends = [origin] if isinstance(origin, int) else list(origin)
        if max(ends) >= len(skeleton):
            assert not moved_scores[:, target].any()
            continue
        np.testing.assert_allclose(moved[:, target], points[:, ends].mean(axis=1), rtol=1e-6)
        assert np.array_equal(moved_scores[:, target], scores[:, ends].min(axis=1))


@every_openpose
def test_back_from_openpose_every_joint_but_those_it_lacks_returns(
    name: str, rng: np.random.Generator
) -> None:
    points, scores, whole = _random("wholebody133", rng)
    openpose = Skeleton.get(name)
    there, there_scores = convert_keypoints(points, scores, source=whole, target=openpose)
    back, back_scores = convert_keypoints(there, there_scores, source=openpose, target=whole)
    held = [origin for origin in OPENPOSE[name] if isinstance(origin, int)]
    assert np.array_equal(back[:, held], points[:, held])
    assert np.array_equal(back_scores[:, held], scores[:, held])
    assert np.flatnonzero(back_scores.any(axis=0)).tolist() == sorted(held)


def test_the_neck_of_one_openpose_body_is_that_of_the_other(rng: np.random.Generator) -> None:
    points, scores, smaller = _random("openpose18", rng)
    larger = Skeleton.get("openpose25")
    moved, moved_scores = convert_keypoints(points, scores, source=smaller, target=larger)
    assert np.array_equal(moved[:, 1], points[:, 1])
    assert np.array_equal(moved_scores[:, 1], scores[:, 1])
    hips = [smaller.joints.index(f"{side}_hip") for side in ("left", "right")]
    np.testing.assert_allclose(moved[:, 8], points[:, hips].mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("source", ["hand21", "face68"])
def test_a_middle_without_its_ends_is_absent(source: str, rng: np.random.Generator) -> None:
    points, scores, skeleton = _random(source, rng)
    openpose = Skeleton.get("openpose25")
    _, moved_scores = convert_keypoints(points, scores, source=skeleton, target=openpose)
    assert not moved_scores.any()


def test_the_larger_openpose_body_links_its_trunk_over_the_mid_hip_and_has_feet() -> None:
    larger = Skeleton.get("openpose25")
    named = {frozenset(larger.joints[joint] for joint in link) for link in larger.links}
    assert {frozenset({"neck", "mid_hip"}), frozenset({"mid_hip", "left_hip"})} <= named
    assert frozenset({"neck", "left_hip"}) not in named
    assert len(named) == len(larger) - 1  # a tree
    feet = [larger.joints[joint] for joint in larger.groups["foot"]]
    assert feet == [WHOLEBODY.joints[joint] for joint in WHOLEBODY.groups["foot"]]


def test_joints_that_the_source_lacks_are_absent_by_score() -> None:
    coco = Skeleton.get("coco17")
    points, scores = np.ones((1, 17, 2), np.float32), np.ones((1, 17), np.float32)
    moved, moved_scores = convert_keypoints(points, scores, source=coco, target=WHOLEBODY)
    assert moved_scores[0].tolist() == [1.0] * 17 + [0.0] * 116
    assert np.array_equal(moved[:, :17], points)


def test_converting_to_the_same_skeleton_changes_nothing(rng: np.random.Generator) -> None:
    points = rng.random((2, 133, 2)).astype(np.float32)
    scores = rng.random((2, 133)).astype(np.float32)
    moved, moved_scores = convert_keypoints(points, scores, source=WHOLEBODY, target=WHOLEBODY)
    assert np.array_equal(moved, points)
    assert np.array_equal(moved_scores, scores)


# Names of the README of Halpe-FullBody, in its order.
HALPE_BODY = (
    "Nose LEye REye LEar REar LShoulder RShoulder LElbow RElbow LWrist RWrist LHip RHip LKnee "
    "RKnee LAnkle RAnkle Head Neck Hip LBigToe RBigToe LSmallToe RSmallToe LHeel RHeel"
)


def _published(joint: str) -> str:
    words = ["hip"] if joint == "mid_hip" else joint.split("_")
    side = {"left": "L", "right": "R"}.get(words[0], "")
    return side + "".join(word.capitalize() for word in (words[1:] if side else words))


@pytest.mark.parametrize("name", ["halpe26", "halpe136"])
def test_the_bodies_of_halpe_have_the_published_order(name: str) -> None:
    assert " ".join(map(_published, Skeleton.get(name).joints[:26])) == HALPE_BODY


def test_face_and_hands_of_halpe_are_those_of_the_whole_body() -> None:
    halpe = Skeleton.get("halpe136")
    assert [len(index) for index in halpe.groups.values()] == [20, 6, 68, 21, 21]
    assert halpe.joints[26:] == WHOLEBODY.joints[23:]
    assert halpe.joints[94] == "left_hand_root"
    assert halpe.joints[115] == "right_hand_root"


def test_the_whole_body_is_all_of_halpe_but_head_neck_and_middle_of_the_hips() -> None:
    halpe = Skeleton.get("halpe136")
    assert set(halpe.joints) - set(WHOLEBODY.joints) == {"head", "neck", "mid_hip"}
    back = WHOLEBODY.index_map(halpe)[halpe.index_map(WHOLEBODY)]
    assert back.tolist() == list(range(133))


def test_the_mirror_of_halpe_is_that_of_the_whole_body() -> None:
    halpe = Skeleton.get("halpe136")
    order = halpe.index_map(WHOLEBODY)
    assert halpe.flip_permutation[order].tolist() == order[WHOLEBODY.flip_permutation].tolist()
    assert [joint for joint in (17, 18, 19) if halpe.flip_permutation[joint] != joint] == []


def test_every_joint_of_halpe_belongs_to_the_upper_or_the_lower_body_or_to_face_and_hands() -> None:
    halpe = Skeleton.get("halpe26")
    assert sorted(halpe.upper + halpe.lower) == list(range(26))
    assert not any("knee" in halpe.joints[joint] for joint in halpe.upper)
