"""Find the 133 keypoints of a posed body: joints, feet, face points and hands.

Body and feet come from the regressors of the body model (weighted means of vertices); the knuckles
are the heads of the finger bones and the fingertips means of the outermost vertices. The 68 face
points, in the order of 300-W (Sagonas et al. 2013), are vertices chosen once: see
`face_points.json`, which says how.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill.skeleton import Skeleton

_NUM_TIP_VERTICES = 8  # their mean lies a few millimetres inside the tip
_HAND_SLACK = {"root": 0.05, "1": 0.03, "other": 0.02}
# how deep a keypoint lies inside the body, in metres, with room for fat and clothes
_SLACK = {
    "nose": 0.015,
    "eye": 0.02,
    "ear": 0.03,
    "shoulder": 0.12,
    "elbow": 0.08,
    "wrist": 0.06,
    "hip": 0.17,
    "knee": 0.11,
    "ankle": 0.08,
    "toe": 0.04,
    "heel": 0.06,
}


@cache
def face_vertices() -> NDArray[np.int64]:
    """Give the two vertices (68,2) whose mean is each face point.

    >>> face_vertices().shape
    (68, 2)
    """
    table = json.loads(Path(__file__).with_name("face_points.json").read_text(encoding="utf-8"))
    return np.array(table["vertices"], np.int64)


class KeypointFinder:
    """Find keypoints on the mesh whose arrays are those of `bake.baked_body`.

    Attributes:
        depth_slack: (133,) float32 metres, how far a keypoint lies behind the surface at most.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], labels: Sequence[str]) -> None:
        weights = arrays["regressors"]
        self._used = np.flatnonzero(np.abs(weights).max(axis=0) > 1e-5)
        kept = weights[:, self._used]
        self._regressors = kept / kept.sum(axis=1, keepdims=True)
        self._tips = _tip_vertices(arrays, labels)
        self._hand_bones = np.array([[labels.index(name) for name in row] for row in _hand_bones()])
        self.depth_slack = _depth_slack()

    def fingertips(self, vertices: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        """Give the fingertips (3,) by the label of the last bone of their finger.

        >>> from posedistill.synth.body import body_model
        >>> model = body_model()
        >>> len(model.finder.fingertips(model.rest_vertices))
        10
        """
        return {
            label: vertices[rows].mean(axis=0, dtype=np.float64)
            for label, rows in self._tips.items()
        }

    def keypoints(
        self, vertices: NDArray[np.float32], heads: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Give the keypoints (133,3) from posed vertices (V,3) and heads of bones (B,3).

        >>> from posedistill.synth.body import Person, body_model
        >>> nose, left_eye = body_model().make(Person()).keypoints[:2]
        >>> bool(left_eye[1] > nose[1])
        True
        """
        body = self._regressors @ vertices[self._used]
        face = vertices[face_vertices()].mean(axis=1)
        tips = list(self.fingertips(vertices).values())
        hands = []
        for side in (0, 1):
            own = tips[5 * side : 5 * side + 5]
            fingers = heads[self._hand_bones[side, 1:]].reshape(5, 3, 3)
            with_tips = np.concatenate([fingers, np.reshape(own, (5, 1, 3))], axis=1)
            hands += [heads[self._hand_bones[side, :1]], with_tips.reshape(-1, 3)]
        return np.concatenate([body, face, *hands]).astype(np.float32)


def _hand_bones() -> list[list[str]]:
    """Give, for left and right, the wrist and the three bones of each finger."""
    return [
        [f"wrist.{side}", *(f"finger{f}-{bone}.{side}" for f in range(1, 6) for bone in (1, 2, 3))]
        for side in "LR"
    ]


def _tip_vertices(
    arrays: Mapping[str, NDArray[Any]], labels: Sequence[str]
) -> dict[str, NDArray[np.int64]]:
    """Give the vertices that lie furthest along the last bone of each finger."""
    template, heads = arrays["template"], arrays["heads"]
    tips = {}
    for side in "LR":
        for finger in range(1, 6):
            before, last = (labels.index(f"finger{finger}-{bone}.{side}") for bone in (2, 3))
            own = np.flatnonzero(arrays["skin_weights"][:, last] > 0.5)
            along = template[own] @ (heads[last] - heads[before])
            tips[labels[last]] = own[np.argsort(along)[-_NUM_TIP_VERTICES:]]
    return tips


def _depth_slack() -> NDArray[np.float32]:
    names = Skeleton.get("wholebody133").joints
    slack = [_slack_of(name) for name in names]
    return np.array(slack, np.float32)


def _slack_of(name: str) -> float:
    if name.startswith("face"):
        return 0.015
    last = name.rsplit("_", 1)[-1]
    if last in _SLACK:
        return _SLACK[last]
    if last == "root":
        return _HAND_SLACK["root"]
    return _HAND_SLACK["1" if last.endswith("1") else "other"]
