"""Time a network on the CPU by how many crops run together and how many such groups at once.

    python benchmarks/inference_groups.py --models t m

prints the median milliseconds a person of 16 persons: one group after the other, and as many groups
at once as there are threads; on one session of all threads, as it comes and with threads that wait
for less time, and on a session of one thread. `posedistill.runtime.cpu_groups` holds what came out.
"""

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks` and `tests`

from benchmarks.inference_models import SIZES, export_models

_PERSONS = 16
_GROUPS = (1, 2, 4, 8, 16)
_CROPS = np.random.default_rng(0).integers(0, 256, (_PERSONS, 3, 256, 192), np.uint8)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["t"], choices=SIZES)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("runs/inference"), help="for files")
    arguments = parser.parse_args()
    for size, files in export_models(arguments.folder, arguments.models).items():
        ways = _ways(files.own, arguments.threads)
        print(f"\nRTMPose-{size}, {_PERSONS} persons, ms a person\n")
        print(f"| crops a run | {' | '.join(ways)} |\n| --: |{' --: |' * len(ways)}")
        for group, cells in _measure(ways, arguments.rounds).items():
            print(f"| {group} | {' | '.join(f'{1e3 * cell / _PERSONS:.2f}' for cell in cells)} |")


def _ways(path: Path, threads: int) -> dict[str, Callable[[int], None]]:
    """Give what takes all persons in groups of a size, by name."""
    whole, single = _session(path, threads), _session(path, 1)
    brief, never = _session(path, threads, wait_us=100), _session(path, threads, wait_us=0)
    return {
        "in turn": partial(_run, whole, 1),
        "in turn, brief waits": partial(_run, brief, 1),
        "at once": partial(_run, whole, threads),
        "at once, brief waits": partial(_run, brief, threads),
        "at once, no waits": partial(_run, never, threads),
        "at once, one thread each": partial(_run, single, threads),
    }


def _session(path: Path, threads: int, *, wait_us: int | None = None) -> Any:  # Any: not typed
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if wait_us is not None:
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(wait_us > 0)))
    if wait_us:
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(wait_us))
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _run(session: Any, at_once: int, group: int) -> None:  # Any: see `_session`
    parts = [_CROPS[start : start + group] for start in range(0, _PERSONS, group)]
    if at_once == 1:
        for part in parts:
            session.run(None, {"images": part})
        return
    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(lambda part: session.run(None, {"images": part}), parts))


def _measure(ways: dict[str, Callable[[int], None]], rounds: int) -> dict[int, list[float]]:
    """Give the median seconds of each way by group size; every round takes all in new order."""
    cases = [(group, name) for group in _GROUPS for name in ways]
    seconds: dict[tuple[int, str], list[float]] = {case: [] for case in cases}
    rng = np.random.default_rng(0)
    for number in range(rounds + 1):
        for index in rng.permutation(len(cases)):
            group, name = cases[index]
            start = time.perf_counter()
            ways[name](group)
            if number:  # the first round warms up
                seconds[group, name].append(time.perf_counter() - start)
    return {group: [float(np.median(seconds[group, name])) for name in ways] for group in _GROUPS}


if __name__ == "__main__":
    main()
