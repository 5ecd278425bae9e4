"""Instance: one labelled person; PoseDataset: where instances and their images come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from posedistill.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class Instance:
    """Hold one labelled person.

    Attributes:
        image_id, annotation_id: as in the annotation file.
        box_xyxy: (4,) pixels. keypoints: (K, 2) pixels.
        visible: (K,) 1 where a keypoint is labelled (seen or hidden), 0 where it is unknown.
        area: pixels squared, for OKS.
    """

    image_id: int
    annotation_id: int
    box_xyxy: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    visible: NDArray[np.float32]
    area: float


class PoseDataset(Protocol):
    """Give instances, and the image of each."""

    @property
    def skeleton(self) -> Skeleton:
        """Give the skeleton of all instances."""

    @property
    def instances(self) -> Sequence[Instance]:
        """Give all labelled persons, in a fixed order."""

    def image(self, image_id: int) -> NDArray[np.uint8]:
        """Give an image, (H, W, 3) RGB uint8."""


@runtime_checkable
class ReducedImages(Protocol):
    """Give images at a part of their size as well; what a data set may do to read faster."""

    def reduced_image(self, image_id: int, factor: int) -> tuple[NDArray[np.uint8], int]:
        """Give an image as `posedistill.media.read_reduced_image` does."""


def read_reduced(data: PoseDataset, image_id: int, *, factor: int) -> tuple[NDArray[np.uint8], int]:
    """Give an image at 1 / factor of its size where the data set can, and the factor it took.

    factor: 1, 2, 4 or 8. Gives (H, W, 3) RGB uint8 and a factor from 1 to this one; each pixel
    covers so many pixels in both directions, from the upper left corner on.

    >>> from posedistill.datasets.drawn import DrawnPeople
    >>> people = DrawnPeople(1, size=64)
    >>> image, factor = read_reduced(people, people.instances[0].image_id, factor=2)
    >>> image.shape, factor
    ((64, 64, 3), 1)
    """
    if factor > 1 and isinstance(data, ReducedImages):
        return data.reduced_image(image_id, factor)
    return data.image(image_id), 1
