"""Weights: keep the files of published models in a cache, and fetch them into it, checked.

A file has its name in the cache only after its SHA-256 was compared, so what is there is right.
Environment: POSEDISTILL_CACHE (folder), POSEDISTILL_MIRROR (base url to try first),
POSEDISTILL_OFFLINE (1: no network).
"""

import hashlib
import logging
import os
import shutil
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import quote, urlsplit

from posedistill import zoo
from posedistill.download import SCHEMES, Report, SourceError, WrongContentsError, download
from posedistill.zoo import WeightFile

_CHUNK = 1 << 20
_LOCK_SECONDS = 0.1
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)  # what zipfile raises
_logger = logging.getLogger(__name__)


class _Source(NamedTuple):
    url: str
    is_archive: bool


def cache_dir() -> Path:
    """Give the folder that holds fetched files; it need not exist.

    POSEDISTILL_CACHE where set, else the place for such files on this system.
    A copy of it is a mirror: POSEDISTILL_MIRROR=file:///copy serves from it.

    >>> isinstance(cache_dir(), Path)
    True
    """
    return _cache_dir(sys.platform, os.environ, home=Path.home())


def _cache_dir(platform: str, environment: Mapping[str, str], *, home: Path) -> Path:
    if chosen := environment.get("POSEDISTILL_CACHE"):
        return Path(chosen).expanduser()
    if platform == "win32":
        base = environment.get("LOCALAPPDATA")
        return (Path(base) if base else home / "AppData" / "Local") / "posedistill" / "Cache"
    if platform == "darwin":
        return home / "Library" / "Caches" / "posedistill"
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else home / ".cache") / "posedistill"


def cached(name: str, *, file_format: str | None = None) -> Path | None:
    """Give the path of a published file if it is in the cache; None if it is not.

    name, file_format: as for `fetch`.

    >>> cached("dwpose-l-384")  # doctest: +SKIP
    """
    path = cache_dir() / zoo.choose_file(name, file_format=file_format).file_name
    return path if path.is_file() else None


def fetch(
    name: str,
    *,
    file_format: str | None = None,
    offline: bool | None = None,
    report: Report | None = None,
) -> Path:
    """Give the path of a published file: from the cache, or fetched into it and checked.

    name: of the model, an alias, or the name of one of its files. file_format: ``pth`` or
    ``onnx``; the first of the model when None. offline: use no network; as POSEDISTILL_OFFLINE
    says when None. report: called with bytes done and in all (None where unknown).
    A download that broke off is taken up where it stopped, if a hash is known to check it by.

    Raises ValueError for an unknown name or a wrong setting, FileNotFoundError when offline and
    not in the cache, ConnectionError when no source gave the right file, and OSError when the
    cache cannot be written.

    >>> fetch("dwpose-l-384", file_format="onnx").name  # doctest: +SKIP
    'dw-ll_ucoco_384.onnx'
    """
    file = zoo.choose_file(name, file_format=file_format)
    path = cache_dir() / file.file_name
    if path.is_file():
        return path
    is_offline = _is_offline() if offline is None else offline
    problems: list[str] = []
    if sources := _sources(file, is_offline):
        with _told_plainly(path), _locked(path):
            if not path.is_file():  # another process may have been faster
                problems = _try_each(sources, file, path=path, report=report)
    if not path.is_file():
        raise _failure(file, path, problems=problems, is_offline=is_offline)
    return path


def _is_offline() -> bool:
    value = os.environ.get("POSEDISTILL_OFFLINE", "")
    if value not in ("", "0", "1"):
        raise ValueError(f"POSEDISTILL_OFFLINE is {value!r}; expected 0 or 1")
    return value == "1"


def _sources(file: WeightFile, is_offline: bool) -> list[_Source]:
    """Give the mirror, if any, then the published places; only those on disk when offline."""
    sources = [_Source(url, file.member is not None) for url in file.urls]
    if base := os.environ.get("POSEDISTILL_MIRROR"):
        if urlsplit(base).scheme not in SCHEMES:
            raise ValueError(
                f"POSEDISTILL_MIRROR is {base!r}; expected https://..., http://... or "
                "file:///folder, where files are by their names"
            )
        sources.insert(0, _Source(f"{base.rstrip('/')}/{quote(file.file_name)}", False))
    return [source for source in sources if not is_offline or source.url.startswith("file:")]


def _failure(
    file: WeightFile, path: Path, *, problems: list[str], is_offline: bool
) -> FileNotFoundError | ConnectionError:
    tried = "".join(f"\n  {problem}" for problem in problems)
    what = f"the {file.member} that it holds" if file.member else "it"
    by_hand = f"By hand: get {' or '.join(file.urls)} and put {what} at {path}"
    if is_offline:
        message = f"{file.file_name} is not in the cache, and this is offline.{tried}\n{by_hand}"
        return FileNotFoundError(message)
    files = zoo.find(file.file_name).files
    others = ", ".join(other.file_name for other in files if other != file)
    also = f"\nOther files of the same model: {others}" if others else ""
    return ConnectionError(f"could not fetch {file.file_name}:{tried}\n{by_hand}{also}")


def _try_each(
    sources: list[_Source], file: WeightFile, *, path: Path, report: Report | None
) -> list[str]:
    """Fetch from the first source that has the right file; give what others did wrong."""
    problems: list[str] = []
    for source in sources:
        if problems:
            _logger.warning("%s; trying %s", problems[-1], source.url)
        try:
            _fetch_from(source, file, path=path, report=report)
            return problems
        except SourceError as error:
            problems.append(str(error))
    return problems


def _fetch_from(source: _Source, file: WeightFile, *, path: Path, report: Report | None) -> None:
    partial = path.with_name(f"{path.name}{'.zip' if source.is_archive else ''}.partial")
    size = None if source.is_archive else file.size
    may_resume = file.known_hash is not None
    if not may_resume:
        partial.unlink(missing_ok=True)
    while True:
        is_resumed = partial.exists()
        try:
            download(source.url, partial, size=size, may_resume=may_resume, report=report)
            _accept(source, file, partial=partial, path=path)
            return
        except WrongContentsError:
            partial.unlink(missing_ok=True)
            if not is_resumed:  # else the fault may lie in the part from before
                raise


def _accept(source: _Source, file: WeightFile, *, partial: Path, path: Path) -> None:
    """Give a download its name, if it is what it should be."""
    if not source.is_archive:
        _check(partial, file, url=source.url)
        os.replace(partial, path)
        return
    unpacked = path.with_name(path.name + ".unpacked")
    try:
        _unpack(partial, str(file.member), out=unpacked, url=source.url)
        _check(unpacked, file, url=source.url)
        os.replace(unpacked, path)
    finally:
        unpacked.unlink(missing_ok=True)
    partial.unlink()


def _check(contents: Path, file: WeightFile, *, url: str) -> None:
    seen, expected = _sha256(contents), file.known_hash
    if expected is None:
        _logger.warning(
            "%s: no SHA-256 is known to check it by; from %s came %s", file.file_name, url, seen
        )
    elif not seen.startswith(expected):
        rest = "..." if len(expected) < len(seen) else ""
        raise WrongContentsError(f"{url}: its SHA-256 is {seen}, expected {expected}{rest}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _unpack(archive: Path, member: str, *, out: Path, url: str) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            found = [info for info in opened.infolist() if Path(info.filename).name == member]
            if len(found) != 1:
                raise WrongContentsError(f"{url}: it holds {len(found)} {member}, expected 1")
            with opened.open(found[0]) as stream, out.open("wb") as target:
                shutil.copyfileobj(stream, target, _CHUNK)
    except _DAMAGED as error:
        raise WrongContentsError(f"{url}: not a sound .zip archive: {error}") from error


@contextmanager
def _told_plainly(path: Path) -> Iterator[None]:
    """Say what to do when the cache cannot be written."""
    try:
        yield
    except OSError as error:
        message = f"cannot write {path}: {error.strerror or error}"
        hint = "make room there, or choose another folder by POSEDISTILL_CACHE"
        raise OSError(error.errno, f"{message}; {hint}") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait until no other process or thread fetches this file, and keep others waiting.

    The system frees the lock of a process that dies. The empty `.lock` file stays: to delete it
    would let two in.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("ab") as handle:
        if not _try_lock(handle):
            _logger.info("another process is fetching %s; waiting for it", path.name)
            while not _try_lock(handle):
                time.sleep(_LOCK_SECONDS)
        yield


def _try_lock(handle: IO[bytes]) -> bool:
    if sys.platform == "win32":
        import msvcrt

        handle.seek(0)
        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
