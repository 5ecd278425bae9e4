"""Media: images and folders in, images out."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np
from numpy.typing import NDArray

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2")
_JPEG_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive
_REDUCED_FLAGS = {
    1: cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_SIGNATURES = {
    b"\xff\xd8": "a JPEG image",
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF file",
    b"PK\x03\x04": "a ZIP archive",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself",
}
_BRANDS = {
    b"heic": "a HEIC photo",
    b"heix": "a HEIC photo",
    b"mif1": "a HEIC photo",
    b"avif": "AVIF",
}


def read_image(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read an image file as RGB, turned upright as its EXIF orientation says.

    Gives (H, W, 3) uint8. Grey becomes three equal channels, alpha is dropped and 16 bits are
    scaled to 8. Raises FileNotFoundError when there is no such file, and ValueError when it is
    empty, truncated or no image.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/red.png", np.full((2, 3, 3), (255, 0, 0), np.uint8))
    ...     read_image(f"{folder}/red.png")[0, 0].tolist()
    [255, 0, 0]
    """
    return _decode(_read_bytes(Path(path)), Path(path))


def read_reduced_image(
    path: str | os.PathLike[str], *, factor: int
) -> tuple[NDArray[np.uint8], int]:
    """Read an image as `read_image`, a JPEG at 1 / factor of its size, which is faster.

    factor: 1, 2, 4 or 8. Gives the image and the factor it has been reduced by, which is smaller
    for other formats, and for a photo with EXIF data whose sides are no multiples of it. Pixel x of
    it covers pixels factor * x to factor * x + factor - 1 of the whole, so that (x - (factor - 1)
    / 2) / factor is where x of the whole lies; sides are rounded up.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/red.jpg", np.full((18, 33, 3), (255, 0, 0), np.uint8))
    ...     image, factor = read_reduced_image(f"{folder}/red.jpg", factor=4)
    >>> image.shape, factor
    ((5, 9, 3), 4)
    """
    if factor not in _REDUCED_FLAGS:
        raise ValueError(
            f"factor is {factor}; expected one of {', '.join(map(str, _REDUCED_FLAGS))}"
        )
    data = _read_bytes(Path(path))
    factor = _usable_factor(data, factor)
    return _decode(data, Path(path), factor=factor), factor


def _usable_factor(data: bytes, factor: int) -> int:
    header = data[: _jpeg_scan(data)] if data.startswith(b"\xff\xd8\xff") else b""
    sides_hw = _jpeg_sides_hw(header)
    if sides_hw is None:
        return 1
    if b"Exif\0\0" in header:  # turned after it is reduced: rounded sides would shift it
        while any(side % factor for side in sides_hw):
            factor //= 2
    return factor


def _decode(data: bytes, path: Path, *, factor: int = 1) -> NDArray[np.uint8]:
    if _is_truncated(data):
        raise ValueError(f"{path}: the image is truncated after {len(data)} bytes; fetch it again")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED_FLAGS[factor])
    except cv2.error as error:
        raise ValueError(f"{path}: OpenCV cannot decode it: {error}".strip()) from error
    if image is None:
        raise ValueError(f"{path}: cannot be read as an image; it looks like {_looks_like(data)}")
    return np.asarray(cv2.cvtColor(_to_8_bit(image, path), cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected an image file")
    if not path.exists():
        raise FileNotFoundError(f"no such image: {path}")
    data = path.read_bytes()
    if not data:
        raise ValueError(f"{path}: the file is empty; expected an image")
    return data


def _is_truncated(data: bytes) -> bool:
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-4096:] and b"IEND" not in data
    # OpenCV 4 fills the missing rest of a JPEG with grey and says nothing to the caller.
    return data.startswith(b"\xff\xd8\xff") and data.find(b"\xff\xd9", _jpeg_scan(data)) < 0


def _jpeg_scan(data: bytes) -> int:
    """Give where the first scan starts, past an EXIF thumbnail with an end marker of its own."""
    *_, (_, position) = _jpeg_segments(data)
    return position


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Give marker and position of each segment up to the first scan; 0 and where it breaks off."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        yield marker, position
        if marker == 0xDA:
            return
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    yield 0, position


def _jpeg_sides_hw(data: bytes) -> tuple[int, int] | None:
    """Give the height and width that the frame header of a JPEG names; None without one."""
    for marker, position in _jpeg_segments(data):
        if marker in _JPEG_FRAMES and len(data) >= position + 9:
            h, w = (data[position + start : position + start + 2] for start in (5, 7))
            return int.from_bytes(h, "big"), int.from_bytes(w, "big")
    return None


def _looks_like(data: bytes) -> str:
    for signature, name in _SIGNATURES.items():
        if data.startswith(signature):
            return f"{name}, damaged or of a kind OpenCV does not know" if "image" in name else name
    if data[4:8] == b"ftyp":
        name = _BRANDS.get(data[8:12], "a video")
        return f"{name}; convert it to JPEG or PNG"
    try:
        text = data[:1024].decode("utf-8", errors="strict" if len(data) <= 1024 else "ignore")
    except UnicodeDecodeError:
        return "binary data of an unknown or damaged format"
    printable = sum(character.isprintable() or character.isspace() for character in text)
    is_text = printable == len(text) and len(text) > len(data[:1024]) // 4
    return f"text ({text[:30]!r})" if is_text else "binary data of an unknown or damaged format"


def _to_8_bit(image: NDArray[np.generic], path: Path) -> NDArray[np.uint8]:
    if image.dtype == np.uint16:
        scaled = (image.astype(np.uint32) + 128) // 257
        return scaled.astype(np.uint8)
    if image.dtype != np.uint8:
        raise ValueError(f"{path}: pixels are {image.dtype}; expected 8 or 16 bits a channel")
    return np.asarray(image, dtype=np.uint8)


def write_image(path: str | os.PathLike[str], image_rgb: NDArray[np.uint8]) -> None:
    """Write an RGB image; the suffix says the format; the file appears whole or not at all.

    image_rgb: (H, W, 3) uint8. Raises ValueError for another shape or an unknown suffix.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/black.png", np.zeros((4, 5, 3), np.uint8))
    ...     [file.name for file in Path(folder).iterdir()]
    ['black.png']
    """
    path = Path(path)
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise ValueError(
            f"{path}: unknown image suffix {path.suffix!r}; use one of {', '.join(IMAGE_SUFFIXES)}"
        )
    check_image(image_rgb)
    _, data = cv2.imencode(path.suffix, cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))
    write_whole(path, data.tobytes())


def check_image(image_rgb: NDArray[np.uint8]) -> None:
    """Raise ValueError unless the image is (H, W, 3) uint8 with at least one pixel.

    >>> check_image(np.zeros((4, 5, 3), np.uint8))
    """
    shape, dtype = np.shape(image_rgb), getattr(image_rgb, "dtype", type(image_rgb).__name__)
    if len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
        raise ValueError(
            f"image has shape {shape} and type {dtype}; expected (H, W, 3) uint8 RGB, "
            "as posedistill.media.read_image gives"
        )


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that it appears whole or not at all, also when interrupted.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_whole(f"{folder}/note.txt", b"whole")
    ...     Path(folder, "note.txt").read_text()
    'whole'
    """
    path = Path(path)
    partial = path.with_name(f".{uuid4().hex}.part")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def list_images(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Give the image files that files and folders stand for, each once, in order.

    A file is taken whatever its suffix; of a folder, the images directly in it, sorted by name.
    Raises FileNotFoundError for a missing path and ValueError for a folder without images.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/b.png", np.zeros((4, 5, 3), np.uint8))
    ...     [file.name for file in list_images([folder])]
    ['b.png']
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        found |= dict.fromkeys(_images_of_folder(path) if path.is_dir() else [_existing(path)])
    return list(found)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(f"no such file or folder: {path}")
    return path


def _images_of_folder(folder: Path) -> list[Path]:
    images = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    )
    if not images:
        raise ValueError(f"no images in {folder}; looked for {', '.join(IMAGE_SUFFIXES)}")
    return images
