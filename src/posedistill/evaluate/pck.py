"""PCK: the share of keypoints that are near enough to their labels.

A keypoint is right when its distance to the label is at most a threshold times a length: the
longer side of the person's box, or for a hand the longer side of the tight box of that hand's own
labels. Only labelled points count. A labelled person without a prediction has all points wrong.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from posedistill.evaluate.predictions import Prediction
from posedistill.evaluate.truth import Truth

# The first of each part is the one that the table shows.
THRESHOLDS = {
    "body": (0.1, 0.05),
    "foot": (0.05,),
    "face": (0.02,),
    "left_hand": (0.2,),
    "right_hand": (0.2,),
}
_HANDS = ("left_hand", "right_hand")
_OUTER_EYE_CORNERS = (36, 45)  # of the 68 face points
_SAME_PERSON_IOU = 0.5


def pck(
    distances: NDArray[np.floating],
    visible: NDArray[np.bool_],
    *,
    lengths: NDArray[np.floating],
    threshold: float,
) -> float | None:
    """Give the share of labelled keypoints within the threshold, in [0, 1].

    distances: (N, K) pixels to the labels, infinite where there is no prediction; visible:
    (N, K); lengths: (N,) pixels, people of length 0 do not count. None if no point counts.

    >>> pck(np.array([[1.0, 3.0]]), np.ones((1, 2), bool), lengths=np.array([10.0]), threshold=0.1)
    0.5
    """
    counts = visible & (lengths > 0)[:, None]
    if not counts.any():
        return None
    right = distances <= threshold * lengths[:, None]
    return float(right[counts].mean())


def match_boxes(
    boxes_xywh: NDArray[np.floating], others_xywh: NDArray[np.floating]
) -> NDArray[np.int64]:
    """Give for each box the other box that is the same person, or -1.

    boxes_xywh: (N, 4) and others_xywh: (M, 4) pixels of one image. Pairs are taken greedily, the
    highest intersection over union first, while it is at least 0.5; ties keep the order.

    >>> boxes = np.array([[0.0, 0, 9, 9], [50, 0, 9, 9]])
    >>> match_boxes(boxes, boxes[::-1]).tolist()
    [1, 0]
    """
    overlap = _intersection_over_union(boxes_xywh, others_xywh)
    matches = np.full(len(boxes_xywh), -1, np.int64)
    while overlap.size and overlap.max() >= _SAME_PERSON_IOU:
        row, column = np.unravel_index(overlap.argmax(), overlap.shape)
        matches[row] = column
        overlap[row], overlap[:, column] = 0, 0
    return matches


def evaluate_pck(truth: Truth, predictions: Sequence[Prediction]) -> dict[str, float]:
    """Give PCK of each part and the face's mean error, in per cent.

    The keys are such as ``body/PCK@0.1``, see `THRESHOLDS`, and ``face/NME``: the mean over
    labelled and predicted faces of the mean distance, by the distance of the outer eye corners.
    A part without labelled points, or that the skeleton lacks, has no key. Crowds are left out.

    >>> from posedistill.evaluate.truth import read_truth
    >>> evaluate_pck(read_truth({"images": [], "annotations": []}), [])
    {}
    """
    return pck_scores(
        truth, keypoint_distances(truth, predictions), chosen=np.ones(len(truth), np.bool_)
    )


def keypoint_distances(truth: Truth, predictions: Sequence[Prediction]) -> NDArray[np.float64]:
    """Give how far each labelled person's keypoints are from the prediction.

    Gives (N, K) pixels, infinite for persons that no prediction matches.

    >>> from posedistill.evaluate.truth import read_truth
    >>> keypoint_distances(read_truth({"images": [], "annotations": []}), []).shape
    (0, 133)
    """
    distances = np.full(truth.visible.shape, np.inf)
    by_image: dict[int, list[Prediction]] = {}
    for prediction in predictions:
        by_image.setdefault(prediction.image_id, []).append(prediction)
    for image_id, rows in by_image.items():
        people = np.flatnonzero((truth.image_ids == image_id) & ~truth.is_crowd)
        boxes_xywh = np.array([row.box_xywh for row in rows], np.float64)
        matches = match_boxes(truth.boxes_xywh[people], boxes_xywh)
        for person, match in zip(people, matches, strict=True):
            if match >= 0:
                offset = rows[match].keypoints - truth.keypoints[person]
                distances[person] = np.hypot(offset[:, 0], offset[:, 1])
    return distances


def pck_scores(
    truth: Truth, distances: NDArray[np.float64], *, chosen: NDArray[np.bool_]
) -> dict[str, float]:
    """Give what `evaluate_pck` gives, of some persons.

    distances: (N, K) pixels; chosen: (N,) which persons count.

    >>> from posedistill.evaluate.truth import read_truth
    >>> truth = read_truth({"images": [], "annotations": []})
    >>> pck_scores(truth, np.zeros((0, 133)), chosen=np.ones(0, bool))
    {}
    """
    visible = truth.visible & (chosen & ~truth.is_crowd)[:, None]
    scores: dict[str, float | None] = {}
    for part, joints in truth.skeleton.groups.items():
        lengths = _lengths(truth, part)
        for threshold in THRESHOLDS[part]:
            scores[f"{part}/PCK@{threshold}"] = pck(
                distances[:, joints], visible[:, joints], lengths=lengths, threshold=threshold
            )
    if "face" in truth.skeleton.groups:
        scores["face/NME"] = _face_error(truth, distances, visible)
    return {key: 100 * value for key, value in scores.items() if value is not None}


def _lengths(truth: Truth, part: str) -> NDArray[np.float64]:
    if part not in _HANDS:
        return np.asarray(truth.boxes_xywh[:, 2:].max(axis=1, initial=0))
    joints = truth.skeleton.groups[part]
    points, seen = truth.keypoints[:, joints], truth.visible[:, joints, None]
    high = np.where(seen, points, -np.inf).max(axis=1)
    low = np.where(seen, points, np.inf).min(axis=1)
    return np.asarray((high - low).max(axis=1, initial=0))  # -inf, thus 0, for unlabelled hands


def _face_error(
    truth: Truth, distances: NDArray[np.float64], visible: NDArray[np.bool_]
) -> float | None:
    joints = truth.skeleton.groups["face"]
    seen, off = visible[:, joints], distances[:, joints]
    right, left = _OUTER_EYE_CORNERS
    corners = truth.keypoints[:, joints]
    between = np.linalg.norm(corners[:, right] - corners[:, left], axis=1)
    counts = seen[:, right] & seen[:, left] & (between > 0) & np.isfinite(off).all(axis=1)
    if not counts.any():
        return None
    seen, off = seen[counts], off[counts]
    errors = (off * seen).sum(axis=1) / seen.sum(axis=1) / between[counts]
    return float(errors.mean())


def _intersection_over_union(
    boxes_xywh: NDArray[np.floating], others_xywh: NDArray[np.floating]
) -> NDArray[np.float64]:
    first = np.asarray(boxes_xywh, np.float64).reshape(-1, 1, 4)
    second = np.asarray(others_xywh, np.float64).reshape(1, -1, 4)
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., :2] + first[..., 2:], second[..., :2] + second[..., 2:])
    common = np.clip(high - low, 0, None).prod(axis=-1)
    union = first[..., 2:].prod(axis=-1) + second[..., 2:].prod(axis=-1) - common
    return np.asarray(common / np.maximum(union, np.finfo(np.float64).tiny))
