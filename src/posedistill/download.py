"""Download: bring the contents of one url into a file, taking up what broke off before."""

import http.client
import io
import logging
import re
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from email.message import Message
from pathlib import Path
from typing import IO, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

ATTEMPTS = 5
PAUSE_SECONDS = 1.0  # after the first attempt; doubles with each
TIMEOUT_SECONDS = 30.0  # without a byte
SCHEMES = ("https", "http", "file")
Report = Callable[[int, int | None], None]
_CHUNK = 1 << 16
_MAY_PASS = (408, 425, 429, 500, 502, 503, 504)  # statuses that another attempt may not meet
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)")
_logger = logging.getLogger(__name__)


class SourceError(Exception):
    """Say why a source failed; another may not."""


class WrongContentsError(SourceError):
    """Say why what came, or was there before, is of no use."""


class _PassingError(SourceError):
    """Say why an attempt failed; another at the same source may not."""


class _Stream(NamedTuple):
    body: IO[bytes]
    start: int  # how many bytes of the whole come before the body
    total: int | None  # bytes of the whole, where told


def download(
    url: str, partial: Path, *, size: int | None, may_resume: bool, report: Report | None = None
) -> None:
    """Bring the contents of a url into a file, trying again what may pass.

    url: https, http or file. partial: the file; kept when broken off. size: of the whole, bytes;
    None where unknown. may_resume: take up what `partial` holds, also between attempts; only for
    contents that are checked afterwards, since they may have changed meanwhile.
    report: called with bytes done and in all (None where unknown).

    Raises SourceError when it fails, WrongContentsError when what `partial` holds cannot go on,
    and OSError when it cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.bin").write_bytes(b"abc")
    >>> download((folder / "a.bin").as_uri(), folder / "b.bin", size=3, may_resume=True)
    >>> (folder / "b.bin").read_bytes()
    b'abc'
    """
    for attempt in range(ATTEMPTS):
        if not may_resume:
            partial.unlink(missing_ok=True)
        try:
            _transfer(url, partial, size=size, report=report)
            return
        except _PassingError as error:
            if attempt == ATTEMPTS - 1:
                raise SourceError(f"{error} (after {ATTEMPTS} attempts)") from error
            _logger.info("%s; trying again", error)
            time.sleep(PAUSE_SECONDS * 2**attempt)


def _transfer(url: str, partial: Path, *, size: int | None, report: Report | None) -> None:
    """Make one attempt to add to the file what it lacks."""
    have = partial.stat().st_size if partial.exists() else 0
    stream = _open(url, have)
    done, total = stream.start, stream.total
    if size is not None and total is not None and total != size:
        stream.body.close()
        raise SourceError(f"{url}: there are {total} bytes, expected {size}")
    with closing(stream.body), partial.open("ab" if done else "wb") as out:
        while chunk := _read(stream.body, url):
            out.write(chunk)
            done += len(chunk)
            if report is not None:
                report(done, size if total is None else total)
    if done == 0:
        raise WrongContentsError(f"{url}: it is empty")
    if total is not None and done > total:
        raise WrongContentsError(f"{url}: it gave {done} bytes, more than the {total} it told")
    if total is not None and done < total:
        raise _PassingError(f"{url}: it ended after {done} of {total} bytes")


def _read(body: IO[bytes], url: str) -> bytes:
    try:
        return body.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _PassingError(f"{url}: {_reason(error)}") from error


def _open(url: str, have: int) -> _Stream:
    """Open a url where the first `have` bytes end, or at its start if it cannot."""
    scheme = urlsplit(url).scheme
    if scheme not in SCHEMES:
        raise SourceError(f"{url}: expected one of {', '.join(SCHEMES)}")
    return _open_file(url) if scheme == "file" else _open_http(url, have)


def _open_file(url: str) -> _Stream:
    path = Path(urllib.request.url2pathname(urlsplit(url).path))
    try:
        return _Stream(path.open("rb"), 0, path.stat().st_size)
    except OSError as error:
        raise SourceError(f"{url}: {_reason(error)}") from error


def _open_http(url: str, have: int) -> _Stream:
    headers = {"User-Agent": "posedistill", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    opener = urllib.request.build_opener(_Redirects)
    request = urllib.request.Request(url, headers=headers)
    try:
        response: http.client.HTTPResponse = opener.open(request, timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        with closing(error):
            return _refused(error, have, url=url)
    except (OSError, http.client.HTTPException) as error:
        raise _kind(error)(f"{url}: {_reason(error)}") from error
    if response.status != 206:
        length = response.headers.get("Content-Length", "")
        return _Stream(response, 0, int(length) if length.isdigit() else None)
    start, total = _content_range(response.headers)
    if start != have:
        response.close()
        raise WrongContentsError(f"{url}: asked for what follows byte {have}, it gave from {start}")
    return _Stream(response, have, total)


def _refused(error: HTTPError, have: int, *, url: str) -> _Stream:
    """Give the empty rest if that was all the server refused to give; else raise."""
    message = f"{url}: HTTP {error.code} {error.reason}"
    if error.code == 416 and have:
        if _content_range(error.headers) == (None, have):
            return _Stream(io.BytesIO(), have, have)
        raise WrongContentsError(message) from error
    raise (_PassingError if error.code in _MAY_PASS else SourceError)(message) from error


def _content_range(headers: Message) -> tuple[int | None, int | None]:
    """Give the first byte and the size of the whole that a Content-Range header tells."""
    found = _RANGE.fullmatch(headers.get("Content-Range", ""))
    start, total = found.groups() if found else (None, None)
    return (None if start is None else int(start)), (None if total is None else int(total))


def _kind(error: Exception) -> type[SourceError]:
    """Tell a dropped connection, which may pass, from an unknown host or a bad certificate."""
    cause = error.reason if isinstance(error, URLError) else error
    lasting = isinstance(cause, socket.gaierror | ssl.SSLCertVerificationError)
    return SourceError if lasting else _PassingError


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to https, and to http from http only."""

    def redirect_request(  # house rule: the signature of urllib
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Give the request of the new place."""
        scheme = urlsplit(newurl).scheme
        if scheme != "https" and (scheme, req.type) != ("http", "http"):
            raise SourceError(f"{req.full_url}: it leads to {newurl}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
