"""Frame: one picture of a video, and when it is shown."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Frame:
    """Hold one picture of a video.

    Attributes:
        index: how many frames came before it.
        time_s: when it is shown, seconds from the start of the video; grows from frame to frame.
        image_rgb: (H, W, 3) uint8, upright.

    >>> Frame(0, 0.0, np.zeros((4, 6, 3), np.uint8)).image_rgb.shape
    (4, 6, 3)
    """

    index: int
    time_s: float
    image_rgb: NDArray[np.uint8]
