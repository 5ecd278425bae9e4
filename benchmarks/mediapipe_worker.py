"""Run MediaPipe Holistic over photos; `mediapipe_holistic.py` calls this in another environment.

    python benchmarks/mediapipe_worker.py TASKS.json FOUND.json

TASKS.json: {"cpus": [...], "tasks": [{"image": PATH, "box_xyxy": [...] or null}, ...]}. FOUND.json
gets, for each task, the milliseconds that the network's call took and the landmarks found, in
pixels of the photo: pose (33), face (468 or more), left_hand and right_hand (21), or null each.
Needs mediapipe, opencv and numpy alone.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

_WARM_UP = 3


def main() -> None:
    """Do the tasks."""
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.sched_setaffinity(0, request["cpus"])
    import mediapipe  # type: ignore[import-not-found]  # in its own environment; after the CPUs

    with mediapipe.solutions.holistic.Holistic(static_image_mode=True) as holistic:
        for task in request["tasks"][:_WARM_UP]:
            _find(holistic, task)
        found = [_find(holistic, task) for task in request["tasks"]]
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")


def _find(holistic: Any, task: dict[str, Any]) -> dict[str, Any]:  # Any: mediapipe has no types
    import cv2
    import numpy as np

    image = cv2.imread(task["image"])
    assert image is not None, task
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    h, w = image.shape[:2]
    box = task["box_xyxy"] or [0, 0, w, h]
    left, top = max(round(box[0]), 0), max(round(box[1]), 0)
    right, bottom = min(max(round(box[2]), left + 1), w), min(max(round(box[3]), top + 1), h)
    pixels = np.ascontiguousarray(image[top:bottom, left:right])
    start = time.perf_counter()
    result = holistic.process(pixels)
    milliseconds = 1000 * (time.perf_counter() - start)
    parts = {
        "pose": result.pose_landmarks,
        "face": result.face_landmarks,
        "left_hand": result.left_hand_landmarks,
        "right_hand": result.right_hand_landmarks,
    }
    size_wh = (right - left, bottom - top)
    return {"ms": milliseconds} | {
        name: _pixels(marks, (left, top), size_wh) for name, marks in parts.items()
    }


def _pixels(  # house rule: what, and where the cut-out lies
    marks: Any, corner: tuple[int, int], size_wh: tuple[int, int]
) -> list[list[float]] | None:
    if marks is None:
        return None
    (left, top), (w, h) = corner, size_wh
    # Landmarks are parts of the picture from its edge on; our pixels have their centre at 0.
    return [[left + mark.x * w - 0.5, top + mark.y * h - 0.5] for mark in marks.landmark]


if __name__ == "__main__":
    main()
