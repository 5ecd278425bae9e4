"""Time pose estimation in given boxes beside rtmlib and beside one person at a time.

    python benchmarks/inference.py

prints, for each network and number of persons in an image of 1280x720, the median milliseconds a
person of crop, network and decode, and how many persons a second more than each peer; then the time
of decoding 64 persons, and the goals. All run in turns in one process on the same boxes with the
same threads. RTMPose 256x192 has weights made from names; peers run the file in the published
format (normalised float crops), ours that and its own format (uint8 crops). rtmlib is installed
into a folder of its own. For the memory over many frames see `benchmarks/memory.py`.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks` and `tests`

from benchmarks.goals import Goal, print_goals
from benchmarks.inference_models import SIZES, Files, export_models
from benchmarks.inference_peers import OneByOne, Ours, Rtmlib, Runner, Split, install_rtmlib
from posedistill.codecs import SimCC
from posedistill.media import read_image
from posedistill.runtime.session import Floats

OURS, OURS_PUBLISHED = "posedistill, own file", "posedistill, published file"
RTMLIB, ONE_BY_ONE = "rtmlib", "one by one"
_PHOTO = Path(__file__).resolve().parents[1] / "src/posedistill/assets/demo/grace_hopper.jpg"
_IMAGE_WH = (1280, 720)
_GOAL_SIZE = "t"  # of the network that the goals are about
_CALLS_PER_TURN = 16  # persons that a turn has at least, so that one person is no single call


def main() -> None:
    """Print the tables."""
    arguments = _arguments()
    cv2.setNumThreads(arguments.threads)
    files = export_models(arguments.folder, arguments.models)
    reason = install_rtmlib(arguments.folder / "rtmlib")
    if reason is not None:
        print(f"without rtmlib: {reason}", file=sys.stderr)
    image = np.asarray(cv2.resize(read_image(_PHOTO), _IMAGE_WH), np.uint8)
    goals: list[Goal] = []
    for size in arguments.models:
        runners = _runners(files[size], arguments.threads, has_rtmlib=reason is None)
        print(f"\nRTMPose-{size} 256x192, {arguments.threads} threads;", end=" ")
        print(f"keypoints within 1 px of {ONE_BY_ONE}: {_agreement(runners, image)}\n")
        print("| persons | | crop | network | decode | all but network | persons/s | ours / it |")
        print("| --: | --- | --: | --: | --: | --: | --: | --: |")
        for persons in arguments.persons:
            times = time_in_turns(runners, image, boxes(persons), rounds=arguments.rounds)
            _print_rows(times, persons)
            goals += _goals(times, persons) if size == _GOAL_SIZE else []
    goals.append(_print_decoding(arguments.rounds, has_rtmlib=reason is None))
    print_goals(goals)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["t", "m"], choices=SIZES)
    parser.add_argument("--persons", nargs="+", type=int, default=[1, 4, 16, 64])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("runs/inference"), help="for files")
    return parser.parse_args()


def boxes(persons: int) -> NDArray[np.float64]:
    """Give boxes (N, 4) of standing persons 150 to 500 pixels tall, anywhere in the image."""
    rng = np.random.default_rng(persons)
    h = rng.uniform(150, 500, persons)
    center = rng.uniform((100, 150), (_IMAGE_WH[0] - 100, _IMAGE_WH[1] - 150), (persons, 2))
    half = np.stack([h / 5, h / 2], axis=1)
    return np.concatenate([center - half, center + half], axis=1)


def _runners(files: Files, threads: int, *, has_rtmlib: bool) -> dict[str, Runner]:
    runners: dict[str, Runner] = {
        OURS: Ours(files.own, threads=threads),
        OURS_PUBLISHED: Ours(files.published, threads=threads),
        ONE_BY_ONE: OneByOne(files.published, threads=threads),
    }
    if has_rtmlib:
        runners[RTMLIB] = Rtmlib(files.published, threads=threads)
    return runners


def _agreement(runners: dict[str, Runner], image: NDArray[np.uint8]) -> str:
    found = {name: runner(image, boxes(4))[0] for name, runner in runners.items()}
    wanted = found.pop(ONE_BY_ONE)
    shares = {name: _share(keypoints, wanted) for name, keypoints in found.items()}
    return ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items())


def _share(keypoints: Floats, wanted: Floats) -> float:
    return float((np.abs(keypoints - wanted).max(-1) < 1).mean())


class Taken(NamedTuple):
    """Hold the median seconds of a call and of its parts."""

    parts: Split
    total: float


def time_in_turns(  # house rule: who runs on what
    runners: dict[str, Runner],
    image: NDArray[np.uint8],
    boxes_xyxy: NDArray[np.float64],
    *,
    rounds: int,
) -> dict[str, Taken]:
    """Give the medians over rounds; every round takes each runner in turn, in new order."""
    taken: dict[str, list[Split]] = {name: [] for name in runners}
    rng = np.random.default_rng(0)
    for number in range(rounds + 1):
        for name in rng.permutation(list(runners)).tolist():
            for _ in range(max(_CALLS_PER_TURN // len(boxes_xyxy), 1)):
                split = runners[name](image, boxes_xyxy)[1]
                if number:  # the first round warms up
                    taken[name].append(split)
    return {name: _median(splits) for name, splits in taken.items()}


def _median(splits: Sequence[Split]) -> Taken:
    parts = np.median(splits, axis=0).tolist()
    return Taken(Split(*parts), float(np.median([sum(split) for split in splits])))


def _print_rows(taken: dict[str, Taken], persons: int) -> None:
    for name, (parts, total) in taken.items():
        cells = [f"{1e3 * seconds / persons:.2f}" for seconds in parts]
        cells.append(f"{100 * (1 - parts.network / total):.1f} %")
        cells.append(f"{persons / total:.1f}")
        cells.append(f"{total / taken[OURS_PUBLISHED].total:.2f}")
        print(f"| {persons} | {name} | {' | '.join(cells)} |", flush=True)


def _goals(taken: dict[str, Taken], persons: int) -> list[Goal]:
    """Give the goals that are about so many persons in one image."""
    ours, where = taken[OURS_PUBLISHED], f"RTMPose-{_GOAL_SIZE}, {persons} in an image"
    goals = []
    if persons == 16:
        share = 1 - ours.parts.network / ours.total
        name = f"all but the network, of the whole time; {where}"
        goals.append(Goal(name, "under 8 %", f"{100 * share:.1f} %", share < 0.08))
    if RTMLIB not in taken or persons not in (1, 16):
        return goals
    least = 1.5 if persons == 16 else 1.0
    ratio, most = (taken[RTMLIB].total / seconds for seconds in (ours.total, ours.parts.network))
    limit = f"if all but the network's own run took no time, it would be {most:.2f}"
    name = f"persons/s, of rtmlib's with the same file; {where}"
    goals.append(Goal(name, f"{least} or more", f"{ratio:.2f}", ratio >= least, limit))
    return goals


def _print_decoding(rounds: int, *, has_rtmlib: bool) -> Goal:
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((64, 133, bins)).astype(np.float32) for bins in (384, 512))
    codec = SimCC((192, 256), (4.9, 5.66))
    ours, once = "posedistill", "reading the logits once, one thread"
    ways: dict[str, Callable[[], object]] = {
        ours: lambda: codec.decode(x, y),
        once: lambda: (x.max(), y.max()),
    }
    if has_rtmlib:
        from rtmlib.tools.pose_estimation.post_processings import (  # type: ignore[import-not-found]  # see `install_rtmlib`
            get_simcc_maximum,
        )

        ways[RTMLIB] = lambda: [get_simcc_maximum(x[n : n + 1], y[n : n + 1]) for n in range(64)]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(10 * rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    print("\n| decoding 64 persons of 133 joints | ms, median | ms, fastest |\n| --- | --: | --: |")
    medians = {name: 1e3 * float(np.median(times)) for name, times in seconds.items()}
    for name, times in seconds.items():
        print(f"| {name} | {medians[name]:.2f} | {1e3 * min(times):.2f} |")
    limit = (
        f"{(x.nbytes + y.nbytes) / 1e6:.0f} MB of logits come from memory; "
        f"reading them once takes {medians[once]:.1f} ms"
    )
    found = medians[ours]
    return Goal("decoding 64 persons", "under 2 ms", f"{found:.2f} ms", found < 2, limit)


if __name__ == "__main__":
    main()
