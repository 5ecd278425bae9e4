"""A person in a picture as the renderer describes them, put together by hand."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class SeenPerson:
    """Be a person who is seen from head to foot in a picture of 100 x 100 pixels."""

    visible: NDArray[np.float32] = field(default_factory=lambda: np.full(133, 2, np.float32))
    box_xyxy: NDArray[np.float32] = field(
        default_factory=lambda: np.array([10, 10, 50, 90], np.float32)
    )
    keypoints: NDArray[np.float32] = field(default_factory=lambda: np.zeros((133, 2), np.float32))
    mask: NDArray[np.bool_] = field(default_factory=lambda: np.ones((100, 100), np.bool_))
