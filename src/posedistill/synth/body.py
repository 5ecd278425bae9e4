"""Make bodies: the mesh and the 133 keypoints of a person, from the baked body model.

Blend shapes and linear blend skinning in numpy; a few milliseconds a body on one thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.attention import Attention, attention
from posedistill.synth.bake import baked_body
from posedistill.synth.keypoints import KeypointFinder
from posedistill.synth.kinematics import Kinematics
from posedistill.synth.person import Person
from posedistill.synth.phenotypes import Phenotypes
from posedistill.synth.regions import regions_of_mesh
from posedistill.synth.skinning import Skin

__all__ = ["Body", "BodyModel", "Person", "body_model"]
_Floats = NDArray[np.float64]
_POLAR_STEPS = 7
MEAN_ADULT = {"age": 0.67, "gender": 0.5, "weight": 0.45, "muscle": 0.5}


@dataclass(frozen=True, eq=False)
class Body:
    """Hold the posed mesh of a person and its keypoints, in metres, y up.

    Attributes:
        vertices: (V,3) float32.
        keypoints: (133,3) float32.
        depth_slack: (133,) float32, how far a keypoint may lie behind the visible surface and
            still count as seen: joints lie inside the body.
        person: what it was made of.
    """

    vertices: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    depth_slack: NDArray[np.float32]
    person: Person


class _Rest(NamedTuple):
    """A shaped body before posing: vertices (V,3), bones' heads (B,3) and turns (B,3,3)."""

    vertices: NDArray[np.float32]
    heads: _Floats
    to_reference: _Floats


class BodyModel:
    """Make bodies of persons; slow to build, so use `body_model`.

    Attributes:
        faces: (F,3) int32, outward by the right-hand rule.
        rest_vertices: (V,3) float32, the mean body before posing, for patterns that stay put.
        regions: masks (V,) of the parts of the body by name.

    >>> model = body_model()
    >>> model.make(Person()).keypoints.shape
    (133, 3)
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = arrays
        self.faces: NDArray[np.int32] = arrays["faces"]
        self.rest_vertices: NDArray[np.float32] = arrays["template"]
        self._labels = [str(label) for label in arrays["bone_labels"]]
        self._parents: NDArray[np.int64] = arrays["bone_parents"]
        self._head = self._labels.index("head")
        self._eyes = [self._labels.index("eye.L"), self._labels.index("eye.R")]
        self._kinematics = Kinematics(self._labels, self._parents.tolist())
        self._phenotypes = Phenotypes(arrays)
        self._skin = Skin(arrays["skin_weights"])
        self.bone_labels: tuple[str, ...] = tuple(self._labels)
        self.finder = KeypointFinder(arrays, self._labels)

    @property
    def num_vertices(self) -> int:
        """Give the number of vertices of the mesh."""
        return len(self.rest_vertices)

    @cached_property
    def regions(self) -> dict[str, NDArray[np.bool_]]:
        """Give the masks (V,) of the parts of the body by name."""
        return regions_of_mesh(self._arrays, self._labels)

    @cached_property
    def attention(self) -> Attention:
        """Give how the bones stand when all angles are zero."""
        rest = self._mean_rest
        offsets = self._offsets(rest)
        places = self._kinematics.placed(offsets)
        heads = dict(zip(self._labels, places, strict=True))
        tips = self.finder.fingertips(rest.vertices)
        rows = {label: self._labels.index(label) for label in tips}
        return attention(
            heads,
            {
                label: places[row] + rest.to_reference[row] @ (tips[label] - rest.heads[row])
                for label, row in rows.items()
            },
        )

    @cached_property
    def _mean_rest(self) -> _Rest:
        return self._rest(Person(phenotype=MEAN_ADULT))

    def bone_heads(self, angles_deg: _Floats) -> _Floats:
        """Give the heads of the bones (B,3) of a mean adult in a pose, the pelvis unturned.

        >>> import numpy as np
        >>> from posedistill.synth.joint_limits import ANGLES
        >>> body_model().bone_heads(np.zeros(len(ANGLES))).shape
        (104, 3)
        """
        person = Person(angles_deg=angles_deg)
        return self._places(self._mean_rest, self._bone_rotations(person))

    def _places(self, rest: _Rest, rotations: _Floats) -> _Floats:
        """Give where the heads of the bones (B,3) come to lie, the root's in the origin."""
        parents = np.maximum(self._parents, 0)
        turned = np.einsum("bij,bj->bi", rotations[parents], self._offsets(rest))
        turned[0] = 0
        return self._kinematics.placed(turned)

    def make(self, person: Person) -> Body:
        """Give the body of a person; its lowest point is `person.lift` above y = 0."""
        rest = self._rest(person)
        rotations = self._bone_rotations(person)
        places = self._places(rest, rotations)
        turns = rotations @ rest.to_reference
        moves = places - np.einsum("bij,bj->bi", turns, rest.heads)
        vertices = self._skin.moved(rest.vertices, turns, moves=moves)
        shift = np.array([0, person.lift - vertices[:, 1].min(), 0], np.float32)
        vertices += shift
        keypoints = self.finder.keypoints(vertices, places + shift)
        return Body(vertices, keypoints, self.finder.depth_slack, person)

    def _bone_rotations(self, person: Person) -> _Floats:
        """Give each bone's rotation (B,3,3) from the reference pose to the pose of a person."""
        local = self._kinematics.local_rotations(person.angles_deg)
        chained = self._kinematics.chained(local @ self.attention.fixed, person.root_rotation)
        rotations: _Floats = chained @ self.attention.world
        return rotations

    def _rest(self, person: Person) -> _Rest:
        arrays, basis = self._arrays, len(self._arrays["basis"])
        dense = self._phenotypes.coefficients(person.phenotype)
        local = self._phenotypes.local_coefficients(person.shapes, person.expression)
        vertices = self.rest_vertices + (dense @ arrays["basis"]).reshape(-1, 3)
        self._add_shapes(vertices, local)
        used = np.r_[:basis, [basis + shape for shape in local]].astype(np.int64)
        coefficients = np.concatenate([dense, np.array([*local.values()], np.float32)])
        heads = arrays["heads"] + (coefficients @ arrays["heads_shapes"][used]).reshape(-1, 3)
        turns = (coefficients @ arrays["orientations_shapes"][used]).reshape(-1, 3, 3)
        rest_turns = _nearest_rotations(arrays["orientations"] + turns)
        to_reference = arrays["reference"] @ np.swapaxes(rest_turns, -1, -2)
        to_reference[self._eyes] = to_reference[self._head]  # eyes look where the face does
        return _Rest(vertices, heads.astype(np.float64), to_reference)

    def _add_shapes(self, vertices: NDArray[np.float32], local: Mapping[int, float]) -> None:
        """Add the sparse shapes to vertices (V,3): one sum over all of them, not many small."""
        starts, owners = self._arrays["shape_starts"], self._arrays["shape_vertices"]
        rows = [slice(starts[shape], starts[shape + 1]) for shape in local]
        if not rows:
            return
        moved = np.concatenate([owners[own] for own in rows])
        deltas = self._arrays["shape_deltas"]
        offsets = np.concatenate(
            [
                deltas[own] * np.float32(value)
                for own, value in zip(rows, local.values(), strict=True)
            ]
        )
        for axis in range(3):
            vertices[:, axis] += np.bincount(moved, offsets[:, axis], minlength=len(vertices))

    def _offsets(self, rest: _Rest) -> _Floats:
        """Give each bone's place (B,3) against its parent in the reference pose."""
        parents = np.maximum(self._parents, 0)
        offsets: _Floats = np.einsum(
            "bij,bj->bi", rest.to_reference[parents], rest.heads - rest.heads[parents]
        )
        return offsets


@lru_cache(maxsize=1)
def body_model() -> BodyModel:
    """Build the body model, once a process.

    The first call on a machine bakes it, half a minute; later ones read it from the cache.

    >>> body_model().faces.shape[1]
    3
    """
    return BodyModel(baked_body())


def _nearest_rotations(matrices: _Floats) -> _Floats:
    """Give the rotations (B,3,3) nearest to matrices with positive determinants.

    By Newton's iteration for the polar factor, scaled (Higham 1986): faster than singular vectors.
    """
    after, before = [1, 2, 0], [2, 0, 1]
    turns = np.moveaxis(matrices, 0, -1).copy()  # (3,3,B): few calls on long rows
    for _ in range(_POLAR_STEPS):
        down, up = turns[after], turns[before]
        cofactors = down[:, after] * up[:, before] - down[:, before] * up[:, after]
        determinants = (turns[0] * cofactors[0]).sum(axis=0)
        scale = np.cbrt(determinants)
        turns = (turns / scale + cofactors * (scale / determinants)) / 2
    return np.moveaxis(turns, -1, 0)
