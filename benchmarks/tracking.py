"""Count how often the tracker changes a person's id, beside tracking by the overlap of boxes alone.

    python benchmarks/tracking.py

prints the table. The clips are made up: walking stick figures with noise, wild and lost joints,
missed people, scores that dip, and people hidden by nearer ones.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.goals import Goal, print_goals
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
Scene = Callable[[np.random.Generator], NDArray[np.float64]]  # true joints (N, frames, 17, 2)


@dataclass(frozen=True)
class Frame:
    """Hold what an estimator found in a frame, and which person each pose is of."""

    poses: Poses
    people: NDArray[np.int64]


def walker(x: NDArray[np.float64], *, y: float, height: float, phase: float) -> NDArray[np.float64]:
    """Give the true joints of a walk, (frames, 17, 2) pixels; x: (frames,) of the hips."""
    swing = np.sin(phase + 2 * np.pi * np.arange(len(x)) / 32)[:, None] * SWING
    across = x[:, None] + height * (STANDING[:, 0] + swing)
    down = y - height * STANDING[:, 1]
    return np.stack([across, np.broadcast_to(down, across.shape)], axis=-1)


def crossing(rng: np.random.Generator) -> NDArray[np.float64]:
    """Give two people who walk past each other, (2, frames, 17, 2), the nearer one first."""
    frames, speeds = np.arange(FRAMES), rng.uniform(3, 7, 2) * [1, -1]
    x = 640 + speeds[:, None] * (frames - FRAMES / 2 + rng.uniform(-5, 5))
    heights = rng.uniform(230, 270, 2)
    rows = zip(x, heights, rng.uniform(0, 6.3, 2), strict=True)
    return np.stack([walker(x, y=600, height=h, phase=phase) for x, h, phase in rows])


def crowd(rng: np.random.Generator) -> NDArray[np.float64]:
    """Give eight people who walk to and fro, (8, frames, 17, 2), the nearest one first."""
    speeds = np.zeros((8, FRAMES))
    speeds[:, 0] = rng.uniform(-6, 6, 8)
    for frame in range(1, FRAMES):
        speeds[:, frame] = 0.97 * speeds[:, frame - 1] + rng.normal(0, 0.9, 8)
    x = np.linspace(150, 1150, 8)[:, None] + rng.permutation(8)[:, None] * 3 + speeds.cumsum(axis=1)
    heights = np.linspace(290, 200, 8)
    phases = rng.uniform(0, 6.3, 8)
    return np.stack(
        [walker(x[i], y=500 + heights[i] / 2, height=heights[i], phase=phases[i]) for i in range(8)]
    )


def _observed(joints: NDArray[np.float64], rng: np.random.Generator) -> Frame:
    """Give what a detector and an estimator make of true joints, (N, 17, 2), nearest first.

    Noise of joints and boxes, lost joints, scores that dip, missed persons; who is largely covered
    by nearer people is found with a low score and with joints of theirs, or not at all.
    """
    boxes = boxes_around(joints)
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
    return Frame(poses_of([found[i] for i in order]), np.array(truth, np.int64)[order])


def boxes_around(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give boxes (N, 4) around joints (N, 17, 2), with a margin."""
    low, high = joints.min(axis=1), joints.max(axis=1)
    margin = 0.08 * (high - low).max(axis=1, keepdims=True)
    return np.concatenate([low - margin, high + margin], axis=1)


def poses_of(found: Sequence[tuple[object, object, object, float]]) -> Poses:
    """Give the poses of persons: joints (17, 2), scores (17,), box (4,) and its score of each."""
    n = len(found)
    columns = [np.array([row[i] for row in found], np.float32) for i in range(4)]
    return Poses(
        keypoints=columns[0].reshape(n, 17, 2),
        scores=columns[1].reshape(n, 17),
        boxes_xyxy=columns[2].reshape(n, 4),
        box_scores=columns[3].reshape(n),
        skeleton=COCO,
    )


def make_clip(scene: Scene, seed: int) -> list[Frame]:
    """Give what is found in the frames of a scene."""
    rng = np.random.default_rng(seed)
    joints = scene(rng)
    return [_observed(joints[:, frame], rng) for frame in range(joints.shape[1])]


class PlainIou:
    """Track as is often done: the most overlapping box goes on where the last one was."""

    def __init__(self) -> None:
        self._boxes: dict[int, tuple[NDArray[np.float64], int]] = {}
        self._count = 0

    def __call__(self, poses: Poses) -> Poses:
        """Give the poses with ids."""
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


def count_switches(clip: Sequence[Frame], follow: Follow) -> int:
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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=40, help="of each scene")
    count = parser.parse_args().clips
    scenes = {"two people who cross": crossing, "eight people walking to and fro": crowd}
    goals = []
    print(f"| {count} clips of {FRAMES} frames | changes of id | by the boxes' overlap alone |")
    print("| --- | --: | --: |")
    for name, scene in scenes.items():
        clips = [make_clip(scene, seed) for seed in range(count)]
        ours = [count_switches(clip, Tracker()) for clip in clips]
        plain = sum(count_switches(clip, PlainIou()) for clip in clips)
        print(f"| of {name} | {sum(ours)} | {plain} |", flush=True)
        if scene is crossing:
            kept = ours.count(0)
            share = f"in {kept} of {count} clips"
            goals.append(
                Goal(f"{name} keep their ids", "95 % or more", share, kept >= 0.95 * count)
            )
    print_goals(goals)


if __name__ == "__main__":
    main()
