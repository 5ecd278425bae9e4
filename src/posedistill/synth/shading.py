"""From a raster to colours: which samples are lit, and what lies there.

Shading is deferred: samples are chosen, then the surface at each is looked up, painted and lit, one
compiled loop each, over plain arrays (arrays in tuples would cost reference counts in the loops).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.compiled import compiled
from posedistill.synth.mesh import Mesh
from posedistill.synth.raster import Raster
from posedistill.synth.reflection import Lights, light_up
from posedistill.synth.samples import COLOR, NORMAL, NUM_COLUMNS, OPEN, PLACE, POINT
from posedistill.synth.textures import EYE, PATTERN, PLAIN, SKIN, paint

Floats = NDArray[np.float32]
Triple = tuple[float, float, float]
FINER = 2  # samples of a pixel in x and in y


class Stage(NamedTuple):
    """Hold what shading reads.

    Attributes:
        mesh: what is seen.
        points: (V, 3) x, y, 1 / depth of its vertices, pixels of the raster.
        eye: (3,) where the camera stands.
        materials: (M, C) table of `Material.row`.
        prints: (T, 64, 64, 3) linear pictures on clothes.
        lights: the lights.
    """

    mesh: Mesh
    points: Floats
    eye: Floats
    materials: Floats
    prints: Floats
    lights: Lights


def shade(raster: Raster, stage: Stage) -> tuple[Floats, Floats]:
    """Give the colours, for a screen, and the shares of pixels that faces cover, all 0 to 1.

    raster: `FINER` times as fine as the picture. Gives (H, W, 3), times the share that is covered,
    and (H, W). Linear light is encoded with a gamma of 2. A surface without a pattern is lit once
    a pixel, at one of its samples; only edges need them all.
    """
    height, width = (side // FINER for side in raster.faces.shape)
    mesh = stage.mesh
    lit = np.empty((height * width, FINER * FINER), np.int32)
    chosen = np.empty((raster.faces.size, 3), np.int32)
    count = _choose(
        raster.faces, raster.inverse_depth, mesh.materials, stage.materials, lit, chosen
    )
    chosen = chosen[:count]
    surface = np.empty((count, NUM_COLUMNS), np.float32)
    weights = np.empty((count, 3), np.float32)
    _weigh(chosen, mesh.faces, stage.points, weights)
    for column, values in (
        (POINT, mesh.vertices),
        (NORMAL, mesh.normals),
        (PLACE, mesh.places),
        (COLOR, mesh.colors),
        (OPEN, mesh.openness[:, None]),
    ):
        _look_up(chosen, weights, mesh.faces, values, surface[:, column : column + values.shape[1]])
    materials = mesh.materials[chosen[:, 0]]
    paint(surface, materials, table=stage.materials, prints=stage.prints)
    colors = light_up(surface, materials, table=stage.materials, eye=stage.eye, lights=stage.lights)
    picture = np.zeros((height * width, 3), np.float32)
    share = np.zeros(height * width, np.float32)
    _gather(lit, np.sqrt(np.clip(colors, 0, 1)), picture, share)
    return picture.reshape(height, width, 3), share.reshape(height, width)


@compiled
def _choose(
    faces: NDArray[np.int32],
    inverse_depth: Floats,
    face_materials: NDArray[np.int32],
    table: Floats,
    lit: NDArray[np.int32],
    chosen: NDArray[np.int32],
) -> int:
    """Choose the samples that are lit and give their number.

    lit: (H * W, S) set to the chosen row that each sample takes its colour from, -1 for none.
    chosen: (N, 3) set to face, column and row in the raster.
    """
    width = faces.shape[1] // FINER
    count = 0
    for pixel in range(lit.shape[0]):
        last_material, last_depth = -1, 1.0
        for sample in range(FINER * FINER):
            i = pixel // width * FINER + sample // FINER
            j = pixel % width * FINER + sample % FINER
            face = faces[i, j]
            lit[pixel, sample] = -1
            if face < 0:
                continue
            material, depth = face_materials[face], inverse_depth[i, j]
            is_same = material == last_material and abs(depth / last_depth - 1.0) < 0.02
            if not is_same or _is_fine(int(table[material, PATTERN]), sample):
                chosen[count, 0], chosen[count, 1], chosen[count, 2] = face, j, i
                last_material, last_depth = material, depth
                count += 1
            lit[pixel, sample] = count - 1
    return count


@compiled
def _is_fine(pattern: int, sample: int) -> bool:
    """Say whether a pattern has to be looked at in this sample too: eyes in all, others in two."""
    if pattern == EYE:
        return True
    return pattern != PLAIN and pattern != SKIN and sample == FINER * FINER - 1


@compiled
def _weigh(
    chosen: NDArray[np.int32], faces: NDArray[np.int32], points: Floats, weights: Floats
) -> None:
    """Set the shares of a face's corners in what is seen at a sample, under perspective."""
    for k in range(chosen.shape[0]):
        face, x, y = chosen[k, 0], chosen[k, 1] + 0.5, chosen[k, 2] + 0.5
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        xa, ya = points[a, 0] - x, points[a, 1] - y
        xb, yb = points[b, 0] - x, points[b, 1] - y
        xc, yc = points[c, 0] - x, points[c, 1] - y
        share_a = (xb * yc - yb * xc) * points[a, 2]
        share_b = (xc * ya - yc * xa) * points[b, 2]
        share_c = (xa * yb - ya * xb) * points[c, 2]
        total = share_a + share_b + share_c
        if total == 0.0:
            share_a, share_b, share_c, total = 1.0, 0.0, 0.0, 1.0
        weights[k, 0] = share_a / total
        weights[k, 1] = share_b / total
        weights[k, 2] = share_c / total


@compiled
def _look_up(
    chosen: NDArray[np.int32],
    weights: Floats,
    faces: NDArray[np.int32],
    values: Floats,
    looked_up: Floats,
) -> None:
    """Set what the vertices' values mix to at each sample."""
    for k in range(chosen.shape[0]):
        face = chosen[k, 0]
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        for channel in range(values.shape[1]):
            looked_up[k, channel] = (
                values[a, channel] * weights[k, 0]
                + values[b, channel] * weights[k, 1]
                + values[c, channel] * weights[k, 2]
            )


@compiled
def _gather(lit: NDArray[np.int32], colors: Floats, picture: Floats, share: Floats) -> None:
    """Average the samples of each pixel."""
    weight = np.float32(1.0 / lit.shape[1])
    for pixel in range(lit.shape[0]):
        for sample in range(lit.shape[1]):
            row = lit[pixel, sample]
            if row < 0:
                continue
            share[pixel] += weight
            for channel in range(3):
                picture[pixel, channel] += weight * colors[row, channel]
