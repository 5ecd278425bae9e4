"""Write: synthetic people as JPEG files and one COCO-WholeBody file, by several processes.

Images are made in blocks, whose number does not depend on that of the processes. The labels of a
block are a file of JSON lines, which appears when all its images are there: so a run that was
stopped goes on where it was, and one with a higher count adds to what there is.
"""

import json
import multiprocessing
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.unlabelled import list_photos
from posedistill.datasets.worker_process import end_with_parent
from posedistill.media import whole_file, write_whole
from posedistill.synth.annotations import Record, annotations
from posedistill.synth.dataset import SynthPeople

BLOCK = 8  # images
_QUALITY = 92
_BYTES_A_PIXEL, _BYTES_OF_LABELS = 0.4, 12_000  # more than an image takes, to be sure
_SETTINGS = "settings.json"
_MOST_IMAGES = 99_999_999  # names have eight digits
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Written:
    """Name what was written.

    Attributes:
        annotations, images_dir: the COCO-WholeBody file, and the folder its names are relative to.
        num_images, num_people: in all. num_new: images rendered now; a block that was not full
            is rendered anew.
    """

    annotations: Path
    images_dir: Path
    num_images: int
    num_people: int
    num_new: int


def write_people(
    folder: Path,
    count: int,
    *,
    seed: int = 0,
    size: int = 256,
    backgrounds: Path | None = None,
    workers: int | None = None,
) -> Written:
    """Write the images of `SynthPeople` and the labels of all people in them.

    folder: for ``images``, ``annotations.json`` and ``parts``, the labels by block. What it holds
    of the same people already is kept. workers: processes, one a CPU without it, with 1 this one;
    what is written does not depend on them. A progress bar is shown where stderr is a terminal.
    Raises ValueError where the folder holds other people, OSError without room on the disk, and
    what `SynthPeople` raises.

    >>> write_people(Path("people"), 0)
    Traceback (most recent call last):
    ValueError: expected count >= 1, size >= 64 pixels and seed >= 0, got 0, 256 and 0
    """
    people = SynthPeople(count, seed=seed, size=size, backgrounds=backgrounds)
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}; expected 1 or more")
    for name in ("images", "parts"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _keep_settings(folder, people)
    blocks = [range(1, count + 1)[start : start + BLOCK] for start in range(0, count, BLOCK)]
    done = _done_blocks(folder, blocks)
    jobs = [_Job(folder, block, seed, size, backgrounds) for block in blocks if block not in done]
    num_new = sum(len(job.image_ids) for job in jobs)
    _require_room(folder, num_new, size)
    if jobs:  # compile and cache what is slow at first, before several processes all do
        people.scene(1)
    _run(jobs, workers=workers or os.cpu_count() or 1, num_done=count - num_new)
    num_people = _join(folder, blocks)
    return Written(folder / "annotations.json", folder / "images", count, num_people, num_new)


@dataclass(frozen=True)
class _Job:
    """Name a block of images, and all that decides them."""

    folder: Path
    image_ids: range
    seed: int
    size: int
    backgrounds: Path | None


def _keep_settings(folder: Path, people: SynthPeople) -> None:
    """Write down what decides the images, or compare it to what is there."""
    places = _fingerprint(people.backgrounds)
    wanted = {"seed": people.seed, "size": people.size, "backgrounds": places}
    path = folder / _SETTINGS
    if not path.is_file():
        write_whole(path, json.dumps(wanted).encode())
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    other = [key for key in wanted if found.get(key) != wanted[key]]
    if other:
        raise ValueError(
            f"{folder} holds people with other {', '.join(other)} ({path} says which); "
            "take another folder, or the same settings to go on"
        )


def _fingerprint(folder: Path | None) -> int | None:
    """Give a number that tells photos from others, by their names."""
    if folder is None:
        return None
    return zlib.crc32("\n".join(list_photos(folder)).encode())


def _done_blocks(folder: Path, blocks: Sequence[range]) -> set[range]:
    """Give the blocks whose labels and images are all there."""
    images = {path.name for path in (folder / "images").iterdir()}
    parts = {path.name for path in (folder / "parts").iterdir()}
    return {
        block
        for block in blocks
        if _part(folder, block).name in parts
        and all(_name(image_id) in images for image_id in block)
        and _num_lines(_part(folder, block)) >= len(block)
    }


def _num_lines(path: Path) -> int:
    with path.open(encoding="utf-8") as file:
        return sum(1 for _ in file)


def _part(folder: Path, block: range) -> Path:
    return folder / "parts" / f"{(block.start - 1) // BLOCK:06d}.jsonl"


def _name(image_id: int) -> str:
    return f"{image_id:08d}.jpg"


def _require_room(folder: Path, num_new: int, size: int) -> None:  # house rule: where, how much
    needed = num_new * int(_BYTES_A_PIXEL * size * size + _BYTES_OF_LABELS)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"{num_new} images of {size}x{size} pixels may take {needed / 1e9:.1f} GB, and "
            f"{folder} has {free / 1e9:.1f} GB free; ask for fewer, or take another disk"
        )


def _run(jobs: list[_Job], *, workers: int, num_done: int) -> None:
    from tqdm import tqdm

    total = num_done + sum(len(job.image_ids) for job in jobs)
    with tqdm(initial=num_done, total=total, unit="image", disable=None) as bar:
        for count in _done(jobs, min(workers, len(jobs))):
            bar.update(count)


def _done(jobs: list[_Job], workers: int) -> Iterator[int]:
    """Do the jobs; give the number of images of each as it ends."""
    if workers <= 1:
        yield from map(_do, jobs)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker)
    try:
        with _single_threads():
            futures = [pool.submit(_do, job) for job in jobs]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise ChildProcessError(
            "a worker process ended before its work: is there memory for so many workers, and does "
            'a script call this below `if __name__ == "__main__":`? What is done is kept'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _single_threads() -> Iterator[None]:
    """Start processes whose numpy takes one thread; it looks before they run a line of ours."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _begin_worker() -> None:
    """Let OpenCV take one thread, and end with the parent."""
    cv2.setNumThreads(0)
    end_with_parent()


def _do(job: _Job) -> int:
    """Render a block and write it; give how many images it has."""
    people = _people(job.seed, job.size, job.backgrounds)
    lines = []
    for image_id in job.image_ids:
        scene = people.scene(image_id)
        _write_jpeg(job.folder / "images" / _name(image_id), scene.image_rgb)
        image = {
            "id": image_id,
            "file_name": _name(image_id),
            "width": job.size,
            "height": job.size,
        }
        lines.append(json.dumps([image, annotations(scene.people, image_id)]) + "\n")
    write_whole(_part(job.folder, job.image_ids), "".join(lines).encode())
    return len(lines)


@lru_cache(maxsize=1)
def _people(seed: int, size: int, backgrounds: Path | None) -> SynthPeople:  # house rule: as a key
    return SynthPeople(_MOST_IMAGES, seed=seed, size=size, backgrounds=backgrounds)


def _write_jpeg(path: Path, image_rgb: NDArray[np.uint8]) -> None:
    quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    is_done, data = cv2.imencode(".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), quality)
    assert is_done
    write_whole(path, data.tobytes())


def _join(folder: Path, blocks: Iterable[range]) -> int:
    """Write the labels of all blocks as one file; give the number of people."""
    images: list[Record] = []
    number = 0
    with whole_file(folder / "annotations.json") as partial, partial.open("w") as file:
        file.write('{"annotations": [')
        for image, people in _labels(folder, blocks):
            images.append(image)
            for person in people:
                file.write(",\n" if number else "\n")
                number += 1
                file.write(json.dumps({"id": number} | person))
        categories = json.dumps([{"id": 1, "name": "person"}])
        file.write(f'\n], "images": {json.dumps(images)}, "categories": {categories}}}\n')
    return number


def _labels(folder: Path, blocks: Iterable[range]) -> Iterator[tuple[Record, list[Record]]]:
    for block in blocks:
        with _part(folder, block).open(encoding="utf-8") as file:
            for _, line in zip(block, file, strict=False):
                image, people = json.loads(line)
                yield image, people
