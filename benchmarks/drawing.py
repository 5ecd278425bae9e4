"""Time the drawing of a crowd over a frame, on one core.

    python benchmarks/drawing.py

prints milliseconds a frame for some counts of persons, each with all 133 joints shown: the overlay,
the overlay with boxes and ids, and the control picture. The persons are drawn people of 300 pixels
and more, side by side, in two rows from 9 on. The goal comes last. --picture writes what 16 of them
look like.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.goals import Goal, print_goals
from posedistill.datasets.drawn import DrawnPeople
from posedistill.draw import controlnet
from posedistill.draw.overlay import draw_overlay
from posedistill.media import write_image
from posedistill.poses import Poses

COUNTS = (1, 4, 16, 64)
_SIZES_WH = {"720p": (1280, 720), "1080p": (1920, 1080)}
_GOAL_PERSONS, _GOAL_MS = 16, 10.0  # at 720p
_SHARES = (0.42, 0.5)  # heights of the persons, of the frame's


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=_SIZES_WH, default="720p")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each number")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write 16 persons there")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    size_wh = _SIZES_WH[arguments.size]
    frame = np.full((size_wh[1], size_wh[0], 3), (96, 104, 92), np.uint8)
    print(f"{arguments.size}, one core, ms a frame: median (fastest)\n")
    print("| persons | overlay | with boxes and ids | control picture |\n| --: | --: | --: | --: |")
    goals: list[Goal] = []
    for count in COUNTS:
        poses = crowd(count, size_wh)
        calls = _calls(frame, poses, size_wh)
        times = [_time(call, arguments.seconds) for call in calls]
        print(f"| {count} | {' | '.join(map(str, times))} |", flush=True)
        if count == _GOAL_PERSONS and arguments.size == "720p":
            dots = _time(_dots_alone(frame, poses), arguments.seconds)
            goals.append(_goal(times[0], dots))
    print_goals(goals)
    if arguments.picture is not None:
        write_image(arguments.picture, draw_overlay(frame, crowd(16, size_wh), boxes=True))


def _calls(
    frame: NDArray[np.uint8], poses: Poses, size_wh: tuple[int, int]
) -> list[Callable[[], object]]:
    without_ids = replace(poses, ids=None)
    return [
        lambda: draw_overlay(frame, without_ids),
        lambda: draw_overlay(frame, poses, boxes=True),
        lambda: controlnet(poses, size_wh),
    ]


def crowd(count: int, size_wh: tuple[int, int]) -> Poses:
    """Give whole persons with ids, spread over a frame of that size."""
    rng = np.random.default_rng(0)
    people = DrawnPeople(8 * count + 40)
    whole = [p.keypoints for p in people.instances if p.visible.all()][:count]
    rows = 1 if count <= 8 else 2
    columns = -(-count // rows)
    placed = []
    for index, points in enumerate(whole):
        height = rng.uniform(*_SHARES) * size_wh[1]
        low, high = points.min(axis=0), points.max(axis=0)
        row, column = divmod(index, columns)
        middle = np.array([(column + 0.5) / columns, (row + 0.5) / rows]) * size_wh
        placed.append((points - (low + high) / 2) * height / (high - low)[1] + middle)
    keypoints = np.array(placed, np.float32)
    boxes = np.concatenate([keypoints.min(axis=1), keypoints.max(axis=1)], axis=1)
    return Poses(
        keypoints=keypoints,
        scores=np.ones(keypoints.shape[:2], np.float32),
        boxes_xyxy=boxes,
        box_scores=np.ones(count, np.float32),
        skeleton=people.skeleton,
        ids=np.arange(1, count + 1),
    )


def _dots_alone(frame: NDArray[np.uint8], poses: Poses) -> Callable[[], object]:
    skeleton = replace(poses.skeleton, links=())
    without_lines = replace(poses, skeleton=skeleton, ids=None)
    return lambda: draw_overlay(frame, without_lines)


class _Taken(NamedTuple):
    """Hold the median and the fastest of many calls, in milliseconds."""

    median: float
    fastest: float

    def __str__(self) -> str:
        return f"{self.median:.1f} ({self.fastest:.1f})"


def _time(call: Callable[[], object], seconds: float) -> _Taken:
    """Time as many calls as fit."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.thread_time()
        call()
        times.append((time.thread_time() - start) * 1e3)
    return _Taken(float(np.median(times)), min(times))


def _goal(overlay: _Taken, dots_alone: _Taken) -> Goal:
    return Goal(
        f"overlay of {_GOAL_PERSONS} persons at 720p",
        f"under {_GOAL_MS:.0f} ms",
        f"{overlay.median:.1f} ms",
        overlay.median < _GOAL_MS,
        f"without lines it takes {dots_alone.median:.1f} ms, most of it to read and write the "
        "pixels below the dots; the rest is OpenCV's drawing of soft edges, a limb a call",
    )


if __name__ == "__main__":
    main()
