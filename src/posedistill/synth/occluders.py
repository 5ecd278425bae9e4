"""Things right in front of the camera: flat cut-outs that hide parts of people."""

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.synth.backgrounds import Backgrounds

Mask = NDArray[np.bool_]


def draw_cutouts(
    rng: np.random.Generator, boxes_xyxy: NDArray[np.floating], *, size_wh: tuple[int, int]
) -> Mask:
    """Draw where cut-outs stand, (H, W): blobs, slabs and poles over the edges of people.

    boxes_xyxy: (P, 4) of the people.

    >>> draw_cutouts(np.random.default_rng(0), np.array([[0, 0, 8, 8.0]]), size_wh=(9, 7)).shape
    (7, 9)
    """
    mask = np.zeros(size_wh[::-1], np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        x0, y0, x1, y1 = boxes_xyxy[int(rng.integers(len(boxes_xyxy)))]
        side = max(x1 - x0, y1 - y0)
        middle = np.array([rng.uniform(x0, x1), rng.uniform(y0, y1)])
        size = side * rng.uniform(0.06, 0.3, 2)
        kind = rng.random()
        if kind < 0.2:  # a pole from edge to edge
            size = np.array([0.25 * size[0] + 1, 3.0 * max(size_wh)])
        corners = _blob(rng) if kind > 0.55 else np.array([[-1, -1], [1, -1], [1, 1], [-1, 1.0]])
        angle = rng.normal(0, 0.4)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        outline = (corners * size) @ turn.T + middle
        cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
    return mask.astype(np.bool_)


def _blob(rng: np.random.Generator) -> NDArray[np.float64]:
    angles = np.linspace(0, 2 * np.pi, int(rng.integers(5, 16)), endpoint=False)
    radii = rng.uniform(0.55, 1.1, len(angles))
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def paint_cutouts(
    rng: np.random.Generator, image_rgb: NDArray[np.uint8], *, mask: Mask, backgrounds: Backgrounds
) -> NDArray[np.uint8]:
    """Paint cut-outs over a picture: with another photo or with one colour, edges softened."""
    height, width = mask.shape
    if rng.random() < 0.7:
        paint = backgrounds.draw(rng, size_wh=(width, height))
    else:
        paint = np.broadcast_to(rng.integers(0, 255, 3, np.uint8), image_rgb.shape)
    share = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), rng.uniform(0.4, 1.2))[:, :, None]
    return (image_rgb * (1 - share) + paint * share).astype(np.uint8)
