"""Lights of a scene: sun or lamps, sky, and the shadow map of the first light."""

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.body_map import orthographic, raster_depth
from posedistill.synth.mesh import Floats, Mesh
from posedistill.synth.reflection import Lights

SHADOW_SIZE = 320  # pixels a side


def draw_lights(
    rng: np.random.Generator,
    mesh: Mesh,
    *,
    backward: NDArray[np.floating],
    tint: NDArray[np.floating],
) -> Lights:
    """Draw one to three lights and a sky.

    backward: (3,) unit, from the scene to the camera; most light comes from its side. tint: (3,)
    linear mean colour of the background, which colours and dims the light.
    """
    count = int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
    facing = np.arctan2(backward[0], backward[2])
    directions, colors = [], []
    for light in range(count):
        azimuth = facing + (rng.normal(0, 1.0) if rng.random() < 0.75 else rng.uniform(-3.2, 3.2))
        height = np.clip(rng.normal(0.75, 0.4), 0.05, 1.5)
        directions.append(
            [np.cos(height) * np.sin(azimuth), np.sin(height), np.cos(height) * np.cos(azimuth)]
        )
        strength = rng.uniform(0.35, 1.25) if light == 0 else rng.uniform(0.1, 0.5)
        colors.append(strength * _warmth(rng))
    bright = float(np.clip((tint.mean() / 0.18) ** 0.25, 0.6, 1.3))
    hue = np.clip(tint / max(float(tint.mean()), 1e-3), 0.6, 1.6) ** 0.35
    ambient = rng.uniform(0.25, 0.8)
    # Exposed like a photo: a white sheet that faces the first light is about white.
    total = ambient + 0.8 * float(np.max(colors))
    bright *= float(np.clip(rng.normal(1.05, 0.22), 0.45, 1.7)) / total
    matrix, depth = _shadows(mesh, np.array(directions[0]))
    return Lights(
        directions=np.array(directions, np.float32),
        colors=np.array(colors, np.float32) * np.float32(bright),
        sky=(ambient * bright * hue).astype(np.float32),
        ground=(ambient * rng.uniform(0.3, 0.8) * bright * hue).astype(np.float32),
        shadow_from_world=matrix,
        shadow_depth=depth,
    )


def _warmth(rng: np.random.Generator) -> NDArray[np.float64]:
    """Give the colour of a light between candle and blue sky, mean 1."""
    warm = rng.normal(0, 0.16)
    color = np.array([1 + warm, 1 + 0.1 * warm, 1 - warm])
    return np.asarray(np.clip(color, 0.3, None) / color.mean())


def _shadows(mesh: Mesh, way: NDArray[np.float64]) -> tuple[Floats, Floats]:
    matrix = orthographic(mesh.vertices[::5], way, size=SHADOW_SIZE)
    flat = (matrix[:, :3] @ mesh.vertices.T + matrix[:, 3:]).T
    return matrix, raster_depth(flat, mesh.faces, size=SHADOW_SIZE, coverage=mesh.coverage)
