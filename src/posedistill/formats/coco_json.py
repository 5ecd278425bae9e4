"""COCO JSON: poses as a COCO annotation file; write and read.

The results layout, a bare list of predictions, is that of `evaluate.predictions`.
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill.json_file import read_json, shortest
from posedistill.media import write_whole
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

_Record = dict[str, Any]  # Any: a JSON object


@dataclass(frozen=True, eq=False)
class ImagePoses:
    """Hold the poses of one image with what names it in a file.

    file_name and size_wh (pixels) are None where the file does not say.
    """

    image_id: int
    poses: Poses
    file_name: str | None = None
    size_wh: tuple[int, int] | None = None


def _person_record(image: ImagePoses, person: Poses) -> _Record:
    triplets = np.concatenate([person.keypoints[0], person.scores[0, :, None]], axis=-1)
    if not (np.isfinite(triplets).all() and np.isfinite(person.boxes_xyxy).all()):
        raise ValueError(f"image {image.file_name or image.image_id}: a pose is not finite")
    x1, y1, x2, y2 = person.boxes_xyxy[0].tolist()
    return {
        "image_id": image.image_id,
        "category_id": 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "score": shortest(person.box_scores)[0],
        "keypoints": shortest(triplets.ravel()),
    }


def _poses(persons: Sequence[_Record], skeleton: Skeleton) -> Poses:
    if not persons:
        return Poses.empty(skeleton)
    triplets = [
        _floats(person["keypoints"], 3 * len(skeleton)).reshape(-1, 3) for person in persons
    ]
    corners = np.array([_floats(person["bbox"], 4) for person in persons])
    corners[:, 2:] += corners[:, :2]
    points = np.stack(triplets)
    return Poses(
        keypoints=points[..., :2].astype(np.float32),
        scores=points[..., 2].astype(np.float32),
        boxes_xyxy=corners.astype(np.float32),
        box_scores=np.array([float(person["score"]) for person in persons], np.float32),
        skeleton=skeleton,
    )


def _floats(values: object, count: int) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    if array.shape != (count,):
        raise ValueError(f"found {array.size} numbers where {count} belong")
    return array


def write_annotations(
    path: str | os.PathLike[str],
    images: Iterable[ImagePoses],
    *,
    skeleton: Skeleton,
    version: str,
) -> None:
    """Write a COCO annotation file with images, annotations, categories and info.

    version: that of posedistill, for the info.
    In ``keypoints`` the third value is 2 for a joint with a score above 0 and 0 otherwise, as
    annotation tools expect; the scores are beside them as ``keypoint_scores``. Raises ValueError
    for values that are not finite.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> hand = Skeleton.get("hand21")
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "poses.json")
    ...     images = [ImagePoses(1, Poses.empty(hand), "a.jpg")]
    ...     write_annotations(file, images, skeleton=hand, version="0.1.0")
    ...     json.loads(file.read_text())["images"]
    [{'id': 1, 'file_name': 'a.jpg'}]
    """
    images = list(images)
    persons = [_person_record(image, person) for image in images for person in image.poses]
    record = {
        "info": {
            "description": "poses estimated by posedistill",
            "posedistill": version,
            "skeleton": skeleton.name,
        },
        "images": [_image_record(image) for image in images],
        "annotations": [_annotation(index, person) for index, person in enumerate(persons, 1)],
        "categories": [
            {
                "id": 1,
                "name": "person",
                "supercategory": "person",
                "keypoints": list(skeleton.joints),
                "skeleton": [[a + 1, b + 1] for a, b in skeleton.links],
            }
        ],
    }
    write_whole(path, json.dumps(record).encode())


def _image_record(image: ImagePoses) -> _Record:
    record: _Record = {"id": image.image_id}
    if image.file_name is not None:
        record["file_name"] = image.file_name
    if image.size_wh is not None:
        record["width"], record["height"] = image.size_wh
    return record


def _annotation(index: int, person: _Record) -> _Record:
    scores = person["keypoints"][2::3]
    keypoints = list(person["keypoints"])
    keypoints[2::3] = [2 if score > 0 else 0 for score in scores]
    return {
        "id": index,
        **person,
        "area": round(person["bbox"][2] * person["bbox"][3], 3),
        "iscrowd": 0,
        "keypoints": keypoints,
        "num_keypoints": sum(score > 0 for score in scores),
        "keypoint_scores": scores,
    }


def read_annotations(path: str | os.PathLike[str]) -> list[ImagePoses]:
    """Read what `write_annotations` wrote: all its images, also those without persons.

    Raises FileNotFoundError when the file is missing and ValueError when it is another one.

    >>> from tempfile import TemporaryDirectory
    >>> hand = Skeleton.get("hand21")
    >>> with TemporaryDirectory() as folder:
    ...     write_annotations(f"{folder}/poses.json", [], skeleton=hand, version="0.1.0")
    ...     read_annotations(f"{folder}/poses.json")
    []
    """
    record = read_json(path, kind="annotation file")
    try:
        skeleton = Skeleton.get(record["info"]["skeleton"])
        by_image: dict[int, list[_Record]] = {image["id"]: [] for image in record["images"]}
        for person in record["annotations"]:
            by_image[person["image_id"]].append(_scored(person))
        return [
            ImagePoses(
                image_id=image["id"],
                poses=_poses(by_image[image["id"]], skeleton),
                file_name=image.get("file_name"),
                size_wh=(image["width"], image["height"]) if "width" in image else None,
            )
            for image in record["images"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no posedistill annotation file: {error!r}") from error


def _scored(person: _Record) -> _Record:
    keypoints = list(person["keypoints"])
    keypoints[2::3] = person["keypoint_scores"]
    return person | {"keypoints": keypoints}
