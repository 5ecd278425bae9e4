"""JSON lines: one image a line, made for streams and shards; append, write and read.

Every line says of which skeleton and version it is, so that files can be joined, cut and searched
by line, and an empty file is one of no images. A line that a killed process left unfinished is
passed over by the reader and removed by whoever appends.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from posedistill.formats.image_poses import ImagePoses, check_poses, checked, join_persons
from posedistill.formats.json_records import (
    Record,
    image_record,
    pairs,
    read_image_record,
    read_person,
    tracked_record,
)
from posedistill.json_file import entry, number, numbers, shortest
from posedistill.media import whole_file
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

_BLOCK = 1 << 16
_logger = logging.getLogger(__name__)


def write_jsonl(
    path: str | os.PathLike[str],
    images: Iterable[ImagePoses],
    *,
    skeleton: Skeleton,
    version: str,
) -> None:
    """Write one image a line; the file appears whole or not at all.

    images: may be a generator, which is taken one by one. Raises ValueError as
    `formats.image_poses.checked` does.

    >>> from tempfile import TemporaryDirectory
    >>> hand = Skeleton.get("hand21")
    >>> with TemporaryDirectory() as folder:
    ...     images = [ImagePoses(1, Poses.empty(hand), "a.jpg")]
    ...     write_jsonl(f"{folder}/a.jsonl", images, skeleton=hand, version="0.1.0")
    ...     print(Path(folder, "a.jsonl").read_text()[:66])
    {"image_id": 1, "file_name": "a.jpg", "skeleton": "hand21", "posed
    """
    with whole_file(path) as partial, partial.open("wb") as file:
        for image in checked(images, skeleton):
            file.write(_line(image, version))


class JsonLines:
    """Append images to a file, each line given to the system before `write` returns.

    An existing file is gone on with: an unfinished last line is removed, with a warning. Raises
    FileNotFoundError where the folder is missing.

    >>> from tempfile import TemporaryDirectory
    >>> hand = Skeleton.get("hand21")
    >>> with TemporaryDirectory() as folder:
    ...     for image_id in (1, 2):
    ...         with JsonLines(f"{folder}/a.jsonl", skeleton=hand, version="0.1.0") as lines:
    ...             lines.write(ImagePoses(image_id, Poses.empty(hand)))
    ...     [image.image_id for image in read_jsonl(f"{folder}/a.jsonl")]
    [1, 2]
    """

    def __init__(self, path: str | os.PathLike[str], *, skeleton: Skeleton, version: str) -> None:
        path = Path(path)
        if not path.parent.is_dir():
            raise FileNotFoundError(f"no such folder: {path.parent}")
        self._skeleton, self._version = skeleton, version
        path.touch()
        self._file = path.open("r+b", buffering=0)
        end = _end_of_lines(self._file)
        self._file.seek(end)
        rest = self._file.read()
        if _is_json(rest):
            self._append(b"\n")
        elif rest:
            _logger.warning("%s: its last line is not finished; it is removed", path)
            self._file.truncate(end)
            self._file.seek(end)

    def write(self, image: ImagePoses) -> None:
        """Append one image; raises ValueError for another skeleton and numbers not finite."""
        check_poses(image, self._skeleton)
        self._append(_line(image, self._version))

    def _append(self, data: bytes) -> None:
        end, rest = self._file.tell(), memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:  # a full disk: the next line must not go on where this one broke off
            self._file.truncate(end)
            self._file.seek(end)
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "JsonLines":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _end_of_lines(file: BinaryIO) -> int:
    """Give where the last finished line ends."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(end - _BLOCK, 0)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _line(image: ImagePoses, version: str) -> bytes:
    record = {
        "image_id": int(image.image_id),
        **image_record(image),
        "skeleton": image.poses.skeleton.name,
        "posedistill": version,
        "persons": [_person_record(person) for person in image.poses],
    }
    return f"{json.dumps(record)}\n".encode()


def _person_record(person: Poses) -> Record:
    return {
        "box_xyxy": shortest(person.boxes_xyxy[0]),
        "box_score": shortest(person.box_scores)[0],
        "keypoints": pairs(person.keypoints[0]),
        "scores": shortest(person.scores[0]),
        **tracked_record(person),
    }


def read_jsonl(path: str | os.PathLike[str]) -> list[ImagePoses]:
    """Read the images of a file, all that have a whole line; an unfinished one logs a warning.

    Raises FileNotFoundError when the file is missing and ValueError, with the number of the line,
    when it is another one.

    >>> read_jsonl("none.jsonl")
    Traceback (most recent call last):
    FileNotFoundError: no such JSON lines file: none.jsonl
    """
    return list(iterate_jsonl(path))


def iterate_jsonl(path: str | os.PathLike[str]) -> Iterator[ImagePoses]:
    """Give the images of a file one by one, without holding it in memory; else as `read_jsonl`.

    >>> next(iterate_jsonl("none.jsonl"))
    Traceback (most recent call last):
    FileNotFoundError: no such JSON lines file: none.jsonl
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such JSON lines file: {path}")
    with path.open("rb") as file:
        for number_of_line, line in enumerate(file, start=1):
            if not line.strip():
                continue
            if not line.endswith(b"\n") and not _is_json(line):
                _logger.warning("%s: its last line is not finished; it is left out", path)
                return
            try:
                yield _image(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{path}, line {number_of_line}: {error}") from error


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _image(record: object) -> ImagePoses:
    skeleton = Skeleton.get(entry(record, "skeleton", kind=str))
    persons = [_person(person, skeleton) for person in entry(record, "persons", kind=list)]
    image_id = entry(record, "image_id", kind=int)
    poses = join_persons(persons, skeleton)
    return ImagePoses(image_id, poses, **read_image_record(record)._asdict())


def _person(record: object, skeleton: Skeleton) -> Poses:
    k = len(skeleton)
    points = numbers(entry(record, "keypoints", kind=list), (k, 2))
    scores = numbers(entry(record, "scores", kind=list), (k,))
    corners = numbers(entry(record, "box_xyxy", kind=list), (4,))
    return read_person(
        record,
        np.concatenate([points, scores[:, None]], axis=1),
        box=np.append(corners, number(record, "box_score")),
        skeleton=skeleton,
    )
