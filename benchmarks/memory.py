"""Watch the memory of the process over thousands of frames with changing numbers of persons.

    python benchmarks/memory.py --frames 5000

prints the resident memory at every tenth of the way, and how much it grew in the second half.
Frames of 640x360 with 0 to 6 persons go through `Estimator.many`, four at a time, as video does;
the first four have the most. onnxruntime keeps what each number of persons once took, so that the
memory settles when all numbers have been seen.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.goals import Goal, print_goals
from posedistill import Estimator
from posedistill.runtime.session import open_session

_STATM = Path("/proc/self/statm")  # Linux: pages of the process, the second number in memory
_GROUP, _MOST = 4, 6  # frames together, and persons in one
_SIZE_WH = (640, 360)
_FLAT = 0.02  # of the memory half-way: what may come on top of it


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--model", default="wholebody-t", help="as `open_session` takes it")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if not _STATM.is_file():
        raise SystemExit(f"there is no {_STATM} here, from which the memory is read")
    seen, persons = watch(arguments.model, arguments.frames, threads=arguments.threads)
    print(f"{arguments.model}, {arguments.frames} frames, {persons} persons\n")
    print("| frames | resident, MB |\n| --: | --: |")
    for frames, size in seen.items():
        print(f"| {frames} | {size / 1e6:.1f} |")
    sizes = list(seen.values())
    half = sizes[len(sizes) // 2]
    growth = (sizes[-1] - half) / half
    name = f"growth of the memory in the second half of {arguments.frames} frames"
    measured = f"{100 * growth:+.1f} % ({(sizes[-1] - half) / 1e6:+.1f} MB)"
    print_goals([Goal(name, f"under {100 * _FLAT:.0f} %", measured, growth < _FLAT)])


def watch(model: str, num_frames: int, *, threads: int) -> tuple[dict[int, int], int]:
    """Give the resident bytes by frames done, eleven times, and the number of persons."""
    rng = np.random.default_rng(0)
    seen, persons = {0: resident()}, 0
    steps = {num_frames * tenth // 10 for tenth in range(1, 11)}
    with Estimator(open_session(model, threads=threads)) as estimator:
        for start in range(0, num_frames, _GROUP):
            frames = [_frame(rng) for _ in range(min(_GROUP, num_frames - start))]
            counts = rng.integers(_MOST + 1, size=len(frames)) if start else [_MOST] * len(frames)
            boxes = [_boxes(rng, count) for count in counts]
            persons += sum(map(len, estimator.many(frames, boxes)))
            done = start + len(frames)
            if passed := {step for step in steps if step <= done}:
                seen[done] = resident()
                steps -= passed
    return seen, persons


def resident() -> int:
    """Give the bytes of the process that are in memory."""
    return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _frame(rng: np.random.Generator) -> NDArray[np.uint8]:
    return np.full((_SIZE_WH[1], _SIZE_WH[0], 3), rng.integers(256), np.uint8)


def _boxes(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    center = rng.uniform((50, 50), (_SIZE_WH[0] - 50, _SIZE_WH[1] - 50), (count, 2))
    half = rng.uniform(20, 100, center.shape)
    return np.concatenate([center - half, center + half], axis=1)


if __name__ == "__main__":
    main()
