import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

WHOLEBODY = Skeleton.get("wholebody133")
Index = int | slice | NDArray[np.int64]


@pytest.fixture
def poses(rng: np.random.Generator) -> Poses:
    return Poses(
        keypoints=rng.random((3, 133, 2)).astype(np.float32),
        scores=rng.random((3, 133)).astype(np.float32),
        boxes_xyxy=rng.random((3, 4)).astype(np.float32),
        box_scores=np.array([0.9, 0.8, 0.7], np.float32),
        skeleton=WHOLEBODY,
        ids=np.array([4, 5, 6]),
    )


def test_iterating_gives_each_person_alone_and_in_order(poses: Poses) -> None:
    persons = list(poses)
    assert [len(person) for person in persons] == [1, 1, 1]
    assert np.array_equal(np.concatenate([p.keypoints for p in persons]), poses.keypoints)
    assert [person.ids.tolist() for person in persons if person.ids is not None] == [[4], [5], [6]]


@pytest.mark.parametrize(
    ("index", "box_scores"),
    [
        (1, [0.8]),
        (-1, [0.7]),
        (slice(1, None), [0.8, 0.7]),
        (np.array([2, 0]), [0.7, 0.9]),
        (np.array([True, False, True]), [0.9, 0.7]),
    ],
    ids=["int", "negative", "slice", "order", "mask"],
)
def test_indexing_chooses_persons(poses: Poses, index: Index, box_scores: list[float]) -> None:
    assert poses[index].box_scores.tolist() == pytest.approx(box_scores)


@pytest.mark.parametrize("index", [3, -4])
def test_a_person_that_is_not_there_is_an_index_error(poses: Poses, index: int) -> None:
    with pytest.raises(IndexError, match="of 3"):
        poses[index]


def test_poses_without_ids_stay_without(poses: Poses) -> None:
    assert Poses.empty(WHOLEBODY)[:0].ids is None


@pytest.mark.parametrize("group", ["body", "face", "left_hand", "right_hand"])
def test_a_part_holds_the_joints_of_its_group(poses: Poses, group: str) -> None:
    part, index = poses.part(group), WHOLEBODY.groups[group]
    assert np.array_equal(part.keypoints, poses.keypoints[:, index])
    assert np.array_equal(part.scores, poses.scores[:, index])
    assert np.array_equal(part.boxes_xyxy, poses.boxes_xyxy)


def test_an_unknown_part_is_answered_with_the_known_ones(poses: Poses) -> None:
    with pytest.raises(ValueError, match="'hand'.*left_hand"):
        poses.part("hand")


def test_conversion_keeps_boxes_and_ids(poses: Poses) -> None:
    converted = poses.to("openpose18")
    assert converted.skeleton.name == "openpose18"
    assert np.array_equal(converted.boxes_xyxy, poses.boxes_xyxy)
    assert converted.ids is poses.ids


@pytest.mark.parametrize("name", Skeleton.names())
def test_nobody_can_be_converted_to_anything(name: str) -> None:
    assert len(Poses.empty(WHOLEBODY).to(name)) == 0


@pytest.mark.parametrize("field", ["keypoints", "scores", "boxes_xyxy", "box_scores", "ids"])
def test_shapes_that_do_not_fit_are_refused_by_name(field: str) -> None:
    k = 17
    fields = {
        "keypoints": np.zeros((2, k, 2), np.float32),
        "scores": np.zeros((2, k), np.float32),
        "boxes_xyxy": np.zeros((2, 4), np.float32),
        "box_scores": np.zeros(2, np.float32),
    }
    ids = np.zeros(2, np.int64)
    if field == "ids":
        ids = ids[:1]
    else:
        fields[field] = fields[field][..., :1] if field == "keypoints" else fields[field][:1]
    with pytest.raises(ValueError, match=f"Poses.{field} has shape"):
        Poses(**fields, skeleton=Skeleton.get("coco17"), ids=ids)
