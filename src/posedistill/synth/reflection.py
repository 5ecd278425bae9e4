"""Light on a surface: what lights, sky and ground send to the eye.

Diffuse light wraps round soft surfaces, highlights are Blinn's ("Models of Light Reflection",
1977), the sky is a hemisphere, and the first light casts shadows by a depth map (Williams,
"Casting Curved Shadows on Curved Surfaces", 1978).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.compiled import compiled
from posedistill.synth.samples import COLOR, NORMAL, OPEN, POINT
from posedistill.synth.textures import SHARPNESS, SHINE, SOFTNESS

Floats = NDArray[np.float32]
SHADOW_BIAS = 0.01  # metres
_RAISE = 0.012  # metres off the surface, else it would shade itself


class Lights(NamedTuple):
    """Say where light comes from.

    Attributes:
        directions: (L, 3) unit, towards the lights; the first casts shadows.
        colors: (L, 3) linear.
        sky, ground: (3,) linear light from above and from below.
        shadow_from_world: (3, 4) to pixels of the shadow map, and to its depth in metres.
        shadow_depth: (S, S) depth of the nearest surface seen from the first light.
    """

    directions: Floats
    colors: Floats
    sky: Floats
    ground: Floats
    shadow_from_world: Floats
    shadow_depth: Floats


def light_up(
    surface: Floats,
    materials: NDArray[np.int32],
    *,
    table: Floats,
    eye: Floats,
    lights: Lights,
) -> Floats:
    """Give the linear light, (N, 3), that samples of a surface send to the eye.

    surface: (N, NUM_COLUMNS), painted; materials: (N,) rows of the table; eye: (3,) metres.
    """
    _turn_to(surface, eye)
    points, normals = surface[:, POINT : POINT + 3], surface[:, NORMAL : NORMAL + 3]
    lit = lit_shares(points + np.float32(_RAISE) * normals, lights)
    light = np.empty((len(surface), 3), np.float32)
    _add_sky(surface, lights.sky, lights.ground, light)
    for number, (direction, color) in enumerate(zip(lights.directions, lights.colors, strict=True)):
        shadow = lit if number == 0 else np.ones_like(lit)
        source = np.stack([direction, color, eye])
        _add_light(surface, materials, table, source, shadow, light)
    return light


@compiled
def _add_sky(surface: Floats, sky: Floats, ground: Floats, light: Floats) -> None:
    half = np.float32(0.5)
    for k in range(surface.shape[0]):
        up = half + half * surface[k, NORMAL + 1]
        for channel in range(3):
            ambient = ground[channel] + (sky[channel] - ground[channel]) * up
            light[k, channel] = surface[k, COLOR + channel] * surface[k, OPEN] * ambient


@compiled
def _turn_to(surface: Floats, eye: Floats) -> None:
    """Turn normals that point away from the eye: the inside of cloth or hair."""
    for k in range(surface.shape[0]):
        x, y, z = surface[k, NORMAL], surface[k, NORMAL + 1], surface[k, NORMAL + 2]
        ex, ey, ez = (
            eye[0] - surface[k, POINT],
            eye[1] - surface[k, POINT + 1],
            eye[2] - surface[k, POINT + 2],
        )
        if x * ex + y * ey + z * ez < -0.1 * np.sqrt(ex * ex + ey * ey + ez * ez):
            surface[k, NORMAL], surface[k, NORMAL + 1], surface[k, NORMAL + 2] = -x, -y, -z


@compiled
def _add_light(
    surface: Floats,
    materials: NDArray[np.int32],
    table: Floats,
    source: Floats,
    shadow: Floats,
    light: Floats,
) -> None:
    """Add one light; source: its direction, its colour and the eye, (3, 3)."""
    lx, ly, lz = source[0, 0], source[0, 1], source[0, 2]
    one = np.float32(1.0)
    for k in range(surface.shape[0]):
        nx, ny, nz = surface[k, NORMAL], surface[k, NORMAL + 1], surface[k, NORMAL + 2]
        softness = table[materials[k], SOFTNESS]
        strength = (nx * lx + ny * ly + nz * lz + softness) / (one + softness)
        if strength <= 0.0:
            continue
        strength *= shadow[k] * (np.float32(0.4) + np.float32(0.6) * surface[k, OPEN])
        gloss = np.float32(0.0)
        shine = table[materials[k], SHINE]
        if shine > 0.0:
            ex = source[2, 0] - surface[k, POINT]
            ey = source[2, 1] - surface[k, POINT + 1]
            ez = source[2, 2] - surface[k, POINT + 2]
            scale = one / np.sqrt(ex * ex + ey * ey + ez * ez)
            hx, hy, hz = ex * scale + lx, ey * scale + ly, ez * scale + lz
            length = np.sqrt(hx * hx + hy * hy + hz * hz) + np.float32(1e-6)
            facing = max((nx * hx + ny * hy + nz * hz) / length, np.float32(0.0))
            gloss = shine * facing ** table[materials[k], SHARPNESS]
        for channel in range(3):
            light[k, channel] += (
                source[1, channel] * strength * (surface[k, COLOR + channel] + gloss)
            )


def lit_shares(points: Floats, lights: Lights) -> Floats:
    """Give how much of the first light reaches points, 0 to 1; outside of the map all does.

    points: (N, 3) metres; gives (N,).
    """
    matrix = lights.shadow_from_world
    mapped = points @ np.ascontiguousarray(matrix[:, :3].T) + matrix[:, 3]
    shares = np.ones(len(points), np.float32)
    _compare(np.ascontiguousarray(mapped, np.float32), lights.shadow_depth, shares)
    return shares


@compiled
def _compare(mapped: Floats, depth: Floats, shares: Floats) -> None:
    """Compare depths with the four nearest pixels of the map and mix the answers."""
    half = np.float32(0.5)
    for k in range(mapped.shape[0]):
        x, y, z = mapped[k, 0] - half, mapped[k, 1] - half, mapped[k, 2] - np.float32(SHADOW_BIAS)
        column, row = int(np.floor(x)), int(np.floor(y))
        if column < 0 or row < 0 or column + 1 >= depth.shape[1] or row + 1 >= depth.shape[0]:
            continue
        u, v = x - column, y - row
        above = (z < depth[row, column]) * (1 - u) + (z < depth[row, column + 1]) * u
        below = (z < depth[row + 1, column]) * (1 - u) + (z < depth[row + 1, column + 1]) * u
        shares[k] = above * (1 - v) + below * v
