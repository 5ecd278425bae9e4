"""Poses of items, where one that fails is said to and takes no other with it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from posedistill.bulk.items import Item, number_of
from posedistill.bulk.places import open_place
from posedistill.formats.image_poses import ImagePoses
from posedistill.media import MAX_PIXELS, read_image
from posedistill.poses import Poses
from posedistill.runtime.pipeline import Pipeline
from posedistill.runtime.stages import groups
from posedistill.runtime.video_stages import VideoSettings
from posedistill.video import VideoReader

ERRORS = (ValueError, OSError)  # of an item, not of the whole job
BATCH = 8
_READERS = 2  # threads
_T = TypeVar("_T")
_R = TypeVar("_R")


class Outcome(NamedTuple):
    """Say what became of an image: its poses, or why there are none; one of both is None."""

    item: Item
    image: ImagePoses | None
    error: str | None


class _Read(NamedTuple):
    """Hold an image, or why it cannot be read."""

    item: Item
    image_rgb: NDArray[np.uint8] | None
    error: str | None


def estimate_images(
    items: Iterable[Item], pipeline: Pipeline, *, max_pixels: int = MAX_PIXELS, batch: int = BATCH
) -> Iterator[Outcome]:
    """Give what becomes of each image, in order.

    max_pixels: larger images are refused. batch: how many are estimated together; they are read
    in threads of their own, a batch ahead. The image_id is `number_of` the name.

    >>> with Pipeline(detector="none") as pipeline:
    ...     [outcome.error for outcome in estimate_images([Item("a", ".", "none.png")], pipeline)]
    ['no such image: none.png']
    """
    read = partial(_read, max_pixels=max_pixels)
    for group in groups(_ahead(read, items, count=2 * batch), batch):
        yield from _estimate(group, pipeline)


def _ahead(work: Callable[[_T], _R], items: Iterable[_T], *, count: int) -> Iterator[_R]:
    """Give the results of work on items, in order, that much of it done ahead in threads."""
    waiting: deque[Future[_R]] = deque()
    pool = ThreadPoolExecutor(_READERS, thread_name_prefix="posedistill read")
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _read(item: Item, *, max_pixels: int) -> _Read:
    try:
        item.name.encode()  # some file systems take names that are no text
        with open_place(item.place).local(item.key) as path:
            image_rgb = _reading(path, item, partial(read_image, max_pixels=max_pixels))
    except ERRORS as error:
        return _Read(item, None, str(error))
    return _Read(item, image_rgb, None)


def _reading(path: Path, item: Item, read: Callable[[Path], _R]) -> _R:
    """Read a file; errors call it by the key of the item, not by where it lies for a moment."""
    try:
        return read(path)
    except ERRORS as error:
        reason = str(error).removeprefix(f"{path}: ").replace(str(path), item.key)
        raise ValueError(reason) from error


def _estimate(group: Sequence[_Read], pipeline: Pipeline) -> Iterator[Outcome]:
    good = [read.image_rgb for read in group if read.image_rgb is not None]
    try:
        poses = iter(_poses(good, pipeline) if good else [])
    except ValueError as error:  # of one of them, as where a network gives no numbers for it
        yield from _estimate_each(group, pipeline, str(error))
        return
    for item, image_rgb, reason in group:
        if image_rgb is None:
            yield Outcome(item, None, reason)
            continue
        h, w = image_rgb.shape[:2]
        image = ImagePoses(number_of(item.name), next(poses), item.name, (w, h))
        yield Outcome(item, image, None)


def _estimate_each(group: Sequence[_Read], pipeline: Pipeline, reason: str) -> Iterator[Outcome]:
    if len(group) == 1:
        yield Outcome(group[0].item, None, reason)
        return
    for read in group:
        yield from _estimate([read], pipeline)


def _poses(images_rgb: Sequence[NDArray[np.uint8]], pipeline: Pipeline) -> list[Poses]:
    found = pipeline.find(images_rgb)
    boxes, scores = [people.boxes_xyxy for people in found], [people.scores for people in found]
    return pipeline.estimator.many(images_rgb, boxes, scores)


def estimate_video(
    item: Item, pipeline: Pipeline, *, settings: VideoSettings
) -> Iterator[ImagePoses]:
    """Give the poses of each frame of a video; the image_id is the index of the frame.

    Raises ValueError for a file that is no video or has no frames, OSError where it cannot be had,
    and ModuleNotFoundError without PyAV.

    >>> with Pipeline(detector="none") as pipeline:
    ...     item = Item("a.mp4", ".", "none.mp4")
    ...     list(estimate_video(item, pipeline, settings=VideoSettings()))
    Traceback (most recent call last):
    ValueError: no such video: none.mp4
    """
    count = 0
    place = open_place(item.place)
    with place.local(item.key) as path, _reading(path, item, VideoReader) as frames:
        for done in pipeline.video(frames, settings=settings):
            frame, (h, w) = done.frame, done.frame.image_rgb.shape[:2]
            yield ImagePoses(frame.index, done.poses, item.name, (w, h), frame.time_s)
            count += 1
    if count == 0:
        raise ValueError("it has no frames")
