"""PCKh: the score of MPII, the share of keypoints within half a head size of their labels.

Andriluka et al., "2D Human Pose Estimation: New Benchmark and State of the Art Analysis", 2014.
A head size is 0.6 times the diagonal of the head box. The mean leaves out pelvis and thorax; it
is taken over all labelled keypoints, so that joints labelled more often weigh more.

The published mean at 0.1 is the tenth of a curve over thresholds 0, 0.01, ... 0.5. The reference
of OKDHP (mpii.py) takes the entry after it, that of 0.11; here it is 0.1. MMPose
(MpiiPCKAccuracy) takes 0.1 too, and rounds the share of each joint to float32.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posedistill.evaluate.pck import keypoint_distances, pck
from posedistill.evaluate.predictions import Prediction
from posedistill.evaluate.truth import Truth
from posedistill.skeleton import Skeleton

# The joints of each published column; the mean has the neck besides.
COLUMNS = {
    "head": ("head_top",),
    "shoulder": ("right_shoulder", "left_shoulder"),
    "elbow": ("right_elbow", "left_elbow"),
    "wrist": ("right_wrist", "left_wrist"),
    "hip": ("right_hip", "left_hip"),
    "knee": ("right_knee", "left_knee"),
    "ankle": ("right_ankle", "left_ankle"),
}
# The thresholds that are reported, by the name of the mean.
PCKH_ROWS = {"PCKh@0.5": 0.5, "PCKh@0.1": 0.1}
_NOT_IN_MEAN = ("pelvis", "thorax")
_SKELETON = "mpii16"
_OF_DIAGONAL = 0.6
_STRICT = 0.1


def head_sizes_of(boxes_xyxy: ArrayLike) -> NDArray[np.float64]:
    """Give the head sizes that MPII measures by: 0.6 times the diagonals of the head boxes.

    boxes_xyxy: (N, 4) pixels (``headboxes_src`` of MPII); gives (N,).

    >>> head_sizes_of([[10, 10, 40, 50]]).tolist()
    [30.0]
    """
    boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
    extent_wh = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(_OF_DIAGONAL * np.hypot(extent_wh[:, 0], extent_wh[:, 1]))


def pckh(
    keypoints: ArrayLike,
    predicted: ArrayLike,
    *,
    visible: ArrayLike,
    head_sizes: ArrayLike,
    threshold: float = 0.5,
) -> dict[str, float]:
    """Give PCKh in per cent: of each published column, and the mean.

    keypoints: (N, 16, 2) labels and predicted: (N, 16, 2), pixels that count from the same
    origin (MPII's own files count from 1); visible: (N, 16), above 0 where labelled; head_sizes:
    (N,) pixels, see `head_sizes_of`; threshold: of the head size.
    The keys are those of `COLUMNS`, each the mean over left and right, then ``mean``, and
    ``mean@0.1`` which is at 0.1 whatever the threshold. What nobody is labelled for has no key.
    Raises ValueError for other shapes and for head sizes that are not above 0.

    >>> labels = np.zeros((1, 16, 2))
    >>> found = pckh(labels, labels + 3, visible=np.ones((1, 16)), head_sizes=[10])
    >>> found["wrist"], found["mean"], found["mean@0.1"]
    (100.0, 100.0, 0.0)
    """
    return _of_distances(*_checked(keypoints, predicted, visible, head_sizes), threshold)


def pckh_scores(truth: Truth, predictions: Sequence[Prediction]) -> dict[str, float]:
    """Give the means of `PCKH_ROWS`, and each published column as ``PCKh@0.5/wrist``, in per cent.

    truth: of ``mpii16``. A person is the prediction whose box is the same; a labelled person
    without one has all joints wrong. What nobody is labelled for has no key.

    >>> from pathlib import Path
    >>> from posedistill.evaluate.truth import read_truth
    >>> truth = read_truth(Path("valid.json"), skeleton="mpii16")  # doctest: +SKIP
    >>> pckh_scores(truth, [])["PCKh@0.5"]  # doctest: +SKIP
    0.0
    """
    assert truth.head_boxes_xyxy is not None
    lengths = head_sizes_of(truth.head_boxes_xyxy)
    distances = keypoint_distances(truth, predictions)
    scores: dict[str, float] = {}
    for row, threshold in PCKH_ROWS.items():
        found = _of_distances(distances, truth.visible, lengths, threshold)
        scores |= {row: found["mean"]} if "mean" in found else {}
        scores |= {f"{row}/{name}": found[name] for name in COLUMNS if name in found}
    return scores


def _of_distances(
    distances: NDArray[np.float64],
    seen: NDArray[np.bool_],
    lengths: NDArray[np.float64],
    threshold: float,
) -> dict[str, float]:
    joints = Skeleton.get(_SKELETON).joints
    scores = {
        column: _mean_of_joints(distances, seen, lengths, threshold, names)
        for column, names in COLUMNS.items()
    }
    counted = [index for index, name in enumerate(joints) if name not in _NOT_IN_MEAN]
    for key, limit in {"mean": threshold, f"mean@{_STRICT}": _STRICT}.items():
        scores[key] = pck(distances[:, counted], seen[:, counted], lengths=lengths, threshold=limit)
    return {key: 100 * value for key, value in scores.items() if value is not None}


def _mean_of_joints(
    distances: NDArray[np.float64],
    visible: NDArray[np.bool_],
    lengths: NDArray[np.float64],
    threshold: float,
    names: tuple[str, ...],
) -> float | None:
    indices = [Skeleton.get(_SKELETON).joints.index(name) for name in names]
    shares = [
        pck(distances[:, [index]], visible[:, [index]], lengths=lengths, threshold=threshold)
        for index in indices
    ]
    known = [share for share in shares if share is not None]
    return sum(known) / len(known) if known else None


def _checked(
    keypoints: ArrayLike, predicted: ArrayLike, visible: ArrayLike, head_sizes: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    # Gives distances (N, 16), infinite where a prediction is not finite, visible, head sizes.
    labels, found = np.asarray(keypoints, np.float64), np.asarray(predicted, np.float64)
    seen, lengths = np.asarray(visible) > 0, np.asarray(head_sizes, np.float64)
    n, k = len(labels), len(Skeleton.get(_SKELETON))
    expected = {
        "keypoints": (labels, (n, k, 2)),
        "predicted": (found, (n, k, 2)),
        "visible": (seen, (n, k)),
        "head_sizes": (lengths, (n,)),
    }
    for name, (array, shape) in expected.items():
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {shape} ({_SKELETON})")
    for index, length in enumerate(lengths):
        if not (np.isfinite(length) and length > 0):
            raise ValueError(f"head size {index} is {length}, expected pixels above 0")
    if not np.isfinite(labels[seen]).all():
        raise ValueError("keypoints that are labelled hold values that are not finite")
    distances = np.linalg.norm(found - labels, axis=2)
    return np.where(np.isfinite(distances), distances, np.inf), seen, lengths
