"""Reader: the frames of a video file, upright, with the times they are shown at."""

import logging
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.video.container import MICROSECOND, major_version, open_container
from posedistill.video.frame import Frame

_LOG = logging.getLogger(__name__)
_MAX_PIXELS = 1 << 27  # 16384 x 8192; as RGB 400 MB
_MARGINS = 1 << 18  # pixels
_USUAL_FPS = 25.0  # where a file says nothing
_ATTACHED_PICTURE = 0x400  # FFmpeg's AV_DISPOSITION_ATTACHED_PIC: the cover of a song
_UNSPECIFIED = 2  # FFmpeg's AVCOL_SPC_UNSPECIFIED
_HD_HEIGHT = 720  # pixels; such video is BT.709 where it does not say
_TURNS = {
    90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    -90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    -180: cv2.ROTATE_180,
}


class VideoReader:
    """Read the frames of a video file, each with its time, turned as the file says.

    Iterating starts from the first frame every time. Frames are decoded as they are asked for, by
    several threads, so that memory does not grow; where the size changes on the way, they are
    scaled to that of the first. What is damaged is left out, and a file that ends too early gives
    what it has; one warning says so in the end. Close it, or use it in a `with`; any thread may.

    Attributes:
        path: the file.
        size_wh: (width, height) of the frames, pixels, after turning.
        fps: frames a second, on average.
        num_frames: how many frames the file says it has; None where it does not.
        duration_s: how long the file says it is, seconds; None where it does not.
        has_audio: whether there is sound.

    Raises FileNotFoundError when there is no such file; ValueError for one that is no video, has
    no pictures, or whose frames have more than max_pixels.

    >>> from tempfile import TemporaryDirectory
    >>> from posedistill.video.writer import VideoWriter
    >>> with TemporaryDirectory() as folder:
    ...     with VideoWriter(f"{folder}/a.mp4", size_wh=(32, 16), fps=10) as writer:
    ...         for index in range(3):
    ...             writer.write(Frame(index, index / 10, np.zeros((16, 32, 3), np.uint8)))
    ...     with VideoReader(f"{folder}/a.mp4") as video:
    ...         video.size_wh, [round(frame.time_s, 3) for frame in video]
    ((32, 16), [0.0, 0.1, 0.2])
    """

    def __init__(self, path: str | os.PathLike[str], *, max_pixels: int = _MAX_PIXELS) -> None:
        self.path = Path(path)
        self._max_pixels = max_pixels
        self._lock = Lock()
        self._is_closed = False
        first = _Pass(self.path, max_pixels)
        self._unused: _Pass | None = first
        self._passes = [first]
        self.size_wh = first.size_wh
        self.fps = first.fps
        self.num_frames = first.num_frames
        self.duration_s = first.duration_s
        self.has_audio = first.has_audio

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames in the order they are shown.

        Raises ValueError when the reader is closed; closing it on the way ends the frames.
        """
        current = self._begin()
        try:
            while (frame := self._next(current)) is not None:
                yield frame
        finally:
            self._end(current)

    def _begin(self) -> "_Pass":
        with self._lock:
            if self._is_closed:
                raise ValueError(f"{self.path}: the reader is closed; open the video again")
            current, self._unused = self._unused, None
            if current is None:
                current = _Pass(self.path, self._max_pixels)
                self._passes.append(current)
            return current

    def _next(self, current: "_Pass") -> Frame | None:
        with self._lock:
            return None if self._is_closed else current.next()

    def _end(self, current: "_Pass") -> None:
        with self._lock:
            if current in self._passes:
                self._passes.remove(current)
                current.close()

    def close(self) -> None:
        """Free what decoding takes; a second call does nothing."""
        with self._lock:
            self._is_closed = True
            while self._passes:
                self._passes.pop().close()

    def __enter__(self) -> "VideoReader":
        """Give the reader itself."""
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Pass:
    """One run through a file, from its first frame to its last."""

    def __init__(self, path: Path, max_pixels: int) -> None:
        self._path = path
        self._container = open_container(path)
        try:
            self._stream = self._pictures(max_pixels)
            self._read_header()
            self._frames = self._decoded()
            self._first = next(self._frames, None)
            if self._first is None:
                raise ValueError(f"{path}: none of its pictures can be decoded; it is damaged")
        except BaseException:
            self._container.close()
            raise
        self._stored_wh = (self._first.width, self._first.height)
        turned = self._turn(self._first) in (90, -90)
        self.size_wh = self._stored_wh[::-1] if turned else self._stored_wh

    def _pictures(self, max_pixels: int) -> Any:  # Any: the types of PyAV differ
        stream = self._container.streams.best("video")
        if stream is None or int(stream.disposition) & _ATTACHED_PICTURE:
            kinds = sorted({stream.type for stream in self._container.streams})
            raise ValueError(f"{self._path}: holds no pictures, but {', '.join(kinds)}")
        w, h = stream.codec_context.width, stream.codec_context.height
        if w * h > max_pixels:
            raise ValueError(
                f"{self._path}: its frames have {w} x {h} pixels, more than {max_pixels} in all; "
                "if it is not damaged, raise max_pixels"
            )
        stream.thread_type = "AUTO"
        # Sizes may change on the way; the decoder counts its margins, too.
        stream.codec_context.options = {"max_pixels": str(2 * max_pixels + _MARGINS)}
        return stream

    def _read_header(self) -> None:
        container, stream = self._container, self._stream
        self.fps = float(stream.average_rate or stream.guessed_rate or _USUAL_FPS)
        self.num_frames: int | None = stream.frames or None
        self.has_audio = any(stream.type == "audio" for stream in container.streams)
        self.duration_s: float | None = None
        if stream.duration:
            self.duration_s = float(stream.duration * stream.time_base)
        elif container.duration:
            self.duration_s = container.duration * MICROSECOND
        self._start_s = (container.start_time or 0) * MICROSECOND
        self._num_packets = self._num_faults = self._num_given = 0
        self._last_s: float | None = None

    def next(self) -> Frame | None:
        """Give the next frame, None after the last."""
        raw, self._first = self._first, None
        if raw is None:
            raw = next(self._frames, None)
        if raw is None:
            self._report()
            return None
        frame = Frame(self._num_given, self._time(raw), self._image(raw))
        self._num_given += 1
        self._last_s = frame.time_s
        return frame

    def close(self) -> None:
        """Free the decoder."""
        self._frames.close()
        self._container.close()

    def _decoded(self) -> Generator[Any, None, None]:  # Any: as above
        import av

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                packet, self._num_faults = None, self._num_faults + 1
            if packet is None:
                return
            self._num_packets += packet.size > 0
            self._num_faults += packet.is_corrupt
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self._num_faults += 1
                continue
            yield from frames

    def _time(self, raw: Any) -> float:  # Any: as above
        """Give when a frame is shown; a broken time is replaced by the usual distance."""
        seconds = None if raw.pts is None else raw.pts * float(raw.time_base) - self._start_s
        if self._last_s is None:
            return max(seconds or 0.0, 0.0)
        if seconds is None or seconds <= self._last_s:
            return self._last_s + 1 / self.fps
        return float(seconds)

    def _image(self, raw: Any) -> NDArray[np.uint8]:  # Any: as above
        w, h = self._stored_wh
        # One thread: to start several takes longer than the conversion of a frame.
        options: dict[str, Any] = {"threads": 1} if major_version() >= 17 else {}
        if raw.colorspace == _UNSPECIFIED and h >= _HD_HEIGHT:
            options["src_colorspace"] = "ITU709"
        image = raw.to_ndarray(format="rgb24", width=w, height=h, **options)
        turn = _TURNS.get(self._turn(raw))
        upright = image if turn is None else cv2.rotate(image, turn)
        return np.ascontiguousarray(upright, dtype=np.uint8)

    @staticmethod
    def _turn(raw: Any) -> int:  # Any: as above
        return int(round(raw.rotation))

    def _report(self) -> None:
        """Warn, once, of what could not be read."""
        told = None
        if self.num_frames is not None and self._num_packets < self.num_frames:
            told = f"{self.num_frames} frames"
        elif self.num_frames is None and self._is_short():
            told = f"{self.duration_s:.1f} s, the last shown at {self._last_s:.1f} s"
        if told is not None:
            _LOG.warning("%s: gave %d frames of %s", self._path, self._num_given, told)
        elif self._num_faults:
            message = "%s: damaged in %d places; gave %d frames"
            _LOG.warning(message, self._path, self._num_faults, self._num_given)

    def _is_short(self) -> bool:
        if self.duration_s is None or self._last_s is None:
            return False
        return self._last_s + 1 / self.fps < self.duration_s - 1.0  # sound may last a bit longer
