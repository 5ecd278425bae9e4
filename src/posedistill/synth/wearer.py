"""Who wears it: a body in its pose, with what clothes, hair and glasses need to know of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.body import Body, body_model
from posedistill.synth.body_map import body_map
from posedistill.synth.mesh import Floats, vertex_normals
from posedistill.synth.textures import Palette


@dataclass(frozen=True, eq=False)
class Wearer:
    """Hold a body and what follows from it.

    Attributes:
        body: the body.
        normals: (V, 3) of its vertices.
        size: of the body against the one at rest, 1 for a grown-up.
        head: (3, 4) matrix from the head at rest to where it is.
        palette: takes the materials.
        owner: the person's number in the scene.
    """

    body: Body
    normals: Floats
    size: float
    head: NDArray[np.float64]
    palette: Palette
    owner: int

    def on_head(self, points: NDArray[np.floating]) -> Floats:
        """Move (N, 3) points given on the head at rest to where the head is."""
        return np.asarray(points @ self.head[:, :3].T + self.head[:, 3], np.float32)


def make_wearer(body: Body, *, palette: Palette, owner: int) -> Wearer:
    """Work out what follows from a body."""
    surface = body_map()
    rows = np.flatnonzero(body_model().regions["scalp"] | body_model().regions["ears"])
    head = similarity(surface.rest[rows], body.vertices[rows])
    shins = ("knee", "ankle")
    rest_size = surface.heights[shins[0]] - surface.heights[shins[1]]
    size = float(np.linalg.norm(body.keypoints[13] - body.keypoints[15])) / rest_size
    return Wearer(
        body=body,
        normals=vertex_normals(body.vertices, surface.faces),
        size=float(np.clip(size, 0.4, 1.3)),
        head=head,
        palette=palette,
        owner=owner,
    )


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """Give the (3, 4) turn, scale and shift that best map (N, 3) points to others.

    The least-squares answer of Umeyama, "Least-squares estimation of transformation parameters
    between two point patterns" (1991).

    >>> points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    >>> (similarity(points, 2 * points + 1).round(6) + 0.0).tolist()
    [[2.0, 0.0, 0.0, 1.0], [0.0, 2.0, 0.0, 1.0], [0.0, 0.0, 2.0, 1.0]]
    """
    source_middle, target_middle = source.mean(axis=0), target.mean(axis=0)
    source_part = (source - source_middle).astype(np.float64)
    target_part = (target - target_middle).astype(np.float64)
    left, singular, right = np.linalg.svd(target_part.T @ source_part)
    signs = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    rotation = (left * signs) @ right
    scale = (singular * signs).sum() / (source_part**2).sum()
    matrix = scale * rotation
    return np.hstack([matrix, (target_middle - matrix @ source_middle)[:, None]])
