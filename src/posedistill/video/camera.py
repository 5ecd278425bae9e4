"""Camera: the newest frame of a webcam or a network stream, read by OpenCV."""

import logging
import time
from collections.abc import Iterator
from threading import Condition, Thread

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.video.frame import Frame

_LOG = logging.getLogger(__name__)
_USUAL_FPS = 30.0  # where a camera says nothing
_MAX_FAILURES, _PAUSE_S = 5, 0.1  # reads in a row that fail when it is gone
_WAIT_S = 0.2  # between looks whether Ctrl-C was pressed
_PATIENCE_S = 1.0
_TIMEOUT_MS = 10_000  # of a stream that does not answer


class Camera:
    """Read the newest frame of a webcam (by its number) or of a stream (by its address).

    A thread reads all the time and keeps the newest frame alone: whoever is too slow misses frames
    instead of falling behind. Times count from the first frame that is given, by a clock that is
    never put back. The frames end when the camera is unplugged, the stream ends, or it is closed.

    Attributes:
        source: number or address.
        size_wh: (width, height) of the frames, pixels.
        fps: frames a second, as the camera says.
        num_frames: None; nobody knows.
        duration_s: None, likewise.
        has_audio: False; sound is not read.
        num_missed: how many frames nobody asked for in time.

    Raises ValueError, saying what to do, when there is no such camera or it gives no picture.

    >>> Camera("none.mjpg")
    Traceback (most recent call last):
        ...
    ValueError: stream none.mjpg cannot be opened; check the address in a player such as VLC
    """

    def __init__(self, source: int | str) -> None:
        self.source = source
        self._name = f"webcam {source}" if isinstance(source, int) else f"stream {source}"
        self._capture = _opened(source)
        first = self._read() if self._capture.isOpened() else None
        if first is None:
            was_opened = self._capture.isOpened()
            self._capture.release()
            raise ValueError(f"{self._name} {_advice(source, was_opened=was_opened)}")
        self.size_wh = (first.shape[1], first.shape[0])
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = float(fps) if 0 < fps < 1000 else _USUAL_FPS
        self.num_frames: int | None = None
        self.duration_s: float | None = None
        self.has_audio = False
        self.num_missed = 0
        self._changed = Condition()
        self._newest: tuple[float, NDArray[np.uint8]] | None = (time.monotonic(), first)
        self._start_s: float | None = None
        self._num_given = 0
        self._is_closed = self._has_ended = False
        self._thread = Thread(target=self._keep_newest, name=self._name, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame]:
        """Give the newest frame each time; wait for one that was not given yet."""
        while (newest := self._take()) is not None:
            taken_s, image_rgb = newest
            if self._start_s is None:
                self._start_s = taken_s
            frame = Frame(self._num_given, taken_s - self._start_s, image_rgb)
            self._num_given += 1
            yield frame

    def _take(self) -> tuple[float, NDArray[np.uint8]] | None:
        with self._changed:
            while self._newest is None and not (self._has_ended or self._is_closed):
                self._changed.wait(_WAIT_S)
            newest, self._newest = self._newest, None
            return None if self._is_closed else newest

    def _keep_newest(self) -> None:
        """Read until nothing comes any more; runs in a thread of its own."""
        try:
            while not self._is_closed and (image_rgb := self._read()) is not None:
                self._keep(image_rgb)
        finally:
            self._capture.release()
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()
        if not self._is_closed:
            _LOG.warning("%s gives no more pictures; it ended", self._name)

    def _keep(self, image_rgb: NDArray[np.uint8]) -> None:
        w, h = self.size_wh
        if image_rgb.shape[:2] != (h, w):
            image_rgb = np.asarray(cv2.resize(image_rgb, (w, h)), dtype=np.uint8)
        with self._changed:
            self.num_missed += self._newest is not None
            self._newest = (time.monotonic(), image_rgb)
            self._changed.notify_all()

    def _read(self) -> NDArray[np.uint8] | None:
        """Give the next picture, None when there are no more; a single failure is nothing."""
        for attempt in range(_MAX_FAILURES):
            is_read, image_bgr = self._capture.read()
            if is_read:
                return np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
            if attempt < _MAX_FAILURES - 1:
                time.sleep(_PAUSE_S)
        return None

    def close(self) -> None:
        """Release the camera; a second call does nothing."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join(_PATIENCE_S)  # a read that hangs ends with the program

    def __enter__(self) -> "Camera":
        """Give the camera itself."""
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _opened(source: int | str) -> cv2.VideoCapture:
    if isinstance(source, str) and "://" in source:
        timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT_MS]
        timeouts += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT_MS]
        return cv2.VideoCapture(source, cv2.CAP_FFMPEG, timeouts)
    return cv2.VideoCapture(source)


def _advice(source: int | str, *, was_opened: bool) -> str:
    if was_opened:
        return "gives no picture; close other programs that use it and try again"
    if isinstance(source, int):
        return (
            "cannot be opened; check that it is plugged in and that programs may use the camera, "
            "or try another number, counted from 0"
        )
    return "cannot be opened; check the address in a player such as VLC"
