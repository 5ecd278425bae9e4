"""Candidates: detections, whoever made them, in the form that ranking and suppression need."""

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posedistill.crop import PADDING, fix_aspect
from posedistill.evaluate.predictions import Prediction
from posedistill.poses import person_score

FIELDS = ("image_id", "keypoints", "keypoint_scores", "box_score", "box_scale_wh")
# The crops of RTMPose, which a prediction file does not tell, are all of them 3:4.
_CROP_ASPECT = (3, 4)

RankBy = Literal["box_keypoint", "box"]


class CropDetection(Protocol):
    """Give one detected person with the size of the crop it was estimated in."""

    @property
    def image_id(self) -> int:
        """Give the image as in the annotation file."""

    @property
    def keypoints(self) -> ArrayLike:
        """Give (K, 2) pixels."""

    @property
    def keypoint_scores(self) -> ArrayLike:
        """Give (K,) scores."""

    @property
    def box_score(self) -> float:
        """Give the score of the box alone."""

    @property
    def box_scale_wh(self) -> ArrayLike:
        """Give (2,) pixels: the box, padded and of the network's aspect (MMPose: bbox_scales)."""


# Any: the mapping has the keys of `FIELDS`, with values as `CropDetection` says.
Detection = Prediction | CropDetection | Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Candidate:
    """Hold one person to be ranked.

    Attributes:
        image_id: as in the annotation file.
        keypoints: (K, 2) pixels. keypoint_scores: (K,).
        score: what ranks it. crop_area: pixels squared of its crop, for suppression.
    """

    image_id: int
    keypoints: NDArray[np.float64]
    keypoint_scores: NDArray[np.float64]
    score: float
    crop_area: float


def as_candidate(detection: Detection, *, score: RankBy, where: str) -> Candidate:
    """Give a detection as a candidate.

    score: "box_keypoint" ranks by `Prediction.score`, or by what `person_score` gives for the
    other detections; "box" ranks by the box alone. where: how errors name the detection.
    Raises ValueError for missing or unusable fields.

    >>> detection = {"image_id": 7, "keypoints": [[1, 2]], "keypoint_scores": [0.5]}
    >>> detection |= {"box_score": 0.8, "box_scale_wh": [30, 40]}
    >>> candidate = as_candidate(detection, score="box_keypoint", where="detection 0")
    >>> candidate.score, candidate.crop_area
    (0.4, 1200.0)
    """
    if isinstance(detection, Prediction):
        return _of_prediction(detection, score, where)
    fields = _fields(detection, where)
    try:
        image_id, box_score = operator.index(fields["image_id"]), float(fields["box_score"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: image_id or box_score is no number: {error}") from error
    keypoint_scores = _finite(fields["keypoint_scores"], (None,), f"{where}, keypoint_scores")
    k = len(keypoint_scores)
    scale_wh = _finite(fields["box_scale_wh"], (2,), f"{where}, box_scale_wh")
    ranks = box_score if score == "box" else person_score(keypoint_scores, box_score)
    return Candidate(
        image_id=image_id,
        keypoints=_finite(fields["keypoints"], (k, 2), f"{where}, keypoints"),
        keypoint_scores=keypoint_scores,
        score=float(_finite(ranks, (), f"{where}, box_score")),
        crop_area=float(scale_wh.prod()),
    )


def _of_prediction(prediction: Prediction, score: RankBy, where: str) -> Candidate:
    ranks = prediction.score
    if score == "box":
        if prediction.box_score is None:
            raise ValueError(f"{where} has no box score; rank by score='box_keypoint'")
        ranks = prediction.box_score
    size_wh = prediction.box_xywh[2:].astype(np.float64)
    return Candidate(
        image_id=prediction.image_id,
        keypoints=prediction.keypoints.astype(np.float64),
        keypoint_scores=prediction.keypoint_scores.astype(np.float64),
        score=ranks,
        crop_area=float(fix_aspect(size_wh * PADDING, _CROP_ASPECT).prod()),
    )


def _fields(
    detection: CropDetection | Mapping[str, Any],  # Any: as in `Detection`
    where: str,
) -> Mapping[str, Any]:
    if not isinstance(detection, Mapping):
        detection = {name: getattr(detection, name) for name in FIELDS if hasattr(detection, name)}
    missing = [name for name in FIELDS if name not in detection]
    if missing:
        raise ValueError(
            f"{where} has no {', '.join(missing)}; expected a Prediction, or an object or a "
            f"mapping with {', '.join(FIELDS)}"
        )
    return detection


def _finite(values: ArrayLike, shape: tuple[int | None, ...], where: str) -> NDArray[np.float64]:
    # None in the shape stands for any length.
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: not all are numbers: {error}") from error
    fits = array.ndim == len(shape) and all(
        expected in (None, side) for side, expected in zip(array.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{where} has shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{where} holds values that are not finite")
    return array
