"""Sizes from headers beside those that OpenCV decodes, and pictures too large to be decoded."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.image_header import image_size, is_whole_png, jpeg_scan, reducible_jpeg_size
from posedistill.media import MAX_PIXELS, read_image, read_reduced_image, read_stored_values

SIZE_WH = (97, 66)
SUFFIXES = (".jpg", ".png", ".webp", ".bmp", ".tiff", ".ppm", ".pgm", ".pbm", ".pam", ".jp2")
NEWER_SUFFIXES = (".gif", ".avif", ".hdr", ".pfm", ".ras")  # not in every build of OpenCV
SOS, EOI = b"\xff\xda\0\2", b"\xff\xd9"


def _noise(channels: int = 3) -> NDArray[np.uint8]:
    w, h = SIZE_WH
    shape = (h, w) if channels == 1 else (h, w, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _encode(suffix: str, flags: tuple[int, ...] = ()) -> bytes:
    image = _noise(1 if suffix in (".pgm", ".pbm") else 3)
    try:
        is_done, data = cv2.imencode(suffix, image, list(flags))
    except cv2.error:
        is_done = False
    if not is_done:
        pytest.skip(f"this OpenCV writes no {suffix}")
    return bytes(data.tobytes())


def _decoded_size(data: bytes) -> tuple[int, int]:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return image.shape[1], image.shape[0]


@pytest.mark.parametrize("suffix", SUFFIXES + NEWER_SUFFIXES)
def test_the_size_of_the_header_is_the_size_that_is_decoded(suffix: str) -> None:
    data = _encode(suffix)
    assert image_size(data) == _decoded_size(data) == SIZE_WH


@pytest.mark.parametrize(
    ("suffix", "flags"),
    [
        (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        (".jpg", (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 50)),
        (".ppm", (cv2.IMWRITE_PXM_BINARY, 0)),
    ],
    ids=["progressive", "restart markers", "lossy webp", "text"],
)
def test_variants_of_a_format_are_known(suffix: str, flags: tuple[int, ...]) -> None:
    data = _encode(suffix, flags)
    assert image_size(data) == _decoded_size(data) == SIZE_WH


def test_a_webp_with_transparency_is_known() -> None:
    _, encoded = cv2.imencode(".webp", _noise(4), [cv2.IMWRITE_WEBP_QUALITY, 50])
    data = bytes(encoded.tobytes())
    assert data[12:16] == b"VP8X"
    assert image_size(data) == _decoded_size(data) == SIZE_WH


def test_bytes_between_the_segments_of_a_jpeg_hide_nothing() -> None:
    jpeg = _encode(".jpg")
    data = jpeg[:2] + b"\xff\xff\xff\xd0junk\xff\0more" + jpeg[2:]
    assert image_size(data) == _decoded_size(data) == SIZE_WH
    assert reducible_jpeg_size(data) == SIZE_WH
    assert data[jpeg_scan(data) :][:2] == SOS[:2]


def test_a_codestream_without_boxes_is_known() -> None:
    data = _encode(".jp2")
    stream = data[data.index(b"\xff\x4f\xff\x51") :]
    assert image_size(stream) == _decoded_size(stream) == SIZE_WH


# Of text, a number may be cut.
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tiff", ".jp2", ".avif"])
def test_a_header_cut_anywhere_gives_the_size_or_none(suffix: str) -> None:
    data = _encode(suffix)
    cuts = range(min(len(data), 2000))
    assert {image_size(data[:cut]) for cut in cuts} <= {None, SIZE_WH}


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"text", b"RIFF\0\0\0\0WEBPABCD", bytes(40)])
def test_of_what_is_no_image_no_size_is_told(data: bytes) -> None:
    assert image_size(data) is None


def _chunk(kind: bytes, body: bytes) -> bytes:
    checked = kind + body
    return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))


def _png(w: int, h: int) -> bytes:
    rows = _chunk(b"IDAT", zlib.compress(bytes(1000)))
    header = struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + rows + _chunk(b"IEND", b"")


def test_a_chunk_that_claims_more_than_the_file_is_damage(tmp_path: Path) -> None:
    data = _png(20, 10)
    start = data.index(b"IDAT") - 4
    claims = data[:start] + struct.pack(">I", 2**31 - 1) + data[start + 4 :]  # OpenCV allocates it
    assert is_whole_png(data)
    assert not is_whole_png(claims)
    (tmp_path / "claims.png").write_bytes(claims)
    with pytest.raises(
        ValueError, match=r"claims\.png: the image is truncated after .* or damaged"
    ):
        read_image(tmp_path / "claims.png")


def _jpeg(w: int, h: int) -> bytes:
    frame = struct.pack(">HHBHHB", 0xFFC0, 11, 8, h, w, 1) + b"\1\x11\0"
    return b"\xff\xd8" + frame + SOS + EOI


def _bmp(w: int, h: int) -> bytes:
    return b"BM" + struct.pack("<IIIIiiHH", 0, 0, 54, 40, w, -h, 1, 24) + bytes(24)


def _old_bmp(w: int, h: int) -> bytes:
    return b"BM" + struct.pack("<IIIIHHHH", 0, 0, 26, 12, w, h, 1, 24)


def _webp(w: int, h: int) -> bytes:
    sides = (w - 1).to_bytes(3, "little") + (h - 1).to_bytes(3, "little")
    return b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + sides


def _tiff(order: str) -> Callable[[int, int], bytes]:
    def write(w: int, h: int) -> bytes:
        head = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, 8)
        tags = struct.pack(order + "HHII", 256, 4, 1, w) + struct.pack(
            order + "HHIHH", 257, 3, 1, h, 0
        )
        return head + struct.pack(order + "H", 2) + tags + bytes(4)

    return write


def _big_tiff(w: int, h: int) -> bytes:
    tags = struct.pack("<HHQQ", 256, 16, 1, w) + struct.pack("<HHQQ", 257, 4, 1, h)
    return b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 2) + tags + bytes(8)


def _ppm(w: int, h: int) -> bytes:
    return f"P6 # a remark\n{w}\t#another\n {h}\n255\n".encode() + bytes(30)


def _odd_ppm(w: int, h: int) -> bytes:
    return f"P6\n{w}x{h}\n255\n".encode() + bytes(30)


def _gif(w: int, h: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", w, h) + bytes(30)


def _jp2(w: int, h: int) -> bytes:
    stream = b"\xff\x4f\xff\x51" + struct.pack(">HHIIII", 47, 0, w, h, 0, 0)
    box = struct.pack(">I4sQ", 1, b"jp2c", 16 + len(stream)) + stream
    return b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\x14ftypjp2 " + bytes(8) + box


def _avif(w: int, h: int) -> bytes:
    small = b"\0\0\0\x14ispe\0\0\0\0" + struct.pack(">II", 8, 8)
    return b"\0\0\0\x20ftypavif" + bytes(20) + small + small[:12] + struct.pack(">II", w, h)


BOMBS: dict[str, Callable[[int, int], bytes]] = {
    "png": _png,
    "jpeg": _jpeg,
    "bmp": _bmp,
    "old bmp": _old_bmp,
    "webp": _webp,
    "tiff": _tiff("<"),
    "tiff, large bytes first": _tiff(">"),
    "bigtiff": _big_tiff,
    "ppm": _ppm,
    "ppm with an x": _odd_ppm,
    "gif": _gif,
    "jp2": _jp2,
    "avif": _avif,
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("read", [read_image, read_stored_values])
def test_a_bomb_is_refused_by_its_header(
    tmp_path: Path, name: str, read: Callable[[Path], object]
) -> None:
    (tmp_path / "bomb").write_bytes(BOMBS[name](50_000, 50_000))
    with pytest.raises(ValueError, match=r"bomb: its header says 50000x50000 pixels, more than"):
        read(tmp_path / "bomb")


def test_a_bomb_is_refused_reduced_too(tmp_path: Path) -> None:
    (tmp_path / "bomb.jpg").write_bytes(_jpeg(50_000, 50_000))
    with pytest.raises(ValueError, match="header says 50000x50000"):
        read_reduced_image(tmp_path / "bomb.jpg", factor=8)


def test_the_limit_is_half_a_gibibyte_of_rgb() -> None:
    assert MAX_PIXELS * 3 <= 2**29 < (MAX_PIXELS + 1) * 3


def test_the_limit_is_the_last_number_of_pixels_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(_encode(".png"))
    w, h = SIZE_WH
    assert read_image(tmp_path / "photo.png", max_pixels=w * h).shape == (h, w, 3)
    with pytest.raises(ValueError, match=rf"{w}x{h} pixels, more than the 6401 .*to 6402"):
        read_image(tmp_path / "photo.png", max_pixels=w * h - 1)


def test_beyond_the_limit_of_opencv_its_variable_is_named(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(_png(50_000, 50_000))
    with pytest.raises(ValueError, match="set OPENCV_IO_MAX_IMAGE_PIXELS in the environment"):
        read_image(tmp_path / "bomb.png", max_pixels=50_000**2)


def test_a_file_far_larger_than_any_image_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "video.jpg").open("wb") as file:
        file.truncate(2**26 + 2**20)  # a hole, no bytes on the disk
    with pytest.raises(ValueError, match=r"video\.jpg: 68157440 bytes are more than"):
        read_image(tmp_path / "video.jpg", max_pixels=1000)
