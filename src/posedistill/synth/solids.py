"""Simple solids: boxes, tubes, domes and rings of any outline, as vertices and faces."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.mesh import Floats


class Solid(NamedTuple):
    """Hold vertices (V, 3), faces (F, 3) and, per vertex, where on the solid it lies (V, 2).

    Places run along the solid and round it, each 0 to 1.
    """

    vertices: Floats
    faces: NDArray[np.int32]
    places: Floats


def grid_faces(rows: int, columns: int, *, is_round: bool) -> NDArray[np.int32]:
    """Give two triangles for each cell of a grid of vertices, (F, 3).

    is_round: whether the last column joins the first.

    >>> grid_faces(2, 2, is_round=False).tolist()
    [[0, 2, 1], [1, 2, 3]]
    """
    number = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    if is_round:
        number = np.concatenate([number, number[:, :1]], axis=1)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    first, second = np.stack([a, c, b], axis=-1), np.stack([b, c, d], axis=-1)
    return np.stack([first, second], axis=2).reshape(-1, 3)


def sheet(points: NDArray[np.floating], *, is_round: bool = False) -> Solid:
    """Make a surface of a grid of points, (rows, columns, 3).

    >>> sheet(np.zeros((3, 4, 3))).places.max()
    np.float32(1.0)
    """
    rows, columns = points.shape[:2]
    along, round_ = np.linspace(0, 1, rows), np.linspace(0, 1, columns)
    places = np.stack(np.meshgrid(along, round_, indexing="ij"), axis=-1).reshape(-1, 2)
    return Solid(
        points.reshape(-1, 3).astype(np.float32),
        grid_faces(rows, columns, is_round=is_round),
        places.astype(np.float32),
    )


def tube(
    path: NDArray[np.floating], radius: NDArray[np.floating] | float, *, sides: int = 8
) -> Solid:
    """Make a tube along a path, (N, 3), with a radius for all or for each point, metres.

    >>> tube(np.array([[0, 0, 0], [0, 1, 0.0]]), 0.1, sides=5).vertices.shape
    (10, 3)
    """
    path = np.asarray(path, np.float64)
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    mean = along.mean(axis=0)
    other = np.eye(3)[int(np.argmin(np.abs(mean)))]
    first = np.cross(along, other)
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-9)
    second = np.cross(along, first)
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = first[:, None] * np.cos(angles)[:, None] + second[:, None] * np.sin(angles)[:, None]
    width = np.broadcast_to(np.asarray(radius, np.float64), len(path))
    return sheet(path[:, None] + ring * width[:, None, None], is_round=True)


def box(size: NDArray[np.floating] | tuple[float, float, float]) -> Solid:
    """Make a box round the origin, of a size (3,) in metres.

    >>> box((1.0, 2.0, 3.0)).vertices.max(axis=0).tolist()
    [0.5, 1.0, 1.5]
    """
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    corners = signs * np.asarray(size) / 2
    # Each side has its own four corners, so that its normals are flat.
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [[4 * q, 4 * q + i, 4 * q + i + 1] for q in range(6) for i in (1, 2)]
    rows = [corner for quad in quads for corner in quad]
    places = np.tile([[0, 0], [0, 1], [1, 1], [1, 0]], (6, 1))
    return Solid(
        corners[rows].astype(np.float32), np.array(faces, np.int32), places.astype(np.float32)
    )


def ball(radii: NDArray[np.floating] | tuple[float, float, float], *, rows: int = 9) -> Solid:
    """Make an ellipsoid round the origin.

    >>> float(ball((1.0, 2.0, 1.0)).vertices[:, 1].max())
    2.0
    """
    down = np.linspace(0, np.pi, rows)[:, None]
    around = np.linspace(0, 2 * np.pi, 2 * rows, endpoint=False)[None]
    x, z = np.sin(down) * np.sin(around), np.sin(down) * np.cos(around)
    y = np.cos(down) + 0 * around
    return sheet(np.stack([x, y, z], axis=-1) * np.asarray(radii), is_round=True)


def disc(radius_x: float, radius_y: float, *, sides: int = 14) -> Solid:
    """Make an oval in the plane z = 0, seen from +z.

    >>> disc(1.0, 2.0).vertices.shape
    (28, 3)
    """
    angles = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    rim = np.stack([radius_x * np.cos(angles), radius_y * np.sin(angles), 0 * angles], axis=-1)
    return sheet(np.stack([0 * rim, rim]), is_round=True)
