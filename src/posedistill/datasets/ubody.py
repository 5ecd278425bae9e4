"""UBody (Lin et al., CVPR 2023): from its videos and annotations to COCO-WholeBody files.

Below the output folder:

* `images/SCENE/VIDEO/000010.jpg`: the frames,
* `annotations/SCENE/train.json` and `test.json`: of one scene, ids as published,
* `annotations/train.json` and `test.json`: of all scenes, ids renumbered,
* `records`: which frames are done, `report.json` and `report.txt`: what is missing.

File names in all annotation files are below `images`. The published files are only read. Deliberate
differences from the reference (DWPose's video2image.py and add_cat.py, MMPose's
ubody_kpts_to_coco.py): only the frames that training uses are decoded and stored, as JPEG; an image
is one image, whatever the number of its people; each file has its category without an edit of the
published ones.
"""

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from posedistill.datasets.ubody_frames import (
    SizeWH,
    VideoResult,
    VideoTask,
    require_decoder,
)
from posedistill.datasets.ubody_json import write_joint, write_scene
from posedistill.datasets.ubody_report import UNUSED, Problem, SceneCounts, UBodyReport
from posedistill.datasets.ubody_scene import (
    ANNOTATION_FILE,
    Frame,
    Scene,
    find_videos,
    plain,
    read_scene,
)
from posedistill.datasets.ubody_split import read_split_list
from posedistill.datasets.ubody_workers import extract_videos
from posedistill.media import write_whole

Progress = Callable[[str, int, int], None]
Videos = dict[str, list[Path]]
SPLIT_FILE = Path("splits") / "intra_scene_test_list.npy"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class UBodySource:
    """Say where the published files are; they are only read.

    Attributes:
        videos: folder of SCENE/NAME.mp4. annotations: folder of SCENE/keypoint_annotation.json.
        splits: list of the test videos, .npy; without it, splits/intra_scene_test_list.npy beside
        `annotations` if that exists, else all images are for training.
    """

    videos: Path
    annotations: Path
    splits: Path | None = None

    def split_file(self) -> Path | None:
        """Give the list of test videos that holds.

        >>> UBodySource(Path("videos"), Path("annotations")).split_file()
        """
        beside = self.annotations.absolute().parent / SPLIT_FILE
        return self.splits or (beside if beside.is_file() else None)


def prepare_ubody(
    source: UBodySource,
    out: Path,
    *,
    every: int = 10,
    workers: int | None = None,
    progress: Progress | None = None,
) -> UBodyReport:
    """Write the frames that training uses and COCO-WholeBody files of them.

    Run again after it was stopped, by whatever, it goes on: frames that are there, whole and of the
    same video are kept. One call at a time may write to `out`. A video or annotation file that
    cannot be read is told in the report, and the rest done.
    every: images are kept whose id it divides, as the reference does. workers: processes, one for
    each CPU by default; with 1 it is this one. progress: called with a scene, frames done and
    frames wanted of it.

    Raises FileNotFoundError and ValueError when there is nothing to do, and OSError when `out`
    cannot be written, full disk included; what was done before is good.

    >>> from tempfile import mkdtemp
    >>> annotations, videos, out = Path(mkdtemp()), Path(mkdtemp()), Path(mkdtemp())
    >>> (annotations / "Movie").mkdir()
    >>> file = annotations / "Movie" / "keypoint_annotation.json"
    >>> _ = file.write_text('{"images": [], "annotations": []}')
    >>> report = prepare_ubody(UBodySource(videos, annotations), out)
    >>> report.is_complete, report.scenes[0].scene
    (True, 'Movie')
    """
    workers = (os.cpu_count() or 1) if workers is None else workers
    if every < 1 or workers < 1:
        raise ValueError(f"every is {every} and workers {workers}; both must be at least 1")
    require_decoder()
    names = _scene_names(source)
    _check_apart(source, out)
    split_file = source.split_file()
    test_videos = read_split_list(split_file) if split_file else frozenset[str]()
    job = _Job(source, out, test_videos, workers, progress or _silent)
    with _told_when_full(out):
        _clear_partials(out)
        parts = [_prepare(name, job, every=every) for name in names]
        counts = tuple(part.counts for part in parts if part.counts is not None)
        write_joint(out / "annotations", [scene.scene for scene in counts])
        problems = tuple(problem for part in parts for problem in part.problems)
        report = UBodyReport(every, split_file is not None, counts, problems)
        write_whole(out / "report.json", report.to_json().encode())
        write_whole(out / "report.txt", f"{report}\n".encode())
    return report


class _Job(NamedTuple):
    """What all scenes have in common."""

    source: UBodySource
    out: Path
    test_videos: frozenset[str]
    workers: int
    progress: Progress


class _Part(NamedTuple):
    """What became of one scene; no counts if its annotations cannot be read."""

    counts: SceneCounts | None
    problems: Sequence[Problem]


def _silent(_scene: str, _done: int, _wanted: int) -> None:
    pass


def _scene_names(source: UBodySource) -> list[str]:
    """Give the folders of annotations and of videos, in order."""
    for folder in (source.annotations, source.videos):
        if not folder.is_dir():
            raise FileNotFoundError(f"no such folder: {folder}")
    if not any(source.annotations.glob(f"*/{ANNOTATION_FILE}")):
        raise FileNotFoundError(
            f"no SCENE/{ANNOTATION_FILE} below {source.annotations}; name the folder that holds "
            "the folders of the scenes"
        )
    folders = [*source.annotations.iterdir(), *source.videos.iterdir()]
    return sorted({path.name for path in folders if path.is_dir() and path.name[0] != "."})


def _check_apart(source: UBodySource, out: Path) -> None:
    """Refuse an output folder that would mix the results with the published files."""
    for published in (source.videos.resolve(), source.annotations.resolve()):
        for written in (out / name for name in ("images", "annotations", "records")):
            target = written.resolve()
            if target.is_relative_to(published) or published.is_relative_to(target):
                raise ValueError(
                    f"the output folder {out} would mix results with the published {published}; "
                    "name another"
                )


def _clear_partials(out: Path) -> None:
    """Create the folders, and remove what a killed run left half written in them."""
    for folder in (out / "annotations", out / "records"):
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.rglob(".*.part"):
            left.unlink()
    for left in out.glob(".*.part"):
        left.unlink()


@contextmanager
def _told_when_full(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OSError(
            error.errno,
            f"no space left for {out} ({error.strerror}); what is written so far is good: "
            "make room and run the same again",
        ) from error


def _prepare(name: str, job: _Job, *, every: int) -> _Part:
    path = job.source.annotations / name / ANNOTATION_FILE
    try:
        scene = read_scene(path, every=every)
    except (FileNotFoundError, ValueError) as error:
        return _Part(None, [Problem("no annotations", name, ANNOTATION_FILE, 0, str(error))])
    videos = find_videos(job.source.videos / name)
    tasks = _tasks(scene, videos, out=job.out)
    results = _extract(scene.name, tasks, job=job)
    sizes_wh = {
        Frame(folder, number): size
        for folder, result in results.items()
        for number, size in result.sizes_wh.items()
    }
    folder = job.out / "annotations" / name
    counts = write_scene(scene, sizes_wh, folder=folder, test_videos=job.test_videos)
    problems = [
        *scene.problems,
        *_video_problems(scene, videos),
        *_frame_problems(name, tasks, results=results),
        *_size_problems(scene, sizes_wh),
    ]
    return _Part(counts, problems)


def _tasks(scene: Scene, videos: Videos, *, out: Path) -> dict[str, VideoTask]:
    """Give what to extract of each video that is there, by the folder of its frames."""
    return {
        folder: VideoTask(
            video=videos[plain(folder)][0],
            frames_dir=out / "images" / scene.name / folder,
            record=out / "records" / scene.name / f"{folder}.json",
            numbers=numbers,
        )
        for folder, numbers in scene.numbers_by_folder().items()
        if len(videos.get(plain(folder), ())) == 1
    }


def _extract(scene: str, tasks: dict[str, VideoTask], *, job: _Job) -> dict[str, VideoResult]:
    folders = {task.record: folder for folder, task in tasks.items()}
    wanted = sum(len(task.numbers) for task in tasks.values())
    results: dict[str, VideoResult] = {}
    num_done = 0

    def done(task: VideoTask, result: VideoResult) -> None:
        nonlocal num_done
        results[folders[task.record]] = result
        num_done += len(task.numbers)
        job.progress(scene, num_done, wanted)

    job.progress(scene, 0, wanted)
    extract_videos(list(tasks.values()), workers=job.workers, done=done)
    return {folder: results[folder] for folder in tasks}


def _video_problems(scene: Scene, videos: Videos) -> Iterator[Problem]:
    for folder, numbers in scene.numbers_by_folder().items():
        paths = videos.get(plain(folder), [])
        if not paths:
            yield Problem("no video", scene.name, folder, len(numbers))
        elif len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            yield Problem("ambiguous video", scene.name, folder, len(numbers), names)
    known = {plain(folder) for folder in scene.folders}
    for folder, paths in videos.items():
        if folder not in known:
            names = ", ".join(path.name for path in paths)
            yield Problem(UNUSED, scene.name, folder, 0, f"no image is of {names}")


def _frame_problems(
    scene: str, tasks: dict[str, VideoTask], *, results: dict[str, VideoResult]
) -> Iterator[Problem]:
    for folder, task in tasks.items():
        result = results[folder]
        num_missing = len(task.numbers) - len(result.sizes_wh)
        if result.error is not None:
            yield Problem("broken video", scene, folder, num_missing, result.error)
        elif num_missing:
            detail = f"it has {result.end} frames, wanted up to {task.numbers[-1]}"
            yield Problem("beyond the end", scene, folder, num_missing, detail)


def _size_problems(scene: Scene, sizes_wh: Mapping[Frame, SizeWH]) -> Iterator[Problem]:
    """Tell videos of another size than their annotations were made for."""
    found: dict[str, list[str]] = {}
    for key, frame in scene.frames.items():
        row, size = scene.images[key], sizes_wh.get(frame)
        published = (row.get("width"), row.get("height"))
        if size is not None and None not in published and published != size:
            texts = ["x".join(map(str, pair)) for pair in (size, published)]
            found.setdefault(frame.folder, []).append(" decoded, published ".join(texts))
    for folder, details in found.items():
        yield Problem("other size", scene.name, folder, len(details), details[0])
