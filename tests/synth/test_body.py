"""Bodies: mesh, keypoints and pose of a person."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("anny", reason="needs the extra synth")

from posedistill.skeleton import Skeleton
from posedistill.synth.body import Person, body_model
from posedistill.synth.joint_limits import ANGLES, INDEX, mirrored_angles
from posedistill.synth.poses import draw_person

MIRROR = np.diag([-1.0, 1.0, 1.0])
FLIP = Skeleton.get("wholebody133").flip_permutation


def pose(**angles: float) -> NDArray[np.float64]:
    values = np.zeros(len(ANGLES))
    for name, value in angles.items():
        values[INDEX[name]] = value
    return values


def mirrored(person: Person) -> Person:
    return replace(
        person,
        expression={_other_side(name): value for name, value in person.expression.items()},
        angles_deg=mirrored_angles(person.angles_deg),
        root_rotation=MIRROR @ person.root_rotation @ MIRROR,
    )


def _other_side(action: str) -> str:
    if action.endswith("Left"):
        return action.removesuffix("Left") + "Right"
    if action.endswith("Right"):
        return action.removesuffix("Right") + "Left"
    return action


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_the_mirrored_person_has_mirrored_keypoints(seed: int) -> None:
    person = draw_person(np.random.default_rng(seed))
    here, there = (body_model().make(each).keypoints for each in (person, mirrored(person)))
    # metres; the weights of skin and regressors mirror each other to this
    assert np.abs(there - here[FLIP] * [-1, 1, 1]).max() < 5e-4


def test_a_person_looks_ahead_with_the_left_hand_at_positive_x() -> None:
    points = body_model().make(Person()).keypoints
    assert points[9, 0] > 0.1 > -0.1 > points[10, 0]
    assert points[0, 2] > points[3, 2] + 0.05  # the nose is ahead of the ears
    assert points[17, 2] > points[19, 2] + 0.1  # and the toes of the heels


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_the_lowest_point_is_as_high_as_was_drawn(seed: int) -> None:
    person = draw_person(np.random.default_rng(seed), "jump")
    assert body_model().make(person).vertices[:, 1].min() == pytest.approx(person.lift, abs=1e-5)


def test_bones_keep_their_length_in_all_poses() -> None:
    model = body_model()
    build = draw_person(np.random.default_rng(8))
    links = np.array([link for link in Skeleton.get("wholebody133").links if min(link) >= 91])
    tips = np.isin(links[:, 1], [95, 99, 103, 107, 111, 116, 120, 124, 128, 132])
    lengths = []
    for seed in range(4):
        drawn = draw_person(np.random.default_rng(seed))
        person = replace(build, angles_deg=drawn.angles_deg, root_rotation=drawn.root_rotation)
        points = model.make(person).keypoints
        lengths.append(np.linalg.norm(points[links[:, 0]] - points[links[:, 1]], axis=1))
    spread = np.ptp(lengths, axis=0)
    assert spread[~tips].max() < 1e-4  # between the heads of bones
    assert spread[tips].max() < 4e-3  # fingertips are means of skin


def test_arms_and_fingers_are_straight_at_attention() -> None:
    points = body_model().make(Person()).keypoints.astype(np.float64)
    chains = [(5, 7, 9), (97, 98, 99), (101, 102, 103), (122, 123, 124)]
    for first, middle, last in chains:
        one, two = points[middle] - points[first], points[last] - points[middle]
        cosine = one @ two / np.linalg.norm(one) / np.linalg.norm(two)
        assert cosine > np.cos(np.radians(14))


@pytest.mark.parametrize(
    ("angles", "joint", "axis", "sign"),
    [
        pytest.param({"left_elbow_flex": 90}, 9, 2, 1, id="an elbow bends ahead"),
        pytest.param({"left_shoulder_raise": 90}, 9, 0, 1, id="an arm goes up at its side"),
        pytest.param(
            {"right_shoulder_raise": 90, "right_shoulder_plane": 90}, 10, 2, 1, id="or ahead"
        ),
        pytest.param({"right_knee_flex": 90}, 16, 2, -1, id="a knee bends back"),
        pytest.param({"left_hip_flex": 90}, 13, 2, 1, id="a thigh goes ahead"),
        pytest.param({"neck_turn": 60}, 0, 0, 1, id="the head turns to the left"),
        pytest.param({"spine_bend": 30}, 0, 0, 1, id="the back bends to the left"),
        pytest.param({"spine_flex": 60}, 0, 2, 1, id="the back bends ahead"),
        pytest.param({"left_index_flex1": 80}, 99, 0, -1, id="a finger bends to the palm"),
    ],
)
def test_angles_turn_the_joints_they_name(
    angles: dict[str, float], joint: int, axis: int, sign: int
) -> None:
    model = body_model()
    still = model.make(Person()).keypoints[joint, axis]
    moved = model.make(Person(angles_deg=pose(**angles))).keypoints[joint, axis]
    assert (moved - still) * sign > 0.03


def test_a_right_angle_of_the_elbow_is_one_between_the_bones() -> None:
    heads = body_model().bone_heads(pose(left_elbow_flex=90))
    labels = body_model().bone_labels
    shoulder, elbow, wrist = (
        heads[labels.index(f"{bone}.L")] for bone in ("upperarm01", "lowerarm01", "wrist")
    )
    upper, fore = elbow - shoulder, wrist - elbow
    cosine = upper @ fore / np.linalg.norm(upper) / np.linalg.norm(fore)
    assert abs(cosine) < np.sin(np.radians(1.5))


def test_faces_look_outward() -> None:
    model = body_model()
    corners = model.make(Person()).vertices[model.faces].astype(np.float64)
    volume = np.linalg.det(corners).sum() / 6
    assert 0.03 < volume < 0.12  # cubic metres; negative if the faces were turned round


def test_regions_cover_the_body_and_mirror_each_other() -> None:
    model = body_model()
    assert np.any(list(model.regions.values()), axis=0).all()
    for name, mask in model.regions.items():
        assert mask.any(), name
        if name.endswith("_left"):
            other = model.regions[name.replace("left", "right")]
            assert mask.sum() == other.sum()
            assert model.rest_vertices[mask, 0].mean() > 0 > model.rest_vertices[other, 0].mean()


def test_pupils_lie_in_the_iris_and_the_iris_on_the_front_of_the_eyes() -> None:
    model = body_model()
    pupil, iris, eyes = (model.regions[name] for name in ("pupil", "iris", "eyes"))
    assert (pupil <= iris).all()
    assert (iris <= eyes).all()
    rest = model.rest_vertices
    assert rest[iris, 2].min() > rest[eyes, 2].mean()


def test_age_makes_children_small_and_fat_makes_bodies_deep() -> None:
    model = body_model()
    child, adult, fat = (
        model.make(Person(phenotype=phenotype)).vertices
        for phenotype in ({"age": 0.2}, {"age": 0.7}, {"age": 0.7, "weight": 1.0, "muscle": 0.0})
    )
    assert child[:, 1].max() < 0.75 * adult[:, 1].max()
    torso = model.regions["torso"]
    assert np.ptp(fat[torso, 2]) > 1.3 * np.ptp(adult[torso, 2])


def test_an_unknown_shape_is_named() -> None:
    with pytest.raises(ValueError, match="nose-job"):
        body_model().make(Person(shapes={"nose-job": 1.0}))
