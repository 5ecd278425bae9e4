"""Backgrounds: cuts of photos without people, or procedural where there are none."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.unlabelled import list_photos
from posedistill.media import read_image

_LEAST_SIDE = 64  # pixels of a photo that are blown up to a whole picture
_KEPT_BYTES = 2**28  # of photos that a process keeps in memory


class Backgrounds:
    """Give random pictures to put people in front of.

    folder: of photos without people, searched with its sub-folders, what begins with a dot left
    out; None for procedural ones. Raises what `list_photos` does for a folder without photos;
    drawing raises what `posedistill.media.read_image` does for a photo that cannot be read.

    >>> Backgrounds(None).draw(np.random.default_rng(0), size_wh=(6, 4)).shape
    (4, 6, 3)
    """

    def __init__(self, folder: Path | None) -> None:
        self.files = [] if folder is None else [*list_photos(folder).values()]

    def draw(self, rng: np.random.Generator, *, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
        """Draw a cut of a random photo, (H, W, 3) RGB, flipped and coloured at random."""
        if not self.files or rng.random() < 0.03:
            return _procedural(rng, size_wh)
        photo = _photo(self.files[int(rng.integers(len(self.files)))])
        return _recolored(rng, _cut(rng, photo, size_wh=size_wh))

    def patch(self, rng: np.random.Generator, *, side: int) -> NDArray[np.uint8]:
        """Draw a square cut for prints and for things in front, (side, side, 3) RGB."""
        return self.draw(rng, size_wh=(side, side))


def _photo(file: Path) -> NDArray[np.uint8]:
    """Read a photo, or take it from those that were read last."""
    kept = _kept()
    photo = kept.pop(file, None)
    if photo is None:
        photo = read_image(file)
    kept[file] = photo
    num_bytes = sum(other.nbytes for other in kept.values())
    while num_bytes > _KEPT_BYTES:
        num_bytes -= kept.pop(next(iter(kept))).nbytes
    return photo


@lru_cache(maxsize=1)
def _kept() -> dict[Path, NDArray[np.uint8]]:
    """Give the photos that this process keeps, the one that was wanted last at the end."""
    return {}


def _cut(
    rng: np.random.Generator, photo: NDArray[np.uint8], *, size_wh: tuple[int, int]
) -> NDArray[np.uint8]:
    height, width = photo.shape[:2]
    whole = min(width / size_wh[0], height / size_wh[1])
    least = min(_LEAST_SIDE / min(size_wh), whole)
    scale = rng.uniform(max(least, 0.4 * whole), whole)
    cut_w, cut_h = max(int(size_wh[0] * scale), 1), max(int(size_wh[1] * scale), 1)
    left = int(rng.integers(width - cut_w + 1))
    top = int(rng.integers(height - cut_h + 1))
    cut = photo[top : top + cut_h, left : left + cut_w]
    if rng.random() < 0.5:
        cut = cut[:, ::-1]
    way = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(cut), size_wh, interpolation=way), np.uint8)


def _recolored(rng: np.random.Generator, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    gain = rng.normal(1, 0.06, 3) * rng.uniform(0.7, 1.25)
    return np.clip(picture * gain + rng.normal(0, 8), 0, 255).astype(np.uint8)


def _procedural(rng: np.random.Generator, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw a gradient with soft noise, boxes and a floor."""
    width, height = size_wh
    colors = rng.uniform(30, 225, (4, 1)) + rng.normal(0, 25, (4, 3))
    x, y = np.linspace(0, 1, width)[None, :, None], np.linspace(0, 1, height)[:, None, None]
    picture = colors[0] * (1 - x) * (1 - y) + colors[1] * x * (1 - y) + colors[2] * y
    floor = rng.uniform(0.5, 1.2)
    picture = np.where(y > floor, colors[3], picture)
    for _ in range(int(rng.integers(0, 6))):
        left, right = np.sort(rng.integers(0, width, 2))
        top, bottom = np.sort(rng.integers(0, height, 2))
        picture[top:bottom, left:right] = rng.uniform(0, 255, 3)
    for cells in (4, 16, 64):
        noise = rng.normal(0, 9, (cells, cells, 3)).astype(np.float32)
        picture = picture + cv2.resize(noise, size_wh, interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(picture, 0, 255), np.uint8)
