from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.smoothing import PARTS, WHOLE, error_by_part, lag_by_part, make_clip, offline, run
from benchmarks.smoothing import online as smooth_online
from posedistill.poses import Poses
from posedistill.runtime.smoother import (
    PART_SMOOTHING,
    PartSmoothing,
    Smoother,
    smooth_track_offline,
)
from posedistill.skeleton import Skeleton

COCO = Skeleton.get("coco17")
Floats = NDArray[np.float64]


def _poses(points: Floats, *, ids: Sequence[int] = (1,), size: float = 100.0) -> Poses:
    """Give persons whose 17 joints lie at points, (N, 17, 2)."""
    return Poses(
        keypoints=points.astype(np.float32),
        scores=np.full(points.shape[:2], 0.8, np.float32),
        boxes_xyxy=np.tile(np.array([0, 0, size, size], np.float32), (len(points), 1)),
        box_scores=np.ones(len(points), np.float32),
        skeleton=COCO,
        ids=np.array(ids, np.int64),
    )


def _walk(rng: np.random.Generator, n: int, *, people: int = 1) -> Floats:
    """Give trembling motion, (n, people, 17, 2)."""
    return 300 + rng.normal(0, 4, (n, people, 17, 2)).cumsum(axis=0)


def _smoothed(frames: Sequence[Poses], times_s: Sequence[float] | Floats) -> Floats:
    smoother = Smoother(COCO)
    pairs = zip(frames, times_s, strict=True)
    return np.stack([smoother(poses, float(t)).keypoints for poses, t in pairs]).astype(np.float64)


def _offline(frames: Sequence[Poses], times_s: Sequence[float] | Floats) -> Floats:
    smooth = smooth_track_offline(frames, times_s)
    return np.stack([poses.keypoints for poses in smooth]).astype(np.float64)


@pytest.mark.parametrize("motion", ["still", "moving"])
def test_jitter_falls_by_half_while_a_video_runs(motion: str, rng: np.random.Generator) -> None:
    clip = make_clip(rng, motion=motion, num_frames=120)
    before = error_by_part(clip, clip.seen, order=2)
    after = error_by_part(clip, run(clip, smooth_online()), order=2)
    assert all(after[part] <= 0.5 * before[part] for part in PARTS)


def test_joints_lag_by_less_than_a_frame(rng: np.random.Generator) -> None:
    clip = make_clip(rng, motion="1 Hz", num_frames=120)
    lag = lag_by_part(clip, run(clip, smooth_online()))
    assert all(0.1 < lag[part] < 1 for part in PARTS)


def test_the_measure_of_lag_knows_a_delay_of_two_frames(rng: np.random.Generator) -> None:
    clip = make_clip(rng, motion="1 Hz", num_frames=120)
    late = np.concatenate([clip.truth[:2], clip.truth[:-2]])
    assert lag_by_part(clip, late) == pytest.approx(dict.fromkeys(PARTS, 2.0), abs=1e-6)


def test_of_a_whole_video_jitter_falls_further_with_half_the_error_and_no_lag(
    rng: np.random.Generator,
) -> None:
    moving = make_clip(rng, motion="moving", num_frames=120)
    found = run(moving, offline())
    jitter = [error_by_part(moving, points, order=2) for points in (moving.seen, found)]
    error = [error_by_part(moving, points) for points in (moving.seen, found)]
    assert all(jitter[1][part] <= 0.15 * jitter[0][part] for part in PARTS)
    assert all(error[1][part] <= 0.6 * error[0][part] for part in PARTS)
    swinging = make_clip(rng, motion="1 Hz", num_frames=120)
    lag = lag_by_part(swinging, run(swinging, offline()))
    assert all(abs(lag[part]) < 0.05 for part in PARTS)


def _one_euro(points: Floats, times: Floats, part: PartSmoothing, *, size: float) -> Floats:
    """Filter one joint, (n, 2), step by step as the paper has it."""
    smooth, speed = points[0], np.zeros(2)
    out = [smooth]
    for before, now, point in zip(times, times[1:], points[1:], strict=False):
        step = now - before
        alpha = 1 / (1 + 1 / (2 * np.pi * 1.0 * step))
        speed = alpha * (point - smooth) / step + (1 - alpha) * speed
        cutoff = part.cutoff_hz + part.gain * np.hypot(*speed) / size
        alpha = 1 / (1 + 1 / (2 * np.pi * cutoff * step))
        smooth = alpha * point + (1 - alpha) * smooth
        out.append(smooth)
    return np.array(out)


def test_each_joint_of_each_person_is_filtered_on_its_own(rng: np.random.Generator) -> None:
    times = np.cumsum(rng.uniform(0.01, 0.09, 40))  # a variable frame rate
    points = _walk(rng, 40, people=3)
    found = _smoothed([_poses(p, ids=(4, 2, 9)) for p in points], times)
    for person in range(3):
        for joint in (0, 9, 16):
            expected = _one_euro(
                points[:, person, joint], times, PART_SMOOTHING["body"], size=100.0
            )
            np.testing.assert_allclose(found[:, person, joint], expected, rtol=0, atol=1e-3)


def test_parts_are_smoothed_by_their_own_parameters(rng: np.random.Generator) -> None:
    clip = make_clip(rng, motion="moving", num_frames=60)
    parts = dict(PART_SMOOTHING) | {"face": PartSmoothing(1e6, 0.0, 0.2)}
    moved = np.abs(run(clip, smooth_online(parts)) - clip.seen).max(axis=(0, 1, 3))
    assert moved[WHOLE.groups["face"]].max() < 1e-2
    assert moved[WHOLE.groups["body"]].min() > 0.5


@pytest.mark.parametrize("is_offline", [False, True], ids=["online", "offline"])
def test_a_larger_or_turned_image_gives_larger_or_turned_results(
    is_offline: bool, rng: np.random.Generator
) -> None:
    points, times = _walk(rng, 30), np.arange(30) / 30
    turn = 3 * np.array([[0.8, 0.6], [-0.6, 0.8]])

    def smooth(frames: list[Poses]) -> Floats:
        if is_offline:
            return _offline(frames, times)
        return _smoothed(frames, times)

    plain = smooth([_poses(p) for p in points])
    turned = smooth([_poses(p @ turn, size=300.0) for p in points])
    np.testing.assert_allclose(turned, plain @ turn, rtol=0, atol=5e-3)


def test_people_in_another_order_are_smoothed_alike(rng: np.random.Generator) -> None:
    points, times = _walk(rng, 20, people=3), np.arange(20) / 30
    found = _smoothed([_poses(p, ids=(1, 2, 3)) for p in points], times)
    orders = [rng.permutation(3) for _ in points]
    frames = [
        _poses(p[o], ids=[int(i) + 1 for i in o]) for p, o in zip(points, orders, strict=True)
    ]
    shuffled = _smoothed(frames, times)
    for row, order, expected in zip(shuffled, orders, found, strict=True):
        np.testing.assert_array_equal(row, expected[order])


@pytest.mark.parametrize("is_offline", [False, True], ids=["online", "offline"])
def test_an_absent_joint_passes_through_and_teaches_nothing(
    is_offline: bool, rng: np.random.Generator
) -> None:
    points, times = _walk(rng, 20), np.arange(20) / 30
    found = []
    for junk in (-5000.0, np.nan):
        frames = [_poses(p) for p in points]
        for poses in frames[8:11]:
            poses.keypoints[0, 9], poses.scores[0, 9] = junk, 0.1
        out = (_offline if is_offline else _smoothed)(frames, times)
        np.testing.assert_array_equal(out[8:11, 0, 9], np.full((3, 2), junk))
        found.append(np.delete(out, [8, 9, 10], axis=0))
    np.testing.assert_array_equal(found[0], found[1])
    assert np.isfinite(found[1]).all()
    assert np.abs(found[0][8, 0, 9] - points[11, 0, 9]).max() > 0.1  # still smoothed after it


@pytest.mark.parametrize(("gap_s", "starts_anew"), [(0.4, False), (0.6, True)])
def test_a_long_gap_starts_anew(gap_s: float, starts_anew: bool, rng: np.random.Generator) -> None:
    points = _walk(rng, 11)
    nobody = _poses(np.zeros((0, 17, 2)), ids=())
    times = [*(np.arange(10) / 30), 9 / 30 + gap_s / 2, 9 / 30 + gap_s]
    frames = [*(_poses(p) for p in points[:10]), nobody, _poses(points[10])]
    smoother = Smoother(COCO)
    last = [smoother(poses, t).keypoints for poses, t in zip(frames, times, strict=True)][-1]
    assert np.allclose(last, points[10].astype(np.float32), rtol=0, atol=0) == starts_anew


def test_someone_new_starts_where_they_are_seen(rng: np.random.Generator) -> None:
    points = _walk(rng, 2, people=2)
    smoother = Smoother(COCO)
    smoother(_poses(points[0, :1], ids=(1,)), 0.0)
    found = smoother(_poses(points[1], ids=(1, 2)), 0.03).keypoints
    np.testing.assert_array_equal(found[1], points[1, 1].astype(np.float32))
    assert not np.array_equal(found[0], points[1, 0].astype(np.float32))


def test_after_a_reset_nobody_is_known_and_time_may_go_back(rng: np.random.Generator) -> None:
    points = _walk(rng, 2)
    smoother = Smoother(COCO)
    smoother(_poses(points[0]), 5.0)
    smoother.reset()
    found = smoother(_poses(points[1]), 0.0).keypoints
    np.testing.assert_array_equal(found, points[1].astype(np.float32))


@pytest.mark.parametrize("is_offline", [False, True], ids=["online", "offline"])
def test_raw_keypoints_are_kept_and_nothing_is_smoothed_twice(
    is_offline: bool, rng: np.random.Generator
) -> None:
    points, times = _walk(rng, 10), np.arange(10) / 30
    frames = [_poses(p) for p in points]
    once = smooth_track_offline(frames, times)
    if not is_offline:
        smoother = Smoother(COCO)
        once = [smoother(poses, t) for poses, t in zip(frames, times, strict=True)]
    for poses, smooth in zip(frames, once, strict=True):
        assert smooth.raw_keypoints is not None
        np.testing.assert_array_equal(smooth.raw_keypoints, poses.keypoints)
        np.testing.assert_array_equal(smooth.scores, poses.scores)
        assert smooth.keypoints.dtype == np.float32
    again = smooth_track_offline(once, times)
    for first, second in zip(smooth_track_offline(frames, times), again, strict=True):
        np.testing.assert_array_equal(first.keypoints, second.keypoints)


def test_a_parabola_stays_what_it_is_at_any_times(rng: np.random.Generator) -> None:
    times = np.cumsum(rng.uniform(0.01, 0.06, 40))
    path = times[:, None] ** np.arange(3) @ rng.normal(0, 100, (3, 34))
    frames = [_poses(p.reshape(1, 17, 2)) for p in path]
    found = np.stack([poses.keypoints[0] for poses in smooth_track_offline(frames, times)])
    # The stiffness that keeps short windows solvable costs a thousandth of a pixel or so.
    np.testing.assert_allclose(found.reshape(40, 34), path, rtol=0, atol=5e-3)


def test_a_whole_video_is_smoothed_as_numpy_fits_weighted_parabolas(
    rng: np.random.Generator,
) -> None:
    times = np.cumsum(rng.uniform(0.01, 0.06, 40))
    points = _walk(rng, 40)
    scores = rng.uniform(0.35, 0.9, 40)
    frames = [_poses(p) for p in points]
    for poses, score in zip(frames, scores, strict=True):
        poses.scores[:] = score
    found = smooth_track_offline(frames, times)
    half = PART_SMOOTHING["body"].half_window_s
    for index in (0, 3, 20, 39):
        u = np.abs(times - times[index]) / half
        weights = np.where(u < 1, (1 - np.minimum(u, 1) ** 3) ** 3, 0) * scores
        near = weights > 0
        for axis in (0, 1):
            fit = np.polyfit(
                times[near] - times[index], points[near, 0, 5, axis], 2, w=np.sqrt(weights[near])
            )
            assert found[index].keypoints[0, 5, axis] == pytest.approx(fit[-1], abs=5e-3)


def test_what_lies_beyond_the_window_does_not_touch(rng: np.random.Generator) -> None:
    points = _walk(rng, 20)
    times = np.concatenate([np.arange(10) / 30, 5 + np.arange(10) / 30])
    together = smooth_track_offline([_poses(p) for p in points], times)
    alone = smooth_track_offline([_poses(p) for p in points[:10]], times[:10])
    for first, second in zip(alone, together, strict=False):
        np.testing.assert_array_equal(first.keypoints, second.keypoints)


@pytest.mark.parametrize("num_frames", [1, 2], ids=str)
def test_a_video_of_a_frame_or_two_stays_as_it_is(
    num_frames: int, rng: np.random.Generator
) -> None:
    points = _walk(rng, num_frames)
    found = smooth_track_offline([_poses(p) for p in points], np.arange(num_frames) / 30)
    for poses, expected in zip(found, points, strict=True):
        np.testing.assert_allclose(poses.keypoints, expected, rtol=0, atol=5e-3)


def test_frames_without_persons_are_fine(rng: np.random.Generator) -> None:
    nobody = _poses(np.zeros((0, 17, 2)), ids=())
    found = smooth_track_offline([nobody, _poses(_walk(rng, 1)[0]), nobody], [0.0, 0.1, 0.2])
    assert [len(poses) for poses in found] == [0, 1, 0]
    assert smooth_track_offline([], []) == []
    assert len(Smoother(COCO)(nobody, 0.0)) == 0


def test_poses_without_ids_are_refused() -> None:
    poses = replace(_poses(np.zeros((1, 17, 2))), ids=None)
    with pytest.raises(ValueError, match="the poses have no ids; give them to a Tracker first"):
        Smoother(COCO)(poses, 0.0)
    with pytest.raises(ValueError, match="no ids"):
        smooth_track_offline([poses], [0.0])


def test_an_id_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ids are \[3, 3\]; expected each once"):
        Smoother(COCO)(_poses(np.zeros((2, 17, 2)), ids=(3, 3)), 0.0)


def test_a_time_that_does_not_go_on_is_refused() -> None:
    smoother, poses = Smoother(COCO), _poses(np.zeros((1, 17, 2)))
    smoother(poses, 1.0)
    with pytest.raises(ValueError, match=r"time_s is 1.0, not after the 1.0"):
        smoother(poses, 1.0)
    with pytest.raises(ValueError, match="expected one time a frame, each later"):
        smooth_track_offline([poses, poses], [1.0, 1.0])


def test_another_skeleton_is_refused() -> None:
    poses = _poses(np.zeros((1, 17, 2)))
    with pytest.raises(ValueError, match="poses are of coco17, the smoother is for hand21"):
        Smoother(Skeleton.get("hand21"))(poses, 0.0)
    other = replace(Poses.empty(Skeleton.get("hand21")), ids=np.zeros(0, np.int64))
    with pytest.raises(ValueError, match="frames are of coco17, hand21; expected one skeleton"):
        smooth_track_offline([poses, other], [0.0, 1.0])
