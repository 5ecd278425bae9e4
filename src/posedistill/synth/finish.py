"""What a camera and a file do to a picture: blur, noise, tone, scaling, JPEG."""

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def finish(rng: np.random.Generator, image_rgb: Picture) -> Picture:
    """Spoil a clean picture as cameras and files do, most times a little.

    image_rgb: (H, W, 3) uint8; gives the same shape. Nothing moves, so keypoints stay right.

    >>> finish(np.random.default_rng(0), np.zeros((8, 8, 3), np.uint8)).shape
    (8, 8, 3)
    """
    image = image_rgb
    if rng.random() < 0.35:
        image = _blurred(rng, image)
    if rng.random() < 0.15:
        image = _coarse(rng, image)
    image = _toned(rng, image)
    if rng.random() < 0.6:
        image = _noisy(rng, image)
    if rng.random() < 0.12:
        image = _grey(image)
    if rng.random() < 0.7:
        image = _packed(rng, image)
    return np.ascontiguousarray(image, np.uint8)


def _grey(image: Picture) -> Picture:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)


def _blurred(rng: np.random.Generator, image: Picture) -> Picture:
    size = max(image.shape[:2])
    if rng.random() < 0.7:
        sigma = rng.uniform(0.3, max(0.006 * size, 0.4))
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
    length = int(rng.integers(2, max(3, size // 36)))
    kernel = np.zeros((2 * length + 1, 2 * length + 1), np.float32)
    angle = rng.uniform(0, np.pi)
    for place in np.linspace(-length / 2, length / 2, 4 * length):
        row, column = length + place * np.sin(angle), length + place * np.cos(angle)
        kernel[round(row), round(column)] += 1
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def _coarse(rng: np.random.Generator, image: Picture) -> Picture:
    """Scale down and up again."""
    height, width = image.shape[:2]
    factor = rng.uniform(0.35, 0.85)
    small_wh = (max(int(width * factor), 1), max(int(height * factor), 1))
    small = cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _toned(rng: np.random.Generator, image: Picture) -> Picture:
    """Change gamma, contrast and white balance, and darken the corners at times."""
    levels = np.linspace(0, 1, 256)
    gamma, contrast = np.exp(rng.normal(0, 0.16)), np.exp(rng.normal(0.02, 0.14))
    curve = (levels**gamma - 0.45) * contrast + 0.45 + rng.normal(0, 0.02)
    balance = np.exp(rng.normal(0, 0.045, 3))
    tables = np.clip(curve[:, None] * balance * 255, 0, 255).astype(np.uint8)
    toned = np.asarray(cv2.LUT(image, tables[None]), np.uint8)
    if rng.random() > 0.15:
        return toned
    height, width = image.shape[:2]
    x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    shade = 1 - rng.uniform(0.1, 0.4) * (x**2 + y**2) / 2
    return (toned * shade[:, :, None]).astype(np.uint8)


def _noisy(rng: np.random.Generator, image: Picture) -> Picture:
    height, width = image.shape[:2]
    sigma = rng.uniform(0.5, 9)
    channels = 1 if rng.random() < 0.4 else 3
    noise = rng.standard_normal((height, width, channels), np.float32) * np.float32(sigma)
    if rng.random() < 0.3:
        noise = cv2.GaussianBlur(noise, (0, 0), 0.8).reshape(height, width, channels) * 1.8
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _packed(rng: np.random.Generator, image: Picture) -> Picture:
    """Pack as JPEG and unpack."""
    quality = int(rng.uniform(35, 96))
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)  # JPEG keeps less of blue and red than of green
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    packed = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.cvtColor(packed, cv2.COLOR_BGR2RGB), np.uint8)
