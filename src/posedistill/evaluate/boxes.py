"""Boxes: in which of them a data set is predicted, the annotated or those of a detector."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.instance import PoseDataset
from posedistill.json_file import read_json

_PERSON = 1
_KEYS = ("image_id", "category_id", "bbox", "score")


@dataclass(frozen=True, eq=False)
class ImageBoxes:
    """Hold the boxes of one image in which persons are to be predicted.

    Attributes:
        image_id: as in the annotation file.
        boxes_xyxy: (N, 4) pixels. scores: (N,) of the boxes.
    """

    image_id: int
    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]


def annotated_boxes(dataset: PoseDataset) -> list[ImageBoxes]:
    """Give the boxes of all labelled persons, by image, each with score 1.

    >>> annotated_boxes(dataset)[0].boxes_xyxy.shape  # doctest: +SKIP
    (2, 4)
    """
    people = sorted(dataset.instances, key=lambda instance: instance.image_id)
    boxes_by_image = {
        image_id: np.stack([person.box_xyxy for person in rows])
        for image_id, rows in groupby(people, key=lambda instance: instance.image_id)
    }
    return [
        ImageBoxes(image_id, boxes, np.ones(len(boxes), np.float32))
        for image_id, boxes in boxes_by_image.items()
    ]


def read_boxes(path: Path, *, image_ids: Collection[int]) -> list[ImageBoxes]:
    """Read the persons of a detection file in the COCO results layout, by image.

    The file holds a list of objects with image_id, category_id, bbox (x, y, w, h in pixels) and
    score. As in the published protocol (MMPose, base_coco_style_dataset.py) all boxes of category
    1 are taken, whatever their score, and none is clipped to its image.
    Raises FileNotFoundError without the file, ValueError, with the index of the entry, for
    what is no such box and for persons of images other than `image_ids`.

    >>> read_boxes(Path("none.json"), image_ids=[])
    Traceback (most recent call last):
    FileNotFoundError: no such detection file: none.json
    """
    entries = read_json(path, kind="detection file")
    if not isinstance(entries, list):
        raise ValueError(
            f"{path} holds a {type(entries).__name__}, expected a list of detections "
            "(is it the annotation file?)"
        )
    known = frozenset(image_ids)
    rows_by_image: dict[int, list[NDArray[np.float32]]] = {}
    for index, entry in enumerate(entries):
        where = f"{path}, entry {index}"
        _check_entry(entry, where)
        if entry["category_id"] != _PERSON:
            continue
        if entry["image_id"] not in known:
            raise ValueError(
                f"{where} is of image {entry['image_id']}, which the annotations lack; "
                "do the two files belong together?"
            )
        rows_by_image.setdefault(entry["image_id"], []).append(_box_and_score(entry, where))
    return [_image_boxes(image_id, rows) for image_id, rows in sorted(rows_by_image.items())]


def _check_entry(entry: Any, where: str) -> None:  # Any: JSON of any shape
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is a {type(entry).__name__}, expected an object")
    missing = [key for key in _KEYS if key not in entry]
    if missing:
        raise ValueError(f"{where} has no {', '.join(missing)}; expected {', '.join(_KEYS)}")
    image_id = entry["image_id"]
    if isinstance(image_id, bool) or not isinstance(image_id, int):
        raise ValueError(f"{where}: image_id is {image_id!r}, expected an integer")


def _box_and_score(entry: dict[str, Any], where: str) -> NDArray[np.float32]:
    # Gives (5,): x, y, w, h, score. Any: JSON of any shape
    try:
        x, y, w, h = (float(value) for value in entry["bbox"])
        values = np.array([x, y, w, h, float(entry["score"])], np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: bbox or score are not numbers as expected: {error}") from error
    if not np.isfinite(values).all() or w <= 0 or h <= 0:
        raise ValueError(
            f"{where}: bbox is {entry['bbox']} and score {entry['score']}; "
            "expected finite x, y, w, h, score with w and h above 0"
        )
    return values


def _image_boxes(image_id: int, rows: list[NDArray[np.float32]]) -> ImageBoxes:
    table = np.stack(rows)
    low = table[:, :2]
    boxes_xyxy = np.concatenate([low, low + table[:, 2:4]], axis=1)
    return ImageBoxes(image_id, boxes_xyxy, table[:, 4])
