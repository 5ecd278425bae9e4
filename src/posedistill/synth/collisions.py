"""Tell how deep parts of a body run into each other, by capsules along its bones.

A rough but cheap test, on the skeleton of a mean adult: what it cannot see (folds of the belly,
fingers against each other) stays.
"""

from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.body import BodyModel, body_model

_Floats = NDArray[np.float64]
_SIDES = ("L", "R")
# from bone to bone, how far beyond the second (in lengths of the capsule), radius in metres
_LIMBS = {
    "upper_arm": ("upperarm01", "lowerarm01", 0.0, 0.042),
    "forearm": ("lowerarm01", "wrist", 0.0, 0.035),
    "hand": ("wrist", "finger3-1", 0.7, 0.034),
    "thigh": ("upperleg01", "lowerleg01", 0.0, 0.068),
    "calf": ("lowerleg01", "foot", 0.0, 0.047),
    "foot": ("foot", "toe3-1", 0.3, 0.035),
}
_TRUNK = {
    "pelvis": ("upperleg01.L", "upperleg01.R", 0.0, 0.095),
    "belly": ("spine05", "spine03", 0.0, 0.11),
    "chest": ("spine03", "spine01", 0.0, 0.115),
    "collar": ("shoulder01.L", "shoulder01.R", 0.0, 0.05),
    "neck": ("neck01", "head", 0.0, 0.055),
    "head": ("neck03", "head", 2.2, 0.082),
}
_TRUNK_PARTS = frozenset(_TRUNK)
# pairs that always touch, or that flesh lets sink into each other this many metres
_SOFT = {
    ("belly", "thigh"): 0.09,
    ("chest", "thigh"): 0.06,
    ("pelvis", "thigh"): 9.0,
    ("pelvis", "calf"): 0.07,
    ("pelvis", "foot"): 0.05,
    ("chest", "upper_arm"): 0.08,
    ("collar", "upper_arm"): 9.0,
    ("neck", "upper_arm"): 0.06,
    ("head", "upper_arm"): 0.03,
    ("thigh", "thigh"): 0.07,
    ("calf", "calf"): 0.02,
    ("belly", "upper_arm"): 0.06,
    ("belly", "forearm"): 0.02,
    ("pelvis", "forearm"): 0.03,
    ("pelvis", "hand"): 0.03,
}


class Capsules:
    """Know the capsules of a body model and which pairs of them may not overlap."""

    def __init__(self, model: BodyModel) -> None:
        self._model = model
        limbs = {
            f"{name}.{side}": (f"{first}.{side}", f"{last}.{side}", beyond, radius)
            for name, (first, last, beyond, radius) in _LIMBS.items()
            for side in _SIDES
        }
        parts = {**_TRUNK, **limbs}
        labels = model.bone_labels
        self._first = [labels.index(first) for first, _, _, _ in parts.values()]
        self._last = [labels.index(last) for _, last, _, _ in parts.values()]
        self._beyond = np.array([beyond for _, _, beyond, _ in parts.values()])[:, None]
        radius = [radius for _, _, _, radius in parts.values()]
        pairs, reach = [], []
        for (i, one), (j, other) in combinations(enumerate(parts), 2):
            if (soft := _softness(one, other)) is not None:
                pairs.append((i, j))
                reach.append(radius[i] + radius[j] - soft)
        self._pairs = np.array(pairs).T
        self._reach = np.array(reach)

    def overlap(self, angles_deg: _Floats, fatness: float = 0.3) -> float:
        """Give the deepest overlap in metres, 0 if none, of a pose (A,) of a body that fat.

        >>> import numpy as np
        >>> from posedistill.synth.joint_limits import ANGLES
        >>> capsules().overlap(np.zeros(len(ANGLES))) < 0.05
        True
        """
        heads = self._model.bone_heads(angles_deg)
        start, end = heads[self._first], heads[self._last]
        end = end + self._beyond * (end - start)
        one, other = self._pairs
        distance = _between(start[one], end[one], start=start[other], end=end[other])
        return max(0.0, float((self._reach * (0.91 + 0.3 * fatness) - distance).max()))


@lru_cache(maxsize=1)
def capsules() -> Capsules:
    """Give the capsules of the body model, made once a process.

    >>> type(capsules()).__name__
    'Capsules'
    """
    return Capsules(body_model())


def _softness(one: str, other: str) -> float | None:
    """Give how deep two parts may overlap in metres, None where they are not compared."""
    (first, side), (second, other_side) = (f"{part}.".split(".")[:2] for part in (one, other))
    if first in _TRUNK_PARTS and second in _TRUNK_PARTS:
        return None
    if side == other_side and {first, second} != {"forearm", "thigh"} and side:
        limbs = ({"upper_arm", "forearm", "hand"}, {"thigh", "calf", "foot"})
        if any({first, second} <= limb for limb in limbs):
            return None
    return _SOFT.get((first, second), _SOFT.get((second, first), 0.0))


def _between(start_one: _Floats, end_one: _Floats, *, start: _Floats, end: _Floats) -> _Floats:
    """Give the distances (P,) between pairs of segments (Ericson 2004, section 5.1.9)."""
    along, other, gap = end_one - start_one, end - start, start_one - start
    a, e, b = (along * along).sum(1), (other * other).sum(1), (along * other).sum(1)
    c, f = (along * gap).sum(1), (other * gap).sum(1)
    s = np.clip((b * f - c * e) / np.maximum(a * e - b * b, 1e-9), 0, 1)
    t = np.clip((b * s + f) / e, 0, 1)
    s = np.clip((b * t - c) / a, 0, 1)
    apart: _Floats = np.linalg.norm(gap + s[:, None] * along - t[:, None] * other, axis=1)
    return apart
