"""Letterbox: images of any size in the one size that a detector takes, their aspect kept."""

import cv2
import numpy as np
from numpy.typing import NDArray

_PAD = 114  # grey


def letterbox(image_rgb: NDArray[np.uint8], planes: NDArray[np.uint8 | np.float32]) -> float:
    """Write an image into the top left of planes, resized to fit, and grey into the rest.

    image_rgb: (H, W, 3) uint8. planes: (3, h, w), red, green and blue, of the type that the
    network takes; a reversed view of them gives the order blue, green, red. Gives the factor from
    pixels of the image to those of the planes.

    >>> planes = np.empty((3, 80, 80), np.uint8)
    >>> letterbox(np.zeros((20, 40, 3), np.uint8), planes)
    2.0
    >>> planes[0, [39, 40], 0].tolist()
    [0, 114]
    """
    (h, w), (image_h, image_w) = planes.shape[1:], image_rgb.shape[:2]
    ratio = float(min(w / image_w, h / image_h))
    # A strip may be so thin that nothing would be left of it.
    new_w, new_h = max(int(image_w * ratio), 1), max(int(image_h * ratio), 1)
    resized = cv2.resize(image_rgb, (new_w, new_h), interpolation=cv2.INTER_LINEAR)
    for plane, values in zip(planes, cv2.split(resized), strict=True):
        plane[:new_h, :new_w] = values
    planes[:, new_h:] = _PAD
    planes[:, :new_h, new_w:] = _PAD
    return ratio
