"""Files that appear whole or not at all, written piece by piece."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path to write to; the file takes its own name when the block ends well.

    Raises FileNotFoundError where the folder is missing and ValueError where the path is a folder.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with whole_file(f"{folder}/note.txt") as partial:
    ...         _ = partial.write_text("whole")
    ...     Path(folder, "note.txt").read_text()
    'whole'
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected a name for the file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {path.parent}")
    partial = path.with_name(f".{uuid4().hex}.part")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
