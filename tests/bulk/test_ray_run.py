"""Ray: two workers, one killed half-way, and in the end every item once."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.bulk.items import Item, list_items
from posedistill.bulk.places import open_place
from posedistill.bulk.ray_run import BulkSettings, run_bulk
from posedistill.bulk.units import UnitSettings, done_names, make_units
from posedistill.formats.table import FORMATS
from posedistill.media import IMAGE_SUFFIXES
from posedistill.runtime.detector import Boxes
from posedistill.runtime.pipeline import Pipeline
from tests.bulk.photos import FIRST_WIDTH, write_photos

Work = Callable[[], Pipeline]
COUNT, KILLER = 6, 3
LINES = UnitSettings(format="jsonl")

# Starting the processes of Ray takes as long as the machine is busy with anything else.
pytestmark = pytest.mark.timeout(600)


class _Mortal(Pipeline):
    """Take the whole process along at one photo, once or, without a marker to set, every time."""

    def __init__(self, model: Path, marker: Path | None) -> None:
        super().__init__(model, detector="none", threads=1)
        self._marker = marker

    def find(self, images_rgb: Sequence[NDArray[np.uint8]]) -> list[Boxes]:
        is_killer = any(image.shape[1] == FIRST_WIDTH + KILLER for image in images_rgb)
        if is_killer and (self._marker is None or not self._marker.exists()):
            if self._marker is not None:
                self._marker.touch()
            os._exit(1)
        return super().find(images_rgb)


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """Start two workers; as other tests may need the cores, they do not stand back for those."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")
        ray = pytest.importorskip("ray", reason="needs the extra bulk")
        pytest.importorskip("ray.data")
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=100_000_000,
            log_to_driver=False,
            logging_level="WARNING",
        )
        yield
        ray.shutdown()


def _run(items: Sequence[Item], out: str, work: Work, *, workers: int) -> dict[str, str | None]:
    """Do items; give the error of each, each of which is told once."""
    settings = BulkSettings(workers=workers, retries=workers - 1, unit=LINES)
    done = list(run_bulk(items, out, open_pipeline=work, settings=settings))
    reports = [report for some in done for report in some]
    assert Counter(report.name for report in reports) == Counter(item.name for item in items)
    return {report.name: report.error for report in reports}


def _names(out: str) -> list[str]:
    parts = Path(out).glob("part-*.jsonl")
    images = [image for part in parts for image in FORMATS["jsonl"].read(part)]
    return sorted(str(image.file_name) for image in images)


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_killed_worker_loses_nothing_and_nothing_is_there_twice(
    dots: Path, tmp_path: Path
) -> None:
    photos, out, marker = tmp_path / "in", str(tmp_path / "out"), tmp_path / "died"
    write_photos(photos, COUNT)
    (photos / "bad.jpg").write_bytes(b"no image")
    items = list_items([str(photos)], suffixes=IMAGE_SUFFIXES)
    errors = _run(items, out, partial(_Mortal, dots, marker), workers=2)
    assert marker.exists()
    assert {name for name, error in errors.items() if error is not None} == {"bad.jpg"}
    assert str(errors["bad.jpg"]).startswith("cannot be read as an image")
    assert _names(out) == sorted(item.name for item in items if item.name != "bad.jpg")
    assert done_names(open_place(out)) == set(_names(out))


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_file_that_kills_every_worker_fails_alone(dots: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    items = list_items([str(write_photos(tmp_path / "in", 9))], suffixes=IMAGE_SUFFIXES)
    assert max(map(len, make_units(items, num_workers=1))) == 2
    errors = _run(items, out, partial(_Mortal, dots, None), workers=1)
    killer = f"sub/{KILLER:02d}.png"
    assert {name for name, error in errors.items() if error is not None} == {killer}
    assert str(errors[killer]).startswith("its worker died")
    assert _names(out) == sorted(item.name for item in items if item.name != killer)


def test_nothing_to_do_starts_no_cluster(dots: Path, tmp_path: Path) -> None:
    work = partial(Pipeline, dots, detector="none")
    assert not list(run_bulk([], str(tmp_path), open_pipeline=work, settings=BulkSettings()))
