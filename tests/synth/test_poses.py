"""People drawn at random: limits, mirrors, overlaps and repeatability."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("anny", reason="needs the extra synth")

from posedistill.synth.activities import activities
from posedistill.synth.body import Body, Person, body_model
from posedistill.synth.joint_limits import ANGLES, HIGH, INDEX, LOW, other_side
from posedistill.synth.poses import draw_person

COUNT = 300


@cache
def people() -> list[Person]:
    return [draw_person(np.random.default_rng([1, index])) for index in range(COUNT)]


@cache
def bodies() -> list[Body]:
    return [body_model().make(person) for person in people()[:60]]


def test_the_same_generator_draws_the_same_body() -> None:
    one, other = (body_model().make(draw_person(np.random.default_rng(9))) for _ in range(2))
    assert (one.vertices == other.vertices).all()
    assert (one.keypoints == other.keypoints).all()
    assert one.person.activity == other.person.activity


def test_people_differ() -> None:
    assert len({person.angles_deg.tobytes() for person in people()}) == COUNT
    assert len({round(person.phenotype["age"], 6) for person in people()}) == COUNT


def test_all_angles_keep_their_limits() -> None:
    angles = np.stack([person.angles_deg for person in people()])
    assert (angles >= LOW).all()
    assert (angles <= HIGH).all()


def test_no_knee_bends_backwards() -> None:
    for body in bodies():
        points = body.keypoints.astype(np.float64)
        for hip, knee, ankle, toe, heel in ((11, 13, 15, 17, 19), (12, 14, 16, 20, 22)):
            shin = _unit(points[knee] - points[ankle])
            ahead = points[toe] - points[heel]
            ahead = _unit(ahead - (ahead @ shin) * shin)
            thigh = _unit(points[hip] - points[knee])
            assert thigh @ ahead < np.sin(np.radians(12)), body.person.activity


def test_no_elbow_bends_backwards() -> None:
    for body in bodies():
        points = body.keypoints.astype(np.float64)
        for shoulder, elbow, wrist in ((5, 7, 9), (6, 8, 10)):
            upper, fore = points[elbow] - points[shoulder], points[wrist] - points[elbow]
            assert _unit(upper) @ _unit(fore) > np.cos(np.radians(158))


def test_no_head_is_twisted_off_the_shoulders() -> None:
    for body in bodies():
        points = body.keypoints.astype(np.float64)
        ears, shoulders = _unit(points[3] - points[4]), _unit(points[5] - points[6])
        assert ears @ shoulders > np.cos(np.radians(110))


def test_limbs_hardly_ever_run_into_the_body() -> None:
    overlaps = np.array([person.overlap for person in people()])
    assert (overlaps <= 0.025).mean() > 0.97
    assert overlaps.max() < 0.12


@pytest.mark.parametrize("name", ["knee_flex", "hip_flex", "shoulder_raise", "index_flex2"])
def test_left_and_right_are_alike_on_average(name: str) -> None:
    here, there = (
        np.array([person.angles_deg[INDEX[f"{side}_{name}"]] for person in people()])
        for side in ("left", "right")
    )
    error = np.std(here - there) / np.sqrt(COUNT)
    assert abs(np.mean(here - there)) < 3.5 * error


@pytest.mark.parametrize("name", ["spine_turn", "neck_turn", "neck_bend", "eyes_turn"])
def test_turns_to_either_side_are_as_likely(name: str) -> None:
    angles = np.array([person.angles_deg[INDEX[name]] for person in people()])
    assert abs(angles.mean()) < 3.5 * angles.std() / np.sqrt(COUNT)


def test_each_hand_has_a_shape_of_its_own() -> None:
    alike = np.mean([person.hands[0] == person.hands[1] for person in people()])
    assert alike < 0.3


def test_most_people_are_adults_and_both_genders_come_up() -> None:
    ages = np.array([person.phenotype["age"] for person in people()])
    assert 0.05 < (ages < 0.4).mean() < 0.2 < 0.5 < (ages > 0.58).mean()
    genders = np.array([person.phenotype["gender"] for person in people()])
    assert 0.4 < (genders > 0.5).mean() < 0.6


def test_many_activities_come_up_in_a_few_hundred_people() -> None:
    assert len({person.activity for person in people()}) > 0.8 * len(activities())


def test_standing_people_stand_on_flat_feet() -> None:
    for seed in range(6):
        person = draw_person(np.random.default_rng(seed), "stand")
        feet = body_model().make(person).keypoints[17:23, 1]
        assert feet.max() < 0.14


def test_a_handstand_is_upside_down() -> None:
    for seed in range(6):
        person = draw_person(np.random.default_rng(seed), "handstand")
        heights = body_model().make(person).keypoints[:, 1]
        assert heights[[9, 10]].max() < heights[0] < heights[11] < heights[15]


def test_an_unknown_activity_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(ValueError, match="'nap'.*stand"):
        draw_person(np.random.default_rng(0), "nap")


def test_every_angle_moves() -> None:
    spread = np.stack([person.angles_deg for person in people()]).std(axis=0)
    assert spread.min() > 1, ANGLES[int(spread.argmin())].name


def test_the_spread_of_angles_is_the_same_on_both_sides() -> None:
    spread = np.stack([person.angles_deg for person in people()]).std(axis=0)
    other = spread[[INDEX[other_side(angle.name)] for angle in ANGLES]]
    assert np.abs(spread / other - 1).max() < 0.35


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = vector / np.linalg.norm(vector)
    return unit
