"""Labels: what of a rendered person is written down, with the habits of COCO-WholeBody."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from posedistill.skeleton import Skeleton

SKELETON = "wholebody133"
_LEAST_SEEN = 0.3  # of a face, a hand or the feet, or none of it is labelled
_LEAST_POINTS = 8  # seen, of all 133
_LEAST_SIDE = 0.1  # of the longer side of the picture
_LEAST_AREA = 0.001  # of the picture


class Rendered(Protocol):
    """Be a person of a picture, as `posedistill.synth.scene.ScenePerson` is."""

    @property
    def keypoints(self) -> NDArray[np.float32]:
        """Give (133, 2) pixels."""

    @property
    def visible(self) -> NDArray[np.float32]:
        """Give (133,): 2 seen, 1 in the picture but hidden, 0 outside of it."""

    @property
    def box_xyxy(self) -> NDArray[np.float32]:
        """Give (4,) pixels, of what is seen."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Give (H, W), True where the person is seen."""


def label(person: Rendered) -> NDArray[np.float32]:
    """Give the label of each keypoint: 2 seen, 1 hidden, 0 unlabelled.

    As in COCO-WholeBody a hidden point of the body is labelled, but not where some, yet less than
    0.3, of the body's points are seen and nobody could guess the others; a face, a hand or feet are
    labelled as a whole or, where less than 0.3 of them is seen, as of a face from behind, not at
    all. Gives (133,); all 0 for a person who is not `worth_learning`.

    >>> from types import SimpleNamespace as Person
    >>> seen = np.full(133, 2, np.float32)
    >>> seen[112:130] = 1  # most of the right hand
    >>> box, mask = np.array([0, 0, 9, 9], np.float32), np.ones((9, 9), bool)
    >>> person = Person(keypoints=np.ones((133, 2)), visible=seen, box_xyxy=box, mask=mask)
    >>> label(person)[[0, 111, 112, 132]].tolist()
    [2.0, 2.0, 0.0, 0.0]
    """
    if not worth_learning(person):
        return np.zeros(len(person.visible), np.float32)
    labels = person.visible.astype(np.float32)
    for name, joints in Skeleton.get(SKELETON).groups.items():
        is_seen, is_body = labels[joints] == 2, name == "body"
        within = (labels[joints] > 0).sum() if is_body else len(joints)
        if is_seen.sum() >= _LEAST_SEEN * within:
            continue
        if is_seen.any() or not is_body:  # the wrist of a hand alone stays, hidden as it is
            labels[joints] *= is_seen & is_body
    return labels


def worth_learning(person: Rendered) -> bool:
    """Tell whether enough of a person is seen to learn a pose from.

    That is: 8 keypoints are seen, one of the body is in the picture, and the longer side of the box
    is a tenth of the picture's.
    """
    body = Skeleton.get(SKELETON).groups["body"]
    size = person.box_xyxy[2:] - person.box_xyxy[:2]
    return bool(
        (person.visible == 2).sum() >= _LEAST_POINTS
        and (person.visible[body] > 0).any()
        and size.min() > 0
        and size.max() >= _LEAST_SIDE * max(person.mask.shape)
    )


def worth_finding(person: Rendered) -> bool:
    """Tell whether enough of a person is seen to ask a detector for it: 0.001 of the picture."""
    return bool(person.mask.mean() >= _LEAST_AREA)
