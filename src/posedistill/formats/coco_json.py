"""COCO JSON: poses as a COCO annotation file; write and read.

The layout of the results, a bare list of persons, is that of `formats.coco_results`.
"""

import json
import os
from collections.abc import Iterable, Iterator
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from posedistill.formats.image_poses import ImagePoses, checked, join_persons
from posedistill.formats.json_records import (
    Record,
    image_record,
    read_image_record,
    read_person,
    tracked_record,
    write_array,
)
from posedistill.json_file import entry, number, numbers, read_json, shortest
from posedistill.media import whole_file
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

__all__ = ["ImagePoses", "box_xywh", "read_annotations", "read_xywh", "write_annotations"]


def write_annotations(
    path: str | os.PathLike[str],
    images: Iterable[ImagePoses],
    *,
    skeleton: Skeleton,
    version: str,
) -> None:
    """Write a COCO annotation file with images, annotations, categories and info.

    images: may be a generator, which is taken one by one. version: that of posedistill, for the
    info. In ``keypoints`` the third value is 2 for a joint with a score above 0 and 0 otherwise,
    as annotation tools expect; the scores are beside them as ``keypoint_scores``. Track ids are
    ``track_id``. Raises ValueError as `formats.image_poses.checked` does.

    >>> from tempfile import TemporaryDirectory
    >>> hand = Skeleton.get("hand21")
    >>> with TemporaryDirectory() as folder:
    ...     images = [ImagePoses(1, Poses.empty(hand), "a.jpg")]
    ...     write_annotations(f"{folder}/poses.json", images, skeleton=hand, version="0.1.0")
    ...     read_json(f"{folder}/poses.json", kind="annotation file")["images"]
    [{'id': 1, 'file_name': 'a.jpg'}]
    """
    category = {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(skeleton.joints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.links],
    }
    info = {
        "description": "poses estimated by posedistill",
        "posedistill": version,
        "skeleton": skeleton.name,
    }
    with whole_file(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write(f'{{"info": {json.dumps(info)},\n"categories": {json.dumps([category])},\n')
        _write_images(file, checked(images, skeleton))
        file.write("}\n")


def _write_images(file: TextIO, images: Iterable[ImagePoses]) -> None:
    """Write the annotations as the images come, and the images, which take less room, after."""
    image_records: list[Record] = []
    file.write('"annotations": ')
    write_array(file, _annotations(images, image_records))
    file.write(',\n"images": ')
    write_array(file, image_records)


def _annotations(images: Iterable[ImagePoses], image_records: list[Record]) -> Iterator[Record]:
    index = 0
    for image in images:
        image_records.append({"id": int(image.image_id), **image_record(image)})
        for person in image.poses:
            index += 1
            yield _annotation(index, image, person)


def _annotation(index: int, image: ImagePoses, person: Poses) -> Record:
    triplets = np.concatenate([person.keypoints[0], person.scores[0, :, None]], axis=-1)
    keypoints = shortest(triplets.ravel())
    scores = keypoints[2::3]
    keypoints[2::3] = [2 if score > 0 else 0 for score in scores]
    box = box_xywh(person)
    return {
        "id": index,
        "image_id": int(image.image_id),
        "category_id": 1,
        "bbox": box,
        "area": round(box[2] * box[3], 3),
        "iscrowd": 0,
        "score": shortest(person.box_scores)[0],
        "keypoints": keypoints,
        "num_keypoints": sum(score > 0 for score in scores),
        "keypoint_scores": scores,
        **tracked_record(person),
    }


def box_xywh(person: Poses) -> list[float]:
    """Give the box of one person as x, y, width and height.

    They are differences of float32 numbers without rounding, so that the corners come back.

    >>> points, box = np.zeros((1, 21, 2), np.float32), np.array([[10, 20, 15, 26]], np.float32)
    >>> box_xywh(Poses(points, points[..., 0], box, box[:, 0], Skeleton.get("hand21")))
    [10.0, 20.0, 5.0, 6.0]
    """
    x1, y1, x2, y2 = person.boxes_xyxy[0].tolist()
    return [x1, y1, x2 - x1, y2 - y1]


def read_xywh(record: object) -> NDArray[np.float32]:
    """Give the corners (4,) of a record's ``bbox``; ValueError where it is none.

    >>> read_xywh({"bbox": [10, 20, 5, 6]}).tolist()
    [10.0, 20.0, 15.0, 26.0]
    """
    values = entry(record, "bbox", kind=list)
    numbers(values, (4,))
    x, y, w, h = map(float, values)  # float64, as they were written
    return numbers([x, y, x + w, y + h], (4,))


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
        skeleton = Skeleton.get(entry(entry(record, "info", kind=dict), "skeleton", kind=str))
        image_records = entry(record, "images", kind=list)
        persons: dict[int, list[Poses]] = {}
        for image in image_records:
            image_id = entry(image, "id", kind=int)
            if image_id in persons:
                raise ValueError(f"two images have the id {image_id}")
            persons[image_id] = []
        for index, person in enumerate(entry(record, "annotations", kind=list)):
            image_id, poses = _read_annotation(person, index, skeleton)
            if image_id not in persons:
                raise ValueError(f"annotation {index} is of image {image_id}, which is not listed")
            persons[image_id].append(poses)
        return [
            ImagePoses(
                image["id"],
                join_persons(persons[image["id"]], skeleton),
                **read_image_record(image)._asdict(),
            )
            for image in image_records
        ]
    except ValueError as error:
        raise ValueError(f"{path} is no posedistill annotation file: {error}") from error


def _read_annotation(record: object, index: int, skeleton: Skeleton) -> tuple[int, Poses]:
    k = len(skeleton)
    try:
        image_id = entry(record, "image_id", kind=int)
        keypoints = numbers(entry(record, "keypoints", kind=list), (3 * k,)).reshape(k, 3)
        keypoints[:, 2] = numbers(entry(record, "keypoint_scores", kind=list), (k,))
        box = np.append(read_xywh(record), number(record, "score"))
        return image_id, read_person(record, keypoints, box=box, skeleton=skeleton)
    except ValueError as error:
        raise ValueError(f"annotation {index}: {error}") from error
