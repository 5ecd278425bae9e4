"""Media: images and folders in, images out.

Pictures of more than `MAX_PIXELS` pixels are refused by their headers, before anything is allocated
for them. Where `posedistill.image_header` cannot tell a size (JPEG XL, OpenEXR, broken headers),
OpenCV's own limit holds: 2**30 pixels, or the environment variable OPENCV_IO_MAX_IMAGE_PIXELS.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.image_header import image_size, is_whole_png, jpeg_scan, reducible_jpeg_size

MAX_PIXELS = 2**29 // 3  # half a GiB as RGB
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2")
_BYTES_PER_PIXEL = 16  # the most that an uncompressed file has
_HEADER_ROOM = 1 << 26  # bytes; of metadata, tables and thumbnails
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


def read_image(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Read an image file as RGB, turned upright as its EXIF orientation says.

    max_pixels: larger pictures are refused, by their headers. Gives (H, W, 3) uint8. Grey becomes
    three equal channels, alpha is dropped and 16 bits are scaled to 8. Raises FileNotFoundError
    when there is no such file, and ValueError when it is too large, empty, truncated or no image.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/red.png", np.full((2, 3, 3), (255, 0, 0), np.uint8))
    ...     read_image(f"{folder}/red.png")[0, 0].tolist()
    [255, 0, 0]
    """
    data = _read_bytes(Path(path), max_pixels)
    return _to_rgb(_decode(data, Path(path), flags=_REDUCED_FLAGS[1]), Path(path))


def decode_image(data: bytes, name: str = "the image") -> NDArray[np.uint8]:
    """Give the image that the bytes of a file hold, as `read_image` does.

    name: what messages call it. Nothing limits its size: see `posedistill.image_header.image_size`.
    Raises ValueError when it is empty, truncated or no image.

    >>> decode_image(b"P6 1 1 255 " + bytes([255, 0, 0])).tolist()
    [[[255, 0, 0]]]
    """
    _check_whole(data, Path(name))
    return _to_rgb(_decode(data, Path(name), flags=_REDUCED_FLAGS[1]), Path(name))


def read_reduced_image(
    path: str | os.PathLike[str], *, factor: int, max_pixels: int = MAX_PIXELS
) -> tuple[NDArray[np.uint8], int]:
    """Read an image as `read_image`, a JPEG at 1 / factor of its size, which is faster.

    factor: 1, 2, 4 or 8. max_pixels: of the whole picture. Gives the image and the factor it has
    been reduced by, which is smaller for other formats, and for a photo with EXIF data whose sides
    are no multiples of it. Pixel x of it covers pixels factor * x to factor * x + factor - 1 of
    the whole, so that (x - (factor - 1) / 2) / factor is where x of the whole lies; sides are
    rounded up.

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
    data = _read_bytes(Path(path), max_pixels)
    factor = _usable_factor(data, factor)
    return _to_rgb(_decode(data, Path(path), flags=_REDUCED_FLAGS[factor]), Path(path)), factor


def read_stored_values(
    path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS
) -> NDArray[np.generic]:
    """Read an image file with its values as they are stored: channels, bits, not turned.

    Gives (H, W), or (H, W, 3) or (H, W, 4) in the order blue, green, red, alpha; palettes become
    colours. Raises as `read_image` does.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = f"{folder}/deep.png"
    ...     _ = cv2.imwrite(file, np.full((2, 3), 500, np.uint16))
    ...     read_stored_values(file).tolist()
    [[500, 500, 500], [500, 500, 500]]
    """
    data = _read_bytes(Path(path), max_pixels)
    return _decode(data, Path(path), flags=cv2.IMREAD_UNCHANGED)


def _usable_factor(data: bytes, factor: int) -> int:
    sides = reducible_jpeg_size(data)
    if sides is None:
        return 1
    if b"Exif\0\0" in data[: jpeg_scan(data)]:  # turned once reduced: rounded sides would shift it
        while any(side % factor for side in sides):
            factor //= 2
    return factor


def _decode(data: bytes, path: Path, *, flags: int) -> NDArray[np.generic]:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        if "CV_IO_MAX_IMAGE" in str(error):
            raise ValueError(
                f"{path}: larger than OpenCV reads by itself; to read it nevertheless, set "
                "OPENCV_IO_MAX_IMAGE_PIXELS in the environment to its number of pixels"
            ) from error
        raise ValueError(f"{path}: OpenCV cannot decode it: {error}".strip()) from error
    if image is None:
        raise ValueError(f"{path}: cannot be read as an image; it looks like {looks_like(data)}")
    return np.asarray(image)


def _read_bytes(path: Path, max_pixels: int) -> bytes:
    """Give the contents of a file that may be an image, whole and not too large."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected an image file")
    if not path.exists():
        raise FileNotFoundError(f"no such image: {path}")
    num_bytes = path.stat().st_size
    if num_bytes > _BYTES_PER_PIXEL * max_pixels + _HEADER_ROOM:
        raise ValueError(
            f"{path}: {num_bytes} bytes are more than any image of {max_pixels} pixels has"
        )
    data = path.read_bytes()
    w, h = image_size(data) or (0, 0)
    if w * h > max_pixels:
        raise ValueError(
            f"{path}: its header says {w}x{h} pixels, more than the {max_pixels} that are read; "
            f"if you trust the file, raise max_pixels (--max-pixels) to {w * h}"
        )
    _check_whole(data, path)
    return data


def _check_whole(data: bytes, path: Path) -> None:
    if not data:
        raise ValueError(f"{path}: the file is empty; expected an image")
    if _is_truncated(data):
        raise ValueError(
            f"{path}: the image is truncated after {len(data)} bytes or damaged; fetch it again"
        )


def _is_truncated(data: bytes) -> bool:
    if data.startswith(b"\x89PNG"):
        return not is_whole_png(data)
    # OpenCV 4 fills the missing rest of a JPEG with grey and says nothing to the caller.
    return data.startswith(b"\xff\xd8\xff") and data.find(b"\xff\xd9", jpeg_scan(data)) < 0


def looks_like(data: bytes) -> str:
    """Say in words what the bytes of a file seem to be.

    >>> looks_like(b"%PDF-1.7")
    'a PDF file'
    """
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


def _to_rgb(image: NDArray[np.generic], path: Path) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(_to_8_bit(image, path), cv2.COLOR_BGR2RGB), dtype=np.uint8)


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
    is_done, data = cv2.imencode(path.suffix, cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))
    if not is_done:
        h, w = image_rgb.shape[:2]
        raise ValueError(f"{path}: OpenCV cannot write {w}x{h} pixels as {path.suffix}; use .png")
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
    with _replacing(Path(path)) as partial:
        partial.write_bytes(data)


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path to write to; the file takes its own name when the block ends well.

    Raises FileNotFoundError where the folder is missing and ValueError where the path is a folder.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with whole_file(f"{folder}/note.txt") as partial:
    ...         _ = partial.write_text("whole")
    ...     Path(folder, "note.txt").read_text()
    'whole'
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected a name for the file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {path.parent}")
    with _replacing(path) as partial:
        yield partial


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    partial = path.with_name(f".{uuid4().hex}.part")
    try:
        yield partial
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
