"""Triangles to pixels: a z-buffer of nearest faces.

Scan conversion by edge functions (Pineda, "A Parallel Algorithm for Polygon Rasterization", 1988).
Depth is kept as its inverse, which is linear on the screen, so that depth, and what is interpolated
with it, is right under perspective. Points are (x, y, 1 / depth): pixels with (0, 0) at the corner
of the picture, so that the first pixel's centre is (0.5, 0.5), and the inverse of metres along the
optical axis. An inverse depth of 0 or less marks a point behind the camera; faces with one are
not drawn.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.compiled import compiled

_HALF = np.float32(0.5)
_ROUNDING = 1e-5  # of a weight: faces that share an edge leave no gap between them


class Raster(NamedTuple):
    """Say which face is nearest in each pixel.

    Attributes:
        inverse_depth: (H, W) float32, 1 / metres, 0 where there is no face.
        faces: (H, W) int32, row of the face, -1 where there is none.
    """

    inverse_depth: NDArray[np.float32]
    faces: NDArray[np.int32]


def rasterise(
    points: NDArray[np.float32],
    faces: NDArray[np.int32],
    *,
    size_wh: tuple[int, int],
    coverage: NDArray[np.float32] | None = None,
    is_closed: NDArray[np.bool_] | None = None,
) -> Raster:
    """Draw triangles into a z-buffer.

    points: (V, 3) x, y, 1 / depth. faces: (F, 3) rows of points, anti-clockwise seen from outside.
    coverage: (V,) interpolated over each face, which is cut away where it is below 0; it gives
    hems that are finer than the mesh. is_closed: (F,) whether the face's back is never seen.

    >>> points = np.array([[0, 0, 1], [0, 8, 1], [8, 0, 1]], np.float32)
    >>> raster = rasterise(points, np.array([[0, 1, 2]], np.int32), size_wh=(4, 3))
    >>> raster.faces[0].tolist(), raster.inverse_depth[2].tolist()
    ([0, 0, 0, 0], [1.0, 1.0, 1.0, 1.0])
    """
    width, height = size_wh
    raster = Raster(np.zeros((height, width), np.float32), np.full((height, width), -1, np.int32))
    if coverage is None:
        coverage = np.ones(len(points), np.float32)
    if is_closed is None:
        is_closed = np.zeros(len(faces), np.bool_)
    _fill(points, faces, coverage, is_closed, raster.inverse_depth, raster.faces)
    return raster


# Arrays are passed one by one: taking them out of a tuple would cost reference counts per face.
@compiled
def _fill(
    points: NDArray[np.float32],
    faces: NDArray[np.int32],
    coverage: NDArray[np.float32],
    is_closed: NDArray[np.bool_],
    inverse_depth: NDArray[np.float32],
    nearest: NDArray[np.int32],
) -> None:
    height, width = nearest.shape
    for face in range(faces.shape[0]):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        xa, ya, xb, yb = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
        xc, yc = points[c, 0], points[c, 1]
        area = (xb - xa) * (yc - ya) - (yb - ya) * (xc - xa)
        # In a picture y points down, so outer sides turn clockwise: a negative area.
        if area == 0.0 or (area > 0.0 and is_closed[face]):
            continue
        left = max(int(np.ceil(min(xa, xb, xc) - _HALF)), 0)
        right = min(int(np.floor(max(xa, xb, xc) - _HALF)), width - 1)
        top = max(int(np.ceil(min(ya, yb, yc) - _HALF)), 0)
        bottom = min(int(np.floor(max(ya, yb, yc) - _HALF)), height - 1)
        if left > right or top > bottom:
            continue
        if min(points[a, 2], points[b, 2], points[c, 2]) <= 0.0:
            continue
        if max(coverage[a], coverage[b], coverage[c]) >= 0.0:
            frame = (left, right, top, bottom)
            _fill_face(points, (a, b, c, face), frame, coverage, inverse_depth, nearest)


@compiled
def _fill_face(
    points: NDArray[np.float32],
    corners: tuple[int, int, int, int],
    frame: tuple[int, int, int, int],
    coverage: NDArray[np.float32],
    inverse_depth: NDArray[np.float32],
    nearest: NDArray[np.int32],
) -> None:
    a, b, c, face = corners
    left, right, top, bottom = frame
    xa, ya, wa = points[a, 0], points[a, 1], points[a, 2]
    xb, yb, wb = points[b, 0], points[b, 1], points[b, 2]
    xc, yc, wc = points[c, 0], points[c, 1], points[c, 2]
    scale = 1.0 / ((xb - xa) * (yc - ya) - (yb - ya) * (xc - xa))
    is_cut = min(coverage[a], coverage[b], coverage[c]) < 0.0
    cut_a, cut_b, cut_c = coverage[a] * wa, coverage[b] * wb, coverage[c] * wc
    step_a, step_b = (yb - yc) * scale, (yc - ya) * scale  # of the weights, for a step in x
    for row in range(top, bottom + 1):
        y, x = row + 0.5, left + 0.5
        weight_a = ((xc - xb) * (y - yb) - (yc - yb) * (x - xb)) * scale
        weight_b = ((xa - xc) * (y - yc) - (ya - yc) * (x - xc)) * scale
        for column in range(left, right + 1):
            share_a = weight_a + (column - left) * step_a
            share_b = weight_b + (column - left) * step_b
            share_c = 1.0 - share_a - share_b
            inverse = share_a * wa + share_b * wb + share_c * wc
            is_inside = min(share_a, share_b, share_c) >= -_ROUNDING
            if not is_inside or inverse <= inverse_depth[row, column]:
                continue
            if not is_cut or share_a * cut_a + share_b * cut_b + share_c * cut_c >= 0.0:
                inverse_depth[row, column] = inverse
                nearest[row, column] = face
