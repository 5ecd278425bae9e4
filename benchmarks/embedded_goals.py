"""Score a whole-body model, and a person detector, on what the embedded ones are to reach.

    python benchmarks/embedded_goals.py wholebody-t --data people --detector person-n
    python benchmarks/embedded_goals.py runs/student --data people

MODEL is whatever `posedistill evaluate` takes: an `.onnx` file, a run folder, a name. DATA holds
`annotations/val.json` and `images`. Poses are estimated in the labelled boxes. A goal is missed
where the table says so; the second table has all sources. The detector is scored on coco_grey,
whose small and crowded people have no label: finding those counts against it.
"""

import argparse
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.people_scores import (
    GOALS,
    MEASURES,
    cells,
    markdown,
    measures,
    sources,
)
from posedistill.cli_open import open_any_session
from posedistill.datasets.wholebody import read_wholebody
from posedistill.detect.score import score_boxes
from posedistill.evaluate.boxes import annotated_boxes
from posedistill.evaluate.pck import keypoint_distances
from posedistill.evaluate.run import predict_dataset
from posedistill.evaluate.truth import Truth, read_truth
from posedistill.media import read_image
from posedistill.runtime.detector import Detector
from posedistill.runtime.estimator import Estimator

_AP50 = 60.0
_DETECTOR_SOURCE = "coco_grey"
_LEAST_SCORE = 0.01  # AP needs the unsure boxes too


@dataclass(frozen=True)
class People:
    """Name the validation people: `annotations/val.json` and `images` in a folder."""

    folder: Path

    @property
    def annotations(self) -> Path:
        """Give the annotation file."""
        return self.folder / "annotations" / "val.json"

    @property
    def images_dir(self) -> Path:
        """Give the folder of the images."""
        return self.folder / "images"

    def content(self) -> dict[str, Any]:  # Any: JSON
        """Read the annotation file."""
        content: dict[str, Any] = json.loads(self.annotations.read_text(encoding="utf-8"))
        return content


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", metavar="MODEL")
    add("--data", required=True, type=Path, metavar="DIR")
    add("--detector", metavar="NAME_OR_FILE")
    add("--flip-test", action="store_true")
    add("--device", default="auto")
    add("--threads", type=int)
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    people = People(arguments.data)
    truth = read_truth(people.annotations)
    session = open_any_session(arguments.model, device=arguments.device, threads=arguments.threads)
    distances = estimate(Estimator(session, flip_test=arguments.flip_test), people, truth=truth)
    average_precision = None
    if arguments.detector is not None:
        with Detector(
            arguments.detector, score_threshold=_LEAST_SCORE, device=arguments.device
        ) as detector:
            average_precision = detect(detector, people)
    print(goal_table(truth, distances, average_precision=average_precision))
    print("\n" + source_table(truth, distances))


def estimate(estimator: Estimator, people: People, *, truth: Truth) -> NDArray[np.float64]:
    """Give how far each labelled person's keypoints are off, (N, 133) pixels."""
    dataset = read_wholebody(people.annotations, people.images_dir)
    boxes = annotated_boxes(dataset)
    found = predict_dataset(estimator, dataset, boxes=boxes, progress=sys.stderr.isatty())
    return keypoint_distances(truth, found)


def detect(detector: Detector, people: People) -> float:
    """Give the detector's AP50 in per cent."""
    content = people.content()
    images = [
        row for row in content["images"] if row["file_name"].startswith(f"{_DETECTOR_SOURCE}/")
    ]
    found = [detector([read_image(people.images_dir / row["file_name"])])[0] for row in images]
    boxes_xywh: dict[int, list[list[float]]] = {row["id"]: [] for row in images}
    for label in content["annotations"]:
        if label["image_id"] in boxes_xywh:
            boxes_xywh[label["image_id"]].append(label["bbox"])
    labelled = [np.array(boxes, np.float32).reshape(-1, 4) for boxes in boxes_xywh.values()]
    corners = [np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]) for boxes in labelled]
    return 100 * score_boxes(found, corners).average_precision


def goal_table(
    truth: Truth, distances: NDArray[np.float64], *, average_precision: float | None
) -> str:
    """Give the table of the goals in Markdown."""
    rows = [["goal", "people of", "wanted", "reached", "met"]]
    for goal in GOALS:
        value = measures(truth, distances, source=goal.source).get(goal.measure)
        sign = "<=" if goal.measure == "face error" else ">="
        reached = "-" if value is None else f"{value:.1f}"
        met = "-" if value is None else ("yes" if goal.is_met(value) else "NO")
        rows.append([goal.measure, goal.source or "all", f"{sign} {goal.wanted:g}", reached, met])
    if average_precision is not None:
        met = "yes" if average_precision >= _AP50 else "NO"
        cell = f"{average_precision:.1f}"
        rows.append(["detector AP50", _DETECTOR_SOURCE, f">= {_AP50:g}", cell, met])
    return markdown(rows)


def source_table(truth: Truth, distances: NDArray[np.float64]) -> str:
    """Give the measures of each source in Markdown."""
    rows = [["people of", "number", *MEASURES]]
    for source in sources(truth):
        count = str(truth.folders.count(source))
        rows.append([source, count, *cells(measures(truth, distances, source=source))])
    rows.append(["all", str(len(truth)), *cells(measures(truth, distances))])
    return markdown(rows)


if __name__ == "__main__":
    main()
