"""Unlabelled people: photos or the frames of a video, with boxes but without keypoints."""

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.instance import Instance
from posedistill.formats.boxes_json import read_boxes, write_boxes
from posedistill.media import IMAGE_SUFFIXES, read_image, read_reduced_image, write_image
from posedistill.skeleton import Skeleton

Image = NDArray[np.uint8]
BoxesByName = Mapping[str, NDArray[np.floating]]
FindBoxes = Callable[[Sequence[Image]], Sequence[NDArray[np.floating]]]
_GROUP = 8  # images looked at together
_SECONDS_A_SAVE = 60
logger = logging.getLogger(__name__)


class UnlabelledPeople:
    """Hold people of whom only boxes are known: all keypoints are 0 and not visible.

    photos: path by name; boxes_by_name: (N, 4) pixels x1, y1, x2, y2, they may reach outside the
    image; photos without an entry have nobody. Image ids are 1, 2, ... in the order of the photos.
    Raises ValueError for a box without area, and when there is nobody at all.

    >>> people = UnlabelledPeople({"a.jpg": Path("a.jpg")}, {"a.jpg": np.array([[0, 0, 3, 4.0]])})
    >>> people.instances[0].area, int(people.instances[0].visible.sum())
    (12.0, 0)
    """

    def __init__(
        self,
        photos: Mapping[str, Path],
        boxes_by_name: BoxesByName,
        *,
        skeleton: str = "wholebody133",
    ) -> None:
        self.skeleton = Skeleton.get(skeleton)
        self.image_paths = dict(enumerate(photos.values(), 1))
        pairs = [
            (image_id, _checked(box, name))
            for image_id, name in enumerate(photos, 1)
            for box in boxes_by_name.get(name, ())
        ]
        if not pairs:
            raise ValueError(f"nobody in the {len(photos)} photos: all boxes are missing or empty")
        nothing = np.zeros((len(self.skeleton), 2), np.float32)
        self.instances: Sequence[Instance] = tuple(
            Instance(
                image_id=image_id,
                annotation_id=index,
                box_xyxy=box,
                keypoints=nothing,
                visible=nothing[:, 0],
                area=float(np.prod(box[2:] - box[:2])),
            )
            for index, (image_id, box) in enumerate(pairs, 1)
        )

    def image(self, image_id: int) -> Image:
        """Give an image, (H, W, 3) RGB uint8."""
        return read_image(self.image_paths[image_id])

    def reduced_image(self, image_id: int, factor: int) -> tuple[Image, int]:
        """Give an image as `posedistill.media.read_reduced_image` does."""
        return read_reduced_image(self.image_paths[image_id], factor=factor)


def _checked(box: NDArray[np.floating], name: str) -> NDArray[np.float32]:
    if not np.isfinite(box).all() or box[2] <= box[0] or box[3] <= box[1]:
        raise ValueError(
            f"{name} has the box {np.asarray(box).tolist()}; "
            "expected finite x1, y1, x2, y2 with x2 > x1 and y2 > y1"
        )
    return np.asarray(box, np.float32)


def list_photos(folder: Path) -> dict[str, Path]:
    """Give the images in a folder and in all folders in it, by their path from there, sorted.

    What begins with a dot is left out. Raises FileNotFoundError without the folder, ValueError
    without images.

    >>> list_photos(Path("none"))
    Traceback (most recent call last):
    FileNotFoundError: no such folder: none
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no such folder: {folder}")
    found = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    }
    shown = {name: found[name] for name in sorted(found) if "/." not in f"/{name}"}
    if not shown:
        raise ValueError(f"no images in {folder}; looked for {', '.join(IMAGE_SUFFIXES)}")
    return shown


def extract_frames(video: Path, folder: Path, *, every: int) -> None:
    """Write each `every`-th frame of a video as JPEG into a new folder, the first one included.

    The folder appears whole or not at all; one that exists is left as it is. Frames are called
    by their number and stand upright. Logs a warning when the video ends before it should.
    Raises ValueError for a file that is no video, and for `every` below 1.

    >>> extract_frames(Path("none.mp4"), Path("frames"), every=10)
    Traceback (most recent call last):
    FileNotFoundError: no such video: none.mp4
    """
    if every < 1:
        raise ValueError(f"every is {every}; expected 1 for each frame, 2 for every other, ...")
    if not video.is_file():
        raise FileNotFoundError(f"no such video: {video}")
    if folder.is_dir():
        return
    partial = folder.with_name(f".{uuid4().hex}.part")
    partial.mkdir(parents=True)
    try:
        for number, image in _frames(video, every):
            write_image(partial / f"{number:07d}.jpg", image)
        if not any(partial.iterdir()):
            raise ValueError(f"{video} has no frames that can be read; is it a video?")
        _rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _rename(partial: Path, folder: Path) -> None:
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster
            raise


def _frames(video: Path, every: int) -> Iterator[tuple[int, Image]]:
    # By OpenCV alone: it turns frames upright, which PyAV does not.
    capture = cv2.VideoCapture(str(video))
    announced = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    number = 0
    while capture.grab():
        if number % every == 0:
            is_sound, image = capture.retrieve()
            if is_sound:
                yield number, np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
        number += 1
    capture.release()
    if number < 0.95 * announced:  # what files announce may be a little off
        logger.warning("%s: only %d of %d frames could be read", video, number, announced)


def boxes_from_file(path: Path, photos: Mapping[str, Path]) -> BoxesByName:
    """Read the boxes of photos from a boxes file, where they go by name or by file name alone.

    photos: path by name. Logs how many photos have no entry. Raises what
    `posedistill.formats.boxes_json.read_boxes` does, and ValueError when none has one.

    >>> boxes_from_file(Path("none.json"), {})
    Traceback (most recent call last):
    FileNotFoundError: no such boxes file: none.json
    """
    given = read_boxes(path)
    matched = {name: name if name in given else photo.name for name, photo in photos.items()}
    boxes = {name: given[key] for name, key in matched.items() if key in given}
    if not boxes:
        raise ValueError(
            f"{path} names none of the {len(photos)} photos; it has {', '.join([*given][:3])}, "
            f"the photos are {', '.join([*photos][:3])}"
        )
    if len(boxes) < len(photos):
        missing = next(name for name in photos if name not in boxes)
        logger.warning(
            "%s has no entry for %d of %d photos, such as %s; they are left out",
            *(path, len(photos) - len(boxes), len(photos), missing),
        )
    return boxes


def whole_images(images_rgb: Sequence[Image]) -> list[NDArray[np.float32]]:
    """Give each image as one box; a way to find boxes.

    >>> whole_images([np.zeros((20, 10, 3), np.uint8)])[0].tolist()
    [[0.0, 0.0, 10.0, 20.0]]
    """
    return [np.array([[0, 0, *image.shape[1::-1]]], np.float32) for image in images_rgb]


def find_boxes(
    photos: Mapping[str, Path], find: FindBoxes, *, cache: Path, progress: bool = True
) -> BoxesByName:
    """Find the boxes of photos, once: they are kept in a boxes file, also of a run broken off.

    photos: path by name; find: gives (N, 4) pixels for each of several images; cache: the file.
    Photos newer than the file are looked at again. Those that cannot be read are left out, with
    a warning. Raises ValueError when none can.

    >>> find_boxes(photos, whole_images, cache=Path("boxes.json"))["a.jpg"]  # doctest: +SKIP
    array([[  0.,   0., 640., 427.]])
    """
    known = _still_valid(cache, photos)
    todo = {name: path for name, path in photos.items() if name not in known}
    if todo:
        cache.parent.mkdir(parents=True, exist_ok=True)
        _add(known, _find_in_groups(todo, find, progress=progress), cache=cache)
    boxes = {name: known[name] for name in photos if name in known}
    if not boxes:
        raise ValueError(f"none of the {len(photos)} photos can be read; see the warnings above")
    return boxes


def _add(
    known: dict[str, NDArray[np.floating]], groups: Iterator[BoxesByName], *, cache: Path
) -> None:
    saved = time.monotonic()
    try:
        for found in groups:
            known |= found
            if time.monotonic() > saved + _SECONDS_A_SAVE:
                write_boxes(cache, known)
                saved = time.monotonic()
    finally:
        write_boxes(cache, known)


def _find_in_groups(
    photos: Mapping[str, Path], find: FindBoxes, *, progress: bool
) -> Iterator[BoxesByName]:
    from tqdm import tqdm

    names = list(photos)
    with tqdm(total=len(names), unit="photo", desc="boxes", disable=not progress) as bar:
        for start in range(0, len(names), _GROUP):
            group = names[start : start + _GROUP]
            images = _read_good({name: photos[name] for name in group})
            yield dict(zip(images, find(list(images.values())), strict=True))
            bar.update(len(group))


def _still_valid(cache: Path, photos: Mapping[str, Path]) -> dict[str, NDArray[np.floating]]:
    if not cache.is_file():
        return {}
    written = cache.stat().st_mtime
    stale = {name for name, path in photos.items() if path.stat().st_mtime > written}
    return {name: boxes for name, boxes in read_boxes(cache).items() if name not in stale}


def _read_good(photos: Mapping[str, Path]) -> dict[str, Image]:
    images = {}
    for name, path in photos.items():
        try:
            images[name] = read_image(path)
        except (ValueError, FileNotFoundError, PermissionError) as error:
            logger.warning("left out: %s", error)
    return images
