"""Media: images and folders in, images out."""

import os
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np
from numpy.typing import NDArray

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2")
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
    path = Path(path)
    data = _read_bytes(path)
    if _is_truncated(data):
        raise ValueError(f"{path}: the image is truncated after {len(data)} bytes; fetch it again")
    try:
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
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
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        if data[position + 1] == 0xDA:
            return position
        if data[position + 1] == 0xFF:
            position += 1
            continue
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return position


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
