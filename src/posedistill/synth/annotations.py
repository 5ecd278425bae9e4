"""Annotations: a rendered scene as records of a COCO-WholeBody file."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.wholebody import FIELDS
from posedistill.skeleton import Skeleton
from posedistill.synth.labels import SKELETON, Rendered, label, worth_finding

Record = dict[str, Any]  # Any: JSON values
_DIGITS = 2  # of pixels


def annotations(people: Sequence[Rendered], image_id: int) -> list[Record]:
    """Give the annotations of all people of an image, without ids of their own.

    Those of whom too little is seen to find them are crowds, which nobody learns from; those of
    whom too little is seen to learn a pose have a box without keypoints.

    >>> annotations([], 1)
    []
    """
    return [annotation(person) | {"image_id": image_id} for person in people]


def annotation(person: Rendered) -> Record:
    """Give the annotation of a person, without ids.

    >>> from types import SimpleNamespace as Person
    >>> points, seen = np.ones((133, 2), np.float32), np.full(133, 2, np.float32)
    >>> box, mask = np.array([0, 0, 8, 9], np.float32), np.ones((9, 8), bool)
    >>> record = annotation(Person(keypoints=points, visible=seen, box_xyxy=box, mask=mask))
    >>> record["bbox"], record["area"], record["num_keypoints"], record["face_valid"]
    ([0.0, 0.0, 8.0, 9.0], 72, 17, True)
    """
    labels = label(person)
    x, y, right, bottom = np.asarray(person.box_xyxy, np.float64).tolist()
    record: Record = {
        "category_id": 1,
        "iscrowd": int(not worth_finding(person)),
        "bbox": _rounded(np.array([x, y, right - x, bottom - y])),
        "area": int(person.mask.sum()),
        "num_keypoints": int((labels[:17] > 0).sum()),
        "segmentation": run_lengths(person.mask),
    }
    groups = Skeleton.get(SKELETON).groups.values()
    for field, joints in zip(FIELDS, groups, strict=True):
        points, shown = person.keypoints[joints].astype(np.float64), labels[joints]
        triplets = np.where(shown[:, None] > 0, np.c_[points, shown], 0)
        record[field] = _rounded(triplets.ravel())
        if field != "keypoints":
            part = field.removesuffix("_kpts")
            record[f"{part}_valid"] = bool(shown.any())
            if part != "foot":
                record[f"{part}_box"] = _tight_box(points[shown > 0])
    return record


def _tight_box(points: NDArray[np.float64]) -> list[float]:
    if not len(points):
        return [0.0] * 4
    low = points.min(axis=0)
    return _rounded(np.concatenate([low, points.max(axis=0) - low]))


def _rounded(values: NDArray[np.float64]) -> list[float]:
    rounded: list[float] = np.round(values, _DIGITS).tolist()
    return rounded


def run_lengths(mask: NDArray[np.bool_]) -> Mapping[str, object]:
    """Give a mask in the compressed run lengths of COCO.

    mask: (H, W). Runs go down the columns, of background first. Each length, from the third on as
    the difference to the last but one of its kind, is cut into groups of five bits, the lowest
    first; a sixth bit says that more follow, and 48 makes them letters.

    >>> run_lengths(np.array([[False, True], [False, True]]))
    {'size': [2, 2], 'counts': '22'}
    """
    flat = np.concatenate([[False], mask.ravel(order="F")])
    starts = np.flatnonzero(flat[1:] != flat[:-1])
    lengths = np.diff(np.concatenate([[0], starts, [mask.size]])).tolist()
    differences = lengths[:3] + [
        length - earlier for length, earlier in zip(lengths[3:], lengths[1:], strict=False)
    ]
    return {"size": list(mask.shape), "counts": "".join(map(_letters, differences))}


def _letters(value: int) -> str:
    letters = ""
    while True:
        group, value = value & 31, value >> 5
        # The highest bit of the last group is its sign.
        is_last = value == (-1 if group & 16 else 0)
        letters += chr(48 + group + (0 if is_last else 32))
        if is_last:
            return letters
