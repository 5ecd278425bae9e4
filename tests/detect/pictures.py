"""Pictures whose people are known exactly, green on grey, and layers whose output is."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from posedistill.detect.pack import Picture

SIDE = 64
GREEN = (0, 255, 0)


def _encode(image: NDArray[np.uint8], suffix: str) -> bytes:
    done, data = cv2.imencode(suffix, image)
    assert done
    return bytes(data.tobytes())


def green_person(*, width: int = 16, height: int = 32, has_mask: bool = False) -> Picture:
    """Give a picture of one person: a rectangle in the middle."""
    image = np.full((SIDE, SIDE, 3), 40, np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    x, y = (SIDE - width) // 2, (SIDE - height) // 2
    image[y : y + height, x : x + width] = GREEN
    mask[y : y + height, x : x + width] = 255
    box = np.array([[x, y, x + width, y + height]], np.float32)
    encoded = _encode(image, ".png")
    return Picture(encoded, box, "green", False, _encode(mask, ".png") if has_mask else b"")


def empty_picture() -> Picture:
    """Give a picture with nobody in it."""
    image = np.full((SIDE, SIDE, 3), 60, np.uint8)
    return Picture(_encode(image, ".png"), np.zeros((0, 4), np.float32), "backgrounds", True)


def set_layer(layer: torch.nn.Module, *, std: float = 0.0, bias: float = 0.0) -> None:
    """Fill a convolution with weights of that spread and one bias."""
    assert isinstance(layer, torch.nn.Conv2d)
    assert layer.bias is not None
    torch.nn.init.normal_(layer.weight, std=std)
    torch.nn.init.constant_(layer.bias, bias)
