"""Frames of a UBody video: those that are wanted, numbered as `ffmpeg -r 30` numbers them.

The published script makes all frames by `ffmpeg -i VIDEO -r 30 IMAGES/%06d.png`. Here PyAV decodes
the same videos and writes the wanted frames alone, as JPEG of quality 95. A record beside them says
of which video they are, so that what a run left half done, or another program damaged, is told from
what is good. Difference on purpose: a damaged packet ends a video, where ffmpeg goes on with
smeared pictures.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.ubody_rate import RATE, RateConversion
from posedistill.json_file import read_json
from posedistill.media import read_image, write_image, write_whole

if TYPE_CHECKING:
    from av import VideoFrame

SUFFIX = ".jpg"
SizeWH = tuple[int, int]
_MIB = 1 << 20
_MICROSECOND = 1e-6  # the unit of a container's start


@dataclass(frozen=True)
class VideoTask:
    """Say which frames of a video to write where.

    Attributes:
        numbers: of the frames, from 1, in order. frames_dir: they become %06d.jpg in it.
        record: the file that says which of them are done.
    """

    video: Path
    frames_dir: Path
    record: Path
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class VideoResult:
    """Say which frames of a video are there.

    Attributes:
        sizes_wh: size of each frame, pixels, by its number. end: how many frames the video gives,
        None where its end was not met. error: why it could not be decoded to the last one wanted.
    """

    sizes_wh: dict[int, SizeWH] = field(default_factory=dict)
    end: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class _Record:
    """What is known of a video that was begun: its fingerprint and its frames (w, h, crc32)."""

    fingerprint: str
    end: int | None
    frames: dict[int, tuple[int, int, int]]


class _BrokenVideoError(Exception):
    """Say why a video cannot be decoded any further."""


def require_decoder() -> None:
    """Raise ModuleNotFoundError, saying what to install, unless PyAV is there.

    >>> require_decoder()
    """
    try:
        import av  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "av":
            raise
        raise ModuleNotFoundError(
            "decoding videos needs PyAV; install it with `pip install posedistill[data]`", name="av"
        ) from error


def frame_name(number: int) -> str:
    """Give the file name of a frame.

    >>> frame_name(10)
    '000010.jpg'
    """
    return f"{number:06d}{SUFFIX}"


def extract_frames(task: VideoTask) -> VideoResult:
    """Write the wanted frames of a video that are not there yet, each whole or not at all.

    A frame counts as there when it was made from this very video and is whole. A video that cannot
    be read is told in the result; raises OSError when a frame cannot be written.

    >>> task = VideoTask(Path("none.mp4"), Path("frames"), Path("record.json"), (10,))
    >>> extract_frames(task).error
    'No such file or directory'
    """
    try:
        fingerprint = _fingerprint(task.video)
    except OSError as error:
        return VideoResult(error=error.strerror or str(error))
    record = _read_record(task.record)
    is_same = record is not None and record.fingerprint == fingerprint
    if record is None or not is_same:
        record = _Record(fingerprint, None, {})
    kept = _whole_frames(task, record, may_adopt=is_same)
    end = record.end
    missing = [n for n in task.numbers if n not in kept and (end is None or n <= end)]
    fault = None
    if missing:
        _begin(task, record)
        try:
            end = _write_missing(task, missing, kept)
        except _BrokenVideoError as error:
            fault = str(error)
    _write_record(task.record, _Record(fingerprint, end, record.frames | kept))
    sizes = {number: kept[number][:2] for number in task.numbers if number in kept}
    return VideoResult(sizes, end, fault)


def _fingerprint(video: Path) -> str:
    """Tell a file by its length and what it starts and ends with, quick for any length."""
    with video.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        digest = hashlib.sha256(str(size).encode())
        for position in (0, max(0, size - _MIB)):
            file.seek(position)
            digest.update(file.read(_MIB))
    return digest.hexdigest()


def _checksum(path: Path) -> int:
    return zlib.crc32(path.read_bytes())


def _read_record(path: Path) -> _Record | None:
    """Read a record; a damaged one is as good as none."""
    if not path.is_file():
        return None
    try:
        content = read_json(path, kind="record")
        frames = {int(n): (int(w), int(h), int(crc)) for n, (w, h, crc) in content["frames"]}
        return _Record(str(content["fingerprint"]), content["end"], frames)
    except (KeyError, TypeError, ValueError):
        return None


def _write_record(path: Path, record: _Record) -> None:
    content = {
        "fingerprint": record.fingerprint,
        "end": record.end,
        "frames": sorted((number, frame) for number, frame in record.frames.items()),
    }
    write_whole(path, json.dumps(content).encode())


def _begin(task: VideoTask, record: _Record) -> None:
    """Say whose the frames to come are, and clear away what a killed run left half written."""
    for folder in (task.frames_dir, task.record.parent):
        folder.mkdir(parents=True, exist_ok=True)
    for left in task.frames_dir.glob(".*.part"):
        left.unlink()
    _write_record(task.record, record)


def _whole_frames(
    task: VideoTask, record: _Record, *, may_adopt: bool
) -> dict[int, tuple[int, int, int]]:
    """Give the wanted frames that are whole: (w, h, crc32) by number.

    may_adopt: whether a frame that the record does not list is of this video, too.
    """
    kept = {}
    for number in task.numbers:
        path = task.frames_dir / frame_name(number)
        if number in record.frames:
            if path.is_file() and _checksum(path) == record.frames[number][2]:
                kept[number] = record.frames[number]
        elif may_adopt and path.is_file():
            try:
                h, w = read_image(path).shape[:2]
            except ValueError:
                continue
            kept[number] = (w, h, _checksum(path))
    return kept


def _write_missing(
    task: VideoTask, missing: list[int], frames: dict[int, tuple[int, int, int]]
) -> int | None:
    """Write frames and enter them into `frames`; give how many the video has, None if unknown."""
    wanted, last = set(missing), missing[-1]
    end = 0
    for places, frame in _decoded(task.video):
        numbers = [place + 1 for place in places if place + 1 in wanted]
        if numbers:
            image = _picture(frame)
            h, w = image.shape[:2]
        for number in numbers:
            path = task.frames_dir / frame_name(number)
            write_image(path, image)
            frames[number] = (w, h, _checksum(path))
        end = max(end, places.stop)
        if end >= last:
            return None
    return end


def _decoded(video: Path) -> Iterator[tuple[range, "VideoFrame"]]:
    """Yield the frames of a video, each with the places (from 0) that it takes, in order."""
    import av

    try:
        with av.open(str(video.absolute()), **_open_options()) as container:
            stream = container.streams.best("video")
            if stream is None:
                raise _BrokenVideoError("it holds no pictures")
            stream.codec_context.thread_count = 1  # several videos are decoded side by side
            yield from _placed(container, stream)
    except (av.FFmpegError, UnicodeDecodeError) as error:
        raise _BrokenVideoError(getattr(error, "strerror", None) or str(error)) from error


def _major_version() -> int:
    import av

    return int(av.__version__.partition(".")[0])


def _open_options() -> dict[str, Any]:  # Any: as the types of PyAV want it
    # From 19 on, text in another encoding than UTF-8 is taken as it is, without this option.
    return {"metadata_errors": "surrogateescape"} if _major_version() < 19 else {}


def _picture_options() -> dict[str, Any]:  # Any: as above
    # Before 17 there was one thread; since then it is all CPUs, which slows down small pictures.
    return {"threads": 1} if _major_version() >= 17 else {}


# Any: the types of PyAV differ between its versions
def _placed(container: Any, stream: Any) -> Iterator[tuple[range, "VideoFrame"]]:
    conversion = RateConversion()
    start = (container.start_time or 0) * _MICROSECOND
    usual = 1 / float(stream.guessed_rate) if stream.guessed_rate else 1 / RATE
    after, previous = 0.0, None
    for frame in container.decode(stream):
        seconds = after if frame.time is None else frame.time - start
        duration = frame.duration * float(frame.time_base) if frame.duration else usual
        after = seconds + duration
        before, own = conversion.take(seconds, duration)
        yield before, frame if previous is None else previous
        yield own, frame
        previous = frame
    if previous is not None:
        yield conversion.end(), previous


def _picture(frame: "VideoFrame") -> NDArray[np.uint8]:
    """Give a frame upright, (H, W, 3) RGB."""
    import av

    try:
        image = frame.to_ndarray(format="rgb24", **_picture_options())
    except (av.FFmpegError, ValueError) as error:
        raise _BrokenVideoError(f"a picture cannot be made RGB: {error}") from error
    quarters = round(frame.rotation / 90) if frame.rotation % 90 == 0 else 0
    return np.ascontiguousarray(np.rot90(image, quarters), dtype=np.uint8)
