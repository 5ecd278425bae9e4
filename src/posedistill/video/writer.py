"""Writer: frames with times into a video file that can always be played, with the sound kept."""

import math
import os
from fractions import Fraction
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any
from uuid import uuid4

import cv2
import numpy as np

from posedistill.video.audio import AudioTrack, open_audio
from posedistill.video.container import major_version
from posedistill.video.frame import Frame

_FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_ENCODERS = ("libx264", "libopenh264", "mpeg4")  # the best that PyAV was built with is taken
_WEBM_ENCODERS = ("libvpx-vp9", "libvpx")
_OPTIONS = {
    # Without frames in another order than they are shown in, which upset the length of an .mp4.
    "libx264": {"preset": "veryfast", "crf": "20", "bf": "0"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "7", "row-mt": "1", "crf": "32"},
    "libvpx": {"deadline": "realtime", "cpu-used": "7", "crf": "20"},
}
_BITS_A_PIXEL = 0.2  # for encoders that are told a rate and no quality
# All usual rates, the 30000/1001 of television too, are whole in it, and MPEG-4 takes no finer one.
_TIME_BASE = Fraction(1, 60_000)
_BT709 = 1  # FFmpeg's number of it, as matrix, primaries and transfer
_LIMITED_RANGE = 1


class VideoWriter:
    """Write frames, each at its time, to an .mp4, .mov, .mkv or .webm file.

    The first three hold H.264 (MPEG-4 where PyAV was built without), .webm VP9. Where a side of
    size_wh is odd, which these cannot hold, the last row or column is doubled; no pixel moves. The
    sound of audio_from is kept: copied, or encoded anew where the file cannot hold its kind. fps is
    what the encoder reckons with; when a frame is shown is its own time alone.

    The file grows under another name and gets its own in `close`. Left by an exception, Ctrl-C
    included, a `with` still finishes the file, with the sound up to its last frame. Without any
    frame there is no file. `write` and `close` may be called from any thread, one at a time.

    Raises FileNotFoundError where the folder or the file with the sound is missing; ValueError for
    another suffix, a size or rate that is none, and a path that is that of the sound.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with VideoWriter(f"{folder}/a.mp4", size_wh=(32, 16), fps=10) as writer:
    ...         writer.write(Frame(0, 0.0, np.zeros((16, 32, 3), np.uint8)))
    ...     [file.name for file in Path(folder).iterdir()]
    ['a.mp4']
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        size_wh: tuple[int, int],
        fps: float,
        audio_from: str | os.PathLike[str] | None = None,
    ) -> None:
        self.path, self._size_wh = Path(path), size_wh
        _check(self.path, size_wh, fps, None if audio_from is None else Path(audio_from))
        self._lock = Lock()
        self._last: int | None = None  # tick of the last frame
        self._usual_s = 1 / fps
        self._is_closed = False
        self._partial = self.path.with_name(f".{uuid4().hex}.part")
        self._audio: AudioTrack | None = None
        self._output = _open_output(self._partial, _FORMATS[self.path.suffix.lower()])
        try:
            self._stream = self._video_stream(fps)
            if audio_from is not None:
                self._audio = open_audio(Path(audio_from), self._output)
        except BaseException:
            self._discard()
            raise

    def _video_stream(self, fps: float) -> Any:  # Any: the types of PyAV differ
        is_webm = self.path.suffix.lower() == ".webm"
        name = _available(_WEBM_ENCODERS if is_webm else _ENCODERS)
        w, h = self._size_wh
        stream = self._output.add_stream(name, rate=Fraction(fps).limit_denominator(60_000))
        stream.width, stream.height = w + w % 2, h + h % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.options = _OPTIONS.get(name, {})
        if name not in _OPTIONS:
            context.bit_rate = max(round(w * h * fps * _BITS_A_PIXEL), 200_000)
        context.thread_type = "AUTO"
        context.time_base = _TIME_BASE
        stream.time_base = _TIME_BASE
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        return stream

    def write(self, frame: Frame) -> None:
        """Add a frame: image_rgb (H, W, 3) uint8 of the writer's size, later than the last one.

        One that is not later is put a sixty-thousandth of a second after the last. Raises
        ValueError for another size and when the writer is closed.
        """
        w, h = self._size_wh
        image = frame.image_rgb
        if image.shape != (h, w, 3) or image.dtype != np.uint8:
            raise ValueError(
                f"frame {frame.index} has shape {image.shape} and type {image.dtype}; "
                f"expected {(h, w, 3)} uint8 for {self.path}"
            )
        with self._lock:
            if self._is_closed:
                raise ValueError(f"{self.path}: the writer is closed; no frame can be added")
            tick = round(frame.time_s / _TIME_BASE)
            self._last = tick if self._last is None else max(tick, self._last + 1)
            self._output.mux(self._stream.encode(self._encodable(image, self._last)))
            if self._audio is not None:
                self._audio.write_until(frame.time_s)

    def _encodable(self, image: Any, tick: int) -> Any:  # Any: as above
        import av

        odd_w, odd_h = image.shape[1] % 2, image.shape[0] % 2
        if odd_w or odd_h:
            image = cv2.copyMakeBorder(image, 0, odd_h, 0, odd_w, cv2.BORDER_REPLICATE)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        # One thread: to start several takes longer than the conversion of a frame.
        options: dict[str, Any] = {"threads": 1} if major_version() >= 17 else {}
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", **options)
        frame.pts, frame.time_base = tick, _TIME_BASE
        return frame

    def close(self, *, cut_audio: bool = False) -> None:
        """Finish the file and give it its name; a second call does nothing.

        cut_audio: end the sound with the last frame, as for a video that was not written to its
        end; otherwise all of it is kept.
        """
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            try:
                if self._last is not None:
                    self._finish(cut_audio=cut_audio)
            finally:
                self._discard()

    def _finish(self, *, cut_audio: bool) -> None:
        assert self._last is not None
        self._output.mux(self._stream.encode(None))
        if self._audio is not None:
            end_s = float(self._last * _TIME_BASE) + self._usual_s
            self._audio.finish(end_s if cut_audio else math.inf)
        self._output.close()
        self._partial.replace(self.path)

    def _discard(self) -> None:
        if self._audio is not None:
            self._audio.close()
        self._output.close()
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> "VideoWriter":
        """Give the writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the file, also where an exception ends it early."""
        self.close(cut_audio=kind is not None)


def _check(path: Path, size_wh: tuple[int, int], fps: float, audio_from: Path | None) -> None:
    if path.suffix.lower() not in _FORMATS:
        raise ValueError(
            f"{path}: cannot write videos with suffix {path.suffix!r}; "
            f"use one of {', '.join(_FORMATS)}"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {path.parent}")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected the name of a video file")
    if len(size_wh) != 2 or min(size_wh) < 1:
        raise ValueError(f"size is {size_wh}; expected (width, height), at least 1 pixel")
    if not 0 < fps < math.inf:
        raise ValueError(f"fps is {fps}; expected more than 0, such as 30")
    there = audio_from is not None and path.exists() and audio_from.exists()
    if there and audio_from is not None and path.samefile(audio_from):
        raise ValueError(f"{path} would overwrite the video it is made of; choose another name")


def _open_output(path: Path, container_format: str) -> Any:  # Any: the types of PyAV differ
    import av

    return av.open(str(path.absolute()), "w", format=container_format)


def _available(names: tuple[str, ...]) -> str:
    """Give the first encoder that PyAV was built with."""
    import av
    from av.codec.codec import UnknownCodecError

    for name in names:
        try:
            av.Codec(name, "w")
        except UnknownCodecError:
            continue
        return name
    raise ValueError(f"PyAV has none of the encoders {', '.join(names)}; install it from a wheel")
