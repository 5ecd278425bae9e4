"""Containers: media files opened by PyAV, and what is wrong with those that cannot be."""

from pathlib import Path
from typing import Any

import cv2

MICROSECOND = 1e-6  # the unit of a container's start and duration
_HEAD = 512
_STILL = ("image2", "tty")  # formats that FFmpeg takes pictures and texts for videos by


def open_container(path: Path) -> Any:  # Any: the types of PyAV differ between its versions
    """Open a media file for reading.

    Raises FileNotFoundError when there is no such file, and ValueError, saying what it looks like,
    for one that is no video or sound.

    >>> open_container(Path("none.mp4"))
    Traceback (most recent call last):
        ...
    FileNotFoundError: no such video: none.mp4
    """
    import av

    if not path.exists():
        raise FileNotFoundError(f"no such video: {path}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected a video file")
    options: dict[str, Any] = {}  # Any: as PyAV types them
    if major_version() < 19:  # since then, text in another encoding is taken as it is
        options["metadata_errors"] = "surrogateescape"
    try:
        # A playlist must not fetch what it names from elsewhere.
        container = av.open(str(path.absolute()), options={"protocol_whitelist": "file"}, **options)
    except (av.FFmpegError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as a video; it {_looks(path)}") from error
    if container.format.name in _STILL or container.format.name.endswith("_pipe"):
        container.close()
        raise ValueError(f"{path}: is no video; it {_looks(path)}")
    return container


def major_version() -> int:
    """Give the major version of PyAV.

    >>> major_version() >= 15
    True
    """
    import av

    return int(av.__version__.partition(".")[0])


def _looks(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        return "is empty"
    if cv2.haveImageReader(str(path)):
        return "is an image"
    if head[4:8] == b"ftyp":
        return "is the start of an MP4 or MOV file without its index, as after a broken download"
    try:
        text = head.decode("utf-8", errors="strict" if len(head) < _HEAD else "ignore")
    except UnicodeDecodeError:
        text = ""
    if len(text) > len(head) // 4 and all(c.isprintable() or c.isspace() for c in text):
        return f"looks like text ({text[:30]!r})"
    return "looks like binary data of an unknown or damaged format"
