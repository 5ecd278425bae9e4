"""Measure the whole pipeline on one person in a 640x480 photo: both embedded models, warmed up.

    OMP_NUM_THREADS=2 python benchmarks/first_photo.py

Prints the median and the fastest of many calls, with the part that each network takes.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

import posedistill
from benchmarks.goals import Goal, print_goals
from posedistill import Pipeline
from posedistill.media import read_image

PHOTO = Path(posedistill.__file__).parent / "assets" / "demo" / "camera.jpg"
_SIZE_WH, _SHOWN = (640, 480), 480
_CALLS = 100
_WANTED = 25.0  # ms


def main() -> None:
    """Time the parts and the whole."""
    canvas = np.full((_SIZE_WH[1], _SIZE_WH[0], 3), 114, np.uint8)
    canvas[:, :_SHOWN] = cv2.resize(read_image(PHOTO), (_SHOWN, _SHOWN))
    with Pipeline() as pipeline:
        surest = pipeline.find([canvas])[0].boxes_xyxy[:1]
        detector = pipeline.detector
        assert detector is not None, "the pipeline has its own"
        parts: dict[str, Callable[[], object]] = {
            "detector": lambda: detector([canvas]),
            "pose of one person": lambda: pipeline.estimator(canvas, surest),
        }
        times = {name: _times(part) for name, part in parts.items()}
    whole = np.sum(list(times.values()), axis=0)
    print("| part | median, ms | fastest, ms |\n| --- | ---: | ---: |")
    for name, row in {**times, "both": whole}.items():
        print(f"| {name} | {np.median(row):.1f} | {row.min():.1f} |")
    median = float(np.median(whole))
    name = "the embedded models on one person at 640x480"
    limit = "the networks alone take it; the detector looks twice, see docs/embedded-models.md"
    print_goals([Goal(name, f"under {_WANTED:g} ms", f"{median:.1f} ms", median < _WANTED, limit)])


def _times(call: Callable[[], object]) -> np.ndarray:
    rows = []
    for _ in range(_CALLS):
        start = time.perf_counter()
        call()
        rows.append(1000 * (time.perf_counter() - start))
    return np.array(rows[_CALLS // 10 :])


if __name__ == "__main__":
    main()
