"""Sources: the video that a word of the user stands for."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from posedistill.video.camera import Camera
from posedistill.video.reader import VideoReader

VIDEO_SUFFIXES = (
    ".mp4",
    ".m4v",
    ".mov",
    ".mkv",
    ".webm",
    ".avi",
    ".wmv",
    ".flv",
    ".mpg",
    ".mpeg",
    ".ts",
    ".mts",
    ".m2ts",
    ".3gp",
    ".ogv",
    ".mxf",
    ".gif",
)
_WEBCAM = "webcam:"
_STREAMS = ("rtsp://", "rtsps://", "rtmp://", "rtp://", "udp://", "tcp://", "http://", "https://")


def is_video(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path has the suffix of a video file.

    >>> is_video("walk.MP4"), is_video("walk.jpg")
    (True, False)
    """
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def open_video(source: int | str | os.PathLike[str]) -> VideoReader | Camera:
    """Open a video file, a webcam (``0`` or ``webcam:0``) or a stream (``rtsp://...``, ``http``).

    A file whose name is a number is opened as ``./0``. Raises FileNotFoundError when there is no
    such file, and ValueError for what is no video, a camera that is not there, and the address of
    a file, of which a camera would skip frames.

    >>> open_video("none.mp4")
    Traceback (most recent call last):
        ...
    FileNotFoundError: no such video: none.mp4
    """
    if isinstance(source, int):
        return Camera(source)
    text = os.fspath(source)
    number = text.removeprefix(_WEBCAM)
    if number.isascii() and number.isdigit():
        return Camera(int(number))
    if text.startswith(_WEBCAM):
        raise ValueError(f"webcam is {number!r}; expected its number, such as {_WEBCAM}0")
    if not text.lower().startswith(_STREAMS):
        return VideoReader(source)
    if is_video(urlsplit(text).path):
        raise ValueError(f"{text} is a video file on a server; download it and give the file")
    return Camera(text)
