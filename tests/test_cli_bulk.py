"""`posedistill predict --shard` and `posedistill bulk`."""

import argparse
import json
import os
from pathlib import Path

import pytest

from posedistill.cli import main
from posedistill.cli_bulk import add_bulk
from posedistill.codecs import SimCC
from posedistill.formats.table import FORMATS
from posedistill.spec import Spec
from tests.bulk.photos import write_photos
from tests.conftest import WriteModel

COUNT = 6
SPEC = Spec("dot", "coco17", SimCC((48, 64), (4.9, 5.66), split_ratio=1.0), padding=1.0)


@pytest.fixture
def words(write_dot_model: WriteModel, tmp_path: Path) -> list[str]:
    """Give what all commands here begin with, for a folder of good photos and a bad one."""
    folder = write_photos(tmp_path / "in", COUNT)
    (folder / "bad.png").write_bytes(b"no image")
    return [str(folder), "--model", str(write_dot_model(spec=SPEC)), "--whole-image"]


def _shard(words: list[str], out: Path, shard: str, *options: str) -> int:
    return main(
        ["predict", *words, "--threads", "1", "--out", str(out), "--shard", shard, *options]
    )


def test_all_shards_do_all_photos_and_write_no_pictures(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    codes = [_shard(words, out, f"{index}/2") for index in range(2)]
    assert sorted(codes) == [0, 1]
    printed = capsys.readouterr().out
    assert "not done: bad.png: cannot be read as an image" in printed
    names = [
        image.file_name for file in out.glob("part-*") for image in FORMATS["jsonl"].read(file)
    ]
    assert sorted(map(str, names)) == sorted(
        f"sub/{n:02d}.png" if n % 2 else f"{n:02d}.png" for n in range(COUNT)
    )
    failures = codes.index(1)
    assert sorted(os.listdir(out)) == [
        f"failures-000{failures}-of-0002.jsonl",
        "part-0000-of-0002.jsonl",
        "part-0001-of-0002.jsonl",
        "settings.json",
    ]


def test_a_second_run_only_tries_again_what_failed(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert _shard(words, out, "0/1") == 1
    capsys.readouterr()
    (tmp_path / "in" / "bad.png").unlink()
    assert _shard(words, out, "0/1") == 0
    told = capsys.readouterr()
    assert f"{COUNT} were done before, 0 are left" in told.err
    assert told.out.startswith(f"0 of 0 done in 0 s, {COUNT} before")


def test_parquet_can_be_asked_for(words: list[str], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    assert _shard(words, tmp_path / "out", "0/1", "--format", "parquet") == 1
    part = tmp_path / "out" / "part-0000-of-0001-00000.parquet"
    assert len(FORMATS["parquet"].read(part)) == COUNT


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "csv"), "--format is csv; with --shard expected one of jsonl and parquet"),
        (("--format", "coco"), "--format is coco; with --shard expected one of jsonl"),
        (("--draw", "controlnet"), "--draw does not go with --shard"),
        (("--flip-test",), "flip_test was False and is True now"),
        (("--shard", "0/3"), "shards was 2 and is 3 now"),
        (("--shard", "2/2"), "shard is 2/2; 2 shards are 0/2 to 1/2"),
    ],
    ids=["csv", "coco", "drawn", "other settings", "other shards", "no such shard"],
)
def test_what_does_not_go_with_a_shard_is_told(
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    _shard(words, tmp_path / "out", "0/2")
    capsys.readouterr()
    assert _shard(words, tmp_path / "out", "0/2", *options) == 2
    assert message in capsys.readouterr().err


def _bulk(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_bulk(parser.add_subparsers())
    arguments = parser.parse_args(["bulk", *words])
    return int(arguments.run(arguments))


@pytest.mark.slow
def test_bulk_writes_parts_and_goes_on_where_it_was(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray", reason="needs the extra bulk")
    out = tmp_path / "out"
    assert _bulk(*words, "--out", str(out), "--workers", "1") == 1
    (failure,) = (out / "failures.jsonl").read_text().splitlines()
    assert json.loads(failure)["file_name"] == "bad.png"
    parts = list(out.glob("part-*.parquet"))
    names = [image.file_name for part in parts for image in FORMATS["parquet"].read(part)]
    assert len(names) == len(set(names)) == COUNT
    (tmp_path / "in" / "bad.png").unlink()
    capsys.readouterr()
    assert _bulk(*words, "--out", str(out), "--workers", "1") == 0  # without a cluster
    assert f"{COUNT} were done before, 0 are left" in capsys.readouterr().err
    assert (out / "failures.jsonl").read_text() == ""
