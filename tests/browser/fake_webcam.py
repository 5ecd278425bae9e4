"""A film for Chromium's fake webcam, made of a photo."""

from pathlib import Path

import cv2
import numpy as np

from posedistill.media import read_image

_SIZE_WH = (320, 240)
_FRAMES = 10


def write_y4m(path: Path, photo: Path) -> None:
    """Write the photo, swaying a little, as raw video in YUV4MPEG2."""
    image_rgb = read_image(photo)
    w, h = _SIZE_WH
    scale = h / image_rgb.shape[0]
    header = f"YUV4MPEG2 W{w} H{h} F10:1 Ip A1:1 C420jpeg\n".encode()
    frames = []
    for index in range(_FRAMES):
        left = (w - scale * image_rgb.shape[1]) / 2 + 6 * np.sin(2 * np.pi * index / _FRAMES)
        moved = cv2.warpAffine(image_rgb, np.array([[scale, 0, left], [0, scale, 0.0]]), _SIZE_WH)
        frames.append(b"FRAME\n" + cv2.cvtColor(moved, cv2.COLOR_RGB2YUV_I420).tobytes())
    path.write_bytes(header + b"".join(frames))
