"""Stand the body model at attention: the pose in which all angles of a person are zero.

The model's own reference pose has its arms spread and its elbows, fingers and thumbs bent. Here
each bone is given the rotation that takes it from there to attention, found once from the places
of the bones. The right side mirrors the left.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
_DOWN = np.array([0.0, -1.0, 0.0])
_MIRROR = np.diag([-1.0, 1.0, 1.0])
_FOREARM_SHARES = {"lowerarm01": 0.25, "lowerarm02": 0.75}  # of the twist from elbow to wrist


class Attention(NamedTuple):
    """Rotations of the bones, B of them, from the reference pose to attention.

    Attributes:
        world: (B,3,3) rotation of each bone from the reference pose to attention.
        fixed: (B,3,3) what a bone turns against its parent at attention; not the identity only
            at the root of the thumbs, whose angles are counted from where a relaxed thumb is.
    """

    world: _Floats
    fixed: _Floats


def attention(heads: Mapping[str, _Floats], tips: Mapping[str, _Floats]) -> Attention:
    """Find the attention pose from the places (3,) of the bones and of the left fingertips.

    `heads` has a place for every bone label, in the order of the bones; `tips` for the labels of
    the last finger bones of the left hand, such as ``finger2-3.L``.

    >>> from posedistill.synth.body import body_model
    >>> body_model().attention.world.shape
    (104, 3, 3)
    """
    left = {**_legs(heads), **_arm(heads), **_hand(heads, tips)}
    world = np.tile(np.eye(3), (len(heads), 1, 1))
    fixed = world.copy()
    rows = {label: row for row, label in enumerate(heads)}
    for label, rotation in left.items():
        world[rows[label]] = rotation
    thumb = rows["finger1-1.L"]
    fixed[thumb] = world[rows["wrist.L"]] @ world[thumb].T
    for label in left:
        here, there = rows[label], rows[label[:-1] + "R"]
        world[there] = _MIRROR @ world[here] @ _MIRROR
        fixed[there] = _MIRROR @ fixed[here] @ _MIRROR
    return Attention(world, fixed)


def _legs(heads: Mapping[str, _Floats]) -> dict[str, _Floats]:
    thigh = _shortest(heads["lowerleg01.L"] - heads["upperleg01.L"], _DOWN)
    calf = _shortest(heads["foot.L"] - heads["lowerleg01.L"], _DOWN)
    ahead = heads["toe3-1.L"] - heads["foot.L"]
    ahead[1] = 0
    foot = _shortest(ahead, np.array([0.0, 0.0, 1.0]))
    toes = [label for label in heads if label.startswith("toe") and label.endswith(".L")]
    return {
        "upperleg01.L": thigh,
        "upperleg02.L": thigh,
        "lowerleg01.L": calf,
        "lowerleg02.L": calf,
        **dict.fromkeys(["foot.L", *toes], foot),
    }


def _arm(heads: Mapping[str, _Floats]) -> dict[str, _Floats]:
    """Hang the arm, its elbow straight and hinged about x; share the twist of the forearm."""
    upper = heads["lowerarm01.L"] - heads["upperarm01.L"]
    fore = heads["wrist.L"] - heads["lowerarm01.L"]
    hinge = np.cross(upper, fore)
    forearm = _hung(fore, side=-hinge, axis=0)
    relative = _palm(heads) @ forearm.T  # what is left of it is mostly a twist about y
    twist = np.arctan2(relative[0, 2], relative[0, 0])
    arm = _hung(upper, side=-hinge, axis=0)
    shares = {
        f"{bone}.L": _about_y(share * twist) @ forearm for bone, share in _FOREARM_SHARES.items()
    }
    return {"upperarm01.L": arm, "upperarm02.L": arm, **shares}


def _hand(heads: Mapping[str, _Floats], tips: Mapping[str, _Floats]) -> dict[str, _Floats]:
    palm = _palm(heads)
    across = heads["finger2-1.L"] - heads["finger5-1.L"]
    rotations = {f"{bone}.L": palm for bone in ("wrist", *(f"metacarpal{n}" for n in range(1, 5)))}
    for finger in range(1, 6):
        labels = [f"finger{finger}-{joint}.L" for joint in (1, 2, 3)]
        places = [*(heads[label] for label in labels), tips[labels[-1]]]
        bones = np.diff(places, axis=0)
        curl = -_unit(np.cross(bones[0], bones[1]))  # fingers are made a little curled
        hinge = curl if finger == 1 else curl + _unit(across)
        for label, bone in zip(labels, bones, strict=True):
            rotations[label] = _hung(bone, side=hinge, axis=2)
    return rotations


def _palm(heads: Mapping[str, _Floats]) -> _Floats:
    along = heads["finger3-1.L"] - heads["wrist.L"]
    return _hung(along, side=heads["finger2-1.L"] - heads["finger5-1.L"], axis=2)


def _hung(bone: _Floats, *, side: _Floats, axis: int) -> _Floats:
    """Give the rotation that turns a bone down and `side`, made square to it, to x or z."""
    up = -_unit(bone)
    side = _unit(side - (side @ up) * up)
    columns = (side, up, np.cross(side, up)) if axis == 0 else (np.cross(up, side), up, side)
    return np.stack(columns)


def _shortest(source: _Floats, target: _Floats) -> _Floats:
    """Give the smallest rotation that turns one direction into another, not opposite, one."""
    source, target = _unit(source), _unit(target)
    x, y, z = np.cross(source, target)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation: _Floats = np.eye(3) + cross + cross @ cross / (1 + source @ target)
    return rotation


def _about_y(angle: float) -> _Floats:
    sine, cosine = np.sin(angle), np.cos(angle)
    return np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])


def _unit(vector: _Floats) -> _Floats:
    unit: _Floats = vector / np.linalg.norm(vector)
    return unit
