from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from posedistill.poses import Poses
from posedistill.runtime.association import box_iou
from posedistill.runtime.tracker import Tracker
from posedistill.skeleton import Skeleton

COCO = Skeleton.get("coco17")
FRAMES, MAX_LOST = 120, 30
# A standing person, (17, 2), in units of their height, from between the feet, y upwards.
STANDING = np.array(
    [
        *[(0, 0.93), (0.02, 0.95), (-0.02, 0.95), (0.04, 0.94), (-0.04, 0.94)],
        *[(0.1, 0.82), (-0.1, 0.82), (0.13, 0.65), (-0.13, 0.65), (0.14, 0.5), (-0.14, 0.5)],
        *[(0.07, 0.52), (-0.07, 0.52), (0.08, 0.28), (-0.08, 0.28), (0.08, 0.04), (-0.08, 0.04)],
    ]
)
# How far the joints swing while walking: left arm with right leg.
SWING = np.zeros(17)
SWING[[7, 8, 9, 10, 13, 14, 15, 16]] = [0.06, -0.06, 0.14, -0.14, -0.08, 0.08, -0.16, 0.16]

Follow = Callable[[Poses], Poses]


@dataclass(frozen=True)
class Frame:
    """Hold what an estimator found in a frame, and which person each pose is of."""

    poses: Poses
    people: NDArray[np.int64]


def _walker(
    x: NDArray[np.float64], *, y: float, height: float, phase: float
) -> NDArray[np.float64]:
    """Give the true joints of a walk, (frames, 17, 2) pixels; x: (frames,) of the hips."""
    swing = np.sin(phase + 2 * np.pi * np.arange(len(x)) / 32)[:, None] * SWING
    across = x[:, None] + height * (STANDING[:, 0] + swing)
    down = y - height * STANDING[:, 1]
    return np.stack([across, np.broadcast_to(down, across.shape)], axis=-1)


def _crossing(rng: np.random.Generator) -> NDArray[np.float64]:
    """Give two people who walk past each other, (2, frames, 17, 2), the nearer one first."""
    frames, speeds = np.arange(FRAMES), rng.uniform(3, 7, 2) * [1, -1]
    x = 640 + speeds[:, None] * (frames - FRAMES / 2 + rng.uniform(-5, 5))
    heights = rng.uniform(230, 270, 2)
    rows = zip(x, heights, rng.uniform(0, 6.3, 2), strict=True)
    return np.stack([_walker(x, y=600, height=h, phase=phase) for x, h, phase in rows])


def _crowd(rng: np.random.Generator) -> NDArray[np.float64]:
    """Give eight people who walk to and fro, (8, frames, 17, 2), the nearest one first."""
    speeds = np.zeros((8, FRAMES))
    speeds[:, 0] = rng.uniform(-6, 6, 8)
    for frame in range(1, FRAMES):
        speeds[:, frame] = 0.97 * speeds[:, frame - 1] + rng.normal(0, 0.9, 8)
    x = np.linspace(150, 1150, 8)[:, None] + rng.permutation(8)[:, None] * 3 + speeds.cumsum(axis=1)
    heights = np.linspace(290, 200, 8)
    phases = rng.uniform(0, 6.3, 8)
    return np.stack(
        [
            _walker(x[i], y=500 + heights[i] / 2, height=heights[i], phase=phases[i])
            for i in range(8)
        ]
    )


def _observed(joints: NDArray[np.float64], rng: np.random.Generator) -> Frame:
    """Give what a detector and an estimator make of true joints, (N, 17, 2), nearest first.

    Noise of joints and boxes, lost joints, scores that dip, missed persons; who is largely covered
    by nearer people is found with a low score and with joints of theirs, or not at all.
    """
    boxes = _boxes(joints)
    found, truth = [], []
    for person in range(len(joints)):
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        iou = box_iou(boxes[: person + 1], boxes[: person + 1])[person, :person]
        shared = iou / (1 + iou) * (areas[:person] + areas[person]) / areas[person]
        covered = shared.max(initial=0.0)
        if covered > rng.uniform(0.5, 0.7) or rng.uniform() < 0.08:
            continue
        dips = covered > 0.35 or rng.uniform() < 0.08
        seen = joints[person] + rng.normal(0, 4, (17, 2))
        if covered > 0.35:
            taken = rng.uniform(size=17) < covered / 2
            seen[taken] = joints[shared.argmax()][taken] + rng.normal(0, 6, (taken.sum(), 2))
        wild = rng.uniform(size=17) < 0.03
        seen[wild] += rng.normal(0, 40, (wild.sum(), 2))
        box = boxes[person] + rng.normal(0, 0.02, 4) * np.sqrt(areas[person])
        scores = np.where(rng.uniform(size=17) < 0.1, 0.1, rng.uniform(0.4, 0.9, 17))
        found.append((seen, scores, box, rng.uniform(0.3, 0.5) if dips else rng.uniform(0.6, 1)))
        truth.append(person)
    order = rng.permutation(len(found))
    return Frame(_poses([found[i] for i in order]), np.array(truth, np.int64)[order])


def _boxes(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = joints.min(axis=1), joints.max(axis=1)
    margin = 0.08 * (high - low).max(axis=1, keepdims=True)
    return np.concatenate([low - margin, high + margin], axis=1)


def _poses(found: Sequence[tuple[object, object, object, float]]) -> Poses:
    n = len(found)
    columns = [np.array([row[i] for row in found], np.float32) for i in range(4)]
    return Poses(
        keypoints=columns[0].reshape(n, 17, 2),
        scores=columns[1].reshape(n, 17),
        boxes_xyxy=columns[2].reshape(n, 4),
        box_scores=columns[3].reshape(n),
        skeleton=COCO,
    )


def _clip(scene: Callable[[np.random.Generator], NDArray[np.float64]], seed: int) -> list[Frame]:
    rng = np.random.default_rng(seed)
    joints = scene(rng)
    return [_observed(joints[:, frame], rng) for frame in range(joints.shape[1])]


class _PlainIou:
    """Track as is often done: the most overlapping box goes on where the last one was."""

    def __init__(self) -> None:
        self._boxes: dict[int, tuple[NDArray[np.float64], int]] = {}
        self._count = 0

    def __call__(self, poses: Poses) -> Poses:
        boxes = poses.boxes_xyxy.astype(np.float64)
        ids = np.zeros(len(poses), np.int64)
        known = list(self._boxes)
        last = np.array([self._boxes[i][0] for i in known]).reshape(-1, 4)
        overlap = box_iou(last, boxes)
        while overlap.size and overlap.max() >= 0.3:
            row, column = np.unravel_index(overlap.argmax(), overlap.shape)
            ids[column] = known[row]
            overlap[row], overlap[:, column] = 0, 0
        for index in np.flatnonzero(ids == 0):
            self._count += 1
            ids[index] = self._count
        aged = {i: (box, missed + 1) for i, (box, missed) in self._boxes.items()}
        seen = {int(i): (box, 0) for i, box in zip(ids, boxes, strict=True)}
        self._boxes = {i: row for i, row in (aged | seen).items() if row[1] <= MAX_LOST}
        return replace(poses, ids=ids)


def _switches(clip: Sequence[Frame], follow: Follow) -> int:
    """Count how often a person has another id than when seen last."""
    last: dict[int, int] = {}
    count = 0
    for frame in clip:
        ids = follow(frame.poses).ids
        assert ids is not None
        assert len(set(ids.tolist())) == len(ids)
        for person, new in zip(frame.people.tolist(), ids.tolist(), strict=True):
            count += last.get(person, new) != new
            last[person] = new
    return count


def test_two_people_who_cross_keep_their_ids() -> None:
    clips = [_clip(_crossing, seed) for seed in range(10)]
    assert sum(_switches(clip, Tracker()) for clip in clips) <= 1
    assert sum(_switches(clip, _PlainIou()) for clip in clips) >= 5


def test_a_crowd_changes_ids_about_half_as_often_as_with_boxes_alone() -> None:
    clips = [_clip(_crowd, seed) for seed in range(4)]
    ours = sum(_switches(clip, Tracker()) for clip in clips)
    assert ours <= 0.6 * sum(_switches(clip, _PlainIou()) for clip in clips)


def _scene(
    *persons: tuple[float, float], box_score: float = 0.9, score: float = 0.9, height: float = 200
) -> Poses:
    """Give standing people at (x, y) of their feet."""
    joints = [_walker(np.array([x]), y=y, height=height, phase=0)[0] for x, y in persons]
    boxes = _boxes(np.array(joints).reshape(-1, 17, 2))
    return _poses([(j, [score] * 17, b, box_score) for j, b in zip(joints, boxes, strict=True)])


def _together(*scenes: Poses) -> Poses:
    rows = [(s.keypoints[0], s.scores[0], s.boxes_xyxy[0], float(s.box_scores[0])) for s in scenes]
    return _poses(rows)


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
    expected = _boxes(_scene((324, 500), (800, 412)).keypoints.astype(np.float64))
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
