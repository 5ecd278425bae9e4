"""Units of bulk work: what one worker does at a time, and the one part of the results it makes.

The name of a part follows from the items of its unit. A unit that is done again, because its
worker died before it could say that it was through, writes the same file again, and nothing is
there twice.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal, NamedTuple

from posedistill import __version__
from posedistill.bulk.estimate import ERRORS, estimate_images, estimate_video
from posedistill.bulk.items import Item
from posedistill.bulk.parts import SUFFIXES, names_in
from posedistill.bulk.places import Place
from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.table import FORMATS
from posedistill.media import MAX_PIXELS
from posedistill.runtime.pipeline import Pipeline
from posedistill.runtime.video_stages import VideoSettings
from posedistill.video import is_video

MOST_IMAGES = 256  # of a unit, which is what a killed worker loses
_UNITS_A_WORKER = 8  # at least, where there are enough images: none waits long for the last one
_READERS = 16  # threads that look at parts
Unit = Sequence[Item]  # some images, or one video


class Report(NamedTuple):
    """Say what became of an item; error: why it failed, None where it is done."""

    name: str
    error: str | None


@dataclass(frozen=True)
class UnitSettings:
    """Say how units are done.

    Attributes:
        format: of the parts. max_pixels: of an image; larger ones are refused. video: how videos
            are taken.
    """

    format: Literal["parquet", "jsonl"] = "parquet"
    max_pixels: int = MAX_PIXELS
    video: VideoSettings = VideoSettings()


def make_units(items: Iterable[Item], *, num_workers: int) -> list[list[Item]]:
    """Put items into units: a video each, or up to 256 images; fewer where the work is little.

    >>> items = [Item(name, ".", name) for name in ("a.jpg", "b.mp4", "c.jpg", "d.jpg")]
    >>> [[item.name for item in unit] for unit in make_units(items, num_workers=1)]
    [['b.mp4'], ['a.jpg'], ['c.jpg'], ['d.jpg']]
    """
    images: list[Item] = []
    videos: list[list[Item]] = []
    for item in items:
        if is_video(item.key):
            videos.append([item])
        else:
            images.append(item)
    size = -(-len(images) // (_UNITS_A_WORKER * num_workers))
    size = max(1, min(size, MOST_IMAGES))
    return videos + [images[start : start + size] for start in range(0, len(images), size)]


def part_of(unit: Unit, *, format_name: str) -> str:
    """Give what the part of a unit is called.

    >>> part_of([Item("a.jpg", ".", "a.jpg")], format_name="jsonl")
    'part-fe47f0026e12a789.jsonl'
    """
    names = "\0".join(item.name for item in unit)
    digest = blake2b(names.encode(errors="surrogatepass"), digest_size=8).hexdigest()
    return f"part-{digest}{SUFFIXES[format_name]}"


def done_names(out: Place) -> set[str]:
    """Give the names of all items that have results in a place.

    Raises ValueError for a damaged part.

    >>> from posedistill.bulk.places import open_place
    >>> done_names(open_place("none"))
    set()
    """
    parts = [key for key in out.files() if _is_part(key)]

    def names(key: str) -> set[str]:
        with out.local(key) as path:
            return names_in(path)

    with ThreadPoolExecutor(_READERS) as pool:
        return set().union(*pool.map(names, parts))


def _is_part(key: str) -> bool:
    return key.startswith("part-") and key.endswith(tuple(SUFFIXES.values()))


def do_unit(unit: Unit, pipeline: Pipeline, *, out: Place, settings: UnitSettings) -> list[Report]:
    """Do the items of a unit, and write its part; give what became of each item.

    The part appears whole or not at all, and not where all items failed.

    >>> from posedistill.bulk.places import open_place
    >>> unit, out, settings = [Item("a", ".", "none.png")], open_place("none"), UnitSettings()
    >>> with Pipeline(detector="none") as pipeline:
    ...     do_unit(unit, pipeline, out=out, settings=settings)
    [Report(name='a', error='no such image: none.png')]
    """
    images: Iterable[ImagePoses]
    if is_video(unit[0].key):
        failed = {}
        images = estimate_video(unit[0], pipeline, settings=settings.video)
    else:
        outcomes = list(estimate_images(unit, pipeline, max_pixels=settings.max_pixels))
        failed = {done.item.name: str(done.error) for done in outcomes if done.image is None}
        images = [outcome.image for outcome in outcomes if outcome.image is not None]
    if len(failed) < len(unit):
        error = _write(unit, images, pipeline=pipeline, out=out, format_name=settings.format)
        failed = failed if error is None else {item.name: error for item in unit} | failed
    return [Report(item.name, failed.get(item.name)) for item in unit]


def _write(
    unit: Unit, images: Iterable[ImagePoses], *, pipeline: Pipeline, out: Place, format_name: str
) -> str | None:
    """Write the part of a unit; give why that failed, None where it did not."""

    def write(path: Path) -> None:
        write_images = FORMATS[format_name].write
        write_images(path, images, skeleton=pipeline.skeleton, version=__version__)

    try:
        out.put(part_of(unit, format_name=format_name), write)
    except ERRORS as error:  # of the video, which is read as it is written, or of the disk
        return str(error)
    return None
