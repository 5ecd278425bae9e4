"""People that are made when they are taken."""

import pickle

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.datasets.drawn import DrawnPeople
from posedistill.datasets.instance import Instance
from posedistill.datasets.joint import JointDataset, Source
from posedistill.datasets.on_demand import InstancesOnDemand, OnDemand, join_instances
from posedistill.skeleton import Skeleton


class _Slow:
    """Draw people only when they are taken, and count that."""

    def __init__(self, count: int, skeleton: str = "wholebody133") -> None:
        self.skeleton = Skeleton.get(skeleton)
        self.image_ids = range(11, 11 + count)
        self.instances = InstancesOnDemand(count, self._make)
        self.num_made = 0

    def _make(self, index: int) -> Instance:
        self.num_made += 1
        k = len(self.skeleton)
        points = np.full((k, 2), index, np.float32)
        box = np.array([0, 0, 9, 9], np.float32)
        return Instance(self.image_ids[index], 1, box, points, np.ones(k, np.float32), 81.0)

    def image(self, image_id: int) -> NDArray[np.uint8]:
        return np.full((4, 4, 3), image_id, np.uint8)


def test_people_are_made_one_by_one_as_they_are_taken() -> None:
    slow = _Slow(1000)
    assert isinstance(slow, OnDemand)
    assert len(slow.instances) == 1000
    assert slow.num_made == 0
    assert slow.instances[-1].image_id == 1010
    assert [person.image_id for person in slow.instances[2:8:3]] == [13, 16]
    assert slow.num_made == 3
    with pytest.raises(IndexError):
        slow.instances[1000]
    assert len(list(slow.instances)) == 1000


def test_drawn_people_are_not_on_demand() -> None:
    assert not isinstance(DrawnPeople(1), OnDemand)


@pytest.mark.parametrize("index", range(-9, 9))
def test_joined_people_are_those_of_the_parts_in_turn(index: int) -> None:
    drawn, slow = DrawnPeople(3, size=64).instances, _Slow(2).instances
    joined = join_instances([slow, drawn, drawn[:0], slow, slow])
    wanted = [*slow, *drawn, *slow, *slow]
    assert len(joined) == 9
    assert joined[index].image_id == wanted[index].image_id


def test_joining_people_that_are_there_gives_them_as_a_tuple() -> None:
    drawn = DrawnPeople(2, size=64).instances
    assert join_instances([drawn, drawn]) == (*drawn, *drawn)


def test_a_joint_data_set_makes_nobody_before_they_are_taken() -> None:
    slow, body = _Slow(50), _Slow(40, "coco17")
    joint = JointDataset([Source(slow, ratio=0.5), Source(DrawnPeople(3)), Source(body, ratio=2)])
    assert joint.samples_per_epoch == 25 + 3 + 80
    assert len(joint.epoch_order(0, 0)) == 108
    assert (slow.num_made, body.num_made) == (0, 0)
    assert len(joint.instances) == 50 + 3 + 80


def test_people_on_demand_get_new_ids_and_joints_by_name_in_a_joint_data_set() -> None:
    joint = JointDataset([Source(DrawnPeople(3, size=64)), Source(_Slow(4, "coco17"), ratio=2)])
    person, again = joint.instances[5], joint.instances[9]
    assert (
        (person.image_id, person.annotation_id) == (6, 6) == (again.image_id, again.annotation_id)
    )
    assert joint.image(6)[0, 0, 0] == 13
    assert person.visible.tolist() == [1] * 17 + [0] * 116
    assert person.keypoints[:17].tolist() == [[2, 2]] * 17


def test_a_joint_data_set_of_people_on_demand_goes_to_other_processes() -> None:
    joint = JointDataset([Source(DrawnPeople(2, size=64)), Source(_Slow(3))])
    sent = pickle.loads(pickle.dumps(joint))
    assert sent.instances[4].image_id == 5
