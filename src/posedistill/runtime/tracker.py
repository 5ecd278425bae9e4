"""Tracker: the same person gets the same id in every frame.

In the manner of ByteTrack (Zhang et al., ECCV 2022: sure detections are matched first, weak ones
then, and only with persons who are known) and of OC-SORT (Cao et al., CVPR 2023: the speed of a
person who comes back is that between two sightings, and lost ones are also looked for where they
were last seen). Deliberate differences: what is compared is poses by OKS as well as boxes by
overlap; speed is an average of observed steps, without a Kalman filter, and size is taken to stay;
a person moves as their joints do (the median of their steps) rather than as the box does, which
jumps where a part of them is hidden; everyone has an id at once instead of after some frames.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from posedistill.poses import Poses
from posedistill.runtime.association import (
    FEWEST_SHARED,
    Floats,
    Persons,
    assign,
    box_sizes,
    doubles,
    similarity,
)
from posedistill.skeleton import Skeleton

_LEAST_SIMILARITY = 0.3  # of a person found and one who is known
_SPEED_GAIN = 0.15  # how much the newest step counts for the speed
_REACH, _REACH_A_FRAME = 0.5, 0.05  # sizes a lost person may be off; 0.05 a frame is walking
_LEAST_SIZE_RATIO = 0.5  # of a lost person and the one who may be them
_LEAST_SURE_SHARE = 0.2  # of the body's joints, for a person to be followed
_MARGIN = 0.1  # of the longer side: COCO's person boxes reach this far over the outermost joints


@dataclass(frozen=True, eq=False)
class _Tracks:
    """Hold the known persons, each as last seen; all arrays are (N, ...)."""

    ids: NDArray[np.int64]
    joints: Floats  # (N, J, 2) of the body
    is_sure_joint: NDArray[np.bool_]
    boxes_xyxy: Floats
    next_xyxy: Floats  # the box to estimate the next pose in, but for their speed
    speed: Floats  # (N, 2) pixels a unit of time
    seen_at: Floats
    num_seen: NDArray[np.int64]
    num_missed: NDArray[np.int64]  # frames since
    is_certain: NDArray[np.bool_]  # was seen in a sure box at least once
    is_double: NDArray[np.bool_]  # coincides with an older person

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: NDArray[np.generic]) -> "_Tracks":
        return _Tracks(*(getattr(self, field.name)[index] for field in fields(self)))

    def joined(self, others: "_Tracks") -> "_Tracks":
        pairs = ((getattr(self, field.name), getattr(others, field.name)) for field in fields(self))
        return _Tracks(*(np.concatenate(pair) for pair in pairs))

    def moved_to(self, now: float) -> "_Tracks":
        """Give them where they should be by then."""
        shift = self.speed * (now - self.seen_at)[:, None]
        return replace(
            self,
            joints=self.joints + shift[:, None],
            boxes_xyxy=self.boxes_xyxy + np.tile(shift, 2),
            next_xyxy=self.next_xyxy + np.tile(shift, 2),
        )

    def persons(self) -> Persons:
        return Persons(self.joints, self.is_sure_joint, self.boxes_xyxy)


class Tracker:
    """Give the persons of each frame ids that stay the same from frame to frame.

    max_lost: frames for which an unseen person is remembered. sure_score: boxes that score less
    only go on with known persons; who was never in a surer one is forgotten when missed once.
    min_score: joints that score less are not looked at.

    Ids count up from 1 and none is given twice. Everyone has one at once, so that pictures which
    are no video can pass through as well.

    >>> tracker = Tracker()
    >>> tracker(Poses.empty(Skeleton.get("coco17"))).ids
    array([], dtype=int64)
    """

    def __init__(
        self, *, max_lost: int = 30, sure_score: float = 0.5, min_score: float = 0.3
    ) -> None:
        if max_lost < 0:
            raise ValueError(f"max_lost is {max_lost}; expected 0 or more frames")
        self._max_lost = max_lost
        self._sure_score = sure_score
        self._min_score = min_score
        self.reset()

    def reset(self) -> None:
        """Forget everyone and give ids from 1 on again, as before another video."""
        self._tracks: _Tracks | None = None
        self._skeleton: Skeleton | None = None
        self._num_ids = 0
        self._now, self._step = 0.0, 1.0

    def __call__(self, poses: Poses, time_s: float | None = None) -> Poses:
        """Give the same poses, in their order, with ids.

        time_s: of the frame; without it, frames are taken to be equally far apart. Give it for
        all frames of a video or for none. Raises ValueError for a time that is not after the last
        one and for poses of another skeleton than before.
        """
        self._check(poses, time_s)
        if time_s is None:
            self._now += self._step
        else:
            self._step = self._step if self._tracks is None else time_s - self._now
            self._now = time_s
        self._skeleton = poses.skeleton
        sigmas = poses.skeleton.sigmas[_body(poses.skeleton)]
        found = self._as_tracks(poses)
        known = found[np.arange(0)] if self._tracks is None else self._tracks
        pairs = _match(known, found, now=self._now, sigmas=sigmas)
        found = self._with_ids(known, found, pairs=pairs)
        found = replace(found, is_double=doubles(found.persons(), found.ids, sigmas=sigmas))
        found = _with_speed(known, found, pairs=pairs)
        self._tracks = self._remembered(known, pairs[:, 0]).joined(found)
        return replace(poses, ids=found.ids.copy())

    def predict_boxes(self) -> Floats:
        """Give the boxes in which the persons of the last frame should be in the next, (M, 4).

        To estimate the next poses without a detector. Persons with hardly a sure joint are left
        out, and of two who have become one the younger is: both need a detector again.

        >>> Tracker().predict_boxes().shape
        (0, 4)
        """
        if self._tracks is None:
            return np.zeros((0, 4))
        tracks = self._tracks
        is_clear = tracks.is_sure_joint.mean(axis=1) >= _LEAST_SURE_SHARE
        followed = tracks[is_clear & (tracks.num_missed == 0) & ~tracks.is_double]
        return followed.moved_to(self._now + self._step).next_xyxy

    def _check(self, poses: Poses, time_s: float | None) -> None:
        if self._skeleton is not None and poses.skeleton is not self._skeleton:
            raise ValueError(
                f"poses are of {poses.skeleton.name}, those before were of {self._skeleton.name}; "
                "take another Tracker for them, or reset() this one"
            )
        if self._tracks is not None and time_s is not None and time_s <= self._now:
            raise ValueError(
                f"time_s is {time_s}, not after the {self._now} of the frame before; "
                "give it for all frames or for none, and reset() before another video"
            )

    def _as_tracks(self, poses: Poses) -> _Tracks:
        n, body = len(poses), _body(poses.skeleton)
        boxes = poses.boxes_xyxy.astype(np.float64)
        return _Tracks(
            ids=np.zeros(n, np.int64),
            joints=poses.keypoints[:, body].astype(np.float64),
            is_sure_joint=poses.scores[:, body] >= self._min_score,
            boxes_xyxy=boxes,
            # Half of the old box: networks answer to the box, and boxes that follow at once swing.
            next_xyxy=(boxes + _joint_boxes(poses, boxes, min_score=self._min_score)) / 2,
            speed=np.zeros((n, 2)),
            seen_at=np.full(n, self._now),
            num_seen=np.ones(n, np.int64),
            num_missed=np.zeros(n, np.int64),
            is_certain=poses.box_scores >= self._sure_score,
            is_double=np.zeros(n, np.bool_),
        )

    def _with_ids(self, known: _Tracks, found: _Tracks, *, pairs: NDArray[np.int64]) -> _Tracks:
        ids = found.ids.copy()
        is_new = np.ones(len(ids), np.bool_)
        is_new[pairs[:, 1]] = False
        ids[pairs[:, 1]] = known.ids[pairs[:, 0]]
        ids[is_new] = self._num_ids + 1 + np.arange(is_new.sum())
        self._num_ids += int(is_new.sum())
        return replace(found, ids=ids)

    def _remembered(self, known: _Tracks, seen: NDArray[np.int64]) -> _Tracks:
        is_missed = np.ones(len(known), np.bool_)
        is_missed[seen] = False
        missed = known[is_missed]
        missed = replace(missed, num_missed=missed.num_missed + 1)
        longest = np.where(missed.is_certain, self._max_lost, missed.num_seen)
        return missed[missed.num_missed <= np.minimum(longest, self._max_lost)]


def _body(skeleton: Skeleton) -> NDArray[np.int64]:
    return skeleton.groups.get("body", np.arange(len(skeleton)))


def _joint_boxes(poses: Poses, boxes_xyxy: Floats, *, min_score: float) -> Floats:
    """Give the boxes of the sure joints, as far around them as a detector's; else the old ones."""
    is_sure = (poses.scores >= min_score)[..., None]
    low = np.where(is_sure, poses.keypoints, np.inf).min(axis=1)
    high = np.where(is_sure, poses.keypoints, -np.inf).max(axis=1)
    has_joint = is_sure.any(axis=1)
    low = np.where(has_joint, low, boxes_xyxy[:, :2])
    high = np.where(has_joint, high, boxes_xyxy[:, 2:])
    margin = np.where(has_joint, _MARGIN * (high - low).max(axis=1, keepdims=True), 0.0)
    return np.concatenate([low - margin, high + margin], axis=1)


def _match(known: _Tracks, found: _Tracks, *, now: float, sigmas: Floats) -> NDArray[np.int64]:
    """Give pairs of rows of known and of found persons, (P, 2)."""
    expected = known.moved_to(now)
    alike = similarity(expected.persons(), found.persons(), sigmas=sigmas)
    near = _nearness(known, expected, found)
    is_sure, everyone = found.is_certain, np.ones(len(found), np.bool_)
    row_of = np.full(len(found), -1)
    is_free = np.ones(len(known), np.bool_)
    for values, is_asked, least in (
        (alike, is_sure, _LEAST_SIMILARITY),
        (alike, ~is_sure, _LEAST_SIMILARITY),
        (near, everyone, 0.0),
    ):
        rows, columns = np.flatnonzero(is_free), np.flatnonzero(is_asked & (row_of < 0))
        chosen = assign(values[rows[:, None], columns], least=least)
        row_of[columns[chosen[:, 1]]] = rows[chosen[:, 0]]
        is_free[rows[chosen[:, 0]]] = False
    persons = np.flatnonzero(row_of >= 0)
    return np.stack([row_of[persons], persons], axis=1)


def _nearness(known: _Tracks, expected: _Tracks, found: _Tracks) -> Floats:
    """Give how near the found are to where the known should or used to be, and how alike in size.

    (N, M), below 0 where they cannot be the same. The longer unseen, the farther a person reaches.
    """
    sizes, found_sizes = box_sizes(known.boxes_xyxy)[:, None], box_sizes(found.boxes_xyxy)
    size = np.maximum(np.maximum(sizes, found_sizes), 1.0)
    distance = np.minimum(_distances(known, found), _distances(expected, found)) / size
    reach = _REACH + _REACH_A_FRAME * known.num_missed[:, None]
    ratio = np.minimum(sizes, found_sizes) / size
    return np.where(ratio >= _LEAST_SIZE_RATIO, (1 - distance / reach) * ratio, -1.0)


def _distances(tracks: _Tracks, others: _Tracks) -> Floats:
    centers = tracks.boxes_xyxy.reshape(-1, 2, 2).mean(axis=1)
    other_centers = others.boxes_xyxy.reshape(-1, 2, 2).mean(axis=1)
    return np.asarray(np.linalg.norm(centers[:, None] - other_centers, axis=-1))


def _with_speed(known: _Tracks, found: _Tracks, *, pairs: NDArray[np.int64]) -> _Tracks:
    """Give the found persons the past of those they are."""
    old, new = known[pairs[:, 0]], found[pairs[:, 1]]
    newest = _steps(old, new) / (new.seen_at - old.seen_at)[:, None]
    gain = np.where(old.num_seen == 1, 1.0, 1 - (1 - _SPEED_GAIN) ** (old.num_missed + 1))
    gain[new.is_double] = 0.0  # as likely the other's step
    speed, num_seen, is_certain = found.speed.copy(), found.num_seen.copy(), found.is_certain.copy()
    speed[pairs[:, 1]] = old.speed + gain[:, None] * (newest - old.speed)
    num_seen[pairs[:, 1]] += old.num_seen
    is_certain[pairs[:, 1]] |= old.is_certain
    return replace(found, speed=speed, num_seen=num_seen, is_certain=is_certain)


def _steps(old: _Tracks, new: _Tracks) -> Floats:
    """Give how far each went: the median of the joints sure in both, else the box, (N, 2)."""
    is_shared = old.is_sure_joint & new.is_sure_joint
    ordered = np.sort(np.where(is_shared[..., None], new.joints - old.joints, np.inf), axis=1)
    count = is_shared.sum(axis=1)[:, None, None]
    middle = [np.take_along_axis(ordered, np.maximum(count - k, 0) // 2, axis=1) for k in (0, 1)]
    by_box = (new.boxes_xyxy - old.boxes_xyxy).reshape(-1, 2, 2).mean(axis=1)
    by_joints = (middle[0] + middle[1])[:, 0] / 2
    return np.asarray(np.where(count[:, 0] >= FEWEST_SHARED, by_joints, by_box))
