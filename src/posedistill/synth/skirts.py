"""Skirts, dresses and coats: rings of cloth round the hips and both legs."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.body_map import body_map
from posedistill.synth.mesh import Floats, Mesh, make_mesh
from posedistill.synth.solids import sheet
from posedistill.synth.textures import Material, noise_at
from posedistill.synth.wearer import Wearer

_SIDES = 28  # corners of a ring
_BAND = 0.07  # of a thigh's length, how far from a ring the skin shapes it


def draw_skirt(
    rng: np.random.Generator,
    wearer: Wearer,
    *,
    material: Material,
    length: float,
    is_coat: bool = False,
) -> Mesh:
    """Give a skirt that spans the legs as they stand.

    length: where it ends on the leg, 0 hip, 1 knee, 2 ankle. is_coat: open in front.
    """
    levels = np.linspace(-0.42 if not is_coat else -0.25, length, 10 + int(6 * length))
    gap = rng.uniform(0.1, 0.5) if is_coat else 0.0
    angles = np.linspace(gap, 2 * np.pi - gap, _SIDES, endpoint=is_coat)
    flare, ease = rng.uniform(0.0, 0.35), rng.uniform(0.006, 0.015) + 0.02 * is_coat
    centers, directions, hulls = _rings(wearer, levels, angles=angles)
    folds = rng.uniform(0, 0.012) * np.sin(
        angles * rng.integers(6, 16) + rng.uniform(0, 6)
    ) + 0.01 * (noise_at(_round(angles), scale=3.0, seed=int(rng.integers(99))) - 0.5)
    below = np.clip(levels + 0.1, 0, None)[:, None]
    radii = hulls * (1 + flare * below) + (ease + folds * below) * wearer.size
    solid = sheet(centers[:, None] + directions * radii[..., None], is_round=not is_coat)
    along, around = solid.places.T
    places = np.stack([0.9 * around, -along * 0.45 * (length + 0.4), 0 * along], axis=1)
    return make_mesh(
        solid.vertices,
        solid.faces,
        material=wearer.palette.add(material),
        owner=wearer.owner,
        places=places,
        openness=0.95 - 0.2 * along,
    )


def _round(angles: NDArray[np.float64]) -> Floats:
    circle = [np.cos(angles), np.sin(angles), 0 * angles]
    return np.stack(circle, axis=1).astype(np.float32)


def _axes(wearer: Wearer, level: float) -> tuple[NDArray[np.float64], ...]:
    """Give the middle of a level of the legs, its front and its left, (3,) each."""
    middles = [_level(wearer, level + step).mean(axis=0) for step in (-0.12, 0.0, 0.12)]
    down = (middles[2] - middles[0]).astype(np.float64)
    down /= max(float(np.linalg.norm(down)), 1e-6)
    hips = wearer.body.keypoints[11] - wearer.body.keypoints[12]
    left = hips - down * (hips @ down)
    left /= max(float(np.linalg.norm(left)), 1e-6)
    return middles[1].astype(np.float64), np.cross(down, left) * -1, left


def _level(wearer: Wearer, level: float) -> Floats:
    return wearer.body.vertices[_level_rows(round(level, 4))]


@lru_cache(maxsize=64)  # a skirt asks for each of its levels several times
def _level_rows(level: float) -> NDArray[np.intp]:
    surface = body_map()
    return np.flatnonzero((np.abs(surface.leg - level) < _BAND) & ~surface.is_arm)


def _rings(
    wearer: Wearer, levels: NDArray[np.float64], *, angles: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Give middles of rings (L, 3), ways out (L, N, 3) and how far skin reaches there (L, N)."""
    centers, ways, hulls = [], [], []
    for level in levels:
        middle, front, left = _axes(wearer, level)
        way = np.cos(angles)[:, None] * front + np.sin(angles)[:, None] * left
        hulls.append(((_level(wearer, level) - middle) @ way.T).max(axis=0))
        centers.append(middle)
        ways.append(way)
    return np.array(centers), np.array(ways), np.maximum(np.array(hulls), 0.02)
