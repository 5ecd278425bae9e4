from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.datasets.check_sides import crossed, mirrored
from posedistill.datasets.drawn import DrawnPeople
from posedistill.skeleton import Skeleton

SKELETON = Skeleton.get("wholebody133")
Points = NDArray[np.float64]
Flags = NDArray[np.bool_]
PARTS = {
    "hips": ("hip", "knee", "ankle"),
    "shoulders": ("shoulder",),
    "arms": ("elbow", "wrist"),
    "legs": ("knee", "ankle"),
    "head": ("eye", "ear"),
}


# How far apart left and right usually are, and how far down, in heights of a person.
STANDING = {
    "eye": (0.043, 0.04),
    "ear": (0.083, 0.05),
    "shoulder": (0.23, 0.17),
    "elbow": (0.38, 0.34),
    "wrist": (0.36, 0.5),
    "hip": (0.15, 0.5),
    "knee": (0.2, 0.75),
    "ankle": (0.19, 1.0),
}


@pytest.fixture
def one() -> tuple[Points, Flags]:
    """Give one person, 300 pixels tall, who stands and faces the camera."""
    points, visible = np.zeros((1, 133, 2)), np.arange(133)[None] < 17
    points[0, 0] = 0, 0.08
    for part, (width, down) in STANDING.items():
        for side, sign in (("left", 1), ("right", -1)):
            points[0, SKELETON.joints.index(f"{side}_{part}")] = sign * width / 2, down
    return 300 * points + 50, visible


@pytest.fixture(scope="module")
def people() -> tuple[Points, Flags]:
    """Give keypoints (N, 133, 2) and labels (N, 133) of drawn people, all right."""
    instances = DrawnPeople(120, seed=5).instances
    points = np.stack([instance.keypoints for instance in instances]).astype(np.float64)
    return points, np.stack([instance.visible for instance in instances]) > 0


def _swap(points: Points, person: int, parts: Sequence[str]) -> Points:
    """Exchange left and right of some parts of one person."""
    points = points.copy()
    for part in parts:
        pair = [SKELETON.joints.index(f"{side}_{part}") for side in ("left", "right")]
        points[person, pair] = points[person, pair[::-1]]
    return points


def _whole(visible: Flags) -> int:
    """Give the first person of whom the whole body is labelled."""
    return int(np.flatnonzero(visible[:, :17].all(axis=1))[0])


def test_people_labelled_rightly_are_not_named(people: tuple[Points, Flags]) -> None:
    points, visible = people
    assert crossed(points, visible, skeleton=SKELETON) == {}
    is_mirrored, is_known = mirrored(points, visible, skeleton=SKELETON)
    assert not is_mirrored.any()
    assert is_known.sum() > 100


@pytest.mark.parametrize("part", PARTS)
def test_a_part_with_left_and_right_exchanged_is_named(
    one: tuple[Points, Flags], part: str
) -> None:
    points, visible = one
    assert crossed(points, visible, skeleton=SKELETON) == {}
    assert crossed(_swap(points, 0, PARTS[part]), visible, skeleton=SKELETON).keys() == {0}


@pytest.mark.parametrize("part", ["hips", "shoulders", "head"])
def test_of_many_only_the_person_with_the_exchanged_part_is_named(
    people: tuple[Points, Flags], part: str
) -> None:
    points, visible = people
    person = _whole(visible)
    found = crossed(_swap(points, person, PARTS[part]), visible, skeleton=SKELETON)
    assert list(found) == [person]


@pytest.mark.parametrize("part", ["elbow", "wrist", "knee", "ankle"])
def test_one_pair_that_is_crossed_is_not_enough(one: tuple[Points, Flags], part: str) -> None:
    points, visible = one
    assert crossed(_swap(points, 0, [part]), visible, skeleton=SKELETON) == {}


def test_a_file_of_wide_stances_takes_its_own_measure(one: tuple[Points, Flags]) -> None:
    points, visible = one
    swapped = _swap(points, 0, PARTS["legs"])
    legs = [SKELETON.joints.index(f"{s}_{p}") for s in ("left", "right") for p in PARTS["legs"]]
    wide = points.copy()
    wide[:, legs, 0] = 50 + 3 * (wide[:, legs, 0] - 50)
    many = np.concatenate([swapped, *[wide] * 60])
    flags = np.repeat(visible, 61, axis=0)
    assert crossed(many, flags, skeleton=SKELETON) == {}
    assert list(crossed(many[:30], flags[:30], skeleton=SKELETON)) == [0]


def test_a_person_in_the_mirror_is_named_unless_the_labels_change_sides_too(
    people: tuple[Points, Flags],
) -> None:
    points, visible = people
    person = _whole(visible)
    image = points.copy()
    image[person, :, 0] = 255 - image[person, :, 0]
    assert np.flatnonzero(mirrored(image, visible, skeleton=SKELETON)[0]).tolist() == [person]
    image[person] = image[person, SKELETON.flip_permutation]
    assert not mirrored(image, visible, skeleton=SKELETON)[0].any()
    assert crossed(image, visible, skeleton=SKELETON) == {}


@pytest.mark.parametrize("degrees", [30, 90, 135, 180, 270])
def test_turning_the_image_changes_nothing(people: tuple[Points, Flags], degrees: int) -> None:
    points, visible = people
    person = _whole(visible)
    swapped = _swap(points, person, PARTS["hips"])
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = swapped @ turn
    assert list(crossed(turned[person][None], visible[[person]], skeleton=SKELETON)) == [0]
    assert not mirrored(turned, visible, skeleton=SKELETON)[0].any()


@pytest.mark.parametrize("factor", [0.25, 8])
def test_size_does_not_matter_to_crossed_parts(one: tuple[Points, Flags], factor: float) -> None:
    points, visible = one
    swapped = factor * _swap(points, 0, PARTS["legs"])
    assert list(crossed(swapped, visible, skeleton=SKELETON)) == [0]


def test_eyes_closer_than_labels_are_fine_say_nothing(people: tuple[Points, Flags]) -> None:
    points, visible = people
    for values, known in ((points / 50, False), (points * 50, True)):
        assert mirrored(values, visible, skeleton=SKELETON)[1].any() == known


def test_unlabelled_joints_say_nothing(people: tuple[Points, Flags]) -> None:
    points, visible = people
    person = _whole(visible)
    seen = visible.copy()
    seen[person, SKELETON.joints.index("left_hip")] = False
    assert crossed(_swap(points, person, PARTS["hips"]), seen, skeleton=SKELETON) == {}


def test_few_people_are_judged_by_the_usual_lengths(people: tuple[Points, Flags]) -> None:
    points, visible = people
    person = _whole(visible)
    swapped = _swap(points, person, PARTS["hips"])
    one = crossed(swapped[[person]], visible[[person]], skeleton=SKELETON)
    assert one == {0: ["shoulders and hips point opposite ways"]}


@pytest.mark.parametrize("name", ["coco17", "halpe26", "wholebody133"])
def test_nobody_gives_nothing(name: str) -> None:
    skeleton = Skeleton.get(name)
    points, visible = np.zeros((0, len(skeleton), 2)), np.zeros((0, len(skeleton)), bool)
    assert crossed(points, visible, skeleton=skeleton) == {}
    assert mirrored(points, visible, skeleton=skeleton)[0].shape == (0,)


def test_a_skeleton_without_eyes_is_judged_by_what_it_has(one: tuple[Points, Flags]) -> None:
    mpii = Skeleton.get("mpii16")
    order = SKELETON.index_map(mpii)
    points, visible = one[0][:, order], one[1][:, order] & (order >= 0)
    assert crossed(points, visible, skeleton=mpii) == {}
    pair = [mpii.joints.index("left_hip"), mpii.joints.index("right_hip")]
    points[:, pair] = points[:, pair[::-1]]
    assert list(crossed(points, visible, skeleton=mpii)) == [0]
    assert not mirrored(points, visible, skeleton=mpii)[1].any()
