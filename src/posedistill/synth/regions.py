"""Name the parts of the body mesh: masks of vertices for skin, hair and clothes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.keypoints import face_vertices

_Mask = NDArray[np.bool_]
# parts by the bones that move them most; what is left of the trunk is torso
_BONES = {
    "upper_arm": ("upperarm",),
    "forearm": ("lowerarm",),
    "hand": ("wrist", "metacarpal", "finger"),
    "thigh": ("upperleg",),
    "calf": ("lowerleg",),
    "foot": ("foot", "toe"),
}


def regions_of_mesh(arrays: Mapping[str, NDArray[Any]], labels: Sequence[str]) -> dict[str, _Mask]:
    """Give the masks (V,) of the parts of the body by name; `arrays` are the baked ones.

    >>> from posedistill.synth.body import body_model
    >>> {"scalp", "face", "torso", "hand_left"} <= set(body_model().regions)
    True
    """
    strongest = np.array(labels)[arrays["skin_weights"].argmax(axis=1)]
    eyes = _touched(arrays, "eye_front") | _touched(arrays, "eye_back")
    regions = {**_limbs(strongest), **_eyes(arrays, eyes), **_head(arrays, strongest, eyes)}
    hips = np.isin(strongest, ["root", "pelvis.L", "pelvis.R", "spine05"])
    regions["hips"] = hips
    taken = np.any(list(regions.values()), axis=0)
    return {**regions, "torso": ~taken}


def _limbs(strongest: NDArray[np.str_]) -> dict[str, _Mask]:
    masks = {}
    for part, bones in _BONES.items():
        own = np.any([np.char.startswith(strongest, bone) for bone in bones], axis=0)
        masks[f"{part}_left"] = own & np.char.endswith(strongest, ".L")
        masks[f"{part}_right"] = own & np.char.endswith(strongest, ".R")
    return masks


def _touched(arrays: Mapping[str, NDArray[Any]], part: str) -> _Mask:
    """Mark the vertices of the faces of a part."""
    mask = np.zeros(len(arrays["template"]), bool)
    mask[arrays["faces"][arrays[f"faces_{part}"]]] = True
    return mask


def _eyes(arrays: Mapping[str, NDArray[Any]], eyes: _Mask) -> dict[str, _Mask]:
    """Mark the eyeballs, and on them iris and pupil around the direction of view."""
    template, labels = arrays["template"], list(arrays["bone_labels"])
    iris, pupil = np.zeros(len(eyes), bool), np.zeros(len(eyes), bool)
    for bone in ("eye.L", "eye.R"):
        own = np.flatnonzero(eyes & (arrays["skin_weights"][:, labels.index(bone)] > 0.5))
        centre = (template[own].min(axis=0) + template[own].max(axis=0)) / 2
        away = template[own] - centre
        off_axis = np.degrees(np.arctan2(np.hypot(away[:, 0], away[:, 1]), away[:, 2]))
        iris[own], pupil[own] = off_axis < 32, off_axis < 14
    return {"eyes": eyes, "iris": iris, "pupil": pupil}


def _head(
    arrays: Mapping[str, NDArray[Any]], strongest: NDArray[np.str_], eyes: _Mask
) -> dict[str, _Mask]:
    template = arrays["template"]
    points = template[face_vertices()].mean(axis=1)
    skin = _touched(arrays, "head") & ~eyes
    inside = (_touched(arrays, "eye_cavity") | _touched(arrays, "mouth_cavity")) & ~skin
    brow_top = points[17:27, 1].max()
    front = points[36, 2]  # the outer corner of an eye
    x, y, z = np.abs(template[:, 0]), template[:, 1], template[:, 2]
    ears = skin & (x > 0.0728)
    hairline = brow_top + 0.042 - 0.25 * (points[27, 2] - z)
    scalp = skin & ~ears & ((y > hairline) | ((z < front - 0.055) & (y > points[33, 1])))
    neck = np.char.startswith(strongest, "neck") & ~_touched(arrays, "head")
    return {
        "scalp": scalp,
        "ears": ears,
        "face": skin & ~ears & ~scalp,
        "brows": skin & (_near_line(template, points[17:22]) | _near_line(template, points[22:27])),
        "lips": skin & _lips(template, points),
        "neck": neck,
        "tongue": _touched(arrays, "tongue"),
        "cavities": inside,
    }


def _near_line(template: NDArray[np.float32], line: NDArray[np.float32]) -> _Mask:
    """Mark a band around a line of points that runs from left to right, most of it below."""
    order = np.argsort(line[:, 0])
    top = np.interp(template[:, 0], line[order, 0], line[order, 1])
    beyond = np.maximum(line[order[0], 0] - template[:, 0], template[:, 0] - line[order[-1], 0])
    below = top - template[:, 1]
    band: _Mask = (beyond < 0.002) & (below < 0.007) & (below > -0.0025) & (template[:, 2] > 0)
    return band


def _lips(template: NDArray[np.float32], points: NDArray[np.float32]) -> _Mask:
    x, y = template[:, 0], template[:, 1]
    top = np.interp(x, points[48:55, 0], points[48:55, 1])
    lower = points[[48, 59, 58, 57, 56, 55, 54]]
    bottom = np.interp(x, lower[:, 0], lower[:, 1])
    inside = (np.abs(x) <= points[54, 0]) & (y <= top + 0.0005) & (y >= bottom - 0.0005)
    lips: _Mask = inside & (template[:, 2] > points[54, 2] - 0.01)
    return lips
