"""RowStore: rows of half-precision numbers on disk, each written once and checked when read."""

import json
import logging
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Half = NDArray[np.float16]
Rows = NDArray[np.int64]
_HALF_BYTES, _CHECK_BYTES = 2, 4
_logger = logging.getLogger(__name__)


class RowStore:
    """Keep one row a sample, in a memory-mapped file that many processes share.

    A row counts once its checksum stands beside it and agrees, so that a kill or a loss of power
    at any moment costs rows at most, never their truth. Processes may write at the same time; the
    same row from two of them is the same numbers.

    folder: made where it does not exist. num_rows: all there can ever be. shapes: of the parts of
    a row. identity: what the numbers depend on, as JSON takes it. A new file is as long as all
    rows, but takes up disk only as rows are written; its size is logged.
    Raises ValueError when the folder holds rows of another identity, and OSError when the disk has
    not the room for all rows.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     store = RowStore(Path(folder), num_rows=3, shapes=[(2,), ()], identity={"seed": 0})
    ...     store.write(np.array([2]), [np.array([[1.0, 2.0]]), np.array([3.0])])
    ...     known, (pairs, singles) = store.find(np.array([0, 2]))
    >>> known.tolist(), pairs[1].tolist(), singles[1].tolist()
    ([False, True], [1.0, 2.0], 3.0)
    """

    def __init__(
        self,
        folder: Path,
        *,
        num_rows: int,
        shapes: Sequence[tuple[int, ...]],
        identity: Mapping[str, object],
    ) -> None:
        self.folder, self.num_rows = folder, num_rows
        self.shapes = tuple(map(tuple, shapes))
        self._sizes = [int(np.prod(shape, dtype=np.int64)) for shape in self.shapes]
        self._width = sum(self._sizes)
        record = dict(identity) | {"rows": num_rows, "shapes": self.shapes}
        folder.mkdir(parents=True, exist_ok=True)
        _check_identity(folder / "rows.json", json.loads(json.dumps(record)))
        self._make_files()

    @property
    def num_bytes(self) -> int:
        """Give the bytes that all rows take."""
        return self.num_rows * self._width * _HALF_BYTES

    def find(self, rows: Rows) -> tuple[NDArray[np.bool_], tuple[Half, ...]]:
        """Read rows: which are known, (n,), and the parts (n, ...), of unknown ones anything."""
        block = np.asarray(self._data[rows])
        checks = self._checks[rows]
        sums = [_checksum(row) if check else 0 for row, check in zip(block, checks, strict=True)]
        known = (checks > 0) & (checks == np.array(sums, np.uint32))
        columns = np.split(block, np.cumsum(self._sizes)[:-1], axis=1)
        parts = (
            part.reshape(len(rows), *shape)
            for part, shape in zip(columns, self.shapes, strict=True)
        )
        return known, tuple(parts)

    def write(self, rows: Rows, parts: Sequence[NDArray[np.floating]]) -> None:
        """Write rows, (n,), from their parts (n, ...), rounded to half precision.

        Parts that are in half precision already are written faster.

        Raises ValueError for what half precision cannot hold, OSError when the disk is full.
        """
        flat = [np.asarray(part).reshape(len(rows), -1) for part in parts]
        with np.errstate(over="ignore"):
            block = np.concatenate(flat, axis=1).astype(np.float16)
        if not np.isfinite(block).all():
            raise ValueError(
                "numbers to keep are not finite in half precision (largest 65504); "
                "look at the network they come from, or do without the store"
            )
        for row, values in zip(rows.tolist(), block, strict=True):
            self._file.seek(row * values.nbytes)
            self._file.write(values.data)
            self._checks[row] = _checksum(values)

    def _make_files(self) -> None:
        """Make both files as long as they will be; the same again is harmless."""
        data, checks = self.folder / "rows.bin", self.folder / "checks.bin"
        if not data.exists():
            _logger.info(
                "%s takes up to %.3g GB: %d rows of %.3g kB",
                *(data, self.num_bytes / 1e9, self.num_rows, self._width * _HALF_BYTES / 1e3),
            )
        taken = data.stat().st_blocks * 512 if data.exists() else 0
        free = shutil.disk_usage(self.folder).free
        if self.num_bytes - taken > free:
            raise OSError(
                f"{data} needs {(self.num_bytes - taken) / 1e9:.3g} GB more, the disk has "
                f"{free / 1e9:.3g} GB free; choose a folder on another disk, or fewer views"
            )
        for path, size in ((data, self.num_bytes), (checks, self.num_rows * _CHECK_BYTES)):
            with path.open("ab") as file:
                file.truncate(size)

    @cached_property
    def _data(self) -> Half:
        return np.memmap(
            self.folder / "rows.bin", np.float16, "r", shape=(self.num_rows, self._width)
        )

    @cached_property
    def _checks(self) -> NDArray[np.uint32]:
        return np.memmap(self.folder / "checks.bin", np.uint32, "r+", shape=(self.num_rows,))

    @cached_property
    def _file(self) -> FileIO:
        return FileIO(self.folder / "rows.bin", "r+")

    def __getstate__(self) -> dict[str, Any]:  # Any: attributes of many types
        """Leave open files behind when sent to another process."""
        opened = ("_data", "_checks", "_file")
        return {key: value for key, value in self.__dict__.items() if key not in opened}


def _checksum(values: Half) -> int:
    return zlib.crc32(values.data) or 1  # 0 stands for a row not yet written


def _check_identity(path: Path, record: dict[str, object]) -> None:
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [key for key in sorted(before | record) if before.get(key) != record.get(key)]
        if changed:
            raise ValueError(
                f"{path.parent} was made from something else: {', '.join(changed)} differ; "
                "delete that folder, or choose another"
            )
        return
    beside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    beside.write_text(json.dumps(record), encoding="utf-8")
    os.replace(beside, path)
