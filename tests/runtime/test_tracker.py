from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.tracking import (
    COCO,
    MAX_LOST,
    PlainIou,
    boxes_around,
    count_switches,
    crossing,
    crowd,
    make_clip,
    poses_of,
    walker,
)
from posedistill.poses import Poses
from posedistill.runtime.association import box_iou
from posedistill.runtime.tracker import Tracker
from posedistill.skeleton import Skeleton


def test_two_people_who_cross_keep_their_ids() -> None:
    clips = [make_clip(crossing, seed) for seed in range(10)]
    assert sum(count_switches(clip, Tracker()) for clip in clips) <= 1
    assert sum(count_switches(clip, PlainIou()) for clip in clips) >= 5


def test_a_crowd_changes_ids_about_half_as_often_as_with_boxes_alone() -> None:
    clips = [make_clip(crowd, seed) for seed in range(4)]
    ours = sum(count_switches(clip, Tracker()) for clip in clips)
    assert ours <= 0.6 * sum(count_switches(clip, PlainIou()) for clip in clips)


def _scene(
    *persons: tuple[float, float], box_score: float = 0.9, score: float = 0.9, height: float = 200
) -> Poses:
    """Give standing people at (x, y) of their feet."""
    joints = [walker(np.array([x]), y=y, height=height, phase=0)[0] for x, y in persons]
    boxes = boxes_around(np.array(joints).reshape(-1, 17, 2))
    return poses_of([(j, [score] * 17, b, box_score) for j, b in zip(joints, boxes, strict=True)])


def _together(*scenes: Poses) -> Poses:
    rows = [(s.keypoints[0], s.scores[0], s.boxes_xyxy[0], float(s.box_scores[0])) for s in scenes]
    return poses_of(rows)


def _ids(poses: Poses) -> list[int]:
    assert poses.ids is not None
    assert poses.ids.dtype == np.int64
    return [int(i) for i in poses.ids]


EMPTY = Poses.empty(COCO)


@pytest.mark.parametrize(("frames_away", "expected"), [(MAX_LOST, 1), (MAX_LOST + 1, 2)])
def test_who_returns_in_time_gets_the_id_back(frames_away: int, expected: int) -> None:
    tracker = Tracker(max_lost=MAX_LOST)
    for x in (1180, 1200, 1220, 1240):
        assert _ids(tracker(_scene((x, 500)))) == [1]
    for _ in range(frames_away):
        assert _ids(tracker(EMPTY)) == []
    assert _ids(tracker(_scene((1230, 500)))) == [expected]


def test_who_returns_elsewhere_or_in_another_size_is_someone_else() -> None:
    tracker = Tracker()
    tracker(_scene((200, 500)))
    tracker(EMPTY)
    assert _ids(tracker(_scene((900, 500)))) == [2]
    assert _ids(tracker(_scene((200, 500), height=70))) == [3]


def test_of_two_who_could_be_the_lost_one_it_is_who_has_their_size() -> None:
    tracker = Tracker()
    tracker(_scene((600, 500)))
    for _ in range(10):
        tracker(EMPTY)
    small, same = _scene((500, 500), height=140), _scene((700, 500))
    both = _together(small, same)
    assert _ids(tracker(both)) == [2, 1]


def test_an_id_is_never_given_twice() -> None:
    tracker = Tracker(max_lost=0)
    seen: list[int] = []
    for frame in range(6):
        seen += _ids(tracker(_scene((100, 400), (600, 400)) if frame % 2 else EMPTY))
    assert seen == [1, 2, 3, 4, 5, 6]


def test_a_weak_box_goes_on_with_a_known_person() -> None:
    tracker = Tracker()
    tracker(_scene((300, 500)))
    assert _ids(tracker(_scene((304, 500), box_score=0.35))) == [1]
    tracker(EMPTY)
    assert _ids(tracker(_scene((310, 500)))) == [1]


@pytest.mark.parametrize(("frames_seen", "expected"), [(1, 2), (3, 1)])
def test_weak_boxes_alone_are_remembered_for_as_long_as_they_were_seen(
    frames_seen: int, expected: int
) -> None:
    tracker = Tracker()
    for _ in range(frames_seen):
        assert _ids(tracker(_scene((300, 500), box_score=0.35))) == [1]
    for _ in range(3):
        tracker(EMPTY)
    assert _ids(tracker(_scene((300, 500)))) == [expected]


def test_a_sure_box_is_matched_before_a_weak_one() -> None:
    tracker = Tracker()
    tracker(_scene((300, 500)))
    near, exact = _scene((320, 500)), _scene((300, 500), box_score=0.35)
    both = _together(exact, near)
    assert _ids(tracker(both)) == [2, 1]


@given(st.permutations(range(5)))
def test_people_given_in_another_order_keep_their_ids(order: list[int]) -> None:
    tracker = Tracker()
    places = [(100.0 + 150 * i, 500.0) for i in range(5)]
    first = _ids(tracker(_scene(*places)))
    assert first == [1, 2, 3, 4, 5]
    moved = _scene(*[(places[i][0] + 5, 500) for i in order])
    followed = tracker(moved)
    assert _ids(followed) == [first[i] for i in order]
    np.testing.assert_array_equal(followed.keypoints, moved.keypoints)


def test_a_far_jump_between_two_frames_is_still_the_same_person() -> None:
    tracker = Tracker()
    assert _ids(tracker(_scene((300, 500)))) == _ids(tracker(_scene((350, 500)))) == [1]


def test_the_steps_of_a_variable_frame_rate_count_by_their_time() -> None:
    tracker = Tracker()
    boxes = {}
    for time_s in (0.0, 0.1, 0.15, 0.4):
        poses = _scene((300 + 200 * time_s, 500))
        tracker(poses, time_s)
        boxes[time_s] = tracker.predict_boxes()
    # 0.25 s after 0.4 s, like the step before; the predicted box is the moved one of 0 s
    np.testing.assert_allclose(
        boxes[0.4], boxes[0.0] + [200 * 0.65, 0, 200 * 0.65, 0], rtol=0, atol=1e-3
    )


def test_predicted_boxes_lie_where_the_people_will_be() -> None:
    tracker = Tracker()
    for frame in range(4):
        tracker(_scene((300 + 6 * frame, 500), (800, 400 + 3 * frame)))
    expected = boxes_around(_scene((324, 500), (800, 412)).keypoints.astype(np.float64))
    predicted = tracker.predict_boxes()
    assert predicted.shape == (2, 4)
    assert np.diag(box_iou(predicted, expected)).min() > 0.9


def test_a_box_that_is_followed_closes_in_on_the_person() -> None:
    tracker = Tracker()
    box = np.array([[0.0, 0, 1280, 720]])
    person = _scene((300, 500))
    for _ in range(8):
        tracker(replace(person, boxes_xyxy=box.astype(np.float32)))
        box = tracker.predict_boxes()
    low, high = person.keypoints[0].min(axis=0), person.keypoints[0].max(axis=0)
    margin = 0.1 * (high - low).max()
    np.testing.assert_allclose(box[0], [*(low - margin), *(high + margin)], rtol=0, atol=8)


def test_people_missed_or_hardly_seen_have_no_predicted_box() -> None:
    tracker = Tracker()
    tracker(_scene((300, 500), (800, 500)))
    tracker(_scene((300, 500)))
    assert len(tracker.predict_boxes()) == 1
    tracker(_scene((300, 500), score=0.2))
    assert tracker.predict_boxes().shape == (0, 4)


def test_of_two_boxes_that_slid_onto_one_person_the_older_is_followed() -> None:
    tracker = Tracker()
    tracker(_scene((300, 500)))
    tracker(_scene((300, 500), (420, 500)))
    for x in (390, 360, 330):
        tracker(_scene((300, 500), (x, 500)))
    assert len(tracker.predict_boxes()) == 2
    assert sorted(_ids(tracker(_scene((301, 500), (300, 500))))) == [1, 2]
    assert len(tracker.predict_boxes()) == 1
    assert _ids(tracker(_scene((301, 500)))) == [1]


def test_after_a_reset_everyone_is_new() -> None:
    tracker = Tracker()
    tracker(_scene((300, 500), (800, 500)), 5.0)
    tracker.reset()
    assert tracker.predict_boxes().shape == (0, 4)
    assert _ids(tracker(_scene((800, 500)), 0.0)) == [1]


@pytest.mark.parametrize("name", ["hand21", "wholebody133", "mpii16"])
def test_people_of_any_skeleton_are_followed(name: str, rng: np.random.Generator) -> None:
    skeleton = Skeleton.get(name)
    joints = rng.uniform(0, 100, (2, len(skeleton), 2)) + [[[0, 0]], [[300, 0]]]
    tracker = Tracker()
    for frame in range(3):
        poses = Poses(
            keypoints=(joints + 5 * frame).astype(np.float32),
            scores=np.ones(joints.shape[:2], np.float32),
            boxes_xyxy=(np.array([[0, 0, 100, 100], [300, 0, 400, 100]]) + 5 * frame).astype("f"),
            box_scores=np.ones(2, np.float32),
            skeleton=skeleton,
        )
        assert _ids(tracker(poses)) == [1, 2]
    assert len(tracker.predict_boxes()) == 2


def test_five_hundred_people_are_told_apart() -> None:
    tracker = Tracker()
    places = [(60.0 + 70 * (i % 25), 100.0 + 110 * (i // 25)) for i in range(500)]
    first = _ids(tracker(_scene(*places, height=100)))
    moved = [(x + 4, y) for x, y in reversed(places)]
    assert _ids(tracker(_scene(*moved, height=100))) == first[::-1]


def test_a_time_that_does_not_go_on_is_refused() -> None:
    tracker = Tracker()
    tracker(EMPTY, 1.0)
    with pytest.raises(ValueError, match=r"time_s is 1.0, not after the 1.0 .* reset\(\)"):
        tracker(EMPTY, 1.0)


def test_another_skeleton_is_refused() -> None:
    tracker = Tracker()
    tracker(EMPTY)
    with pytest.raises(ValueError, match="poses are of hand21, those before were of coco17"):
        tracker(Poses.empty(Skeleton.get("hand21")))


def test_a_negative_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="max_lost is -1"):
        Tracker(max_lost=-1)
