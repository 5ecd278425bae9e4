"""MMPose JSON: what MMPose's inferencer and demos save; write and read.

Their layouts (MMPose 1.3, mmpose/structures/utils.py, the inferencers and the demos) are read all:
an object with ``meta_info`` and ``instance_info``, or the latter alone; that is a list of frames,
each with ``frame_id`` and ``instances``, or, for one photo, the list of its instances. The first of
them, with frames, is written. A box is a list in a list there, as MMPose writes it.
"""

import json
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from posedistill.formats.image_poses import ImagePoses, checked, join_persons
from posedistill.formats.json_records import (
    Record,
    image_record,
    pairs,
    read_image_record,
    read_person,
    tracked_record,
    write_array,
)
from posedistill.formats.person_rows import skeleton_of
from posedistill.json_file import entry, number, numbers, optional_entry, read_json, shortest
from posedistill.media import whole_file
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton


def write_mmpose(
    path: str | os.PathLike[str],
    images: Iterable[ImagePoses],
    *,
    skeleton: Skeleton,
    version: str,
) -> None:
    """Write images as frames of an MMPose file; image_id is frame_id.

    images: may be a generator, which is taken one by one. Skeleton and version are in
    ``meta_info``, and what MMPose has no entry for is beside its entries. Raises ValueError as
    `formats.image_poses.checked` does.

    >>> from tempfile import TemporaryDirectory
    >>> hand = Skeleton.get("hand21")
    >>> with TemporaryDirectory() as folder:
    ...     images = [ImagePoses(0, Poses.empty(hand))]
    ...     write_mmpose(f"{folder}/poses.json", images, skeleton=hand, version="0.1.0")
    ...     read_json(f"{folder}/poses.json", kind="MMPose file")["instance_info"]
    [{'frame_id': 0, 'instances': []}]
    """
    names = dict(enumerate(skeleton.joints))
    meta = {
        "dataset_name": skeleton.name,
        "posedistill": version,
        "num_keypoints": len(skeleton),
        "keypoint_id2name": names,
        "keypoint_name2id": {name: index for index, name in names.items()},
        "skeleton_links": skeleton.links,
    }
    with whole_file(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write(f'{{"meta_info": {json.dumps(meta)},\n"instance_info": ')
        write_array(file, map(_frame, checked(images, skeleton)))
        file.write("}\n")


def _frame(image: ImagePoses) -> Record:
    return {
        "frame_id": int(image.image_id),
        **image_record(image),
        "instances": [_instance(person) for person in image.poses],
    }


def _instance(person: Poses) -> Record:
    return {
        "keypoints": pairs(person.keypoints[0]),
        "keypoint_scores": shortest(person.scores[0]),
        "bbox": [shortest(person.boxes_xyxy[0])],
        "bbox_score": shortest(person.box_scores)[0],
        **tracked_record(person),
    }


def read_mmpose(path: str | os.PathLike[str]) -> list[ImagePoses]:
    """Read an MMPose file, ours or MMPose's own; one photo gets the image_id 0.

    In a file of MMPose's own, the number of keypoints tells the skeleton, ``wholebody133`` where
    there is nobody; a person without box gets the extent of the keypoints, and a box without
    score the score 1. Raises FileNotFoundError when the file is missing and ValueError when it
    is another one.

    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> with TemporaryDirectory() as folder:
    ...     person = {"keypoints": [[10, 20]] * 17, "keypoint_scores": [0.5] * 17}
    ...     _ = Path(folder, "photo.json").write_text(json.dumps([person]))
    ...     read_mmpose(f"{folder}/photo.json")[0].poses.boxes_xyxy.tolist()
    [[10.0, 20.0, 10.0, 20.0]]
    """
    record = read_json(path, kind="MMPose file")
    try:
        if isinstance(record, list):
            record = {"instance_info": record}
        meta = optional_entry(record, "meta_info", kind=dict) or {}
        frames = _frames(entry(record, "instance_info", kind=list), meta)
        skeleton = _skeleton(frames, meta)
        return list(checked((_image(frame, skeleton) for frame in frames), skeleton))
    except ValueError as error:
        raise ValueError(f"{path} is no MMPose file: {error}") from error


def _frames(rows: list[Any], meta: Record) -> list[Any]:  # Any: JSON of any shape
    """Give the frames, also of one photo; only our own files may have none."""
    if "posedistill" in meta or (rows and isinstance(rows[0], dict) and "instances" in rows[0]):
        return rows
    return [{"frame_id": 0, "instances": rows}]


def _skeleton(frames: list[Any], meta: Record) -> Skeleton:
    if "posedistill" in meta:
        return Skeleton.get(entry(meta, "dataset_name", kind=str))
    for frame in frames:
        for person in entry(frame, "instances", kind=list):
            return skeleton_of(None, len(entry(person, "keypoints", kind=list)))
    return Skeleton.get("wholebody133")


def _image(frame: Record, skeleton: Skeleton) -> ImagePoses:
    frame_id = entry(frame, "frame_id", kind=int)
    try:
        persons = [_person(row, skeleton) for row in entry(frame, "instances", kind=list)]
        return ImagePoses(
            frame_id, join_persons(persons, skeleton), **read_image_record(frame)._asdict()
        )
    except ValueError as error:
        raise ValueError(f"frame {frame_id}: {error}") from error


def _person(record: object, skeleton: Skeleton) -> Poses:
    k = len(skeleton)
    points = numbers(entry(record, "keypoints", kind=list), (k, 2))
    scores = numbers(entry(record, "keypoint_scores", kind=list), (k,))
    box = optional_entry(record, "bbox", kind=list)
    if box is None:
        corners = np.concatenate([points.min(axis=0), points.max(axis=0)])
    else:
        corners = numbers(box[0] if len(box) == 1 else box, (4,))
    has_score = isinstance(record, dict) and "bbox_score" in record
    score = number(record, "bbox_score") if has_score else np.float32(1)
    triplets = np.concatenate([points, scores[:, None]], axis=1)
    return read_person(record, triplets, box=np.append(corners, score), skeleton=skeleton)
