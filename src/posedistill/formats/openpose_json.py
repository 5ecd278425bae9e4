"""OpenPose JSON: the persons of one image as OpenPose and the ControlNet tools write them.

The layout is that of OpenPose's page on its output format, version 1.3, and beside the persons
the size of the canvas, as the ControlNet tools write it. Coordinates are pixels.
"""

import json
import os
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from posedistill.json_file import read_json, shortest
from posedistill.media import write_whole
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

_Record = dict[str, Any]  # Any: a JSON object
_Triplets = NDArray[np.float32]  # (..., K, 3): x, y, score

_VERSION = 1.3
_LARGEST = 3.4028235e38  # float32, as it is written
_BODIES = {18: "openpose18", 25: "openpose25"}  # by number of joints
_PARTS = {"face": "face", "hand_left": "left_hand", "hand_right": "right_hand"}  # group by name
_PUPILS = ("right_eye", "left_eye")  # the points 68 and 69 of the face
_COUNTS = {"pose": (18, 25), "face": (68, 70), "hand_left": (21,), "hand_right": (21,)}


@dataclass(frozen=True, eq=False)
class CanvasPoses:
    """Hold the poses of one image, and its size in pixels, None where the file does not say.

    about: what our own files say under ``posedistill``; empty for those of others.
    """

    poses: Poses
    size_wh: tuple[int, int] | None = None
    about: _Record = field(default_factory=dict)


def write_openpose(
    path: str | os.PathLike[str],
    poses: Poses,
    *,
    size_wh: tuple[int, int] | None,
    body: Literal[18, 25] = 25,
    min_score: float = 0.0,
    about: _Record | None = None,
) -> None:
    """Write the persons of one image; the file appears whole or not at all.

    size_wh: pixels, of the image that the keypoints are in; None where nobody said. body: how many
    joints the body has; 25 adds mid hip and feet. A joint with a score below min_score, or not
    above 0, is written as 0, 0, 0, which is how the format says that it is absent. Face and hands
    that the skeleton lacks are empty lists; the pupils are the eyes of the body. Track ids become
    ``person_id``; boxes have no place in the format. about: what else the file is to say, under
    the key ``posedistill`` beside the persons, which readers of OpenPose files pass over. Raises
    ValueError for a size that is none, another body, a skeleton without any joint of it, and
    numbers that are not finite.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     persons = Poses.empty(Skeleton.get("wholebody133"))
    ...     write_openpose(f"{folder}/a.json", persons, size_wh=(640, 480))
    ...     read_openpose(f"{folder}/a.json").size_wh
    (640, 480)
    """
    if body not in _BODIES:
        raise ValueError(f"body is {body!r}; expected 18 or 25, the joints of OpenPose's bodies")
    canvas = None if size_wh is None else _size(size_wh, str(path))
    shown = _without_absent(poses, min_score, str(path))
    numbers = {"pose": _triplets(shown.to(_BODIES[body]))}
    for name, group in _PARTS.items():
        if group in shown.skeleton.groups:
            numbers[name] = _triplets(shown.part(group))
    if "face" in numbers:
        eyes = [shown.skeleton.joints.index(eye) for eye in _PUPILS]
        numbers["face"] = np.concatenate([numbers["face"], _triplets(shown)[:, eyes]], axis=1)
    record: _Record = {
        "version": _VERSION,
        "people": [_person_record(shown, numbers, index) for index in range(len(shown))],
    }
    if canvas is not None:
        record["canvas_width"], record["canvas_height"] = canvas
    if about is not None:
        record["posedistill"] = about
    write_whole(path, json.dumps(record).encode())


def _size(size_wh: object, where: str) -> tuple[int, int]:
    if isinstance(size_wh, tuple | list) and len(size_wh) == 2:
        w, h = size_wh
        if all(isinstance(side, int | np.integer) and side > 0 for side in (w, h)):
            return int(w), int(h)
    raise ValueError(f"{where}: size is {size_wh!r}; expected (width, height), whole, at least 1")


def _without_absent(poses: Poses, min_score: float, where: str) -> Poses:
    """Give the poses with the score 0 for what is absent, checked to be finite elsewhere."""
    if not set(poses.skeleton.joints).intersection(Skeleton.get("openpose25").joints):
        raise ValueError(f"{where}: {poses.skeleton.name} has no joint of OpenPose's body")
    is_shown = (poses.scores > 0) & (poses.scores >= min_score)
    is_finite = np.isfinite(poses.scores) & (np.isfinite(poses.keypoints).all(-1) | ~is_shown)
    odd = np.flatnonzero(~is_finite.all(axis=-1))
    if len(odd):
        raise ValueError(f"{where}, person {odd[0]} is not finite; leave that person out")
    return replace(
        poses,
        keypoints=np.where(is_shown[..., None], poses.keypoints, 0).astype(np.float32),
        scores=np.where(is_shown, poses.scores, 0).astype(np.float32),
    )


def _triplets(poses: Poses) -> _Triplets:
    numbers = np.concatenate([poses.keypoints, poses.scores[..., None]], axis=-1)
    # A neck between one shoulder and none has a place, but is absent.
    return np.where(poses.scores[..., None] > 0, numbers, 0).astype(np.float32)


def _person_record(poses: Poses, numbers: dict[str, _Triplets], index: int) -> _Record:
    record: _Record = {"person_id": [-1 if poses.ids is None else int(poses.ids[index])]}
    for name in _COUNTS:
        triplets = numbers[name][index] if name in numbers else np.zeros((0, 3), np.float32)
        record[f"{name}_keypoints_2d"] = shortest(triplets.ravel())
    return record | {f"{name}_keypoints_3d": [] for name in _COUNTS}


def read_openpose(path: str | os.PathLike[str]) -> CanvasPoses:
    """Read the persons of one image as ``wholebody133``.

    A joint that the file lacks, or has as 0, 0, 0, has the score 0. Neck, mid hip and pupils have
    no place among the 133 joints. The boxes are the extents of the joints that are present, with
    the score 1, and zeros for a person without any. Ids are there where every person has one, 0
    or more. A list of one image, as ControlNet tools write it, is read as that image. Raises
    FileNotFoundError when the file is missing and ValueError when it is another one.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = f"{folder}/a.json"
    ...     write_whole(file, b'{"people": [{"pose_keypoints_2d": []}]}')
    ...     len(read_openpose(file).poses)
    1
    """
    record = read_json(path, kind="OpenPose file")
    if isinstance(record, list) and len(record) != 1:
        raise ValueError(
            f"{path} holds a list of {len(record)} images, as ControlNet tools write for a batch; "
            "write each image to a file of its own"
        )
    if isinstance(record, list):
        record = record[0]
    if not isinstance(record, dict) or not isinstance(record.get("people"), list):
        raise ValueError(f"{path} is no OpenPose file: expected an object with a list 'people'")
    canvas_wh = (record.get("canvas_width"), record.get("canvas_height"))
    size_wh = None if canvas_wh == (None, None) else _size(canvas_wh, str(path))
    wheres = [f"{path}, person {index}" for index in range(len(record["people"]))]
    persons = list(zip(record["people"], wheres, strict=True))
    numbers = np.array([_read_person(*person) for person in persons], np.float32)
    ids = np.array([_read_id(*person) for person in persons], np.int64)
    about = record.get("posedistill")
    return CanvasPoses(
        poses=_poses(numbers.reshape(-1, 133, 3), ids),
        size_wh=size_wh,
        about=about if isinstance(about, dict) else {},
    )


def _poses(numbers: _Triplets, ids: NDArray[np.int64]) -> Poses:
    keypoints, scores = numbers[..., :2], numbers[..., 2]
    boxes = np.zeros((len(numbers), 4), np.float32)
    for box, points, is_shown in zip(boxes, keypoints, scores > 0, strict=True):
        if is_shown.any():
            box[:2], box[2:] = points[is_shown].min(axis=0), points[is_shown].max(axis=0)
    return Poses(
        keypoints=keypoints,
        scores=scores,
        boxes_xyxy=boxes,
        box_scores=np.ones(len(numbers), np.float32),
        skeleton=Skeleton.get("wholebody133"),
        ids=ids if len(ids) and (ids >= 0).all() else None,
    )


def _read_person(person: object, where: str) -> _Triplets:
    """Give the 133 joints of one person."""
    if not isinstance(person, dict):
        raise ValueError(f"{where} is a {type(person).__name__}; expected an object")
    if "pose_keypoints_2d" not in person:  # the first OpenPose versions had other names
        raise ValueError(f"{where} has no 'pose_keypoints_2d'; it has {sorted(person)}")
    wholebody = Skeleton.get("wholebody133")
    numbers = np.zeros((len(wholebody), 3), np.float32)
    body = _read_triplets(person, "pose", where)
    if len(body):
        index = Skeleton.get(_BODIES[len(body)]).index_map(wholebody)
        numbers[index >= 0] = body[index[index >= 0]]
    for name, group in _PARTS.items():
        part = _read_triplets(person, name, where)
        if len(part):
            index = wholebody.groups[group]
            numbers[index] = part[: len(index)]
    return numbers


def _read_triplets(person: _Record, name: str, where: str) -> _Triplets:
    """Give (K, 3), with K of 0 where the file has nothing of that part."""
    key, counts = f"{name}_keypoints_2d", _COUNTS[name]
    values = person.get(key) or []  # some tools write null
    if not isinstance(values, list) or len(values) not in (0, *(3 * count for count in counts)):
        seen = f"{len(values)} numbers" if isinstance(values, list) else type(values).__name__
        expected = " or ".join(str(3 * count) for count in counts)
        raise ValueError(f"{where}: {key} has {seen}; expected a list of {expected} numbers")
    if not all(type(value) in (int, float) and abs(value) <= _LARGEST for value in values):
        raise ValueError(f"{where}: {key} holds something that is no finite number")
    return np.array(values, np.float64).astype(np.float32).reshape(-1, 3)


def _read_id(person: _Record, where: str) -> int:
    """Give the track id, or -1."""
    ids = person.get("person_id") or [-1]
    if not isinstance(ids, list) or type(ids[0]) is not int or abs(ids[0]) >= 2**63:
        raise ValueError(f"{where}: person_id is {ids!r}; expected a list of one whole number")
    return ids[0]
