"""Shoes: hulls round the feet, one ring after the other from heel to toe."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.body_map import SIDES, body_map
from posedistill.synth.fabrics import draw_color, draw_leather
from posedistill.synth.mesh import Mesh, make_mesh
from posedistill.synth.solids import sheet
from posedistill.synth.wearer import Wearer, similarity

_RINGS, _CORNERS = 11, 16


def draw_shoes(rng: np.random.Generator, wearer: Wearer, *, height: float) -> list[Mesh]:
    """Draw a pair of shoes.

    height: how far they reach above the ankle, metres, negative below it.
    """
    leather = wearer.palette.add(draw_leather(rng))
    sole = np.array(draw_color(rng) if rng.random() < 0.5 else (0.7, 0.7, 0.68))
    color = np.array(wearer.palette.materials[leather].color)
    sole_factor = np.minimum(sole / np.maximum(color, 0.02), 40)
    ease, thick = rng.uniform(0.004, 0.011), rng.uniform(0.004, 0.022)
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    reach = np.where(np.cos(angles) < -0.3, ease + thick, ease)  # angle 0 is up
    meshes = []
    for side in SIDES:
        rings = _rings(wearer, side, height=height, angles=angles, reach=reach)
        solid = sheet(rings, is_round=True)
        is_sole = np.tile(np.cos(angles) < -0.3, len(rings))
        colors = np.where(is_sole[:, None], sole_factor, 1.0).astype(np.float32)
        meshes.append(
            make_mesh(
                solid.vertices,
                solid.faces,
                material=leather,
                owner=wearer.owner,
                places=np.pad(solid.places * np.float32(0.25), ((0, 0), (0, 1))),
                colors=colors,
            )
        )
    return meshes


def _rings(
    wearer: Wearer,
    side: str,
    *,
    height: float,
    angles: NDArray[np.float64],
    reach: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Give the rings of one shoe, (L, N, 3): round the foot, closed at the heel and at the toes."""
    surface, vertices = body_map(), wearer.body.vertices
    levels = _levels(side, round(height, 3))
    foot = np.concatenate(levels)[::5]
    turn = similarity(surface.rest[foot], vertices[foot])[:, :3]
    across, up, ahead = (turn[:, axis] / np.linalg.norm(turn[:, axis]) for axis in range(3))
    ways = np.cos(angles)[:, None] * up + np.sin(angles)[:, None] * across
    rings = []
    for rows in levels:
        points = vertices[rows].astype(np.float64)
        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        radii = ((points - middle) @ ways.T).max(axis=0) + reach * wearer.size
        rings.append(middle + ways * radii[:, None])
    ease, depths = float(reach.min()) * wearer.size, vertices[np.concatenate(levels)] @ ahead
    heel = _moved_to(rings[0], ahead, depth=float(depths.min()) - ease)
    toe = _moved_to(rings[-1], ahead, depth=float(depths.max()) + ease)
    ends = [[_shrunk(ring, share) for share in (0.0, 0.85)] for ring in (heel, toe)]
    return np.array([*ends[0], *rings, *reversed(ends[1])])


def _moved_to(
    ring: NDArray[np.float64], way: NDArray[np.float64], *, depth: float
) -> NDArray[np.float64]:
    """Shift a ring along a unit way until its middle lies at a depth."""
    return np.asarray(ring + way * (depth - float(ring.mean(axis=0) @ way)))


def _shrunk(ring: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    middle = ring.mean(axis=0)
    return np.asarray(middle + share * (ring - middle))


@lru_cache(maxsize=512)
def _levels(side: str, height: float) -> list[NDArray[np.intp]]:
    """Give the vertices of a foot near each of some levels from heel to toe."""
    surface = body_map()
    rest = surface.rest
    is_own = (rest[:, 0] > 0) == (side == "left")
    low = is_own & ~surface.is_arm & (rest[:, 1] < surface.heights["ankle"] + height)
    heel, toe = float(rest[low, 2].min()), float(rest[low, 2].max())
    step = (toe - heel) / _RINGS
    middles = np.linspace(heel + 0.5 * step, toe - 0.5 * step, _RINGS)
    return [np.flatnonzero(low & (np.abs(rest[:, 2] - z) < 0.75 * step)) for z in middles]
