"""Meshes of a scene: vertices with what is painted on them, and faces with a material."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.compiled import compiled

Floats = NDArray[np.float32]


class Mesh(NamedTuple):
    """Hold triangles and what shading them takes.

    Attributes:
        vertices: (V, 3) metres.
        faces: (F, 3) int32 rows of vertices, anti-clockwise seen from outside.
        normals: (V, 3) unit, outward.
        places: (V, 3) metres, where patterns and noise are evaluated; they do not move with a pose.
        colors: (V, 3) linear light that is given back, 0 to 1.
        coverage: (V,) the mesh is cut away where this is below 0.
        openness: (V,) how much of the sky a vertex sees, 0 to 1.
        materials: (F,) int32 rows of the scene's materials.
        owners: (F,) int32 the person a face belongs to, -1 for things.
        is_closed: (F,) whether the back of the face is never seen.
    """

    vertices: Floats
    faces: NDArray[np.int32]
    normals: Floats
    places: Floats
    colors: Floats
    coverage: Floats
    openness: Floats
    materials: NDArray[np.int32]
    owners: NDArray[np.int32]
    is_closed: NDArray[np.bool_]


def make_mesh(  # house rule: what a mesh needs at least
    vertices: Floats,
    faces: NDArray[np.int32],
    *,
    material: int,
    owner: int = -1,
    places: Floats | None = None,
    colors: Floats | None = None,
    coverage: Floats | None = None,
    openness: Floats | None = None,
    is_closed: bool = False,
) -> Mesh:
    """Make a mesh of one material; what is not given is white, whole and open to the sky.

    >>> corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    >>> mesh = make_mesh(corners, np.array([[0, 1, 2]], np.int32), material=0)
    >>> mesh.normals[0].round(3).tolist(), mesh.coverage.tolist()
    ([0.0, 0.0, 1.0], [1.0, 1.0, 1.0])
    """
    count = len(vertices)
    ones = np.ones(count, np.float32)
    return Mesh(
        vertices=np.ascontiguousarray(vertices, np.float32),
        faces=np.ascontiguousarray(faces, np.int32),
        normals=vertex_normals(vertices, faces),
        places=np.ascontiguousarray(vertices if places is None else places, np.float32),
        colors=np.ones((count, 3), np.float32) if colors is None else colors.astype(np.float32),
        coverage=ones if coverage is None else coverage.astype(np.float32),
        openness=ones if openness is None else openness.astype(np.float32),
        materials=np.full(len(faces), material, np.int32),
        owners=np.full(len(faces), owner, np.int32),
        is_closed=np.full(len(faces), is_closed),
    )


def join(meshes: Sequence[Mesh]) -> Mesh:
    """Make one mesh of several.

    >>> corner = np.eye(3, dtype=np.float32)
    >>> one = make_mesh(corner, np.array([[0, 1, 2]], np.int32), material=0)
    >>> join([one, one]).faces.tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    joined = {
        name: np.concatenate([getattr(mesh, name) for mesh in meshes]) for name in Mesh._fields
    }
    joined["faces"] = np.concatenate(
        [mesh.faces + np.int32(start) for mesh, start in zip(meshes, starts, strict=False)]
    )
    return Mesh(**joined)


def vertex_normals(vertices: Floats, faces: NDArray[np.int32]) -> Floats:
    """Give unit normals: of each vertex's faces, weighted by area.

    vertices: (V, 3); faces: (F, 3). A vertex without faces gets zeros.
    """
    normals = np.zeros((len(vertices), 3), np.float32)
    _sum_normals(np.ascontiguousarray(vertices, np.float32), faces, normals)
    return normals


@compiled
def _sum_normals(vertices: Floats, faces: NDArray[np.int32], normals: Floats) -> None:
    for face in range(faces.shape[0]):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        ux, uy, uz = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        vx, vy, vz = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        for corner in (a, b, c):
            normals[corner, 0] += uy * vz - uz * vy
            normals[corner, 1] += uz * vx - ux * vz
            normals[corner, 2] += ux * vy - uy * vx
    for vertex in range(normals.shape[0]):
        x, y, z = normals[vertex, 0], normals[vertex, 1], normals[vertex, 2]
        length = np.sqrt(x * x + y * y + z * z)
        if length > 0.0:
            normals[vertex, 0], normals[vertex, 1] = x / length, y / length
            normals[vertex, 2] = z / length
