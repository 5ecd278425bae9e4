"""The plan of `posedistill predict`: what each input is, and what its results are called."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from posedistill.cli_predict_job import PredictJob
from posedistill.formats.table import FORMATS
from posedistill.media import IMAGE_SUFFIXES
from posedistill.video import VIDEO_SUFFIXES, is_video

RESULTS = "poses"  # stem of the files that hold the poses of all photos
Source = Path | int | str  # a file, the number of a webcam, the url of a stream


@dataclass(frozen=True)
class Photo:
    """Name one photo: its number, its file, what it is called, and the picture it gives."""

    image_id: int
    path: Path
    name: str
    picture: Path


@dataclass(frozen=True)
class Video:
    """Name one video, webcam or stream, what it is called, and the video it gives."""

    source: Source
    name: str
    picture: Path


@dataclass(frozen=True)
class Plan:
    """Hold what there is to do; all results have different names."""

    photos: Sequence[Photo]
    videos: Sequence[Video]


def make_plan(job: PredictJob) -> Plan:
    """Find the inputs, name what they give, and refuse to overwrite one of them.

    Raises FileNotFoundError for an input that is missing, and ValueError for a folder without
    images and videos, and for results that would overwrite an input.

    >>> make_plan(PredictJob(["none.jpg"], Path("out")))
    Traceback (most recent call last):
    FileNotFoundError: no such file or folder: none.jpg
    """
    if job.out.exists() and not job.out.is_dir():
        raise ValueError(f"--out {job.out} is a file; expected a folder")
    sources = list(dict.fromkeys(source for word in job.inputs for source in _sources(word)))
    photos: list[Photo] = []
    videos: list[Video] = []
    for source, name, stem in zip(sources, _names(sources), _stems(sources), strict=True):
        if isinstance(source, Path) and not is_video(source):
            photos.append(Photo(len(photos) + 1, source, name, job.out / f"{stem}.png"))
        else:
            videos.append(Video(source, name, job.out / f"{stem}.mp4"))
    plan = Plan(photos, videos)
    _check_targets(job, plan)
    return plan


def results_file(job: PredictJob, stem: str, *, name: str) -> Path:
    """Give the file, or folder, that holds the poses of all photos or of one video.

    stem: `RESULTS` for the photos, else that of the video. name: of the format. Those of photos in
    a format that is a folder lie beside the pictures.

    >>> job = PredictJob([], Path("out"))
    >>> results_file(job, "clip", name="csv").as_posix()
    'out/clip.csv'
    >>> results_file(job, RESULTS, name="openpose").as_posix()
    'out'
    """
    if FORMATS[name].is_folder and stem == RESULTS:
        return job.out
    return job.out / f"{stem}{FORMATS[name].suffix}"


def _sources(word: str) -> list[Source]:
    path = Path(word)
    if path.is_dir():
        return list(_of_folder(path))
    if path.exists():
        return [path]
    number = word.removeprefix("webcam:")
    if number.isascii() and number.isdigit():
        return [int(number)]
    if "://" in word:
        return [word]
    raise FileNotFoundError(f"no such file or folder: {word}")


def _of_folder(folder: Path) -> Iterator[Path]:
    files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    suffixes = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES)
    found = [file for file in files if file.suffix.lower() in suffixes and file.is_file()]
    if not found:
        raise ValueError(f"no images in {folder}, nor videos; looked for {', '.join(suffixes)}")
    yield from found


def _names(sources: Sequence[Source]) -> list[str]:
    files = [source for source in sources if isinstance(source, Path)]
    parent = os.path.commonpath([file.resolve().parent for file in files]) if files else ""
    return [_name(source, parent) for source in sources]


def _name(source: Source, parent: str) -> str:
    if isinstance(source, Path):
        return Path(os.path.relpath(source.resolve(), parent)).as_posix()
    return source if isinstance(source, str) else f"webcam:{source}"


def _stems(sources: Sequence[Source]) -> Iterator[str]:
    """Give what the results of each are called; no two the same."""
    is_photo = [isinstance(source, Path) and not is_video(source) for source in sources]
    taken = set() if all(is_photo) else {RESULTS}
    for source in sources:
        first = stem = _stem(source)
        count = 1
        while stem.lower() in taken:  # some file systems do not tell A.png from a.png
            count += 1
            stem = f"{first}-{count}"
        taken.add(stem.lower())
        yield stem


def _stem(source: Source) -> str:
    if isinstance(source, Path):
        return source.stem
    return "stream" if isinstance(source, str) else f"webcam-{source}"


def _check_targets(job: PredictJob, plan: Plan) -> None:
    inputs = {photo.path.resolve() for photo in plan.photos}
    inputs |= {video.source.resolve() for video in plan.videos if isinstance(video.source, Path)}
    stems = [RESULTS] if plan.photos else []
    stems += [video.picture.stem for video in plan.videos]
    results = [results_file(job, stem, name=name) for stem in stems for name in job.formats]
    pictures = [photo.picture for photo in plan.photos]
    pictures += [video.picture for video in plan.videos]
    for target in (*pictures, *results):
        if target.resolve() in inputs:
            raise ValueError(
                f"{target} would be overwritten by its own result; choose another --out"
            )
