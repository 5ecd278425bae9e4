from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.datasets.drawn import DrawnPeople
from posedistill.datasets.instance import Instance, PoseDataset
from posedistill.datasets.joint import JointDataset, Source
from posedistill.skeleton import Skeleton

WHOLEBODY = Skeleton.get("wholebody133")


@dataclass(frozen=True, eq=False)
class _Crowd:
    """Hold people of any skeleton, joint k of person i at (k, i), two in an image."""

    name: str
    count: int
    shade: int = 0

    @property
    def skeleton(self) -> Skeleton:
        return Skeleton.get(self.name)

    @property
    def instances(self) -> tuple[Instance, ...]:
        return tuple(self._instance(index) for index in range(self.count))

    def _instance(self, index: int) -> Instance:
        k = len(self.skeleton)
        points = np.stack([np.arange(k), np.full(k, index)], axis=-1).astype(np.float32)
        box = np.array([0, 0, 10, 10], np.float32)
        return Instance(500 + index // 2, 900 + index, box, points, np.ones(k, np.float32), 100.0)

    def image(self, image_id: int) -> NDArray[np.uint8]:
        return np.full((4, 5, 3), self.shade + image_id - 500, np.uint8)


def _counts(joint: JointDataset, epoch: int, seed: int = 0) -> list[int]:
    """Give how often an epoch draws each instance."""
    counts = Counter(joint.epoch_order(seed, epoch).tolist())
    return [counts[index] for index in range(len(joint.instances))]


def test_a_joint_data_set_is_a_data_set() -> None:
    joint: PoseDataset = JointDataset([Source(DrawnPeople(2)), Source(_Crowd("coco17", 3))])
    assert joint.skeleton is WHOLEBODY
    assert len(joint.instances) == 5


def test_images_are_those_of_their_source_though_ids_are_the_same_there() -> None:
    joint = JointDataset([Source(_Crowd("coco17", 3)), Source(_Crowd("mpii16", 4, shade=100))])
    shades = [int(joint.image(instance.image_id)[0, 0, 0]) for instance in joint.instances]
    assert shades == [0, 0, 1, 100, 100, 101, 101]
    assert [instance.image_id for instance in joint.instances] == [1, 1, 2, 3, 3, 4, 4]
    assert [instance.annotation_id for instance in joint.instances] == [1, 2, 3, 4, 5, 6, 7]


def test_joints_go_by_name_and_those_a_source_lacks_are_unlabelled() -> None:
    joint = JointDataset([Source(_Crowd("mpii16", 1))])
    (instance,) = joint.instances
    mpii = Skeleton.get("mpii16")
    for place, name in enumerate(WHOLEBODY.joints):
        has_joint = name in mpii.joints
        assert instance.visible[place] == has_joint
        expected = mpii.joints.index(name) if has_joint else 0
        assert instance.keypoints[place, 0] == expected
    assert instance.visible.sum() == 12  # without pelvis, thorax, neck and top of the head
    assert instance.keypoints.dtype == instance.visible.dtype == np.float32


def test_no_joint_is_made_up_from_others() -> None:
    joint = JointDataset([Source(_Crowd("coco17", 1))], skeleton="halpe136")
    neck = joint.skeleton.joints.index("neck")
    assert joint.instances[0].visible[neck] == 0


def test_people_of_the_wanted_skeleton_stay_as_they_are() -> None:
    people = DrawnPeople(3, seed=2)
    for mine, theirs in zip(
        JointDataset([Source(people)]).instances, people.instances, strict=True
    ):
        assert mine.keypoints is theirs.keypoints
        assert mine.visible is theirs.visible


def test_at_ratio_1_an_epoch_shows_everybody_once() -> None:
    joint = JointDataset([Source(_Crowd("coco17", 5)), Source(_Crowd("mpii16", 4))])
    assert joint.samples_per_epoch == 9
    assert _counts(joint, epoch=3) == [1] * 9
    assert joint.epoch_order(0, 3).dtype == np.int64


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.7])
def test_an_epoch_has_the_draws_that_the_ratio_says_and_none_twice(ratio: float) -> None:
    joint = JointDataset([Source(_Crowd("coco17", 20), ratio), Source(_Crowd("coco17", 3))])
    for epoch in range(12):
        counts = _counts(joint, epoch)
        assert set(counts) <= {0, 1}
        assert sum(counts[:-3]) == round(20 * ratio)
        assert counts[-3:] == [1, 1, 1]
    assert joint.samples_per_epoch == round(20 * ratio) + 3


def test_a_tenth_is_another_tenth_in_each_of_ten_epochs() -> None:
    joint = JointDataset([Source(_Crowd("coco17", 30), ratio=0.1)])
    for first in (0, 10, 20):
        counts = np.sum([_counts(joint, epoch) for epoch in range(first, first + 10)], axis=0)
        assert counts.tolist() == [1] * 30
    assert _counts(joint, 0) != _counts(joint, 10)


def test_over_many_epochs_everybody_is_drawn_as_often_as_the_ratio_says() -> None:
    joint = JointDataset([Source(_Crowd("coco17", 10), ratio=0.7)])
    shares = np.mean([_counts(joint, epoch) for epoch in range(1000)], axis=0)
    # Binomial: one standard deviation is 0.0145.
    np.testing.assert_allclose(shares, 0.7, atol=0.06)


def test_a_person_shown_twice_in_an_epoch_has_two_indices() -> None:
    joint = JointDataset([Source(_Crowd("coco17", 4), ratio=2)])
    people = [joint.instances[index].annotation_id for index in joint.epoch_order(0, 0)]
    assert sorted(people) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert len(set(joint.epoch_order(0, 0).tolist())) == 8


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    joint = JointDataset([Source(_Crowd("coco17", 30)), Source(_Crowd("mpii16", 20), ratio=0.5)])
    orders = {(seed, epoch): joint.epoch_order(seed, epoch) for seed in (1, 2) for epoch in (0, 5)}
    assert np.array_equal(orders[1, 5], joint.epoch_order(1, 5))
    assert len({tuple(order) for order in orders.values()}) == 4


def test_sources_are_mixed() -> None:
    joint = JointDataset([Source(_Crowd("coco17", 50)), Source(_Crowd("mpii16", 50))])
    first_half = joint.epoch_order(0, 0)[:50]
    assert 10 < (first_half < 50).sum() < 40


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Source(_Crowd("coco17", 5), ratio=0), "source 1 has ratio 0"),
        (Source(_Crowd("coco17", 5), ratio=-1.0, name="coco"), "source coco has ratio -1"),
        (Source(_Crowd("coco17", 5), ratio=float("nan")), "ratio nan"),
        (Source(_Crowd("coco17", 5), ratio=float("inf")), "ratio inf"),
        (Source(_Crowd("coco17", 5), ratio=0.05), "no sample: 5 people at ratio 0.05"),
        (Source(_Crowd("coco17", 0)), "no sample: 0 people"),
        (Source(_Crowd("hand21", 5)), "no joint of hand21 is in wholebody133"),
    ],
    ids=["zero", "negative", "nan", "infinite", "too little", "empty", "other joints"],
)
def test_a_source_that_gives_nothing_is_refused(source: Source, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JointDataset([Source(_Crowd("coco17", 2)), source])


def test_without_a_source_there_is_no_data_set() -> None:
    with pytest.raises(ValueError, match="at least one source"):
        JointDataset([])


@pytest.mark.parametrize("image_id", [0, 3, 500])
def test_an_unknown_image_is_refused(image_id: int) -> None:
    joint = JointDataset([Source(_Crowd("coco17", 3))])
    with pytest.raises(ValueError, match=f"image {image_id}; ids of this data set are 1 to 2"):
        joint.image(image_id)
