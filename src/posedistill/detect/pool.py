"""Pool: all pictures of packs, decoded once, on the device that trains."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posedistill.detect.pack import Picture, decode

_LEVELS = 3  # of a pyramid of halved sizes, so that what is pasted small does not flicker
_SOLID = 128  # a mask is the person from here on


class Pool:
    """Hold pictures and their cut-outs as (P, 4, side, side) uint8 and what is known of them.

    Each picture is in the top left, its last row and column repeated to fill the rest; the fourth
    plane is the mask of its one person, 255 without one.

    pictures: of one or several packs. side: pixels; larger pictures are made smaller. weights:
    how often a source's pictures are drawn against those of others, 1 where it is not named.
    Raises ValueError for a source that is not there, for a weight below 0, and for pictures without
    people or with weights that leave none.

    >>> Pool(load_pack(Path("people.npz")), side=320, device=torch.device("cuda"))  # doctest: +SKIP
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        *,
        side: int,
        device: torch.device,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        planes = np.empty((len(pictures), 4, side, side), np.uint8)
        with ThreadPoolExecutor() as threads:
            fill = partial(_decode_into, side=side)
            known = list(threads.map(fill, planes, pictures))
        self.levels = [torch.from_numpy(planes).to(device)]
        for _ in range(_LEVELS - 1):
            self.levels.append(_halved(self.levels[-1]))
        self.side, self.device = side, device
        self.sizes_wh = np.array([size for size, _ in known], np.float32)
        ratios = np.array([ratio for _, ratio in known], np.float32)
        self.boxes_xyxy = [
            picture.boxes_xyxy * ratio for picture, ratio in zip(pictures, ratios, strict=True)
        ]
        self.cut_boxes_xyxy = np.stack([_mask_box(row[3]) for row in planes])
        self.is_complete = np.array([picture.is_complete for picture in pictures])
        has_mask = np.array([bool(picture.mask) for picture in pictures])
        has_people = np.array([len(picture.boxes_xyxy) > 0 for picture in pictures])
        odds = _odds(pictures, weights or {})
        self.photos = _Choice(odds * has_people)
        if not self.photos.total > 0:
            raise ValueError(
                "there is nobody in these pictures; a pack with people, of a weight above 0, is "
                "needed"
            )
        self.cut_outs = _Choice(odds * has_mask)
        self.backgrounds = _Choice(odds * (~has_people & self.is_complete))


class _Choice:
    """Draw indices with given odds."""

    def __init__(self, odds: NDArray[np.float64]) -> None:
        self.total = float(odds.sum())
        self._ends = np.cumsum(odds)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int64]:
        found = np.searchsorted(self._ends, rng.random(shape) * self.total, side="right")
        return np.minimum(found, len(self._ends) - 1)


def _odds(pictures: Sequence[Picture], weights: Mapping[str, float]) -> NDArray[np.float64]:
    sources = {picture.source for picture in pictures}
    if not weights.keys() <= sources:
        raise ValueError(f"weights are of {sorted(weights)}; the sources are {sorted(sources)}")
    if not all(weight >= 0 for weight in weights.values()):
        raise ValueError(f"weights are {weights}; expected numbers of 0 or more")
    return np.array([weights.get(picture.source, 1.0) for picture in pictures])


def _decode_into(
    planes: NDArray[np.uint8], picture: Picture, *, side: int
) -> tuple[tuple[int, int], float]:
    """Fill the planes (4, side, side); give the picture's size in them and the factor to it."""
    image = decode(picture)
    ratio = min(1.0, side / max(image.shape[:2]))
    w, h = (max(1, round(length * ratio)) for length in image.shape[1::-1])
    if ratio < 1:
        resized = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA)
        image = resized.astype(np.uint8, copy=False)
    mask = np.full((h, w), 255, np.uint8)
    if picture.mask:
        stored = cv2.imdecode(np.frombuffer(picture.mask, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert stored is not None, "a pack holds masks that OpenCV wrote"
        mask = cv2.resize(stored, (w, h)).astype(np.uint8, copy=False)
    four = np.dstack([image, mask])
    filled = cv2.copyMakeBorder(four, 0, side - h, 0, side - w, cv2.BORDER_REPLICATE)
    planes[:] = filled.transpose(2, 0, 1)
    return (w, h), ratio


def _halved(planes: Tensor) -> Tensor:
    parts = [torch.nn.functional.avg_pool2d(part.float(), 2) for part in torch.split(planes, 256)]
    return torch.cat([part.round().to(torch.uint8) for part in parts])


def _mask_box(mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    rows = np.flatnonzero((mask >= _SOLID).any(axis=1))
    columns = np.flatnonzero((mask >= _SOLID).any(axis=0))
    if not len(rows):
        return np.zeros(4, np.float32)
    box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    return np.array(box, np.float32)
