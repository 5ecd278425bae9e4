"""CSV: a table with a row a person and three columns a joint; write and read.

Every row says of which skeleton and version it is, so that there is nothing but a header and rows.
An image without persons is a row with the columns of the person left empty.
"""

import csv
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posedistill.formats.image_poses import ImagePoses, checked
from posedistill.formats.json_records import ImageEntries
from posedistill.formats.person_rows import PersonRow, images_of_rows
from posedistill.json_file import numbers, shortest
from posedistill.media import whole_file
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

_IMAGE = ("skeleton", "posedistill", "image_id", "file_name", "width", "height", "time_s")
_BOX = ("box_x1", "box_y1", "box_x2", "box_y2", "box_score")
_PERSON = ("person_index", "track_id", *_BOX)


def write_csv(
    path: str | os.PathLike[str],
    images: Iterable[ImagePoses],
    *,
    skeleton: Skeleton,
    version: str,
) -> None:
    """Write a row a person: what its image is, its box, and x, y and score of each joint.

    images: may be a generator, which is taken one by one. Where the first persons have raw
    keypoints there are two more columns a joint. Raises ValueError as
    `formats.image_poses.checked` does, for a file name that is no text, and for raw keypoints
    that only later persons have.

    >>> from tempfile import TemporaryDirectory
    >>> hand = Skeleton.get("hand21")
    >>> with TemporaryDirectory() as folder:
    ...     images = [ImagePoses(1, Poses.empty(hand), "a.jpg")]
    ...     write_csv(f"{folder}/a.csv", images, skeleton=hand, version="0.1.0")
    ...     Path(folder, "a.csv").read_text().splitlines()[1][:30]
    'hand21,0.1.0,1,a.jpg,,,,,,,,,,'
    """
    rows = _table(checked(images, skeleton), skeleton, version)
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _table(  # house rule: what, of what, by what
    images: Iterable[ImagePoses], skeleton: Skeleton, version: str
) -> Iterator[list[str]]:
    """Give header and rows; the first persons tell whether there are raw keypoints."""
    stream = iter(images)
    first: list[ImagePoses] = []
    for image in stream:
        first.append(image)
        if len(image.poses):
            break
    has_raw = bool(first) and first[-1].poses.raw_keypoints is not None
    columns = [*_IMAGE, *_PERSON, *_joint_columns(skeleton)]
    yield columns + (_raw_columns(skeleton) if has_raw else [])
    for image in itertools.chain(first, stream):
        yield from _rows_of_image(image, version, has_raw)


def _joint_columns(skeleton: Skeleton) -> list[str]:
    return [f"{joint}_{part}" for joint in skeleton.joints for part in ("x", "y", "score")]


def _raw_columns(skeleton: Skeleton) -> list[str]:
    return [f"{joint}_raw_{part}" for joint in skeleton.joints for part in ("x", "y")]


def _rows_of_image(image: ImagePoses, version: str, has_raw: bool) -> Iterator[list[str]]:
    poses = image.poses
    if poses.raw_keypoints is not None and len(poses) and not has_raw:
        raise ValueError(
            f"{image.name} has raw keypoints and the first persons had none; a CSV file has one "
            "header for all, so smooth all of them or write another format"
        )
    w, h = ("", "") if image.size_wh is None else image.size_wh
    time_s = "" if image.time_s is None else repr(float(image.time_s))
    head = [poses.skeleton.name, version, str(image.image_id), _text(image), str(w), str(h), time_s]
    k = len(poses.skeleton)
    for index, person in enumerate(poses):
        row = [*head, str(index), "" if person.ids is None else str(person.ids[0])]
        triplets = np.concatenate([person.keypoints[0], person.scores[0, :, None]], axis=-1)
        row += _cells(person.boxes_xyxy, person.box_scores, triplets)
        if has_raw:
            raw = person.raw_keypoints
            row += [""] * (2 * k) if raw is None else _cells(raw)
        yield row
    if not len(poses):
        yield head + [""] * (len(_PERSON) + (5 if has_raw else 3) * k)


def _text(image: ImagePoses) -> str:
    name = image.file_name or ""
    # Not all versions of Python quote a lone carriage return.
    if "\r" in name or name.encode(errors="replace").decode() != name:
        raise ValueError(f"the file name {name!r} is no line of text; rename it or write JSON")
    return name


def _cells(*arrays: NDArray[np.float32]) -> list[str]:
    return [repr(number) for number in shortest(np.concatenate([a.ravel() for a in arrays]))]


def read_csv(path: str | os.PathLike[str]) -> list[ImagePoses]:
    """Read what `write_csv` wrote, also with rows in another order and with columns added.

    Images come in the order of their first rows, persons in the order of ``person_index``. Raises
    FileNotFoundError when the file is missing and ValueError, with the number of the line, when
    it is another one.

    >>> read_csv("none.csv")
    Traceback (most recent call last):
    FileNotFoundError: no such CSV file: none.csv
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such CSV file: {path}")
    # Spreadsheets write a mark before the header.
    with path.open(encoding="utf-8-sig", newline="") as file:
        return images_of_rows(_read_rows(file), where=str(path))


def _read_rows(file: Iterable[str]) -> Iterator[PersonRow]:
    lines = csv.reader(file)
    try:
        header = next(lines, [])
        table = _Columns(header)
        for cells in lines:
            if cells:  # an empty line
                yield table.row(cells)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"line {lines.line_num}: {error}") from error


class _Columns:
    """Know where the columns of a header are."""

    def __init__(self, header: Sequence[str]) -> None:
        self._index = {name: place for place, name in reversed(list(enumerate(header)))}
        self._size = len(header)
        self._joints: dict[str, list[int]] = {}  # by skeleton
        self._raw: dict[str, list[int] | None] = {}
        self._places((*_IMAGE, *_PERSON))

    def _places(self, names: Iterable[str]) -> list[int]:
        missing = [name for name in names if name not in self._index]
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise ValueError(f"there is no column {', '.join(missing[:3])}{more}")
        return [self._index[name] for name in names]

    def row(self, cells: Sequence[str]) -> PersonRow:
        """Give the person of a row."""
        if len(cells) != self._size:
            raise ValueError(f"it has {len(cells)} columns; the header has {self._size}")
        values = {name: cells[self._index[name]] for name in (*_IMAGE, *_PERSON)}
        skeleton = Skeleton.get(values["skeleton"])
        image_id, index = _whole(values["image_id"], "image_id"), values["person_index"]
        if image_id is None:
            raise ValueError("image_id is empty; expected a whole number")
        return PersonRow(
            image_id=image_id,
            entries=_entries(values),
            skeleton=skeleton,
            index=_whole(index, "person_index") or 0,
            person=self._person(cells, skeleton) if index else None,
        )

    def _person(self, cells: Sequence[str], skeleton: Skeleton) -> Poses:
        if skeleton.name not in self._joints:
            self._joints[skeleton.name] = self._places(_joint_columns(skeleton))
            raw_columns = _raw_columns(skeleton)
            has_raw = raw_columns[0] in self._index
            self._raw[skeleton.name] = self._places(raw_columns) if has_raw else None
        triplets = _floats(cells, self._joints[skeleton.name]).reshape(-1, 3)
        box = _floats(cells, self._places(_BOX))
        track_id = _whole(cells[self._index["track_id"]], "track_id")
        places = self._raw[skeleton.name]
        has_raw = places is not None and any(cells[place] for place in places)
        return Poses(
            keypoints=triplets[None, :, :2],
            scores=triplets[None, :, 2],
            boxes_xyxy=box[None, :4],
            box_scores=box[4:],
            skeleton=skeleton,
            ids=None if track_id is None else np.array([track_id], np.int64),
            raw_keypoints=_floats(cells, places).reshape(1, -1, 2) if places and has_raw else None,
        )


def _entries(values: dict[str, str]) -> ImageEntries:
    w, h = (_whole(values[key], key) for key in ("width", "height"))
    if (w is None) != (h is None):
        raise ValueError("one of width and height is empty; expected both, or neither")
    time_s = values["time_s"]
    return ImageEntries(
        file_name=values["file_name"] or None,
        size_wh=None if w is None or h is None else (w, h),
        time_s=float(time_s) if time_s else None,
    )


def _floats(cells: Sequence[str], places: Sequence[int]) -> NDArray[np.float32]:
    return numbers([float(cells[place]) for place in places], (len(places),))


def _whole(cell: str, name: str) -> int | None:
    """Give the number of a cell, also where a tool made 7.0 of 7; None for an empty one."""
    if not cell:
        return None
    try:
        value = int(cell)
    except ValueError:
        value = _whole_float(cell, name)
    if abs(value) >= 2**63:
        raise ValueError(f"{name} is {cell[:40]}; expected a number of 64 bits")
    return value


def _whole_float(cell: str, name: str) -> int:
    value = float(cell)
    if not value.is_integer():
        raise ValueError(f"{name} is {cell[:40]!r}; expected a whole number")
    return int(value)
