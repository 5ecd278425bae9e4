"""Shards: nothing lost, nothing twice, and little done again, whatever stops them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from posedistill.bulk.items import Item, list_items
from posedistill.bulk.shards import Shard, ShardFiles
from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.table import FORMATS
from posedistill.media import IMAGE_SUFFIXES
from posedistill.runtime.pipeline import Pipeline
from tests.bulk.photos import write_photos

COUNT = 12
ALL = [f"sub/{n:02d}.png" if n % 2 else f"{n:02d}.png" for n in range(COUNT)]
WHOLE = Shard(0, 1)


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    return list_items([str(write_photos(tmp_path / "in", COUNT))], suffixes=IMAGE_SUFFIXES)


@pytest.fixture
def pipeline(dots: Path) -> Iterator[Pipeline]:
    with Pipeline(dots, detector="none", threads=1) as pipeline:
        yield pipeline


def _results(out: Path) -> list[ImagePoses]:
    parts = sorted(path for path in out.iterdir() if path.name.startswith("part-"))
    kinds = {".jsonl": "jsonl", ".parquet": "parquet"}
    return [image for part in parts for image in FORMATS[kinds[part.suffix]].read(part)]


def _names(out: Path) -> list[str]:
    return sorted(str(image.file_name) for image in _results(out))


def _work(files: ShardFiles, items: list[Item], pipeline: Pipeline) -> list[str]:
    return [outcome.item.name for outcome in files.run(files.left(items), pipeline)]


def test_shards_share_the_items_and_new_items_move_no_other() -> None:
    items = [Item(f"{n}.jpg", ".", f"{n}.jpg") for n in range(1000)]
    shards = [Shard(index, 7).of(items) for index in range(7)]
    assert Counter(item for shard in shards for item in shard) == Counter(items)
    assert all(100 < len(shard) < 190 for shard in shards)
    assert [Shard(index, 7).of(items[::3]) for index in range(7)] == [
        [item for item in shard if item in set(items[::3])] for shard in shards
    ]


@pytest.mark.parametrize("text", ["1", "a/2", "-1/2", "1/0", "2/2", "1/2/3", "²/4", ""])
def test_a_shard_that_is_not_there_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"shard is .*(expected|shards are 0/2 to 1/2)"):
        Shard.parse(text)


def test_all_shards_together_have_every_image_once_with_its_poses(
    items: list[Item], pipeline: Pipeline, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for index in range(3):
        shard = Shard(index, 3)
        _work(ShardFiles(out, shard), shard.of(items), pipeline)
    assert sorted(os.listdir(out)) == [f"part-000{index}-of-0003.jsonl" for index in range(3)]
    assert _names(out) == sorted(ALL)
    for image in _results(out):
        expected = pipeline(tmp_path / "in" / str(image.file_name))
        np.testing.assert_array_equal(image.poses.keypoints, expected.keypoints)


def test_what_is_done_is_not_done_again_and_what_is_new_is(
    items: list[Item], pipeline: Pipeline, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert len(_work(ShardFiles(out, WHOLE), items[:5], pipeline)) == 5
    before = (out / "part-0000-of-0001.jsonl").read_bytes()
    assert _work(ShardFiles(out, WHOLE), items, pipeline) == [item.name for item in items[5:]]
    assert (out / "part-0000-of-0001.jsonl").read_bytes().startswith(before)
    assert _work(ShardFiles(out, WHOLE), items, pipeline) == []
    assert _names(out) == sorted(ALL)


@pytest.mark.parametrize("cut", [1, 7, 300])
def test_a_line_that_was_cut_short_is_done_again(
    items: list[Item], pipeline: Pipeline, tmp_path: Path, cut: int
) -> None:
    out = tmp_path / "out"
    _work(ShardFiles(out, WHOLE), items[:5], pipeline)
    part = out / "part-0000-of-0001.jsonl"
    part.write_bytes(part.read_bytes()[:-cut])
    assert len(_work(ShardFiles(out, WHOLE), items, pipeline)) == (8 if cut > 1 else 7)
    assert _names(out) == sorted(ALL)


def test_every_line_is_on_disk_when_its_outcome_is_given(
    items: list[Item], pipeline: Pipeline, tmp_path: Path
) -> None:
    part = tmp_path / "part-0000-of-0001.jsonl"
    for count, _ in enumerate(ShardFiles(tmp_path, WHOLE).run(items, pipeline), 1):
        assert part.read_bytes().count(b"\n") == count


def test_failures_are_noted_and_tried_again(
    items: list[Item], pipeline: Pipeline, tmp_path: Path
) -> None:
    out, bad = tmp_path / "out", Path(items[3].place, items[3].key)
    good = bad.read_bytes()
    bad.write_bytes(b"")
    for _ in range(2):
        files = ShardFiles(out, WHOLE)
        _work(files, items, pipeline)
        (line,) = files.failures.read_text().splitlines()
        assert json.loads(line)["file_name"] == items[3].name
        assert "empty" in json.loads(line)["error"]
    bad.write_bytes(good)
    assert _work(ShardFiles(out, WHOLE), items, pipeline) == [items[3].name]
    assert not files.failures.exists()
    assert _names(out) == sorted(ALL)


def test_parquet_comes_in_pieces_without_loss_when_stopped_anywhere(
    items: list[Item], pipeline: Pipeline, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    out = tmp_path / "out"
    run = ShardFiles(out, WHOLE, parquet=True, piece_images=5).run(items, pipeline)
    for _ in range(7):
        next(run)
    run.close()
    stem = "part-0000-of-0001"
    assert sorted(os.listdir(out)) == [f"{stem}-00000.parquet", f"{stem}.jsonl"]
    files = ShardFiles(out, WHOLE, parquet=True, piece_images=5)
    assert len(_work(files, items, pipeline)) == 5
    assert sorted(os.listdir(out)) == [f"{stem}-0000{n}.parquet" for n in range(3)]
    assert _names(out) == sorted(ALL)
    assert ShardFiles(out, WHOLE).left(items) == []


def test_lines_that_are_in_a_piece_already_are_not_taken_twice(
    items: list[Item], pipeline: Pipeline, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    out = tmp_path / "out"
    _work(ShardFiles(out, WHOLE), items[:6], pipeline)
    journal = out / "part-0000-of-0001.jsonl"
    lines = journal.read_bytes()
    assert _work(ShardFiles(out, WHOLE, parquet=True), [], pipeline) == []
    assert not journal.exists()
    journal.write_bytes(lines)  # as if killed between the two
    _work(ShardFiles(out, WHOLE, parquet=True), items, pipeline)
    assert _names(out) == sorted(ALL)


def test_a_damaged_part_is_told_with_its_line(
    items: list[Item], pipeline: Pipeline, tmp_path: Path
) -> None:
    _work(ShardFiles(tmp_path, WHOLE), items[:2], pipeline)
    part = tmp_path / "part-0000-of-0001.jsonl"
    part.write_bytes(b"{\n" + part.read_bytes())
    with pytest.raises(ValueError, match=r"part-0000-of-0001\.jsonl, line 1: "):
        ShardFiles(tmp_path, WHOLE)


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_a_killed_process_loses_only_what_was_under_way(
    items: list[Item], pipeline: Pipeline, dots: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from posedistill.bulk.items import list_items\n"
        "from posedistill.bulk.shards import Shard, ShardFiles\n"
        "from posedistill.runtime.pipeline import Pipeline\n"
        "model, photos, out = sys.argv[1:]\n"
        "items = list_items([photos], suffixes=('.png',))\n"
        "pipeline = Pipeline(model, detector='none', threads=1)\n"
        "for _ in ShardFiles(Path(out), Shard(0, 1)).run(items, pipeline):\n"
        "    time.sleep(0.3)\n"
    )
    words = [sys.executable, "-c", script, str(dots), str(tmp_path / "in"), str(out)]
    process = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    part = out / "part-0000-of-0001.jsonl"
    end = time.monotonic() + 120
    while not (part.exists() and part.read_bytes().count(b"\n") >= 2):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    num_done = part.read_bytes().count(b"\n")
    assert len(_work(ShardFiles(out, WHOLE), items, pipeline)) == COUNT - num_done > 0
    assert _names(out) == sorted(ALL)
