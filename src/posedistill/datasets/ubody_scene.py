"""One scene of UBody: its annotation file, the images that are kept, the videos they come from.

The rules are those of the reference (DWPose, base_coco_style_dataset.py): an image is kept when its
id, not the number of its frame, is divisible by `every`; its video is the folder of its file name,
of which "_Trim" and what follows are cut off before it is looked up in the list of test videos.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from posedistill.datasets.ubody_report import Problem
from posedistill.datasets.wholebody import FIELDS
from posedistill.json_file import read_json

ANNOTATION_FILE = "keypoint_annotation.json"
Row = dict[str, Any]  # Any: one JSON record of an annotation file
_NEEDED = ("id", "image_id", "bbox", *FIELDS)


@dataclass(frozen=True)
class Frame:
    """Name a frame: the folder of its video below that of the scene, and its number from 1."""

    folder: str
    number: int


@dataclass(frozen=True, eq=False)
class Scene:
    """Hold what is kept of a scene.

    Attributes:
        images, frames: of the kept images, by id, in the order of the file.
        annotations: rows of the people in them. folders: of all images, kept or not.
        problems: rows that are of no use.
    """

    name: str
    images: dict[int, Row]
    frames: dict[int, Frame]
    annotations: list[Row]
    folders: frozenset[str]
    problems: tuple[Problem, ...]

    def numbers_by_folder(self) -> dict[str, tuple[int, ...]]:
        """Give the numbers of the frames wanted of each video, both in order.

        >>> Scene("Movie", {}, {}, [], frozenset(), ()).numbers_by_folder()
        {}
        """
        numbers: dict[str, set[int]] = {}
        for frame in self.frames.values():
            numbers.setdefault(frame.folder, set()).add(frame.number)
        return {folder: tuple(sorted(numbers[folder])) for folder in sorted(numbers)}


def read_scene(path: Path, *, every: int) -> Scene:
    """Read the annotation file of a scene, which is called as the folder of the file.

    Raises FileNotFoundError when there is none, and ValueError when it is no annotation file.
    """
    content = read_json(path, kind="annotation file")
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) for key in ("images", "annotations")
    ):
        raise ValueError(
            f"{path} is not a COCO annotation file: it needs lists 'images' and 'annotations'"
        )
    name = path.parent.name
    images, frames, odd = _split_images(content["images"])
    annotations, bad = _split_annotations(content["annotations"], images)
    kept = {key for key in images if key % every == 0}
    problems = [
        Problem("unusable row", name, f"{ANNOTATION_FILE} {part}", len(rows), f"such as {rows[0]}")
        for part, rows in (("images", odd), ("annotations", bad))
        if rows
    ]
    return Scene(
        name,
        {key: row for key, row in images.items() if key in kept},
        {key: frame for key, frame in frames.items() if key in kept},
        [row for row in annotations if row["image_id"] in kept],
        frozenset(frame.folder for frame in frames.values()),
        tuple(problems),
    )


def _split_images(rows: list[Row]) -> tuple[dict[int, Row], dict[int, Frame], list[str]]:
    """Give the rows and frames by image id, and what is wrong with the other rows."""
    images: dict[int, Row] = {}
    frames: dict[int, Frame] = {}
    odd = []
    for index, row in enumerate(rows):
        frame = _frame(row.get("file_name")) if isinstance(row, dict) else None
        if frame is None or type(row.get("id")) is not int:
            odd.append(f"row {index}: {str(row)[:100]}")
        elif row["id"] in images:
            odd.append(f"row {index}: id {row['id']} for the second time")
        else:
            images[row["id"]], frames[row["id"]] = row, frame
    return images, frames, odd


def _frame(file_name: object) -> Frame | None:
    """Tell the frame of VIDEO/000001.png; some published names begin with a slash."""
    if not isinstance(file_name, str):
        return None
    path = PurePosixPath(file_name.lstrip("/"))
    is_number = len(path.stem) >= 6 and path.stem.isascii() and path.stem.isdecimal()
    if len(path.parts) < 2 or ".." in path.parts or not is_number or int(path.stem) < 1:
        return None
    return Frame(path.parent.as_posix(), int(path.stem))


def _split_annotations(rows: list[Row], images: dict[int, Row]) -> tuple[list[Row], list[str]]:
    """Give the rows of people that can be read, and what is wrong with the others."""
    good, bad = [], []
    for index, row in enumerate(rows):
        lacking = [key for key in _NEEDED if key not in row] if isinstance(row, dict) else _NEEDED
        if lacking:
            bad.append(f"row {index}: without {lacking[0]}")
        elif row["image_id"] not in images:
            bad.append(f"row {index}: image_id {row['image_id']} is not among the images")
        else:
            good.append(row)
    return good, bad


def is_test_video(folder: str, test_videos: Iterable[str]) -> bool:
    """Say whether a folder of frames belongs to one of the videos kept for testing.

    >>> is_test_video("Möwe_Trim2", {"Möwe"}), is_test_video("Lachs", {"Möwe"})
    (True, False)
    """
    name = PurePosixPath(folder).name
    if "Trim" in name:
        name = name.split("_Trim")[0]
    return plain(name) in set(map(plain, test_videos))


def plain(name: str) -> str:
    """Give the same text for both ways in which file systems store an umlaut.

    >>> plain("u\N{COMBINING DIAERESIS}") == "ü"
    True
    """
    return unicodedata.normalize("NFC", name)


def find_videos(folder: Path) -> dict[str, list[Path]]:
    """Find the videos of a scene, by the folder that their frames go to.

    That is the path below the scene, the file name cut at its first dot. Hidden files are no
    videos. No folder, no videos.

    >>> find_videos(Path("no such folder"))
    {}
    """
    videos: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            below = path.relative_to(folder).with_name(path.name.split(".")[0])
            videos.setdefault(plain(below.as_posix()), []).append(path)
    return videos
