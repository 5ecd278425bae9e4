"""The photos of `posedistill predict`: one after the other; a bad one does not stop the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from posedistill import __version__
from posedistill.cli_predict_job import PredictJob
from posedistill.cli_predict_plan import RESULTS, Photo, results_file
from posedistill.cli_report import report, shown, table
from posedistill.formats.boxes_json import read_boxes
from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.table import FORMATS
from posedistill.media import IMAGE_SUFFIXES, read_image, write_image
from posedistill.poses import Poses
from posedistill.runtime.pipeline import Pipeline
from posedistill.runtime.regions import boxes_of_mask, read_mask

Image = NDArray[np.uint8]
BoxesXyxy = NDArray[np.floating]
Found = tuple[BoxesXyxy, NDArray[np.float32] | None]  # boxes and their scores
_ERRORS = (ValueError, FileNotFoundError, PermissionError)  # of a photo, not of the whole job


@dataclass(frozen=True, eq=False)
class PhotoDone:
    """Hold what became of a photo: poses, size in pixels, and seconds by stage."""

    photo: Photo
    poses: Poses
    size_wh: tuple[int, int]
    seconds: dict[str, float]


@dataclass(frozen=True, eq=False)
class PhotosDone:
    """Hold what became of all photos; failed: the reason by name."""

    done: list[PhotoDone] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def predict_photos(photos: Sequence[Photo], job: PredictJob, *, pipeline: Pipeline) -> PhotosDone:
    """Predict each photo, and write the poses of all, also when interrupted.

    A photo that cannot be read or done is told and passed over. Raises what stops the whole job:
    what `read_boxes` does, before the first photo, and OSError where results cannot be written.
    """
    work = _Work(job, pipeline)
    try:
        for photo in shown(photos, lambda count, photo: f"{count}/{len(photos)} {photo.name}"):
            work.try_photo(photo)
    finally:
        if work.outcome.done:
            _write_poses(work.outcome.done, job)
    return work.outcome


def photos_table(done: Sequence[PhotoDone]) -> str:
    """Give a row a photo: persons, mean score by part, milliseconds by stage.

    >>> from posedistill.skeleton import Skeleton
    >>> photo = Photo(1, Path("a.jpg"), "a.jpg", Path("out", "a.png"))
    >>> poses = Poses.empty(Skeleton.get("hand21"))
    >>> print(photos_table([PhotoDone(photo, poses, (640, 480), {"read": 0.0123})]))
    photo  persons  hand  read ms
    a.jpg        0     -     12.3
    """
    groups = list(done[0].poses.skeleton.groups)
    header = ["photo", "persons", *(group.replace("_", " ") for group in groups)]
    header += [f"{stage} ms" for stage in done[0].seconds]
    return table([header, *(_row(row, groups) for row in done)])


def _row(row: PhotoDone, groups: Sequence[str]) -> list[str]:
    index = row.poses.skeleton.groups
    means = [
        f"{row.poses.scores[:, index[group]].mean():.2f}" if len(row.poses) else "-"
        for group in groups
    ]
    times = [f"{1000 * seconds:.1f}" for seconds in row.seconds.values()]
    return [row.photo.name, str(len(row.poses)), *means, *times]


class _Work:
    """Do photos, one by one."""

    def __init__(self, job: PredictJob, pipeline: Pipeline) -> None:
        self._job, self._pipeline = job, pipeline
        self._find = _finder(job, pipeline)
        self.outcome = PhotosDone()

    def try_photo(self, photo: Photo) -> None:
        """Do a photo; note and tell it where that fails."""
        try:
            self.outcome.done.append(self._predict(photo))
        except _ERRORS as error:
            reason = str(error).removeprefix(f"{photo.path}: ")
            self.outcome.failed[photo.name] = reason
            report(f"skipped {photo.name}: {reason}")

    def _predict(self, photo: Photo) -> PhotoDone:
        watch = _Watch()
        image = read_image(photo.path, max_pixels=self._job.max_pixels)
        watch.lap("read")
        boxes, scores = self._find(photo, image)
        if self._pipeline.detector is not None:
            watch.lap("detect")
        poses = self._pipeline.estimator(image, boxes, scores)
        watch.lap("estimate")
        h, w = image.shape[:2]
        if self._job.picture.kind == "none":
            return PhotoDone(photo, poses, (w, h), watch.seconds)
        picture = self._job.picture.draw(image, poses)
        watch.lap("draw")
        if self._job.picture.kind == "controlnet" and len(poses) and not picture.any():
            report(f"{photo.name}: no joint is sure enough to be drawn; its picture is black")
        self._job.out.mkdir(parents=True, exist_ok=True)
        write_image(photo.picture, picture)
        watch.lap("write")
        return PhotoDone(photo, poses, (w, h), watch.seconds)


class _Watch:
    """Time one stage after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = perf_counter()

    def lap(self, stage: str) -> None:
        """Name what was done since the last lap."""
        now = perf_counter()
        self.seconds[stage], self._start = now - self._start, now


def _finder(job: PredictJob, pipeline: Pipeline) -> Callable[[Photo, Image], Found]:
    people = job.people
    if people.boxes_file is not None:
        boxes_by_name = read_boxes(people.boxes_file)
        return lambda photo, _: (_boxes_of(photo, boxes_by_name), None)
    if people.mask is not None:
        mask = people.mask
        return lambda photo, image: (_masked(photo, image, mask), None)

    def find(_: Photo, image: Image) -> Found:
        (found,) = pipeline.find([image])
        return found.boxes_xyxy, found.scores

    return find


def _boxes_of(photo: Photo, boxes_by_name: dict[str, NDArray[np.float64]]) -> BoxesXyxy:
    found = boxes_by_name.get(photo.name, boxes_by_name.get(photo.path.name))
    if found is None:
        raise ValueError(f'the boxes file has no "{photo.name}"; give it [] if nobody is there')
    return found


def _masked(photo: Photo, image: Image, mask: Path) -> BoxesXyxy:
    file = _mask_file(photo, mask)
    values = read_mask(file)
    if values.shape != image.shape[:2]:
        (h, w), (mask_h, mask_w) = image.shape[:2], values.shape
        raise ValueError(f"its mask {file} is of {mask_w}x{mask_h} pixels, the photo of {w}x{h}")
    return boxes_of_mask(values)


def _mask_file(photo: Photo, mask: Path) -> Path:
    if not mask.is_dir():
        return mask
    names = (photo.path.name, *(f"{photo.path.stem}{suffix}" for suffix in IMAGE_SUFFIXES))
    file = next((mask / name for name in names if (mask / name).is_file()), None)
    if file is None:
        raise ValueError(f"{mask} has no mask for it, such as {photo.path.stem}.png")
    return file


def _write_poses(done: Sequence[PhotoDone], job: PredictJob) -> None:
    images = [
        ImagePoses(row.photo.image_id, row.poses, row.photo.name, row.size_wh) for row in done
    ]
    job.out.mkdir(parents=True, exist_ok=True)
    for name in job.formats:
        file = results_file(job, RESULTS, name=name)
        FORMATS[name].write(file, images, skeleton=done[0].poses.skeleton, version=__version__)
