"""Clothes: shells round the body, cut where a garment ends.

A garment has a coverage of the body at rest, in metres, positive inside; the shell's hem is where
it crosses 0. The body beneath is left out, so it cannot poke through.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.body_map import body_map, smooth
from posedistill.synth.compiled import compiled
from posedistill.synth.mesh import Floats, Mesh, make_mesh
from posedistill.synth.textures import Material, noise_at
from posedistill.synth.wearer import Wearer

UNDER = 0.012  # metres inside a hem from where what is beneath is left out


@dataclass(frozen=True, eq=False)
class Garment:
    """Say where a garment is and how it hangs.

    Attributes:
        coverage: (V,) metres inside the hem, negative outside.
        offset: (V,) metres from the skin.
        rounds: how often the shell is smoothed; loose cloth spans hollows.
        material: cloth or leather.
        folds: metres that creases stand out.
    """

    coverage: Floats
    offset: Floats
    rounds: int
    material: Material
    folds: float = 0.0


def top_coverage(
    *, sleeve: float, hem: float, neck: float = 0.0, plunge: float = 0.0, strap: float | None = None
) -> Floats:
    """Give the coverage (V,) of a top.

    sleeve: where sleeves end, 0 shoulder, 1 elbow, 2 wrist. hem: metres above the hip. neck: metres
    above the neck's base. plunge: metres that the neckline falls in front. strap: half the width
    in metres of what covers the shoulders, None for all of it.
    """
    surface = body_map()
    rest, heights = surface.rest, surface.heights
    x, y = np.abs(rest[:, 0]), rest[:, 1]
    near_neck = np.abs(y - heights["shoulder"]) < 0.03
    middle = float(rest[near_neck & (x < 0.06), 2].mean())
    front = np.clip((rest[:, 2] - middle) / 0.06, 0, 1)
    drop = plunge * front * np.clip(1 - x / 0.09, 0, 1)
    neckline = heights["shoulder"] + neck - y - 0.35 * (rest[:, 2] - middle) - drop
    trunk = np.minimum(y - heights["hip"] - hem, neckline)
    if strap is not None:
        armpit = heights["shoulder"] - 0.13
        trunk = np.minimum(trunk, strap - x + 1.5 * np.maximum(armpit - y, 0))
    arms = (sleeve - surface.arm) * 0.26
    if strap is not None:
        arms = np.minimum(arms, -0.01)
    return np.where(surface.is_arm, arms, np.where(surface.is_head, -0.1, trunk)).astype(np.float32)


def bottom_coverage(*, leg: float, waist: float) -> Floats:
    """Give the coverage (V,) of trousers or shorts.

    leg: where they end, 0 hip, 1 knee, 2 ankle. waist: metres above the hip.
    """
    surface = body_map()
    rest, heights = surface.rest, surface.heights
    length = heights["hip"] - heights["knee"]
    trunk = np.minimum(heights["hip"] + waist - rest[:, 1], (leg - surface.leg) * length)
    return np.where(surface.is_arm | surface.is_head, -0.1, trunk).astype(np.float32)


def foot_coverage(*, height: float) -> Floats:
    """Give the coverage (V,) of socks or shoes that reach some metres above the ankle."""
    surface = body_map()
    coverage = surface.heights["ankle"] + height - surface.rest[:, 1]
    return np.where(surface.is_arm, -0.1, coverage).astype(np.float32)


def hand_coverage(*, start: float) -> Floats:
    """Give the coverage (V,) of gloves that begin on the arm, 1 elbow, 2 wrist."""
    surface = body_map()
    return np.where(surface.is_arm, (surface.arm - start) * 0.24, -0.1).astype(np.float32)


def garment_mesh(wearer: Wearer, garment: Garment, *, hidden: Floats) -> Mesh:
    """Give the shell of a garment on a body.

    hidden: (V,) how far inside a hem of what is worn over it a vertex lies, metres.
    """
    surface = body_map()
    coverage = np.minimum(garment.coverage, UNDER - hidden)
    rows, faces = covered_rows(surface.faces, coverage)
    return make_mesh(
        shell(wearer, garment, rows=rows),
        faces,
        material=wearer.palette.add(garment.material),
        owner=wearer.owner,
        places=surface.rest[rows],
        coverage=coverage[rows],
        openness=0.25 + 0.75 * surface.openness[rows],
    )


def used_rows(faces: NDArray[np.int32], count: int) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Give the vertices that faces use, and the faces in rows of those.

    >>> used_rows(np.array([[1, 3, 4]], np.int32), 6)[1].tolist()
    [[0, 1, 2]]
    """
    is_used = np.zeros(count, np.bool_)
    is_used[faces] = True
    new_row = np.cumsum(is_used, dtype=np.int32) - np.int32(1)
    return np.flatnonzero(is_used), new_row[faces]


def covered_rows(
    faces: NDArray[np.int32], coverage: Floats
) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Give the vertices of the faces that are not wholly cut away, and the faces in rows of those.

    >>> covered_rows(np.array([[0, 1, 2], [1, 2, 3]], np.int32), np.array([1.0, -1, -1, -1]))[0]
    array([0, 1, 2])
    """
    kept = np.zeros(len(faces), np.bool_)
    _keep_covered(faces, coverage, kept)
    return used_rows(faces[kept], len(coverage))


@compiled
def _keep_covered(faces: NDArray[np.int32], coverage: Floats, kept: NDArray[np.bool_]) -> None:
    for face in range(len(faces)):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        kept[face] = max(coverage[a], coverage[b], coverage[c]) > 0.0


def shell(wearer: Wearer, garment: Garment, *, rows: NDArray[np.intp]) -> Floats:
    """Give (N, 3) places of a garment's vertices: off the skin, smoothed, never inside the body."""
    surface, skin, normals = body_map(), wearer.body.vertices, wearer.normals[rows]
    offset = garment.offset[rows] * np.float32(wearer.size)
    if garment.folds > 0:
        folds = noise_at(surface.rest[rows] * np.array([1, 0.6, 1], np.float32), scale=22, seed=3)
        offset = offset + np.float32(garment.folds) * (folds - np.float32(0.3))
    raised = skin.copy()
    raised[rows] += normals * offset[:, None]
    raised = smooth(raised, surface.neighbours, rounds=garment.rounds, rows=rows)[rows]
    rise = np.einsum("ij,ij->i", raised - skin[rows], normals)
    short = np.maximum(np.minimum(offset, np.float32(0.004)) - rise, 0)
    return np.asarray(raised + normals * short[:, None], np.float32)
