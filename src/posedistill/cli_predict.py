"""The work behind `posedistill predict`: photos in; overlays, one JSON file and a table out."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from posedistill import __version__
from posedistill.cli_open import open_any_session
from posedistill.draw import controlnet
from posedistill.draw.overlay import draw_overlay
from posedistill.formats.boxes_json import read_boxes
from posedistill.formats.coco_json import ImagePoses, write_annotations
from posedistill.formats.openpose_json import write_openpose
from posedistill.media import list_images, read_image, write_image
from posedistill.poses import Poses
from posedistill.runtime.estimator import Estimator
from posedistill.skeleton import Skeleton

STAGES = ("read", "estimate", "draw", "write")
_POSES_FILE = "poses.json"
_MIN_SCORE = 0.3
_CONTROL_STEP = 64  # pixels; the sides that ControlNets take are multiples of it
_LARGEST_CONTROL = 8192  # pixels; of the short side, and squared of the picture


@dataclass(frozen=True)
class PredictJob:
    """Say what to predict.

    inputs: image files and folders. model, spec: as `open_any_session` takes them.
    out: folder for the results. boxes_file: JSON object from image file name to a list of
    x1, y1, x2, y2; None takes each whole image as one person. draw: ``overlay``, with min_score
    (0.3 when None), or ``controlnet``, with hands, face, resolution. openpose: also write
    OpenPose JSON. Raises ValueError for options that do not belong together.
    """

    inputs: Sequence[Path]
    model: str
    out: Path
    boxes_file: Path | None
    spec: str | None = None
    flip_test: bool = False
    min_score: float | None = None
    draw: str = "overlay"
    hands: bool = True
    face: bool = True
    resolution: int | None = None
    openpose: bool = False

    def __post_init__(self) -> None:
        is_plain = self.hands and self.face and self.resolution is None
        if self.draw != "controlnet" and not is_plain:
            raise ValueError(
                "--no-hands, --no-face and --resolution are for --draw controlnet alone"
            )
        if self.draw != "overlay" and self.min_score is not None:
            raise ValueError("--min-score is for --draw overlay alone; controlnet has its own")
        least, most = _CONTROL_STEP, _LARGEST_CONTROL
        if self.resolution is not None and not least <= self.resolution <= most:
            raise ValueError(f"--resolution is {self.resolution}; expected {least} to {most}")


@dataclass(frozen=True)
class _Photo:
    image_id: int
    path: Path
    name: str
    picture: Path


@dataclass(frozen=True, eq=False)
class _Done:
    photo: _Photo
    poses: Poses
    size_wh: tuple[int, int]
    seconds: tuple[float, ...]


def predict(job: PredictJob) -> int:
    """Do the job; give the exit code: 0, 1 when some photos failed, 2 when all did.

    Raises ValueError and FileNotFoundError for what stops the whole job, before the first photo.

    >>> predict(PredictJob([Path("none.jpg")], "wholebody-t", Path("out"), None))
    Traceback (most recent call last):
    FileNotFoundError: no such file or folder: none.jpg
    """
    photos = _plan(list_images(job.inputs), job.out)
    boxes = None if job.boxes_file is None else read_boxes(job.boxes_file)
    session = open_any_session(job.model, spec=job.spec)
    estimator = Estimator(session, flip_test=job.flip_test)
    _check_skeleton(estimator.skeleton, job)
    done: list[_Done] = []
    for count, photo in enumerate(photos, 1):
        _show_progress(count, photos)
        try:
            done.append(_predict_photo(photo, job, estimator, boxes))
        except (ValueError, FileNotFoundError, PermissionError) as error:
            _report(f"skipped {photo.name}: {str(error).removeprefix(f'{photo.path}: ')}")
    if not done:
        _report(f"error: none of the {len(photos)} photos could be done")
        return 2
    _write_poses(job.out / _POSES_FILE, done, estimator)
    print(_table(done, list(estimator.skeleton.groups)))
    print(f"\n{len(done)} of {len(photos)} photos done by {job.model} on ", end="")
    print(f"{estimator.session.provider}; pictures and {_POSES_FILE} are in {job.out}")
    return 0 if len(done) == len(photos) else 1


def _plan(paths: Sequence[Path], out: Path) -> list[_Photo]:
    """Name each photo and the file its picture goes to, and refuse to overwrite a photo."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out} is a file; expected a folder")
    parent = os.path.commonpath([path.resolve().parent for path in paths])
    names = [Path(os.path.relpath(path.resolve(), parent)).as_posix() for path in paths]
    pictures = [out / name for name in _unique_names(path.stem for path in paths)]
    inputs = {path.resolve() for path in paths}
    for target in (*pictures, out / _POSES_FILE):
        if target.resolve() in inputs:
            raise ValueError(
                f"{target} would be overwritten by its own result; choose another --out"
            )
    triples = zip(paths, names, pictures, strict=True)
    return [_Photo(index, *triple) for index, triple in enumerate(triples, 1)]


def _unique_names(stems: Iterable[str]) -> list[str]:
    taken: set[str] = set()
    names = []
    for stem in stems:
        name, count = f"{stem}.png", 1
        while name.lower() in taken:  # some file systems do not tell A.png from a.png
            count += 1
            name = f"{stem}-{count}.png"
        taken.add(name.lower())
        names.append(name)
    return names


def _check_skeleton(skeleton: Skeleton, job: PredictJob) -> None:
    """Raise ValueError when poses of this skeleton cannot be drawn or written as asked."""
    if job.draw == "controlnet":
        controlnet(Poses.empty(skeleton), (1, 1))
    if job.openpose and not set(skeleton.joints) & set(Skeleton.get("openpose25").joints):
        raise ValueError(f"--openpose is for models of bodies; {job.model} gives {skeleton.name}")


def _predict_photo(
    photo: _Photo,
    job: PredictJob,
    estimator: Estimator,
    boxes: Mapping[str, NDArray[np.float64]] | None,
) -> _Done:
    times = [perf_counter()]
    image = read_image(photo.path)
    times.append(perf_counter())
    h, w = image.shape[:2]
    poses = estimator(image, _boxes_of(photo, boxes, (w, h)))
    times.append(perf_counter())
    picture = _draw(image, poses, job)
    times.append(perf_counter())
    if job.draw == "controlnet" and len(poses) and not picture.any():
        _report(f"{photo.name}: no joint is sure enough to be drawn; its picture is black")
    job.out.mkdir(parents=True, exist_ok=True)
    write_image(photo.picture, picture)
    if job.openpose:
        file = photo.picture.with_name(f"{photo.picture.stem}_keypoints.json")
        write_openpose(file, poses, size_wh=(w, h))
    times.append(perf_counter())
    return _Done(photo, poses, (w, h), tuple(np.diff(times).tolist()))


def _draw(  # house rule: what is drawn, then how
    image_rgb: NDArray[np.uint8], poses: Poses, job: PredictJob
) -> NDArray[np.uint8]:
    if job.draw == "overlay":
        min_score = _MIN_SCORE if job.min_score is None else job.min_score
        return draw_overlay(image_rgb, poses, min_score=min_score)
    h, w = image_rgb.shape[:2]
    size_wh = _control_size((w, h), job.resolution)
    return controlnet(poses, size_wh, hands=job.hands, face=job.face, image_size_wh=(w, h))


def _control_size(size_wh: tuple[int, int], resolution: int | None) -> tuple[int, int]:
    if resolution is None:
        return size_wh
    # The sides that ControlNet's annotators work at.
    factor = resolution / min(size_wh) / _CONTROL_STEP
    w, h = (max(round(side * factor), 1) * _CONTROL_STEP for side in size_wh)
    if w * h > _LARGEST_CONTROL**2:
        raise ValueError(f"its picture at --resolution {resolution} would be too large: {w}x{h}")
    return w, h


def _boxes_of(
    photo: _Photo, boxes: Mapping[str, NDArray[np.float64]] | None, size_wh: tuple[int, int]
) -> NDArray[np.float64]:
    if boxes is None:
        return np.array([[0, 0, *size_wh]], dtype=np.float64)
    found = boxes.get(photo.name, boxes.get(photo.path.name))
    if found is None:
        raise ValueError(f'the boxes file has no "{photo.name}"; give it [] if nobody is there')
    return found


def _write_poses(path: Path, done: Sequence[_Done], estimator: Estimator) -> None:
    images = [
        ImagePoses(row.photo.image_id, row.poses, row.photo.name, row.size_wh) for row in done
    ]
    write_annotations(path, images, skeleton=estimator.skeleton, version=__version__)


def _report(line: str) -> None:
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{clear}posedistill: {line}", file=sys.stderr)


def _show_progress(count: int, photos: Sequence[_Photo]) -> None:
    if len(photos) > 1 and sys.stderr.isatty():
        end = "" if count < len(photos) else "\r\x1b[K"
        line = f"\r\x1b[K{count}/{len(photos)} {photos[count - 1].name}"
        print(line, end=end, file=sys.stderr, flush=True)


def _table(done: Sequence[_Done], groups: Sequence[str]) -> str:
    parts = [group.replace("_", " ") for group in groups]
    rows = [["photo", "persons", *parts, *(f"{stage} ms" for stage in STAGES)]]
    rows += [_row(row, groups) for row in done]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(lines)


def _row(row: _Done, groups: Sequence[str]) -> list[str]:
    index = row.poses.skeleton.groups
    means = [
        f"{row.poses.scores[:, index[group]].mean():.2f}" if len(row.poses) else "-"
        for group in groups
    ]
    times = [f"{1000 * seconds:.1f}" for seconds in row.seconds]
    return [row.photo.name, str(len(row.poses)), *means, *times]
