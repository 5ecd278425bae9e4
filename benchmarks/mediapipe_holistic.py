"""Compare the embedded models with MediaPipe Holistic on the same photos, in one run.

    python benchmarks/mediapipe_holistic.py --data people --detector auto

MediaPipe 0.10.21 (which carries its models; default complexity 1, static images) is installed into
an environment of its own, below --venv. It looks for one person and finds the box itself: it gets
the labelled box with a margin of an eighth cut out, our model the labelled box; and then both get
whole images, where MediaPipe gives at most one person. Whoever is found in a whole image is taken
for the labelled person whose body is nearest, alike for both.

Many labels of these photos are MediaPipe's own (kept only where it gave the same for the mirrored
photo); the tables tell them from labels that people made. MediaPipe's 468 face points are brought
to the 68 by taking, for each, the one that fits people's labels best on faces for training. It has
no small toes, which nobody labelled either. A face counts in the error where it was found; the
table says how many were. Times are medians of single calls, reading the photo left out; both run
on the same two processors, and nothing else should run meanwhile.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.mediapipe_people import (
    SYSTEM,
    Floats,
    MediaPipe,
    Places,
    found_faces,
    nearest_distances,
    only_labels,
    wide_boxes,
)
from benchmarks.people_scores import MEASURES, cells, markdown, measures, sources
from posedistill.evaluate.truth import Truth, read_truth
from posedistill.media import read_image
from posedistill.runtime.estimator import Estimator
from posedistill.runtime.pipeline import Pipeline
from posedistill.runtime.session import open_session

_CPUS = 2
_KINDS = {True: "labels that people made", False: "MediaPipe's own labels"}


class Result(NamedTuple):
    """Hold what a system did: (N, 133) pixels off, and milliseconds a call by its people."""

    name: str
    distances: Floats
    milliseconds: Sequence[tuple[int, float]]


def main() -> None:
    """Print the tables."""
    arguments = _arguments()
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    cpus = sorted(os.sched_getaffinity(0))[:_CPUS]
    os.sched_setaffinity(0, cpus)
    path = arguments.data / "annotations" / "val.json"
    content = _subset(json.loads(path.read_text(encoding="utf-8")), arguments.people)
    places = Places.of(content, arguments.data / "images")
    mediapipe = MediaPipe(arguments.venv, cpus)
    mediapipe.learn_faces(arguments.data)
    boxed = [_mediapipe_boxes(mediapipe, places), _our_boxes(arguments.model, places)]
    whole = [_mediapipe_whole(mediapipe, places)]
    if arguments.detector is not None:
        whole.append(_our_whole(arguments.model, arguments.detector, places))
    print(f"{len(places.truth)} people in {len(places.paths)} photos, {len(cpus)} processors.")
    for title, results in (("labelled boxes", boxed), ("whole images", whole)):
        for is_human, kind in _KINDS.items():
            print(f"\nIn {title}, against {kind}:\n")
            print(_accuracy(read_truth(only_labels(content, is_human=is_human)), results))
    print("\nMilliseconds:\n")
    print(_speed(boxed, whole))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", required=True, type=Path, metavar="DIR", help="the shared set of people")
    add("--model", default="wholebody-t")
    add("--detector", help="for whole images; without it only MediaPipe sees those")
    add("--people", type=int, metavar="N", help="only so many photos, spread over the file")
    add("--venv", type=Path, default=Path("runs/mediapipe"), metavar="DIR")
    return parser.parse_args()


def _subset(content: dict[str, Any], count: int | None) -> dict[str, Any]:  # Any: JSON
    """Give so many photos, spread over the file, and their people."""
    images = content["images"]
    if count is not None:
        chosen = np.unique(np.linspace(0, len(images) - 1, count).round().astype(int))
        images = [images[index] for index in chosen]
    ids = {image["id"] for image in images}
    people = [person for person in content["annotations"] if person["image_id"] in ids]
    return {"images": images, "annotations": people}


def _mediapipe_boxes(mediapipe: MediaPipe, places: Places) -> Result:
    truth = places.truth
    tasks = [
        {"image": str(places.paths[int(image_id)]), "box_xyxy": box.tolist()}
        for image_id, box in zip(truth.image_ids, wide_boxes(truth), strict=True)
    ]
    found = mediapipe.find(tasks)
    points = np.array([one.keypoints for one in found])
    offsets = np.linalg.norm(points - truth.keypoints, axis=2)
    times = [(1, one.milliseconds) for one in found]
    return Result(SYSTEM, np.nan_to_num(offsets, nan=np.inf, posinf=np.inf), times)


def _mediapipe_whole(mediapipe: MediaPipe, places: Places) -> Result:
    ids = list(places.paths)
    tasks = [{"image": str(places.paths[image_id]), "box_xyxy": None} for image_id in ids]
    found = mediapipe.find(tasks)
    has_person = [np.isfinite(one.keypoints).any() for one in found]
    points = {
        image_id: one.keypoints[None]
        for image_id, one, has in zip(ids, found, has_person, strict=True)
        if has
    }
    times = [(1, one.milliseconds) for one, has in zip(found, has_person, strict=True) if has]
    return Result(SYSTEM, nearest_distances(places.truth, points), times)


def _our_boxes(model: str, places: Places) -> Result:
    truth = places.truth
    distances = np.full(truth.visible.shape, np.inf)
    times = []
    with closing(open_session(model, device="cpu", threads=_CPUS)) as session:
        estimator = Estimator(session)
        estimator(np.zeros((64, 64, 3), np.uint8), np.array([[0, 0, 64, 64]], np.float32))
        for image_id, image in _photos(places):
            rows = np.flatnonzero(truth.image_ids == image_id)
            boxes = _corners(truth)[rows]
            for row, box in zip(rows, boxes, strict=True):
                start = perf_counter()
                poses = estimator(image, box[None])
                times.append((1, 1000 * (perf_counter() - start)))
                offsets = poses.keypoints[0] - truth.keypoints[row]
                distances[row] = np.linalg.norm(offsets, axis=1)
            if len(rows) > 1:
                start = perf_counter()
                estimator(image, boxes)
                times.append((len(rows), 1000 * (perf_counter() - start)))
    return Result(model, distances, times)


def _our_whole(model: str, detector: str, places: Places) -> Result:  # house rule: both, on what
    found, times = {}, []
    with Pipeline(model, detector=detector, device="cpu", threads=_CPUS) as pipeline:
        pipeline(np.zeros((64, 64, 3), np.uint8))
        for image_id, image in _photos(places):
            start = perf_counter()
            poses = pipeline(image)
            times.append((len(poses), 1000 * (perf_counter() - start)))
            found[image_id] = poses.keypoints
    distances = nearest_distances(places.truth, found)
    return Result(f"{model}, {detector}", distances, times)


def _photos(places: Places) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    for image_id, path in places.paths.items():
        yield image_id, read_image(path)


def _corners(truth: Truth) -> NDArray[np.float32]:
    low, size = truth.boxes_xywh[:, :2], truth.boxes_xywh[:, 2:]
    return np.concatenate([low, low + size], axis=1).astype(np.float32)


def _accuracy(truth: Truth, results: Sequence[Result]) -> str:
    """Give a row for each source that has labels, and each system."""
    rows = [["people of", "system", *MEASURES, "faces found"]]
    for source in [*sources(truth), None]:
        for result in results:
            values = measures(truth, result.distances, source=source)
            if not values and not truth.visible[np.array(truth.folders) == source].any():
                continue
            share = found_faces(truth, result.distances, source=source)
            faces = "-" if share is None else f"{100 * share:.0f} %"
            rows.append([source or "all", result.name, *cells(values), faces])
    return markdown(rows)


def _speed(boxed: Sequence[Result], whole: Sequence[Result]) -> str:
    rows = [["system", "people at once", "calls", "ms a call", "ms a person"]]
    for where, results in (("labelled boxes", boxed), ("whole image", whole)):
        for result in results:
            for number in sorted({count for count, _ in result.milliseconds if 0 < count <= 4}):
                times = [ms for count, ms in result.milliseconds if count == number]
                middle = float(np.median(times))
                name = f"{result.name}, {where}"
                each = f"{middle / number:.1f}"
                rows.append([name, str(number), str(len(times)), f"{middle:.1f}", each])
    return markdown(rows)


if __name__ == "__main__":
    main()
