"""Places that files lie in: folders here, and folders of object stores; list, read and write.

An object store is named by a url such as ``s3://bucket/photos``. pyarrow opens it, and what pyarrow
does not know, fsspec.
"""

import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

from posedistill.media import write_whole

if TYPE_CHECKING:
    from pyarrow import fs

Write = Callable[[Path], None]  # of a file that appears whole or not at all


class Place(Protocol):
    """Hold files by their keys, which are paths below the place, with slashes."""

    def files(self) -> Iterator[str]:
        """Give the keys of all files here and in folders below, but for hidden ones."""

    def local(self, key: str) -> AbstractContextManager[Path]:
        """Give a file by a path that can be opened, while a ``with`` block lasts.

        Raises OSError where that fails.
        """

    def put(self, key: str, write: Write) -> None:
        """Have a file written, so that it appears whole or not at all."""


def open_place(name: str) -> Place:
    """Open a folder, or the url of one in an object store.

    A folder need not exist before the first `put`. Raises ValueError for a url that nothing here
    knows, and ModuleNotFoundError for one without pyarrow.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     place = open_place(folder)
    ...     place.put("a/b.txt", lambda path: path.write_text("note") and None)
    ...     list(place.files())
    ['a/b.txt']
    """
    return _Store(name) if is_url(name) else _Folder(Path(name))


def is_url(name: str) -> bool:
    """Tell the url of an object store from a path.

    >>> is_url("s3://bucket/photos"), is_url("photos")
    (True, False)
    """
    return "://" in name


def split_file(name: str) -> tuple[str, str | None]:
    """Give a place and None, or for a file the place it lies in and its key.

    Raises FileNotFoundError where there is neither.

    >>> split_file("none")
    Traceback (most recent call last):
    FileNotFoundError: no such file or folder: none
    """
    if not is_url(name):
        path = Path(name)
        if not path.exists():
            raise FileNotFoundError(f"no such file or folder: {name}")
        return (name, None) if path.is_dir() else (str(path.parent), path.name)
    kind = _Store(name).kind()
    if kind == "none":
        raise FileNotFoundError(f"no such file or folder: {name}")
    if kind == "folder":
        return name, None
    parent, _, key = name.rpartition("/")
    return parent, key


class _Folder:
    """Hold the files of a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def files(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self._root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = Path(folder).relative_to(self._root)
            for name in sorted(files):
                if not name.startswith("."):
                    yield (below / name).as_posix()

    def local(self, key: str) -> AbstractContextManager[Path]:
        return nullcontext(self._root / key)

    def put(self, key: str, write: Write) -> None:
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)


class _Store:
    """Hold the files below a url; a store makes a file appear when all of it has arrived."""

    def __init__(self, url: str) -> None:
        self._files, root = _open_filesystem(url)
        self._root = root.rstrip("/")

    def kind(self) -> str:
        from pyarrow import fs

        kinds = {fs.FileType.File: "file", fs.FileType.Directory: "folder"}
        return kinds.get(self._files.get_file_info(self._root or "/").type, "none")

    def files(self) -> Iterator[str]:
        from pyarrow import fs

        selector = fs.FileSelector(self._root or "/", recursive=True, allow_not_found=True)
        for info in self._files.get_file_info(selector):
            key = info.path.removeprefix(self._root).lstrip("/")
            is_hidden = any(part.startswith(".") for part in key.split("/"))
            if info.type == fs.FileType.File and not is_hidden:
                yield key

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        with TemporaryDirectory(prefix="posedistill-") as folder:
            path = Path(folder, PurePosixPath(key).name)
            stream = self._files.open_input_stream(f"{self._root}/{key}")
            with stream as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
            yield path

    def put(self, key: str, write: Write) -> None:
        with TemporaryDirectory(prefix="posedistill-") as folder:
            path = Path(folder, PurePosixPath(key).name)
            write(path)
            target = f"{self._root}/{key}"
            self._files.create_dir(target.rpartition("/")[0])
            with path.open("rb") as source, self._files.open_output_stream(target) as stream:
                shutil.copyfileobj(source, stream)


def _open_filesystem(url: str) -> "tuple[fs.FileSystem, str]":
    from pyarrow import fs

    try:
        files, root = fs.FileSystem.from_uri(url)
    except ValueError:  # pyarrow's error for a kind of url that it does not know
        return _open_by_fsspec(url)
    return files, str(root)


def _open_by_fsspec(url: str) -> "tuple[fs.FileSystem, str]":
    import fsspec
    from pyarrow import fs

    try:
        files, root = fsspec.core.url_to_fs(url)
    except ValueError as error:
        raise ValueError(f"{url}: {error}; expected a folder or a url such as s3://...") from error
    return fs.PyFileSystem(fs.FSSpecHandler(files)), str(root)


def put_text(place: Place, key: str, *, text: str) -> None:
    """Write a small file of text.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     put_text(open_place(folder), "note.txt", text="seen")
    ...     Path(folder, "note.txt").read_text()
    'seen'
    """
    place.put(key, lambda path: write_whole(path, text.encode()))


def matching(keys: Iterator[str], suffixes: Collection[str]) -> Iterator[str]:
    """Give the keys that end in one of the suffixes, which are in small letters with their dots.

    >>> list(matching(iter(["a.JPG", "b.txt"]), (".jpg", ".png")))
    ['a.JPG']
    """
    return (key for key in keys if PurePosixPath(key).suffix.lower() in suffixes)
