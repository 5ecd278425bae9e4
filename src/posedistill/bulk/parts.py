"""Parts: the files that results lie in, which of the items they hold, and from one to another."""

import json
from collections.abc import Iterator
from pathlib import Path

from posedistill import __version__
from posedistill.formats.json_lines import iterate_jsonl
from posedistill.formats.parquet_table import write_parquet
from posedistill.json_file import entry

SUFFIXES = {"jsonl": ".jsonl", "parquet": ".parquet"}


def names_in(path: Path) -> set[str]:
    r"""Give the names of the images and videos in a part, whatever their poses.

    An unfinished last line of JSON lines does not count. Raises ValueError for another file.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     part = Path(folder, "part.jsonl")
    ...     _ = part.write_text('{"file_name": "a.jpg"}\n{"file_name": "b.')
    ...     names_in(part)
    {'a.jpg'}
    """
    if path.suffix == SUFFIXES["jsonl"]:
        return set(_names_in_lines(path))
    from pyarrow import parquet

    try:
        column = parquet.read_table(path, columns=["file_name"])["file_name"]
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path} is no part of results, or damaged: {error}") from error
    return set(column.unique().to_pylist())


def _names_in_lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for count, line in enumerate(file, start=1):
            name = _name_in(line, where=f"{path}, line {count}")
            if name is not None:
                yield name


def _name_in(line: bytes, *, where: str) -> str | None:
    try:
        return entry(json.loads(line), "file_name", kind=str)
    except ValueError as error:
        if not line.endswith(b"\n"):  # the last, unfinished
            return None
        raise ValueError(f"{where}: {error}") from error


def lines_to_parquet(lines: Path, target: Path) -> None:
    """Write the images of a file of JSON lines as Parquet, which appears whole or not at all.

    The file must have images. Raises what reading and writing do.
    """
    skeleton = next(iterate_jsonl(lines)).poses.skeleton
    write_parquet(target, iterate_jsonl(lines), skeleton=skeleton, version=__version__)
