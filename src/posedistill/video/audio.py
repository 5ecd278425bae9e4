"""Audio: the sound of one file put into another, copied wherever that can hold it."""

import logging
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from posedistill.video.container import MICROSECOND, open_container

_LOG = logging.getLogger(__name__)
_COPIED = {  # codecs that players expect in a file of that format
    "mp4": {"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"},
    "mov": {"aac", "mp3", "ac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le"},
    "matroska": {"aac", "mp3", "ac3", "eac3", "opus", "vorbis", "flac", "alac", "dts", "pcm_s16le"},
    "webm": {"opus", "vorbis"},
}
_RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000)  # of AAC
_OPUS_RATE = 48000


# Any, here and below: the types of PyAV differ between its versions
def open_audio(path: Path, output: Any) -> "AudioTrack | None":
    """Add the sound of a file to a container to write, to be put there; None where it has none.

    Raises FileNotFoundError and ValueError as a `VideoReader` does.
    """
    container = open_container(path)
    source = container.streams.best("audio")
    if source is None or source.codec_context is None:
        container.close()
        return None
    return AudioTrack(source, output, path=path)


class AudioTrack:
    """Put the sound of a file into a container that is being written, little by little.

    Times count from the start of the file, as those of its frames do.
    """

    def __init__(self, source: Any, output: Any, *, path: Path) -> None:
        self._source, self._output, self._path = source, output, path
        self._input = source.container
        self._start_s = (self._input.start_time or 0) * MICROSECOND
        # Of a codec with several decoders the name is that of one of them, such as mp3float.
        name = source.codec_context.codec.canonical_name
        self._is_copied = name in _COPIED[output.format.name]
        if self._is_copied:
            self._target = output.add_stream_from_template(source)
        else:
            self._target = _encoder(source, output)
        self._pieces = self._read()
        self._pending = next(self._pieces, None)

    def write_until(self, time_s: float) -> None:
        """Write the sound that starts before that time, seconds."""
        while self._pending is not None and self._pending[0] < time_s:
            piece = self._pending[1]
            if self._is_copied:
                piece.stream = self._target
                self._output.mux(piece)
            else:
                self._output.mux(self._target.encode(piece))
            self._pending = next(self._pieces, None)

    def finish(self, end_s: float) -> None:
        """Write what is left of the sound, up to that time, seconds."""
        self.write_until(end_s)
        if not self._is_copied:
            self._output.mux(self._target.encode(None))

    def close(self) -> None:
        """Free the source."""
        self._pieces.close()
        self._input.close()

    def _read(self) -> Generator[tuple[float, Any], None, None]:
        """Give packets, or decoded frames where they are encoded anew, and when each starts."""
        import av

        packets = self._input.demux(self._source)
        try:
            for packet in packets:
                for piece in (packet,) if self._is_copied else packet.decode():
                    yield from self._placed(piece)
        except av.FFmpegError as error:
            _LOG.warning("%s: the sound is damaged; what follows is lost: %s", self._path, error)

    def _placed(self, piece: Any) -> Iterator[tuple[float, Any]]:
        if piece.pts is None:  # the empty packet at the end
            return
        shift = round(self._start_s / piece.time_base)
        piece.pts -= shift
        if piece.dts is not None and self._is_copied:
            piece.dts -= shift
        # What lies before the start, the run-up of the encoder, would push everything back.
        if piece.pts >= 0:
            yield float(piece.pts * piece.time_base), piece


def _encoder(source: Any, output: Any) -> Any:
    is_mono = source.codec_context.channels == 1
    layout = "mono" if is_mono else "stereo"
    if output.format.name == "webm":
        return output.add_stream("libopus", rate=_OPUS_RATE, layout=layout)
    rate = source.codec_context.sample_rate
    return output.add_stream("aac", rate=rate if rate in _RATES else _RATES[-1], layout=layout)
