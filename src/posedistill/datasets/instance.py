"""Instance: one labelled person; PoseDataset: where instances and their images come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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
