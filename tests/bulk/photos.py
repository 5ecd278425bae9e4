"""Photos to do in bulk: each has a width of its own, and spots that move from one to the next."""

from pathlib import Path

import numpy as np

from posedistill.media import write_image

FIRST_WIDTH = 30


def write_photos(folder: Path, count: int) -> Path:
    """Write photos 00.png, sub/01.png, 02.png, ... that are 30, 31, 32, ... pixels wide."""
    for index in range(count):
        image = np.zeros((40, FIRST_WIDTH + index, 3), np.uint8)
        for channel in range(3):
            image[4 + 10 * channel + index % 5, 3 + 8 * channel, channel] = 255
        path = folder / ("sub" if index % 2 else "") / f"{index:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, image)
    return folder
