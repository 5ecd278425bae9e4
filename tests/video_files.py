"""Small videos whose frames show their number, with a tone or turned, as PyAV writes them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 48_000
FIXED = 1 << 16  # the unit of a display matrix
MATRICES = {  # of the picture, by how far players turn it clockwise: a, b, c, d
    0: (1, 0, 0, 1),
    90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    270: (0, -1, 1, 0),
}


def write_tone(
    path: Path, codec: str = "aac", *, seconds: float = 1.0, with_video: int = 0
) -> Path:
    """Write a file with a tone and, where with_video is not 0, as many grey pictures."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream(codec, rate=RATE, layout="stereo")
        assert isinstance(sound, av.AudioStream)
        if with_video:
            stream = container.add_stream("mpeg4", rate=30)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for index in range(with_video):
                grey = np.full((48, 64, 3), 4 * index, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
            container.mux(stream.encode(None))
        for start in range(0, int(seconds * RATE), 960):
            wave = 9000 * np.sin(2 * np.pi * 440 * np.arange(start, start + 960) / RATE)
            samples = np.repeat(wave.astype(np.int16), 2)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def turn(path: Path, degrees: int) -> None:
    """Say in an .mp4 file how far, clockwise, its pictures are to be turned when shown."""
    data = path.read_bytes()
    matrix_at = data.index(b"tkhd") + 4 + 4 + 20 + 16  # past version, times and id, and layer
    a, b, c, d = (FIXED * value for value in MATRICES[degrees])
    matrix = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(data[:matrix_at] + matrix + data[matrix_at + len(matrix) :])


def sound_of(path: Path) -> tuple[str, list[bytes], float]:
    """Give codec, packets and end (seconds) of the sound of a file."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        last = packets[-1]
        assert last.pts is not None
        end = float((last.pts + (last.duration or 0)) * last.time_base)
        return stream.codec_context.codec.canonical_name, [bytes(p) for p in packets], end


def noise(rng: np.random.Generator, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Give a picture that cannot be coded in a few bytes."""
    return rng.integers(0, 255, (size_wh[1], size_wh[0], 3), dtype=np.uint8)
