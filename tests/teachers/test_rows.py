"""Row store: what is written is read again, what is damaged or foreign is not taken for true."""

import copy
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from posedistill.teachers import RowStore

SHAPES = [(3, 4), (5,)]


def _store(folder: Path, num_rows: int = 10, *, seed: int = 0) -> RowStore:
    return RowStore(folder, num_rows=num_rows, shapes=SHAPES, identity={"seed": seed})


def _parts(count: int, rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.normal(size=(count, *shape)).astype(np.float32) for shape in SHAPES]


@pytest.fixture
def store(tmp_path: Path) -> RowStore:
    return _store(tmp_path / "rows")


def test_rows_come_back_in_half_precision(store: RowStore, rng: np.random.Generator) -> None:
    rows, parts = np.array([7, 2, 9]), _parts(3, rng)
    store.write(rows, parts)
    known, found = store.find(np.array([2, 3, 7]))
    assert known.tolist() == [True, False, True]
    for part, values in zip(parts, found, strict=True):
        assert values.dtype == np.float16
        np.testing.assert_array_equal(values[[0, 2]], part[[1, 0]].astype(np.float16))


def test_nothing_asked_for_gives_nothing(store: RowStore) -> None:
    known, (first, second) = store.find(np.array([], np.int64))
    assert (known.shape, first.shape, second.shape) == ((0,), (0, 3, 4), (0, 5))


def test_a_row_of_zeros_is_told_from_one_never_written(store: RowStore) -> None:
    store.write(np.array([4]), [np.zeros((1, *shape)) for shape in SHAPES])
    assert store.find(np.array([3, 4]))[0].tolist() == [False, True]


def test_an_open_store_sees_what_another_writes(
    tmp_path: Path, store: RowStore, rng: np.random.Generator
) -> None:
    assert not store.find(np.arange(10))[0].any()
    other, parts = _store(tmp_path / "rows"), _parts(1, rng)
    other.write(np.array([5]), parts)
    store.write(np.array([6]), parts)
    assert np.flatnonzero(store.find(np.arange(10))[0]).tolist() == [5, 6]
    assert np.flatnonzero(other.find(np.arange(10))[0]).tolist() == [5, 6]


@pytest.mark.parametrize("name", ["rows.bin", "checks.bin"])
def test_a_row_that_was_torn_counts_as_unknown(
    name: str, store: RowStore, rng: np.random.Generator
) -> None:
    store.write(np.arange(10), _parts(10, rng))
    path = store.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) * 3 // 10] ^= 1  # row 3
    path.write_bytes(content)
    known = _store(store.folder).find(np.arange(10))[0]
    assert np.flatnonzero(~known).tolist() == [3]


def test_rows_of_something_else_are_refused(store: RowStore) -> None:
    with pytest.raises(ValueError, match="made from something else: seed differ; delete"):
        _store(store.folder, seed=1)
    with pytest.raises(ValueError, match="rows differ"):
        _store(store.folder, 11)
    with pytest.raises(ValueError, match="shapes differ"):
        RowStore(store.folder, num_rows=10, shapes=[(3,)], identity={"seed": 0})


def test_what_half_precision_cannot_hold_is_refused(store: RowStore) -> None:
    for value in (1e5, np.nan):
        with pytest.raises(ValueError, match="not finite in half precision"):
            store.write(np.array([0]), [np.full((1, 3, 4), value), np.zeros((1, 5))])
    assert not store.find(np.array([0]))[0].any()


def test_its_size_is_told_before_it_is_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        store = _store(tmp_path / "rows", 1000)
        _store(tmp_path / "rows", 1000)
    assert store.num_bytes == 1000 * 17 * 2
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'rows' / 'rows.bin'} takes up to 3.4e-05 GB: 1000 rows of 0.034 kB"
    ]


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_disk_without_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(100_000, 67_000, 33_000))
    _store(tmp_path / "fits", 900)
    with pytest.raises(OSError, match="needs 3.4e-05 GB more, the disk has 3.3e-05 GB free"):
        _store(tmp_path / "does not", 1000)
    assert not (tmp_path / "does not" / "rows.bin").exists()


def test_a_full_store_needs_no_more_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    _store(tmp_path / "rows").write(np.arange(10), _parts(10, rng))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(100_000, 100_000, 0))
    assert _store(tmp_path / "rows").find(np.arange(10))[0].all()


def test_a_copy_for_another_process_carries_no_rows(
    store: RowStore, rng: np.random.Generator
) -> None:
    big = RowStore(store.folder / "big", num_rows=1000, shapes=[(1000,)], identity={})
    big.write(np.array([999]), [rng.normal(size=(1, 1000))])
    sent = pickle.dumps(big)
    assert len(sent) < 2000
    wanted = big.find(np.array([999]))[1][0]
    for twin in (pickle.loads(sent), copy.deepcopy(big)):
        np.testing.assert_array_equal(twin.find(np.array([999]))[1][0], wanted)


_WRITER = """
import sys
from pathlib import Path
import numpy as np
from posedistill.teachers import RowStore
store = RowStore(Path(sys.argv[1]), num_rows=4000, shapes=[(20000,)], identity={})
for row in range(int(sys.argv[2]), 4000, 2):
    store.write(np.array([row]), [np.full((1, 20000), row % 2048)])
    if row < 2:
        print("begun", flush=True)
"""


def test_writers_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _WRITER, str(tmp_path / "rows")]
    writers = [subprocess.Popen([*words, str(start)], stdout=subprocess.PIPE) for start in (0, 1)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"begun\n"
    time.sleep(0.05)
    for writer in writers:
        os.kill(writer.pid, signal.SIGKILL)
        assert writer.wait() == -signal.SIGKILL
        assert writer.stdout is not None
        writer.stdout.close()
    store = RowStore(tmp_path / "rows", num_rows=4000, shapes=[(20000,)], identity={})
    known, (values,) = store.find(np.arange(4000))
    assert 2 <= known.sum() < 4000
    wanted = np.arange(4000)[known] % 2048
    np.testing.assert_array_equal(values[known], wanted[:, None].repeat(20000, axis=1))
