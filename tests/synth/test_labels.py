"""What of a rendered person is labelled."""

import numpy as np
import pytest

from posedistill.skeleton import Skeleton
from posedistill.synth.labels import label, worth_finding, worth_learning
from tests.synth.seen_person import SeenPerson

GROUPS = Skeleton.get("wholebody133").groups


def test_all_that_is_seen_is_labelled() -> None:
    assert label(SeenPerson()).tolist() == [2.0] * 133


def test_a_hidden_point_of_the_body_is_labelled_and_one_outside_is_not() -> None:
    person = SeenPerson()
    person.visible[9], person.visible[10] = 1, 0
    assert label(person)[[8, 9, 10]].tolist() == [2, 1, 0]


@pytest.mark.parametrize(("num_seen", "num_labelled"), [(17, 17), (6, 17), (5, 5), (1, 1), (0, 17)])
def test_of_a_body_that_is_hardly_seen_only_what_is_seen_is_labelled(
    num_seen: int, num_labelled: int
) -> None:
    person = SeenPerson()
    person.visible[num_seen:17] = 1
    labels = label(person)
    assert (labels[:num_seen] == 2).all()
    assert (labels[:17] > 0).sum() == num_labelled
    assert (labels[17:] == 2).all()


def test_what_is_outside_of_the_picture_does_not_make_the_rest_less_seen() -> None:
    person = SeenPerson()
    person.visible[3:6], person.visible[6:17] = 1, 0  # 3 of the 6 within are seen
    assert (label(person)[:17] > 0).sum() == 6


@pytest.mark.parametrize("part", ["face", "foot", "left_hand", "right_hand"])
def test_a_part_that_is_hardly_seen_is_not_labelled_at_all(part: str) -> None:
    person, joints = SeenPerson(), GROUPS[part]
    most = int(0.7 * len(joints))
    person.visible[joints[:most]] = 1
    assert label(person)[joints].tolist() == [1] * most + [2] * (len(joints) - most)
    person.visible[joints[: most + 1]] = 1
    if part == "foot":
        person.visible[joints[:5]] = 1
    labels = label(person)
    assert not labels[joints].any()
    assert labels.sum() == 2 * (133 - len(joints))


@pytest.mark.parametrize(
    ("shown", "is_worth"), [(7, False), (8, True)], ids=["too few points", "just enough"]
)
def test_a_pose_takes_eight_points_that_are_seen(shown: int, is_worth: bool) -> None:
    person = SeenPerson()
    person.visible[shown:] = 1
    assert worth_learning(person) == is_worth
    assert label(person).any() == is_worth


def test_a_face_without_any_point_of_the_body_is_not_learnt_from() -> None:
    person = SeenPerson()
    person.visible[GROUPS["body"]] = 0
    assert not worth_learning(person)


def test_a_person_in_a_corner_of_the_picture_is_not_learnt_from() -> None:
    assert not worth_learning(SeenPerson(box_xyxy=np.array([0, 0, 9, 9], np.float32)))
    assert worth_learning(SeenPerson(box_xyxy=np.array([0, 0, 2, 10], np.float32)))
    assert not worth_learning(SeenPerson(box_xyxy=np.array([5, 5, 5, 60], np.float32)))


def test_a_thousandth_of_the_picture_is_enough_to_be_found() -> None:
    mask = np.zeros((100, 100), np.bool_)
    mask[0, :9] = True
    assert not worth_finding(SeenPerson(mask=mask))
    mask[0, :10] = True
    assert worth_finding(SeenPerson(mask=mask))
