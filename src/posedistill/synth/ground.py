"""Shadows of people on the floor of the background."""

import numpy as np

from posedistill.synth.camera import Camera
from posedistill.synth.mesh import Floats
from posedistill.synth.reflection import Lights, lit_shares


def floor_light(camera: Camera, lights: Lights, *, size_wh: tuple[int, int]) -> Floats:
    """Give how much of the first light reaches the floor in each pixel, (H, W), 0 to 1.

    The floor is y = 0; pixels that look above the horizon get 1.
    """
    width, height = size_wh
    x = (np.arange(width, dtype=np.float32) + 0.5 - camera.center_xy[0]) / camera.focal
    y = (np.arange(height, dtype=np.float32)[:, None] + 0.5 - camera.center_xy[1]) / camera.focal
    turn, position = camera.rotation.astype(np.float32), camera.position.astype(np.float32)
    fall = (turn[0, 1] * x + turn[1, 1] * y + turn[2, 1]).astype(np.float32)
    reach = -position[1] / np.where(fall < -1e-4, fall, np.float32(1))
    rows, columns = np.nonzero((fall < -1e-4) & (reach > 0))
    ways = np.outer(x[columns], turn[0]) + np.outer(y[rows, 0], turn[1]) + turn[2]
    points = position + reach[rows, columns][:, None] * ways
    share = np.ones((height, width), np.float32)
    share[rows, columns] = lit_shares(points.astype(np.float32), lights)
    return share
