"""Scores that mean something: a model's outputs scaled so that half of the joints at 0.3 are right.

A SimCC score is the height of a row, which training leaves open: the loss sees rows through a
softmax, and so how much higher one bin is than the others, not how high (RTMPose, Jiang et al.,
2023). Scaling the last layer moves no keypoint, and puts a score where drawing, tracking and
smoothing look for it.
"""

import copy

import numpy as np
from numpy.typing import NDArray
from torch import no_grad

from posedistill.evaluate.run import READERS
from posedistill.export.calibration import LabelledPhotos
from posedistill.models import PoseModel
from posedistill.runtime.estimator import Estimator

WANTED = 0.3  # what `predict` draws joints from, and the tracker believes
_RIGHT = 0.1  # of the longer side of the box: PCK@0.1
_BODY = 17
_FEWEST = 50  # joints, to tell anything by
# Of the heads there are; in a SimCC head final_layer is not the last.
_LAST_LAYERS = (("cls_x", "cls_y"), ("final_layer",), ("score",))


def with_meaning(model: PoseModel, photos: LabelledPhotos) -> tuple[PoseModel, float]:
    """Give a copy of a model whose body joints with a score of 0.3 are as often right as wrong.

    Right is a joint within a tenth of the longer side of the box. Also gives the factor.
    Raises ValueError for a model whose head or skeleton is not known, where fewer than 50 body
    joints are labelled, and where the scores tell nothing; what the reader of the annotations
    raises, too.

    >>> with_meaning(model, photos)  # doctest: +SKIP
    """
    scores, is_right = body_scores(model, photos)
    if len(scores) < _FEWEST:
        raise ValueError(
            f"{photos.annotations} has {len(scores)} labelled body joints; {_FEWEST} or more tell "
            "what a score means"
        )
    threshold = even_odds(scores, is_right)
    if threshold <= 0:
        raise ValueError(
            f"no score of this model tells right joints of {photos.annotations} from wrong ones; "
            "is it trained, and are the photos what it was trained for?"
        )
    factor = WANTED / threshold
    return scaled(model, factor), factor


def body_scores(
    model: PoseModel, photos: LabelledPhotos
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give the scores (M,) of all labelled body joints, in labelled boxes, and which are right.

    Raises ValueError for a skeleton whose annotations cannot be read.

    >>> body_scores(model, photos)  # doctest: +SKIP
    """
    skeleton = model.spec.skeleton
    if skeleton not in READERS:
        known = ", ".join(READERS)
        raise ValueError(f"the model gives {skeleton}; annotations can be read for {known}")
    data = READERS[skeleton](photos.annotations, photos.images_dir)
    estimator = Estimator(copy.deepcopy(model).eval().session())
    scores, is_right = [np.empty(0)], [np.empty(0, bool)]
    for person in data.instances:
        poses = estimator(data.image(person.image_id), person.box_xyxy[None])
        shown = person.visible[:_BODY] > 0
        apart = np.linalg.norm(poses.keypoints[0, :_BODY] - person.keypoints[:_BODY], axis=-1)
        side = (person.box_xyxy[2:] - person.box_xyxy[:2]).max()
        scores.append(poses.scores[0, :_BODY][shown].astype(np.float64))
        is_right.append((apart <= _RIGHT * side)[shown])
    return np.concatenate(scores), np.concatenate(is_right)


def even_odds(scores: NDArray[np.floating], is_right: NDArray[np.bool_]) -> float:
    """Give the score that best parts right from wrong: fewest wrong from there on, right below.

    scores, is_right: (M,). Of several as good, the middle one of the lowest stretch.

    >>> even_odds(np.array([0.1, 0.25, 0.5, 0.6]), np.array([False, False, True, True]))
    0.375
    """
    order = np.argsort(scores, kind="stable")
    ranked, right = np.asarray(scores, np.float64)[order], is_right[order]
    mistakes = np.concatenate([[0], np.cumsum(right)]) + np.concatenate(
        [np.cumsum(~right[::-1])[::-1], [0]]
    )
    place = int(mistakes.argmin())
    below, above = ranked[max(place - 1, 0)], ranked[min(place, len(ranked) - 1)]
    return float((below + above) / 2)


def scaled(model: PoseModel, factor: float) -> PoseModel:
    """Give a copy of a model whose outputs are so many times as high.

    Raises ValueError for a head whose last layer is not known.

    >>> from posedistill.models import build
    >>> model = build("rtmpose-n", "coco17", (48, 64))
    >>> twice = scaled(model, 2.0)
    >>> bool((twice.head.cls_x.weight == 2 * model.head.cls_x.weight).all())
    True
    """
    model = copy.deepcopy(model)
    known = (names for names in _LAST_LAYERS if hasattr(model.head, names[0]))
    layers = [getattr(model.head, name) for name in next(known, ())]
    if not layers:
        raise ValueError(f"it is not known how the scores of {model.spec.architecture} are scaled")
    with no_grad():
        for layer in layers:
            for parameter in layer.parameters():
                parameter.mul_(factor)
    return model
