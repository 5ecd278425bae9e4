"""Measure how much smoothing takes off the trembling of keypoints, and what it costs in lag.

    python benchmarks/smoothing.py
    python benchmarks/smoothing.py --clips first.mp4 second.mp4
    python benchmarks/smoothing.py --poses found.jsonl
    python benchmarks/smoothing.py --tune

The motion is made up: sums of sines of human size and speed, at 30 frames/s, with the noise of an
estimator, by part; all lengths are in sizes of the person (the square root of the box's area).
--clips also takes real clips of one person through the embedded model, --poses the poses of a clip
that have ids and times; of these the jitter alone is known.
--tune shows how the parameters were chosen.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.goals import Goal, print_goals
from posedistill.formats.table import FORMATS, format_of
from posedistill.poses import Poses
from posedistill.runtime.pipeline import Pipeline
from posedistill.runtime.smoother import (
    PART_SMOOTHING,
    PartSmoothing,
    Smoother,
    smooth_track_offline,
)
from posedistill.runtime.video_stages import VideoSettings
from posedistill.skeleton import Skeleton

Floats = NDArray[np.float64]
Smooth = Callable[[Sequence[Poses], Floats], list[Poses]]

FPS, SECONDS, PEOPLE, SIZE = 30, 10, 4, 200.0
WHOLE = Skeleton.get("wholebody133")
PARTS = ("body", "foot", "face", "left_hand")
# Standard deviation of an estimator's error and how far a part swings, in sizes of the person.
# 0.008 of a size is 1.4 pixels of a 192x256 crop, about three SimCC bins.
NOISE = {"body": 0.008, "foot": 0.008, "face": 0.004, "left_hand": 0.008, "right_hand": 0.008}
SWING = {"body": 0.1, "foot": 0.1, "face": 0.05, "left_hand": 0.15, "right_hand": 0.15}
FREQUENCIES_HZ, SHARES = (0.3, 1.0, 2.2), (1.0, 0.6, 0.15)
SLOWNESS = 0.6  # of the slow noise: correlation of one frame's error with the next's
MOST_LAG, MOST_JITTER = 0.8, 0.47  # when tuning: frames, and share of what it was


@dataclass(frozen=True, eq=False)
class Clip:
    """Hold the motion of `PEOPLE` persons and what an estimator would make of it.

    Attributes:
        truth, seen: (frames, people, 133, 2) pixels.
    """

    truth: Floats
    seen: Floats

    def frames(self) -> list[Poses]:
        """Give what was seen as poses with ids."""
        n = self.seen.shape[1]
        side = SIZE / np.sqrt(0.5)
        box = np.array([0, 0, side / 2, side], np.float32)
        return [
            Poses(
                keypoints=points.astype(np.float32),
                scores=np.full(points.shape[:2], 0.8, np.float32),
                boxes_xyxy=np.tile(box, (n, 1)),
                box_scores=np.ones(n, np.float32),
                skeleton=WHOLE,
                ids=np.arange(1, n + 1),
            )
            for points in self.seen
        ]

    def times_s(self) -> Floats:
        """Give the times of the frames."""
        return np.arange(len(self.truth)) / FPS


def per_joint(values_by_part: Mapping[str, float]) -> Floats:
    """Give (133,) the value of each joint's part."""
    values = np.zeros(len(WHOLE))
    for part, index in WHOLE.groups.items():
        values[index] = values_by_part[part]
    return values


def make_clip(
    rng: np.random.Generator, *, motion: str, is_slow: bool = False, num_frames: int = FPS * SECONDS
) -> Clip:
    """Make a clip; motion is "still", "moving" or "1 Hz"; is_slow: the noise is not white."""
    shape = (PEOPLE, len(WHOLE))
    truth = np.tile(rng.uniform(0, SIZE, (*shape, 2)), (num_frames, 1, 1, 1))
    sines = {"still": (), "moving": (FREQUENCIES_HZ, SHARES), "1 Hz": ((1.0,), (1.0,))}[motion]
    times = np.arange(num_frames) / FPS
    for hz, share in zip(*sines, strict=True) if sines else ():
        angle, phase = rng.uniform(0, 2 * np.pi, (2, *shape))
        wave = np.sin(2 * np.pi * hz * times[:, None, None] + phase)
        reach = SIZE * share * per_joint(SWING)
        direction = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        truth += (reach * wave)[..., None] * direction
    noise = rng.normal(size=truth.shape)
    if is_slow:
        for before, now in zip(noise, noise[1:], strict=False):
            now[:] = SLOWNESS * before + np.sqrt(1 - SLOWNESS**2) * now
    return Clip(truth, truth + noise * SIZE * per_joint(NOISE)[:, None])


def online(parts: Mapping[str, PartSmoothing] = PART_SMOOTHING) -> Smooth:
    """Give smoothing as a video runs."""

    def smooth(frames: Sequence[Poses], times_s: Floats) -> list[Poses]:
        smoother = Smoother(frames[0].skeleton, parts=parts)
        return [smoother(poses, float(t)) for poses, t in zip(frames, times_s, strict=True)]

    return smooth


def offline(parts: Mapping[str, PartSmoothing] = PART_SMOOTHING) -> Smooth:
    """Give smoothing of a whole video."""
    return lambda frames, times_s: smooth_track_offline(frames, times_s, parts=parts)


def unchanged(frames: Sequence[Poses], times_s: Floats) -> list[Poses]:
    """Give the frames as they are."""
    return list(frames)


def run(clip: Clip, smooth: Smooth) -> Floats:
    """Give the smoothed keypoints of a clip, (frames, people, 133, 2)."""
    smoothed = smooth(clip.frames(), clip.times_s())
    return np.stack([poses.keypoints.astype(np.float64) for poses in smoothed])


def error_by_part(clip: Clip, found: Floats, *, order: int = 0) -> dict[str, float]:
    """Give the root mean square of the error, in hundredths of a person's size.

    order: 2 for that of its second differences, which is jitter. The first second is left out.
    """
    error = np.diff((found - clip.truth)[FPS:], n=order, axis=0) / SIZE
    return {
        part: 100 * float(np.sqrt((error[:, :, WHOLE.groups[part]] ** 2).mean())) for part in PARTS
    }


def lag_by_part(clip: Clip, found: Floats) -> dict[str, float]:
    """Give by how many frames joints that swing once a second come late.

    By the phases of the two motions at 1 Hz, over whole seconds.
    """
    wave = np.exp(-2j * np.pi * clip.times_s())[FPS:, None, None, None]
    seen, true = ((wave * points[FPS:]).sum(axis=0) for points in (found, clip.truth))
    late = {}
    for part in PARTS:
        turn = (seen * true.conj())[:, WHOLE.groups[part]].sum()
        late[part] = float(-np.angle(turn)) / (2 * np.pi) * FPS
    return late


def measure(smooth: Smooth, *, seed: int = 0) -> dict[str, dict[str, float]]:
    """Give by column and part what smoothing does."""
    rng = np.random.default_rng(seed)
    still, moving = make_clip(rng, motion="still"), make_clip(rng, motion="moving")
    slow = make_clip(rng, motion="moving", is_slow=True)
    swinging = make_clip(rng, motion="1 Hz")
    found, at_rest, found_slow = run(moving, smooth), run(still, smooth), run(slow, smooth)
    return {
        "jitter at rest": error_by_part(still, at_rest, order=2),
        "jitter": error_by_part(moving, found, order=2),
        "jitter, slow noise": error_by_part(slow, found_slow, order=2),
        "error at rest": error_by_part(still, at_rest),
        "error": error_by_part(moving, found),
        "error, slow noise": error_by_part(slow, found_slow),
        "lag": lag_by_part(swinging, run(swinging, smooth)),
    }


def print_table() -> list[Goal]:
    """Print what each way of smoothing does to each part; give the goals."""
    measured = {
        "none": measure(unchanged),
        "one-euro": measure(online()),
        "offline": measure(offline()),
    }
    columns = list(measured["none"])
    print(f"| part | smoothing | {' | '.join(columns)} |")
    print("|---|---" + "|---" * len(columns) + "|")
    for part, (name, values) in product(PARTS, measured.items()):
        cells = [f"{round(values[column][part], 2) + 0.0:.2f}" for column in columns]  # no -0.00
        print(f"| {part} | {name} | {' | '.join(cells)} |")
    return _goals(measured)


def _goals(measured: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[Goal]:
    """Give the goals, each about the part that is farthest from it."""
    before, online, offline = (measured[name] for name in ("none", "one-euro", "offline"))
    goals = []
    for name, after in (("while it runs", online), ("offline", offline)):
        share = max(after["jitter"][part] / before["jitter"][part] for part in PARTS)
        words = f"jitter of moving joints, of what it was, smoothed {name}"
        goals.append(Goal(words, "half or less", f"{share:.2f}", share <= 0.5))
    lag = max(online["lag"].values())
    words = "lag of joints that swing once a second, smoothed while it runs"
    return [*goals, Goal(words, "under one frame", f"{lag:.2f} frames", lag < 1)]


def tune() -> None:
    """Print the best parameters by part, of all on a grid.

    While a video runs: the least error, at rest and moving together, of those that lag by at most
    `MOST_LAG` frames at 1 Hz and leave moving joints at most `MOST_JITTER` of their jitter. Of a
    whole video: all, to choose the window after which the error of moving joints rises.
    """
    before = measure(unchanged)["jitter"]
    best: dict[str, tuple[float, str]] = {}
    for cutoff_hz, gain in product((0.7, 1.0, 1.5, 2.0, 3.0), (5, 7, 10, 12, 15, 20, 30)):
        parts = dict.fromkeys(WHOLE.groups, PartSmoothing(cutoff_hz, gain, 0.2))
        values = measure(online(parts))
        for part in PARTS:
            is_steady = values["jitter"][part] <= MOST_JITTER * before[part]
            rank = values["error at rest"][part] + values["error"][part]
            is_best = rank < best.get(part, (np.inf, ""))[0]
            if is_steady and is_best and values["lag"][part] <= MOST_LAG:
                best[part] = rank, f"cut-off {cutoff_hz} Hz, gain {gain}, {_text(values, part)}"
    for part in PARTS:
        print(f"{part}: {best.get(part, (0, 'none fits'))[1]}")
    for half_window_s in (0.1, 0.15, 0.2, 0.25, 0.3):
        parts = dict.fromkeys(WHOLE.groups, PartSmoothing(1.0, 10.0, half_window_s))
        values = measure(offline(parts))
        for part in PARTS:
            print(f"offline, {half_window_s} s: {part}, {_text(values, part)}")


def _text(values: Mapping[str, Mapping[str, float]], part: str) -> str:
    return ", ".join(f"{column} {row[part]:.2f}" for column, row in values.items())


def print_real(name: str, frames: Sequence[Poses], *, times_s: Floats) -> None:
    """Print the jitter of the poses of a real clip, before and after, by part."""
    ways = {"none": unchanged, "one-euro": online(), "offline": offline()}
    smoothed = [smooth(frames, times_s) for smooth in ways.values()]
    for part in (part for part in PARTS if part in frames[0].skeleton.groups):
        jitter = [_real_jitter(clip, part) for clip in smoothed]
        if len(jitter[0]):
            cells = [f"{100 * np.sqrt((values**2).mean()):.2f}" for values in jitter]
            print(f"| {name} | {part} | {len(jitter[0])} | {' | '.join(cells)} |")


def _read_poses(path: Path) -> tuple[list[Poses], Floats]:
    images = FORMATS[format_of(path)].read(path)
    times = [image.time_s for image in images if image.time_s is not None]
    if len(times) != len(images):
        raise ValueError(f"{path}: a frame has no time; expected the poses of a video")
    return [image.poses for image in images], np.array(times)


def _estimate(path: Path, pipeline: Pipeline) -> tuple[list[Poses], Floats]:
    settings = VideoSettings(one_person=True, smooth="none")
    done = list(pipeline.video(path, settings=settings))
    return [one.poses for one in done], np.array([one.frame.time_s for one in done])


def _real_jitter(frames: Sequence[Poses], part: str) -> Floats:
    """Give the second differences of joints seen in three frames, (N, 2) sizes of the person."""
    found = [np.zeros((0, 2))]
    joints = frames[0].skeleton.groups[part]
    for three in zip(frames, frames[1:], frames[2:], strict=False):
        for person in _ids(three[0]) & _ids(three[1]) & _ids(three[2]):
            rows = [poses[np.flatnonzero(poses.ids == person)] for poses in three]
            is_seen = np.all([row.scores[0, joints] >= 0.3 for row in rows], axis=0)
            before, now, after = (row.keypoints[0, joints[is_seen]] for row in rows)
            size = np.sqrt(np.prod(rows[1].boxes_xyxy[0, 2:] - rows[1].boxes_xyxy[0, :2]))
            found.append((after - 2 * now + before) / size)
    return np.concatenate(found)


def _ids(poses: Poses) -> set[int]:
    return set() if poses.ids is None else set(poses.ids.tolist())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--clips", type=Path, nargs="+", default=[], help="clips of one person")
    add("--poses", type=Path, nargs="+", default=[], help="poses of clips, with ids and times")
    add("--tune", action="store_true", help="try the parameters on a grid")
    arguments = parser.parse_args()
    if arguments.tune:
        tune()
        return
    goals = print_table()
    clips = {path.name: _read_poses(path) for path in arguments.poses}
    with Pipeline(detector="none") as pipeline:
        clips |= {path.name: _estimate(path, pipeline) for path in arguments.clips}
    if clips:
        print("\n| jitter in | part | points | none | one-euro | offline |")
        print("|---|---|---|---|---|---|")
    for name, (frames, times_s) in clips.items():
        print_real(name, frames, times_s=times_s)
    print_goals(goals)


if __name__ == "__main__":
    main()
