"""Headers of image files: how large a picture is and whether it is whole, before it is decoded.

All formats that wheels of OpenCV read are known but JPEG XL and OpenEXR.
"""

import re
import struct
from collections.abc import Callable, Iterator

Size = tuple[int, int]
_SCAN = 0xDA  # the JPEG marker before the first coded pixels
_REDUCIBLE_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # those are tables, and reserved
_LONE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})  # without a length
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257  # tags
_TIFF_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # by type of field
_GAP = rb"(?:\s|#[^\n]*\n)*"  # between the words of a PNM header
# OpenCV takes any byte for the end of a number.
_PNM = re.compile(
    rb"P[1-6Ff]\s" + _GAP + rb"(\d{1,20})(?:[^\d#]|#[^\n]*\n)" + _GAP + rb"(\d{1,20})"
)
_PAM = (re.compile(rb"WIDTH\s+(\d{1,20})"), re.compile(rb"HEIGHT\s+(\d{1,20})"))
_RADIANCE = re.compile(rb"[-+]Y\s+(\d{1,20})\s+[-+]X\s+(\d{1,20})")


def image_size(data: bytes) -> Size | None:
    """Give the (width, height) that the header of an image names, before it is turned by EXIF.

    data: the file, or enough of it. Gives None where the format is unknown or the header broken.

    >>> image_size(b"P6 640 480 255 ")
    (640, 480)
    """
    is_avif = data[4:8] == b"ftyp"
    known = (read for signatures, read in _READERS if data.startswith(signatures))
    read = _avif if is_avif else next(known, None)
    try:
        return read(data) if read else None
    except struct.error:  # it ends within the header
        return None


def reducible_jpeg_size(data: bytes) -> Size | None:
    """Give the (width, height) of a JPEG that OpenCV can decode at a fraction of it; else None.

    >>> reducible_jpeg_size(b"P6 640 480 255 ")
    """
    return _jpeg(data, frames=_REDUCIBLE_FRAMES) if data.startswith(b"\xff\xd8\xff") else None


def jpeg_scan(data: bytes) -> int:
    """Give where the first scan of a JPEG starts, past an EXIF thumbnail with scans of its own.

    >>> jpeg_scan(bytes.fromhex("ffd8 ffe00004aabb ffda"))
    8
    """
    *_, (_, position) = _jpeg_segments(data)
    return position


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Give marker and position of each segment up to the first scan; 0 and where it breaks off.

    As libjpeg does, bytes that belong to no segment are passed over.
    """
    position = data.find(b"\xff", 2)
    while 0 <= position < len(data) - 1:
        marker = data[position + 1]
        if marker in (0x00, 0xFF) or marker in _LONE_MARKERS:
            position = data.find(b"\xff", position + 1 + (marker != 0xFF))
            continue
        yield marker, position
        if marker == _SCAN or position + 4 > len(data):
            return
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        position = data.find(b"\xff", position + 2 + length)
    yield 0, len(data)


def _jpeg(data: bytes, *, frames: frozenset[int] = _FRAMES) -> Size | None:
    for marker, position in _jpeg_segments(data):
        if marker in frames:
            h, w = struct.unpack_from(">HH", data, position + 5)
            return w, h
    return None


def _png(data: bytes) -> Size | None:
    start = data.find(b"IHDR", 0, 64)  # pictures of iPhones have another chunk before it
    if start < 0:
        return None
    w, h = struct.unpack_from(">II", data, start + 4)
    return w, h


def is_whole_png(data: bytes) -> bool:
    """Tell whether the chunks of a PNG lead to its end, each within the file.

    OpenCV allocates what a chunk claims to have, up to 4 GiB, before it looks.

    >>> is_whole_png(bytes.fromhex("89504e470d0a1a0a 00000000 49454e44 ae426082"))
    True
    """
    position = 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        if kind == b"IEND":
            return bool(position <= len(data))
    return False


def _bmp(data: bytes) -> Size:
    (header_size,) = struct.unpack_from("<I", data, 14)
    w, h = struct.unpack_from("<HH" if header_size == 12 else "<ii", data, 18)
    return abs(w), abs(h)  # a negative height says that the first row is the top one


def _gif(data: bytes) -> Size:
    w, h = struct.unpack_from("<HH", data, 6)
    return w, h


def _webp(data: bytes) -> Size | None:
    kind = data[12:16]
    if kind == b"VP8X":  # 24 bits each, less one
        low_w, high_w, low_h, high_h = struct.unpack_from("<HBHB", data, 24)
        return low_w + (high_w << 16) + 1, low_h + (high_h << 16) + 1
    if kind == b"VP8L":  # 14 bits each, less one
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":  # 14 bits each, under 2 bits of scale
        w, h = struct.unpack_from("<HH", data, 26)
        return w & 0x3FFF, h & 0x3FFF
    return None


def _tiff(data: bytes) -> Size | None:
    """Read the first directory of a TIFF or BigTIFF file."""
    order = "<" if data.startswith(b"I") else ">"
    is_big = b"+" in data[2:4]
    word, count_word, step = ("Q", "Q", 20) if is_big else ("I", "H", 12)
    (start,) = struct.unpack_from(order + word, data, 8 if is_big else 4)
    (count,) = struct.unpack_from(order + count_word, data, start)
    first = start + struct.calcsize(order + count_word)
    sides = {_TIFF_WIDTH: 0, _TIFF_HEIGHT: 0}
    for position in range(first, min(first + count * step, len(data)), step):
        tag, kind = struct.unpack_from(order + "HH", data, position)
        if tag in sides and kind in _TIFF_INTEGERS:
            place = position + step - struct.calcsize(word)
            (value,) = struct.unpack_from(order + _TIFF_INTEGERS[kind], data, place)
            sides[tag] = max(sides[tag], value)
    w, h = sides.values()
    return (w, h) if w and h else None


def _pnm(data: bytes) -> Size | None:
    found = _PNM.match(data)
    return (int(found.group(1)), int(found.group(2))) if found else None


def _pam(data: bytes) -> Size | None:
    end = data.find(b"ENDHDR")
    w, h = (word.search(data, 0, max(end, 0)) for word in _PAM)
    return (int(w.group(1)), int(h.group(1))) if w and h else None


def _jpeg_2000(data: bytes) -> Size | None:
    """Read the codestream of a JP2 file, which is what is decoded, whatever the boxes say."""
    position, length = 0, 1
    while length:
        length, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        if kind == b"jp2c":
            return _codestream(data, start)
        position += max(length, 8)
    return None


def _codestream(data: bytes, start: int = 0) -> Size:
    right, bottom, left, top = struct.unpack_from(">IIII", data, start + 8)
    return max(right - left, 0), max(bottom - top, 0)


def _avif(data: bytes) -> Size | None:
    """Read the largest of the sizes that the parts of a file (thumbnail, alpha) have."""
    sizes = [struct.unpack_from(">II", data, box.end() + 4) for box in re.finditer(b"ispe", data)]
    return max(((w, h) for w, h in sizes), key=lambda size: size[0] * size[1], default=None)


def _radiance(data: bytes) -> Size | None:
    found = _RADIANCE.search(data)
    return (int(found.group(2)), int(found.group(1))) if found else None


def _sun_raster(data: bytes) -> Size:
    w, h = struct.unpack_from(">II", data, 4)
    return w, h


_READERS: tuple[tuple[bytes | tuple[bytes, ...], Callable[[bytes], Size | None]], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"BM", _bmp),
    (b"GIF8", _gif),
    (b"RIFF", _webp),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _tiff),
    (b"P7", _pam),
    (b"P", _pnm),
    (b"\0\0\0\x0cjP  ", _jpeg_2000),
    (b"\xff\x4f\xff\x51", _codestream),
    (b"#?RA", _radiance),
    (b"\x59\xa6\x6a\x95", _sun_raster),
)
