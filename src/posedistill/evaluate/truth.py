"""Truth: the labels of a data set as scoring needs them, with crowds and unlabelled people."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.mpii_person import number_images
from posedistill.datasets.wholebody import FIELDS
from posedistill.evaluate.mpii import people_to_score
from posedistill.json_file import read_json
from posedistill.skeleton import Skeleton

logger = logging.getLogger(__name__)
_PERSON = 1


@dataclass(frozen=True, eq=False)
class Truth:
    """Hold all labelled persons of a data set.

    Attributes:
        skeleton: what the K joints are.
        all_image_ids: of all images, those without persons too.
        image_ids: (N,) of each person. folders: (N,) first folder of its image's file name.
        boxes_xywh: (N, 4) pixels. areas: (N,) pixels squared. is_crowd: (N,).
        keypoints: (N, K, 2) pixels. visible: (N, K) True where a keypoint is labelled.
        head_boxes_xyxy: (N, 4) pixels, of MPII alone.
    """

    skeleton: Skeleton
    all_image_ids: tuple[int, ...]
    image_ids: NDArray[np.int64]
    folders: tuple[str, ...]
    boxes_xywh: NDArray[np.float64]
    areas: NDArray[np.float64]
    is_crowd: NDArray[np.bool_]
    keypoints: NDArray[np.float64]
    visible: NDArray[np.bool_]
    head_boxes_xyxy: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.image_ids)


def read_truth(source: Path | str | Mapping[str, Any], *, skeleton: str = "wholebody133") -> Truth:
    """Read annotations in the COCO or COCO-WholeBody layout, a file or its content.

    For ``mpii16`` they are a file of MPII, with head boxes as `people_to_score` finds them.
    A part that an annotation has no key for (``foot_kpts``, ...) counts as unlabelled, as does a
    keypoint that is not finite (a warning says how many).
    Raises FileNotFoundError without the file, ValueError with the annotation id for labels that
    cannot be used, and what `people_to_score` does.

    >>> person = {"id": 1, "image_id": 5, "bbox": [0, 0, 9, 9], "area": 40, "keypoints": [1] * 51}
    >>> truth = read_truth({"images": [{"id": 5}], "annotations": [person]}, skeleton="coco17")
    >>> len(truth), truth.keypoints.shape
    (1, (1, 17, 2))
    """
    if skeleton == "mpii16":
        return _read_mpii_truth(source)
    data, where = _load(source)
    for key in ("images", "annotations"):
        if not isinstance(data.get(key), list):
            raise ValueError(f"{where} has no list {key!r}; expected the COCO annotation layout")
    folders = {image["id"]: _folder(image.get("file_name", "")) for image in data["images"]}
    people = [row for row in data["annotations"] if row.get("category_id", _PERSON) == _PERSON]
    joints = Skeleton.get(skeleton)
    labels = np.zeros((len(people), len(joints), 3))
    for index, row in enumerate(people):
        name = f"{where}, annotation {row.get('id')}"
        _check(row, folders, name)
        _fill(labels[index], row, joints, name)
    finite = np.isfinite(labels).all(axis=2)
    if not finite.all():
        count = int((~finite).sum())
        logger.warning("%s: %d keypoints that are not finite count as unlabelled", where, count)
        labels[~finite] = 0
    return Truth(
        skeleton=joints,
        all_image_ids=tuple(folders),
        image_ids=np.array([row["image_id"] for row in people], np.int64),
        folders=tuple(folders[row["image_id"]] for row in people),
        boxes_xywh=np.array([row["bbox"] for row in people], np.float64).reshape(-1, 4),
        areas=np.array([row["area"] for row in people], np.float64),
        is_crowd=np.array([row.get("iscrowd", 0) for row in people], np.bool_),
        keypoints=labels[:, :, :2],
        visible=labels[:, :, 2] > 0,
    )


def _read_mpii_truth(source: Path | str | Mapping[str, Any]) -> Truth:
    if isinstance(source, Mapping):
        raise ValueError("annotations of MPII are read from a file, got their content")
    people = people_to_score(Path(source))
    numbers = number_images(people)
    corners = np.array([person.box_xyxy for person in people]).reshape(-1, 4)
    extents_wh = corners[:, 2:] - corners[:, :2]
    heads = np.array([person.head_box_xyxy for person in people], np.float64).reshape(-1, 4)
    return Truth(
        skeleton=Skeleton.get("mpii16"),
        all_image_ids=tuple(numbers.values()),
        image_ids=np.array([numbers[person.image] for person in people], np.int64),
        folders=("",) * len(people),
        boxes_xywh=np.concatenate([corners[:, :2], extents_wh], axis=1),
        areas=extents_wh.prod(axis=1),
        is_crowd=np.zeros(len(people), np.bool_),
        keypoints=np.array([person.keypoints for person in people]).reshape(-1, 16, 2),
        visible=np.array([person.labelled for person in people], np.bool_).reshape(-1, 16),
        head_boxes_xyxy=heads - 1,
    )


def _load(source: Path | str | Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    if isinstance(source, Mapping):
        return source, "the annotations"
    data = read_json(source, kind="annotation file")
    if not isinstance(data, dict):
        raise ValueError(
            f"{source} holds a {type(data).__name__}, expected an object with images and "
            "annotations (is it the prediction file?)"
        )
    return data, str(source)


def _folder(file_name: str) -> str:
    parts = PurePosixPath(file_name).parts
    return parts[0] if len(parts) > 1 else ""


def _check(row: Mapping[str, Any], folders: Mapping[int, str], name: str) -> None:
    missing = [key for key in ("image_id", "bbox", "area", "keypoints") if key not in row]
    if missing:
        raise ValueError(f"{name} has no {', '.join(missing)}")
    if row["image_id"] not in folders:
        raise ValueError(f"{name} belongs to image {row['image_id']}, which is not in 'images'")
    _floats(row["bbox"], 4, f"{name}, bbox")
    _floats([row["area"]], 1, f"{name}, area")


def _fill(
    labels: NDArray[np.float64], row: Mapping[str, Any], skeleton: Skeleton, name: str
) -> None:
    # labels: (K, 3), x, y and visibility; the parts follow each other as in the annotation
    for joints, field in zip(skeleton.groups.values(), FIELDS, strict=False):
        if field in row:
            labels[joints] = _floats(
                row[field], 3 * len(joints), f"{name}, {field}", is_finite=False
            ).reshape(-1, 3)


def _floats(
    values: Any,  # Any: JSON of any shape
    length: int,
    name: str,
    *,
    is_finite: bool = True,
) -> NDArray[np.float64]:
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is {values!r:.80}, expected {length} numbers") from error
    if array.shape != (length,):
        raise ValueError(f"{name} has shape {array.shape}, expected {length} numbers")
    if is_finite and not np.isfinite(array).all():
        raise ValueError(f"{name} is {values}, expected finite numbers")
    return array
