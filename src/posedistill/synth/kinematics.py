"""Turn the angles of a pose into rotations of the bones, and those into places of the bones.

Every bone turns by up to three successive rotations about fixed axes, each by an angle that is
linear in the angles of the pose. The axes are those of the attention pose (x to the person's
left, y up, z ahead), written for the left side; those of the right are their mirror images.
Twists are shared between the bones of a limb, so that no wrist is wrung like a sweet's paper.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.joint_limits import ANGLES, FINGERS, INDEX

_Floats = NDArray[np.float64]
_X, _Y, _Z = np.eye(3)
_SPINE = {"spine05": 0.12, "spine04": 0.2, "spine03": 0.24, "spine02": 0.24, "spine01": 0.2}
_NECK = {"neck01": 0.17, "neck02": 0.2, "neck03": 0.25, "head": 0.38}


class _Turn(NamedTuple):
    """Say that a bone turns about an axis by a weighted sum of angles."""

    bone: str
    step: int  # 0, 1, 2: the order of the rotations, the first being outermost
    axis: _Floats
    weights: Mapping[str, float]


def _trunk_turns() -> Iterator[_Turn]:
    for part, shares in (("spine", _SPINE), ("neck", _NECK)):
        for bone, share in shares.items():
            yield _Turn(bone, 0, _Y, {f"{part}_turn": share})
            yield _Turn(bone, 1, _Z, {f"{part}_bend": -share})
            yield _Turn(bone, 2, _X, {f"{part}_flex": share})
    for eye in ("eye.L", "eye.R"):
        yield _Turn(eye, 0, _Y, {"eyes_turn": 1})
        yield _Turn(eye, 1, _X, {"eyes_up": -1})


_LEFT_TURNS = (
    _Turn("clavicle", 0, _Y, {"clavicle_forward": -1}),
    _Turn("clavicle", 1, _Z, {"clavicle_up": 1}),
    _Turn("upperarm01", 0, _Y, {"shoulder_plane": -1}),
    _Turn("upperarm01", 1, _Z, {"shoulder_raise": 1}),
    _Turn("upperarm01", 2, _Y, {"shoulder_plane": 1, "shoulder_turn": -0.45}),
    _Turn("upperarm02", 0, _Y, {"shoulder_turn": -0.55}),
    _Turn("lowerarm01", 0, _X, {"elbow_flex": -1}),
    _Turn("lowerarm01", 1, _Y, {"forearm_turn": -0.25}),
    _Turn("lowerarm02", 0, _Y, {"forearm_turn": -0.5}),
    _Turn("wrist", 0, _Y, {"forearm_turn": -0.25}),
    _Turn("wrist", 1, _X, {"wrist_bend": -1}),
    _Turn("wrist", 2, _Z, {"wrist_flex": -1}),
    _Turn("upperleg01", 0, _X, {"hip_flex": -1}),
    _Turn("upperleg01", 1, _Z, {"hip_spread": 1}),
    _Turn("upperleg01", 2, _Y, {"hip_turn": -0.5}),
    _Turn("upperleg02", 0, _Y, {"hip_turn": -0.5}),
    _Turn("lowerleg01", 0, _X, {"knee_flex": 1}),
    _Turn("foot", 0, _X, {"ankle_flex": -1}),
    _Turn("foot", 1, _Z, {"ankle_turn": -1}),
    _Turn("finger1-1", 0, _Y, {"thumb_oppose": -1}),
    _Turn("finger1-1", 1, _X, {"thumb_spread": -1}),
    _Turn("finger1-2", 0, _Z, {"thumb_flex1": -1}),
    _Turn("finger1-3", 0, _Z, {"thumb_flex2": -1}),
)


def _left_turns() -> Iterator[_Turn]:
    yield from _LEFT_TURNS
    for toe in range(1, 6):
        yield _Turn(f"toe{toe}-1", 0, _X, {"toes_flex": 1})
    for number, finger in enumerate(FINGERS, start=2):
        yield _Turn(f"finger{number}-1", 0, _X, {f"{finger}_spread": -1})
        yield _Turn(f"finger{number}-1", 1, _Z, {f"{finger}_flex1": -1})
        yield _Turn(f"finger{number}-2", 0, _Z, {f"{finger}_flex2": -1})
        yield _Turn(f"finger{number}-3", 0, _Z, {f"{finger}_flex3": -1})


def _all_turns() -> Iterator[_Turn]:
    yield from _trunk_turns()
    for bone, step, axis, weights in _left_turns():
        left = {f"left_{name}": weight for name, weight in weights.items()}
        yield _Turn(f"{bone}.L", step, axis, left)
        sign = 1.0 if axis is _X else -1.0  # a rotation about y or z turns round in a mirror
        right = {f"right_{name}": sign * weight for name, weight in weights.items()}
        yield _Turn(f"{bone}.R", step, axis, right)


class Kinematics:
    """Know how the angles of a pose turn the bones, given by label and by parent's index."""

    def __init__(self, labels: Sequence[str], parents: Sequence[int]) -> None:
        self._axes = np.tile(_X, (3, len(labels), 1))
        self._weights = np.zeros((3, len(labels), len(ANGLES)))
        rows = {label: row for row, label in enumerate(labels)}
        for bone, step, axis, weights in _all_turns():
            self._axes[step, rows[bone]] = axis
            for name, weight in weights.items():
                self._weights[step, rows[bone], INDEX[name]] = weight
        self._clavicles = [rows["clavicle.L"], rows["clavicle.R"]]
        self._upper_arms = [rows["upperarm01.L"], rows["upperarm01.R"]]
        self._levels = _levels(parents)
        self._parents = np.array(parents)

    def local_rotations(self, angles_deg: _Floats) -> _Floats:
        """Give the rotation (B,3,3) of every bone against its parent, for angles (A,) in degrees.

        Collar bones carry the shoulders but do not turn the arms, whose angles are those to the
        chest.
        """
        theta = np.radians(self._weights @ angles_deg)
        steps = _rotations(self._axes, theta)
        local: _Floats = steps[0] @ steps[1] @ steps[2]
        back = np.swapaxes(local[self._clavicles], -1, -2)
        local[self._upper_arms] = back @ local[self._upper_arms]
        return local

    def chained(self, local: _Floats, root: _Floats) -> _Floats:
        """Give each bone's rotation (B,3,3) against the world; `root` (3,3) turns the whole."""
        world = local.copy()
        world[0] = root @ local[0]
        for level in self._levels:
            world[level] = world[self._parents[level]] @ local[level]
        return world

    def placed(self, offsets: _Floats) -> _Floats:
        """Give each bone's place (B,3) from the places against the parent, in world axes (B,3)."""
        places = offsets.copy()
        for level in self._levels:
            places[level] += places[self._parents[level]]
        return places


def _levels(parents: Sequence[int]) -> list[NDArray[np.int64]]:
    """Give the bones below the root by their depth, the shallowest first."""
    depth = np.zeros(len(parents), np.int64)
    for bone, parent in enumerate(parents):
        depth[bone] = 0 if parent < 0 else depth[parent] + 1
    return [np.flatnonzero(depth == level) for level in range(1, int(depth.max()) + 1)]


def _rotations(axes: _Floats, theta: _Floats) -> _Floats:
    """Give rotations (..., 3, 3) about unit axes (..., 3) by angles (...), by Rodrigues."""
    cross = np.zeros((*theta.shape, 3, 3))
    x, y, z = axes[..., 0], axes[..., 1], axes[..., 2]
    cross[..., 0, 1], cross[..., 0, 2], cross[..., 1, 2] = -z, y, -x
    cross[..., 1, 0], cross[..., 2, 0], cross[..., 2, 1] = z, -y, x
    sine, cosine = np.sin(theta)[..., None, None], np.cos(theta)[..., None, None]
    rotations: _Floats = np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross)
    return rotations
