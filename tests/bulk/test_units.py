"""Units: one part each, the same whenever they are done again."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from posedistill.bulk.items import Item, list_items
from posedistill.bulk.places import open_place
from posedistill.bulk.units import (
    Report,
    UnitSettings,
    do_unit,
    done_names,
    make_units,
    part_of,
)
from posedistill.formats.table import FORMATS
from posedistill.media import IMAGE_SUFFIXES
from posedistill.runtime.pipeline import Pipeline
from posedistill.video import Frame, VideoWriter
from tests.bulk.photos import write_photos

LINES = UnitSettings(format="jsonl")


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    return list_items([str(write_photos(tmp_path / "in", 4))], suffixes=IMAGE_SUFFIXES)


@pytest.fixture
def pipeline(dots: Path) -> Iterator[Pipeline]:
    with Pipeline(dots, detector="none", threads=1) as pipeline:
        yield pipeline


@pytest.fixture
def clip(tmp_path: Path) -> Item:
    pytest.importorskip("av", reason="needs the extra video")
    with VideoWriter(tmp_path / "clip.mp4", size_wh=(32, 48), fps=10) as writer:
        for index in range(5):
            writer.write(Frame(index, index / 10, np.full((48, 32, 3), 40 * index, np.uint8)))
    return Item("clip.mp4", str(tmp_path), "clip.mp4")


@pytest.mark.parametrize(
    ("num_images", "num_workers", "size"),
    [(0, 2, 0), (5, 2, 1), (160, 2, 10), (5000, 2, 256)],
)
def test_units_are_of_a_size_that_keeps_all_workers_busy(
    num_images: int, num_workers: int, size: int
) -> None:
    items = [Item(f"{n:06d}.jpg", ".", f"{n:06d}.jpg") for n in range(num_images)]
    units = make_units(items, num_workers=num_workers)
    assert [item for unit in units for item in unit] == items
    assert max(map(len, units), default=0) == size


def test_units_of_other_items_have_other_parts() -> None:
    items = [Item(name, ".", name) for name in ("a", "b", "ab")]
    units = [items[:1], items[1:2], items[:2], items[2:], items]
    assert len({part_of(unit, format_name="jsonl") for unit in units}) == 5


def test_a_unit_that_is_done_again_changes_nothing(
    items: list[Item], pipeline: Pipeline, tmp_path: Path
) -> None:
    out = open_place(str(tmp_path / "out"))
    reports = do_unit(items, pipeline, out=out, settings=LINES)
    assert reports == [Report(item.name, None) for item in items]
    (part,) = (tmp_path / "out").iterdir()
    first = part.read_bytes()
    assert do_unit(items, pipeline, out=out, settings=LINES) == reports
    assert os.listdir(tmp_path / "out") == [part.name]
    assert part.read_bytes() == first


@pytest.mark.parametrize("format_name", ["jsonl", "parquet"])
def test_what_is_done_is_found_again_but_not_what_failed(
    items: list[Item], pipeline: Pipeline, tmp_path: Path, format_name: str
) -> None:
    settings = UnitSettings(format="parquet" if format_name == "parquet" else "jsonl")
    if format_name == "parquet":
        pytest.importorskip("pyarrow")
    out = open_place(str(tmp_path / "out"))
    missing = Item("none.png", str(tmp_path), "none.png")
    reports = do_unit([*items, missing], pipeline, out=out, settings=settings)
    assert [report.name for report in reports if report.error] == ["none.png"]
    assert done_names(out) == {item.name for item in items}


def test_a_video_is_a_part_with_its_frames_their_times_and_ids(
    clip: Item, pipeline: Pipeline, tmp_path: Path
) -> None:
    out = open_place(str(tmp_path / "out"))
    assert do_unit([clip], pipeline, out=out, settings=LINES) == [Report("clip.mp4", None)]
    (part,) = (tmp_path / "out").iterdir()
    images = FORMATS["jsonl"].read(part)
    assert [image.image_id for image in images] == list(range(5))
    assert [image.time_s for image in images] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert {image.file_name for image in images} == {"clip.mp4"}
    assert all(image.poses.ids is not None for image in images)
    assert done_names(out) == {"clip.mp4"}


def test_a_file_that_is_no_video_leaves_no_part(
    clip: Item, pipeline: Pipeline, tmp_path: Path
) -> None:
    Path(clip.place, clip.key).write_bytes(b"no video")
    out = open_place(str(tmp_path / "out"))
    (report,) = do_unit([clip], pipeline, out=out, settings=LINES)
    assert report.error
    assert list(out.files()) == []


def test_a_part_that_cannot_be_written_fails_all_items_of_its_unit(
    items: list[Item], pipeline: Pipeline, tmp_path: Path
) -> None:
    (tmp_path / "out").touch()
    out = open_place(str(tmp_path / "out"))
    reports = do_unit(items, pipeline, out=out, settings=LINES)
    assert [report.name for report in reports if report.error] == [item.name for item in items]
