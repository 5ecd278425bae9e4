"""Smoother: keypoints that neither tremble nor lag.

While a video runs: the one-euro filter (Casiez, Roussel and Vogel, "1 Euro Filter: A Simple
Speed-based Low-pass Filter for Noisy Input in Interactive Systems", CHI 2012). Deliberate
differences: the speed that raises the cut-off is that of the point, not of each coordinate, so that
a turned image gives turned results; it is measured in sizes of the person (the square root of the
box's area) a second, so that nothing depends on the resolution; a joint that is absent for a moment
is left as it is. When the whole video is known: local quadratic regression, that is the filter of
Savitzky and Golay (1964) for frames at any times, weighted as by Cleveland (1979) and by score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from posedistill.poses import Poses
from posedistill.runtime.association import Floats, box_sizes
from posedistill.skeleton import Skeleton

_LONGEST_GAP_S = 0.5  # a joint or person unseen for longer starts anew
_SPEED_CUTOFF_HZ = 1.0  # of the speed itself, as in the paper
_SIZE_CUTOFF_HZ = 0.5  # boxes tremble as well, and people hardly change in size
_STIFFNESS = 1e-6  # keeps windows with fewer than three frames solvable; too little to be seen


@dataclass(frozen=True)
class PartSmoothing:
    """Say how strongly the joints of a part are smoothed.

    Attributes:
        cutoff_hz: of the low-pass filter for a joint at rest; lower trembles less.
        gain: how many Hz a speed of one size of the person a second adds; higher lags less.
        half_window_s: seconds before and after a frame that count when the whole video is known.
    """

    cutoff_hz: float
    gain: float
    half_window_s: float


# Tuned by benchmarks/smoothing.py: half the jitter at under one frame of lag. The same error is
# larger to the eye on a small part, so that hands and faces are held more still at rest. Faces move
# little in sizes of the person and need a high gain not to lag; hands move far.
_BODY, _HAND = PartSmoothing(1.5, 15.0, 0.25), PartSmoothing(1.0, 10.0, 0.2)
PART_SMOOTHING: Mapping[str, PartSmoothing] = MappingProxyType(
    {
        "body": _BODY,
        "foot": _BODY,
        "face": PartSmoothing(1.0, 30.0, 0.25),
        "hand": _HAND,
        "left_hand": _HAND,
        "right_hand": _HAND,
    }
)


@dataclass(frozen=True, eq=False)
class _State:
    """Hold where the filter stands, by id."""

    ids: NDArray[np.int64]  # (N,)
    points: Floats  # (N, K, 2) pixels
    speed: Floats  # (N, K, 2) pixels a second
    seen_at: Floats  # (N, K) seconds
    sizes: Floats  # (N,) pixels
    sized_at: Floats  # (N,) seconds

    @staticmethod
    def unknown(ids: NDArray[np.int64], num_joints: int) -> "_State":
        points = np.zeros((len(ids), num_joints, 2))
        never = np.full(points.shape[:2], -np.inf)
        return _State(ids, points, points, never, np.zeros(len(ids)), never[:, 0])

    def __getitem__(self, index: NDArray[np.generic]) -> "_State":
        return _State(*(getattr(self, field.name)[index] for field in fields(self)))

    def joined(self, others: "_State") -> "_State":
        pairs = ((getattr(self, field.name), getattr(others, field.name)) for field in fields(self))
        return _State(*(np.concatenate(pair) for pair in pairs))


class Smoother:
    """Smooth the keypoints of a video while it runs, by id and joint.

    min_score: joints that score less are passed through and not learnt from. parts: how strongly
    each group of the skeleton is smoothed, `PART_SMOOTHING` unless given; groups it lacks go as
    "body". A joint or person unseen for more than half a second starts anew.

    >>> skeleton = Skeleton.get("coco17")
    >>> smoother = Smoother(skeleton)
    >>> poses = replace(Poses.empty(skeleton), ids=np.zeros(0, np.int64))
    >>> smoother(poses, 0.0).raw_keypoints.shape
    (0, 17, 2)
    """

    def __init__(
        self,
        skeleton: Skeleton,
        *,
        min_score: float = 0.3,
        parts: Mapping[str, PartSmoothing] = PART_SMOOTHING,
    ) -> None:
        self._skeleton = skeleton
        self._min_score = min_score
        of_joints = _of_joints(skeleton, parts)
        self._cutoffs_hz = np.array([part.cutoff_hz for part in of_joints])
        self._gains = np.array([part.gain for part in of_joints])
        self.reset()

    def reset(self) -> None:
        """Forget everyone, as before another video."""
        self._state = _State.unknown(np.zeros(0, np.int64), len(self._skeleton))
        self._now = -np.inf

    def __call__(self, poses: Poses, time_s: float) -> Poses:
        """Give the same poses with smooth keypoints, the others kept as raw_keypoints.

        poses: with ids, of one frame; if they have raw_keypoints, those are smoothed, so that
        nothing is smoothed twice. time_s: of the frame, later than the one before. Scores, boxes
        and order stay. Raises ValueError without ids, with an id given twice, for a time that
        does not go on and for another skeleton.
        """
        ids = _check_ids(poses)
        self._check(poses, time_s)
        self._now = time_s
        raw = _raw(poses)
        old, others = self._recall(ids)
        sizes = _filtered(
            old.sizes,
            box_sizes(poses.boxes_xyxy.astype(np.float64)),
            weight=_weight(_SIZE_CUTOFF_HZ, time_s - old.sized_at),
        )
        state = self._advance(old, raw, is_seen=poses.scores >= self._min_score, sizes=sizes)
        is_recent = others.sized_at >= time_s - _LONGEST_GAP_S
        self._state = others[is_recent].joined(state)
        smooth = np.where((state.seen_at == time_s)[..., None], state.points, raw)
        return replace(poses, keypoints=smooth.astype(np.float32), raw_keypoints=raw)

    def _advance(
        self, old: _State, raw: NDArray[np.float32], *, is_seen: NDArray[np.bool_], sizes: Floats
    ) -> _State:
        step = self._now - old.seen_at
        is_new = step > _LONGEST_GAP_S
        step = np.where(is_new, 1.0, step)
        newest = (raw - old.points) / step[..., None]
        speed = _filtered(old.speed, newest, weight=_weight(_SPEED_CUTOFF_HZ, step)[..., None])
        in_sizes = np.linalg.norm(speed, axis=-1) / np.maximum(sizes, 1.0)[:, None]
        weight = _weight(self._cutoffs_hz + self._gains * in_sizes, step)
        points = _filtered(old.points, raw, weight=weight[..., None])
        points = np.where(is_new[..., None], raw, points)
        speed = np.where(is_new[..., None], 0.0, speed)
        return _State(
            ids=old.ids,
            points=np.where(is_seen[..., None], points, old.points),
            speed=np.where(is_seen[..., None], speed, old.speed),
            seen_at=np.where(is_seen, self._now, old.seen_at),
            sizes=sizes,
            sized_at=np.full(len(sizes), self._now),
        )

    def _recall(self, ids: NDArray[np.int64]) -> tuple[_State, _State]:
        """Give the state of the persons, in their order, and that of all others."""
        known = self._state.ids
        is_same = ids[:, None] == known
        missing = ids[~is_same.any(axis=1)]
        both = self._state.joined(_State.unknown(missing, len(self._skeleton)))
        rows = (ids[:, None] == both.ids).argmax(axis=1) if len(ids) else np.zeros(0, np.int64)
        return both[rows], self._state[~is_same.any(axis=0)]

    def _check(self, poses: Poses, time_s: float) -> None:
        if poses.skeleton is not self._skeleton:
            raise ValueError(
                f"poses are of {poses.skeleton.name}, the smoother is for {self._skeleton.name}"
            )
        if not time_s > self._now:
            raise ValueError(
                f"time_s is {time_s}, not after the {self._now} of the frame before; "
                "reset() before another video"
            )


def smooth_track_offline(
    frames: Sequence[Poses],
    times_s: Sequence[float] | Floats,
    *,
    min_score: float = 0.3,
    parts: Mapping[str, PartSmoothing] = PART_SMOOTHING,
) -> list[Poses]:
    """Give the poses of a whole video with smooth keypoints that lag by nothing.

    frames: with ids, of one skeleton; times_s: of the frames, ascending. min_score and parts as
    for `Smoother`, and raw_keypoints are kept and taken as there. What lies farther apart than
    a part's half window does not touch. Raises ValueError for frames without ids or with one
    given twice, for times that do not ascend and for skeletons that differ.

    >>> poses = replace(Poses.empty(Skeleton.get("coco17")), ids=np.zeros(0, np.int64))
    >>> len(smooth_track_offline([poses, poses], [0.0, 0.04]))
    2
    """
    times = np.asarray(times_s, np.float64)
    if times.shape != (len(frames),) or not (np.diff(times) > 0).all():
        raise ValueError(
            f"times_s has shape {times.shape} for {len(frames)} frames; "
            "expected one time a frame, each later than the one before"
        )
    if not frames:
        return []
    skeleton = frames[0].skeleton
    if any(poses.skeleton is not skeleton for poses in frames):
        names = sorted({poses.skeleton.name for poses in frames})
        raise ValueError(f"frames are of {', '.join(names)}; expected one skeleton")
    ids = np.concatenate([_check_ids(poses) for poses in frames])
    frame_of = np.repeat(np.arange(len(frames)), [len(poses) for poses in frames])
    points = np.concatenate([_raw(poses) for poses in frames])
    scores = np.concatenate([poses.scores for poses in frames]).astype(np.float64)
    weights = np.where(scores >= min_score, scores, 0.0)
    windows = np.array([part.half_window_s for part in _of_joints(skeleton, parts)])
    smooth = points.copy()
    for person in np.unique(ids):
        rows = np.flatnonzero(ids == person)
        smooth[rows] = _regressed(
            points[rows], weights[rows], times=times[frame_of[rows]], half_windows_s=windows
        )
    pieces = np.split(smooth, np.cumsum([len(poses) for poses in frames])[:-1])
    return [
        replace(poses, keypoints=piece, raw_keypoints=_raw(poses))
        for poses, piece in zip(frames, pieces, strict=True)
    ]


def _regressed(
    points: NDArray[np.float32], weights: Floats, *, times: Floats, half_windows_s: Floats
) -> Floats:
    """Fit a parabola around each frame and give its value there.

    points: (n, K, 2), weights: (n, K), times: (n,), half_windows_s: (K,). Gives (n, K, 2); what has
    no weight stays.
    """
    n, k = weights.shape
    is_seen = weights > 0
    known = np.where(is_seen[..., None], points, 0.0)  # what is absent may be NaN
    moments, sums = np.zeros((n, k, 3, 3)), np.zeros((n, k, 3, 2))
    last = np.searchsorted(times, times + half_windows_s.max(), side="right") - 1
    reach = int((last - np.arange(n)).max())
    for offset in range(-reach, reach + 1):
        here = slice(max(0, -offset), n - max(0, offset))
        there = slice(max(0, offset), n - max(0, -offset))
        u = (times[there] - times[here])[:, None] / half_windows_s
        tricube = np.maximum(1 - np.abs(u) ** 3, 0) ** 3
        powers = u[..., None] ** np.arange(3)
        weighed = (weights[there] * tricube)[..., None] * powers
        moments[here] += weighed[..., :, None] * powers[..., None, :]
        sums[here] += weighed[..., :, None] * (known[there] - known[here])[..., None, :]
    moments += _STIFFNESS * moments[..., :1, :1] * np.diag([0, 1, 1])
    moments[~is_seen] = np.eye(3)
    shift = np.linalg.solve(moments, sums)[..., 0, :]
    return np.where(is_seen[..., None], known + shift, points)


def _of_joints(skeleton: Skeleton, parts: Mapping[str, PartSmoothing]) -> list[PartSmoothing]:
    of_joints = [parts.get("body", _BODY)] * len(skeleton)
    for name, index in skeleton.groups.items():
        for joint in index:
            of_joints[joint] = parts.get(name, of_joints[joint])
    return of_joints


def _weight(cutoff_hz: Floats | float, step_s: Floats) -> Floats:
    """Give how much a new value counts in a low-pass filter of first order."""
    return np.asarray(1 / (1 + 1 / (2 * np.pi * cutoff_hz * step_s)))


def _filtered(old: Floats, new: NDArray[np.floating], *, weight: Floats) -> Floats:
    return np.asarray(old + weight * (new - old))


def _raw(poses: Poses) -> NDArray[np.float32]:
    return poses.keypoints if poses.raw_keypoints is None else poses.raw_keypoints


def _check_ids(poses: Poses) -> NDArray[np.int64]:
    if poses.ids is None:
        raise ValueError("the poses have no ids; give them to a Tracker first")
    if len(np.unique(poses.ids)) != len(poses):
        raise ValueError(f"ids are {poses.ids.tolist()}; expected each once in a frame")
    return poses.ids
