"""Folders of OpenPose JSON: one file an image, as OpenPose writes them; write and read.

The files are those of `formats.openpose_json`. Beside the persons, under a key of its own, each
says what OpenPose has no place for: image_id, file name, time, boxes, skeleton and version.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from posedistill.formats.image_poses import ImagePoses, checked
from posedistill.formats.json_records import Record, image_record, pairs, read_image_record
from posedistill.formats.openpose_json import CanvasPoses, read_openpose, write_openpose
from posedistill.json_file import entry, numbers, optional_entry, shortest
from posedistill.skeleton import Skeleton

_ENDING = "_keypoints"


def write_openpose_folder(
    path: str | os.PathLike[str],
    images: Iterable[ImagePoses],
    *,
    skeleton: Skeleton,
    version: str,
) -> None:
    """Write each image into a file of its own, whole or not at all; make the folder.

    A photo ``a.jpg`` goes to ``a_keypoints.json``, a frame, or an image without name, to its name
    and its image_id in twelve digits, as OpenPose calls them; of two equal names the second gets a
    ``-2``. images: may be a generator, which is taken one by one. The file of another image that
    has the same name is replaced. Raises ValueError as `formats.image_poses.checked` and
    `write_openpose` do.

    >>> from tempfile import TemporaryDirectory
    >>> from posedistill.poses import Poses
    >>> body = Skeleton.get("coco17")
    >>> with TemporaryDirectory() as folder:
    ...     images = [ImagePoses(1, Poses.empty(body), "a.jpg")]
    ...     write_openpose_folder(folder, images, skeleton=body, version="0.1.0")
    ...     os.listdir(folder)
    ['a_keypoints.json']
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    for image in checked(images, skeleton):
        write_openpose_image(folder / _file_name(image, taken), image, version=version)


def write_openpose_image(
    path: str | os.PathLike[str], image: ImagePoses, *, version: str, body: Literal[18, 25] = 25
) -> None:
    """Write one image by `write_openpose`, with all else that is known of it beside the persons.

    >>> from tempfile import TemporaryDirectory
    >>> from posedistill.poses import Poses
    >>> image = ImagePoses(1, Poses.empty(Skeleton.get("coco17")), "a.jpg")
    >>> with TemporaryDirectory() as folder:
    ...     write_openpose_image(f"{folder}/a.json", image, version="0.1.0")
    ...     read_openpose(f"{folder}/a.json").about["skeleton"]
    'coco17'
    """
    about = _about(image, version)
    write_openpose(path, image.poses, size_wh=image.size_wh, body=body, about=about)


def _file_name(image: ImagePoses, taken: set[str]) -> str:
    stem = "" if image.file_name is None else Path(image.file_name).stem
    if image.time_s is not None or not stem:
        stem = f"{stem}_{image.image_id:012d}".removeprefix("_")
    name, count = stem, 1
    while name.lower() in taken:  # some file systems do not tell A.json from a.json
        count += 1
        name = f"{stem}-{count}"
    taken.add(name.lower())
    return f"{name}{_ENDING}.json"


def _about(image: ImagePoses, version: str) -> Record:
    poses = image.poses
    about = {
        "version": version,
        "skeleton": poses.skeleton.name,
        "image_id": int(image.image_id),
        **image_record(image),
        "boxes_xyxy": [shortest(box) for box in poses.boxes_xyxy],
        "box_scores": shortest(poses.box_scores),
    }
    if poses.raw_keypoints is not None:
        about["raw_keypoints"] = [pairs(points) for points in poses.raw_keypoints]
    return about


def read_openpose_folder(path: str | os.PathLike[str]) -> list[ImagePoses]:
    """Read the ``.json`` files of a folder, ours or OpenPose's own.

    Our own come with all that they say, in their skeleton and in the order of image_id, but for
    what the format cannot hold: joints with a score of 0 or less have lost place and score. In a
    folder of others the files are counted from 1 by name, without file names, as ``wholebody133``.
    Raises FileNotFoundError for a missing folder, and ValueError for one without such files and
    for what is no OpenPose file.

    >>> read_openpose_folder("none")
    Traceback (most recent call last):
    FileNotFoundError: no such folder of OpenPose files: none
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"no such folder of OpenPose files: {folder}")
    files = sorted(file for file in folder.glob("*.json") if not file.name.startswith("."))
    if not files:
        raise ValueError(f"{folder} has no .json files; expected one an image")
    images = [_read(file, index) for index, file in enumerate(files, start=1)]
    by_id = {image.image_id: image for image in images}
    if len(by_id) < len(images):
        raise ValueError(f"{folder}: two files are of the same image_id; are they of two runs?")
    return [by_id[image_id] for image_id in sorted(by_id)]


def _read(file: Path, index: int) -> ImagePoses:
    found = read_openpose(file)
    if "image_id" not in found.about:
        return ImagePoses(index, found.poses, size_wh=found.size_wh)
    try:
        return _ours(found)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def _ours(found: CanvasPoses) -> ImagePoses:
    about, n = found.about, len(found.poses)
    poses = found.poses.to(entry(about, "skeleton", kind=str))
    raw = optional_entry(about, "raw_keypoints", kind=list)
    poses = replace(
        poses,
        boxes_xyxy=numbers(entry(about, "boxes_xyxy", kind=list), (n, 4)),
        box_scores=numbers(entry(about, "box_scores", kind=list), (n,)),
        raw_keypoints=None if raw is None else numbers(raw, (n, len(poses.skeleton), 2)),
    )
    entries = read_image_record(about)
    return ImagePoses(
        entry(about, "image_id", kind=int), poses, entries.file_name, found.size_wh, entries.time_s
    )
