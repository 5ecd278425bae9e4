"""What the JSON formats share: the entries of an image, those of a person, and lists in pieces."""

import json
import math
from collections.abc import Iterable
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from posedistill.formats.image_poses import ImagePoses
from posedistill.json_file import numbers, optional_entry, shortest
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

Record = dict[str, Any]  # Any: a JSON object
_Floats = NDArray[np.float32]


class ImageEntries(NamedTuple):
    """Hold what `ImagePoses` says of an image, by the same names."""

    file_name: str | None
    size_wh: tuple[int, int] | None
    time_s: float | None


def image_record(image: ImagePoses) -> Record:
    """Give file name, width, height and time as entries, without those that are unknown.

    >>> image_record(ImagePoses(1, Poses.empty(Skeleton.get("hand21")), "a.jpg", (640, 480)))
    {'file_name': 'a.jpg', 'width': 640, 'height': 480}
    """
    record: Record = {}
    if image.file_name is not None:
        record["file_name"] = image.file_name
    if image.size_wh is not None:
        record["width"], record["height"] = map(int, image.size_wh)
    if image.time_s is not None:
        record["time_s"] = float(image.time_s)
    return record


def read_image_record(record: object) -> ImageEntries:
    """Give what `image_record` wrote; raises ValueError naming the entry that is odd.

    >>> read_image_record({"file_name": "a.jpg"})
    ImageEntries(file_name='a.jpg', size_wh=None, time_s=None)
    """
    size = [optional_entry(record, key, kind=int) for key in ("width", "height")]
    w, h = size
    if (w is None) != (h is None):
        raise ValueError(f"width is {w} and height is {h}; expected both, or neither")
    return ImageEntries(
        file_name=optional_entry(record, "file_name", kind=str),
        size_wh=None if w is None or h is None else (w, h),
        time_s=_optional_time(record),
    )


def _optional_time(record: object) -> float | None:
    time_s = record.get("time_s") if isinstance(record, dict) else None
    if time_s is None:
        return None
    if type(time_s) not in (int, float) or not abs(time_s) <= 1e300 or not math.isfinite(time_s):
        raise ValueError(f"'time_s' is {str(time_s)[:40]}; expected finite seconds")
    return float(time_s)


def tracked_record(person: Poses) -> Record:
    """Give track id and raw keypoints of one person as entries, where there are any.

    >>> tracked_record(Poses.empty(Skeleton.get("hand21")))
    {}
    """
    record: Record = {}
    if person.ids is not None:
        record["track_id"] = int(person.ids[0])
    if person.raw_keypoints is not None:
        record["raw_keypoints"] = pairs(person.raw_keypoints[0])
    return record


def pairs(points: NDArray[np.float32]) -> list[list[float]]:
    """Give (K, 2) points as K lists of the shortest x and y.

    >>> pairs(np.array([[1, 2.5]], np.float32))
    [[1.0, 2.5]]
    """
    flat = shortest(points.ravel())
    return [flat[start : start + 2] for start in range(0, len(flat), 2)]


def read_person(record: object, triplets: _Floats, *, box: _Floats, skeleton: Skeleton) -> Poses:
    """Give one person, with the track id and the raw keypoints that the record may have.

    triplets: (K, 3) pixels and score. box: (5,) pixels x1, y1, x2, y2 and score. Raises ValueError
    for a track id of more than 64 bits and for other numbers of raw keypoints.

    >>> hand = Skeleton.get("hand21")
    >>> numbers = np.zeros((21, 3), np.float32)
    >>> person = read_person({"track_id": 4}, numbers, box=numbers[0, [0] * 5], skeleton=hand)
    >>> person.ids.tolist()
    [4]
    """
    track_id = optional_entry(record, "track_id", kind=int)
    if track_id is not None and abs(track_id) >= 2**63:
        raise ValueError(f"'track_id' is {str(track_id)[:40]}; expected a number of 64 bits")
    raw = optional_entry(record, "raw_keypoints", kind=list)
    return Poses(
        keypoints=triplets[None, :, :2],
        scores=triplets[None, :, 2],
        boxes_xyxy=box[None, :4],
        box_scores=box[4:],
        skeleton=skeleton,
        ids=None if track_id is None else np.array([track_id], np.int64),
        raw_keypoints=None if raw is None else numbers(raw, (len(skeleton), 2))[None],
    )


def write_array(file: TextIO, records: Iterable[Record]) -> None:
    """Write a JSON list, a record a line, without holding it in memory.

    >>> import sys
    >>> write_array(sys.stdout, [{"id": 1}, {"id": 2}])
    [
    {"id": 1},
    {"id": 2}
    ]
    """
    before = "["
    for record in records:
        file.write(f"{before}\n{json.dumps(record)}")
        before = ","
    file.write("[]" if before == "[" else "\n]")
