"""OKS: similarity of poses, suppression of duplicates, and COCO-WholeBody AP.

The numbers are those of the COCO-WholeBody metric of MMPose (OKS suppression at 0.9, six
evaluations with the sigmas of each part; Jin et al., "Whole-Body Human Pose Estimation in the
Wild", 2020), computed with faster-coco-eval. Its habits that surprise: every part is measured by
the person's area and ranked by the person's score; a detection belongs to the area range of the
box of its body keypoints; at most 20 detections an image count.

Left out: MMPose's ``soft_oks_nms``. There it never writes the lowered scores back, so its
numbers are those of no suppression at all.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from posedistill.evaluate.candidates import Candidate, Detection, RankBy, as_candidate
from posedistill.evaluate.truth import Truth, read_truth

PARTS = ("body", "foot", "face", "left_hand", "right_hand", "whole")
STATISTICS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
_PERSON = 1
_ALLOWED = {"nms": ("oks", "none"), "score": ("box_keypoint", "box")}

Annotations = Path | str | Mapping[str, Any] | Truth  # Any: JSON
Statistics = dict[str, float]


def oks(
    keypoints: NDArray[np.floating],
    others: NDArray[np.floating],
    *,
    areas: NDArray[np.floating],
    sigmas: NDArray[np.floating],
    visible: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Give the object keypoint similarity of each pose with each other pose.

    keypoints: (N, K, 2) and others: (M, K, 2) pixels; areas: (N, 1) or (N, M) pixels squared;
    sigmas: (K,); visible: (N, K), which keypoints count, all without it. Gives (N, M) in [0, 1];
    a pose without visible keypoints gets 0.

    >>> pose = np.zeros((1, 17, 2))
    >>> oks(pose, pose, areas=np.ones((1, 1)), sigmas=np.ones(17)).tolist()
    [[1.0]]
    """
    first, second = np.asarray(keypoints, np.float64), np.asarray(others, np.float64)
    seen = np.ones(first.shape[:2], np.bool_) if visible is None else np.asarray(visible, np.bool_)
    squared = ((first[:, None] - second[None]) ** 2).sum(axis=-1)
    spread = 2 * (2 * np.asarray(sigmas, np.float64)) ** 2
    # spacing(1) is COCO's guard against an area of 0
    exponent = squared / spread / (np.asarray(areas, np.float64)[..., None] + np.spacing(1))
    total = (np.exp(-exponent) * seen[:, None]).sum(axis=-1)
    return np.asarray(total / np.maximum(seen.sum(axis=1), 1)[:, None])


def oks_nms(
    keypoints: NDArray[np.floating],
    scores: NDArray[np.floating],
    *,
    areas: NDArray[np.floating],
    sigmas: NDArray[np.floating],
    threshold: float = 0.9,
) -> NDArray[np.int64]:
    """Give the poses that stay when each drops the weaker ones that are too similar to it.

    keypoints: (N, K, 2) pixels; scores, areas: (N,); two poses are compared by the mean of their
    areas. Gives indices, the highest score first.

    >>> pose = np.zeros((2, 17, 2))
    >>> oks_nms(pose, np.array([0.5, 0.7]), areas=np.ones(2), sigmas=np.ones(17)).tolist()
    [1]
    """
    areas = np.asarray(areas, np.float64)
    pair_areas = (areas[:, None] + areas[None]) / 2
    similar = oks(keypoints, keypoints, areas=pair_areas, sigmas=sigmas) > threshold
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    dropped = np.zeros(len(order), np.bool_)
    kept = []
    for index in order:
        if not dropped[index]:
            kept.append(index)
            dropped |= similar[index]
    return np.array(kept, np.int64)


def evaluate_wholebody(
    ground_truth: Annotations,
    detections: Sequence[Detection],
    *,
    nms: Literal["oks", "none"] = "oks",
    nms_threshold: float = 0.9,
    score: RankBy = "box_keypoint",
) -> dict[str, Statistics]:
    """Give AP and AR of each part, in [0, 1].

    ground_truth: COCO-WholeBody annotations. detections: of 133 keypoints, each a `Prediction`,
    or an object or a mapping with image_id, keypoints (133, 2) pixels, keypoint_scores (133,),
    box_score, and box_scale_wh, the size in pixels of the padded crop of the network's aspect.
    `score` ranks them by box score times the mean of the keypoint scores above 0.2 (a
    `Prediction` knows that as its score), or by the score of the box alone. Suppression compares
    crop areas: box_scale_wh, or the padded 3:4 box of a `Prediction`.
    The result has the keys `PARTS`, and below them those of `STATISTICS` that have a value:
    without a labelled person in a part (or in a range of areas) there is none.

    Raises ValueError for detections that are not as described or of images that the ground
    truth lacks, ImportError without faster-coco-eval.

    >>> evaluate_wholebody({"images": [], "annotations": []}, [])["whole"]
    {}
    """
    _check_choices(nms=nms, score=score)
    truth = _as_truth(ground_truth, "wholebody133")
    kept = _candidates(truth, detections, nms_threshold if nms == "oks" else None, score)
    joints = {**truth.skeleton.groups, "whole": np.arange(len(truth.skeleton))}
    return {part: _part_statistics(truth, kept, joints[part]) for part in PARTS}


def evaluate_coco17(
    ground_truth: Annotations,
    detections: Sequence[Detection],
    *,
    nms: Literal["oks", "none"] = "oks",
    nms_threshold: float = 0.9,
    score: RankBy = "box_keypoint",
) -> Statistics:
    """Give AP and AR of 17 body keypoints, in [0, 1]; else as `evaluate_wholebody`.

    >>> evaluate_coco17({"images": [], "annotations": []}, [])
    {}
    """
    _check_choices(nms=nms, score=score)
    truth = _as_truth(ground_truth, "coco17")
    kept = _candidates(truth, detections, nms_threshold if nms == "oks" else None, score)
    return _part_statistics(truth, kept, np.arange(len(truth.skeleton)))


def require_faster_coco_eval() -> None:
    """Raise ImportError, with what to install, where AP cannot be computed.

    >>> require_faster_coco_eval()
    """
    try:
        import faster_coco_eval  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "average precision needs faster-coco-eval: pip install posedistill[evaluate]"
        ) from error


def _check_choices(**choices: str) -> None:
    for name, value in choices.items():
        if value not in _ALLOWED[name]:
            raise ValueError(f"{name} is {value!r}, expected {' or '.join(_ALLOWED[name])}")


def _as_truth(ground_truth: Annotations, skeleton: str) -> Truth:
    if not isinstance(ground_truth, Truth):
        return read_truth(ground_truth, skeleton=skeleton)
    if ground_truth.skeleton.name != skeleton:
        raise ValueError(
            f"the ground truth is of {ground_truth.skeleton.name}, expected {skeleton}; "
            f"read it by read_truth(..., skeleton={skeleton!r})"
        )
    return ground_truth


def _candidates(
    truth: Truth, detections: Sequence[Detection], nms_threshold: float | None, score: RankBy
) -> list[Candidate]:
    # Gives the detections that are ranked, with the score that ranks them.
    images, k = set(truth.all_image_ids), len(truth.skeleton)
    by_image: dict[int, list[Candidate]] = {}
    for index, detection in enumerate(detections):
        candidate = as_candidate(detection, score=score, where=f"detection {index}")
        if candidate.image_id not in images:
            raise ValueError(
                f"detection {index} is of image {candidate.image_id}, which the annotations lack; "
                "do the two files belong together?"
            )
        if len(candidate.keypoints) != k:
            raise ValueError(
                f"detection {index} has {len(candidate.keypoints)} keypoints, expected {k}"
            )
        by_image.setdefault(candidate.image_id, []).append(candidate)
    if nms_threshold is not None:
        by_image = {key: _suppress(rows, truth, nms_threshold) for key, rows in by_image.items()}
    return [candidate for rows in by_image.values() for candidate in rows]


def _suppress(candidates: list[Candidate], truth: Truth, threshold: float) -> list[Candidate]:
    kept = oks_nms(
        np.array([candidate.keypoints for candidate in candidates]),
        np.array([candidate.score for candidate in candidates]),
        areas=np.array([candidate.crop_area for candidate in candidates]),
        sigmas=truth.skeleton.sigmas,
        threshold=threshold,
    )
    return [candidates[index] for index in kept]


def _part_statistics(
    truth: Truth, candidates: Sequence[Candidate], joints: NDArray[np.int64]
) -> Statistics:
    """Run one evaluation over some of the joints; gives only statistics that have a value."""
    if not (truth.visible[:, joints].any(axis=1) & ~truth.is_crowd).any():
        return {}
    require_faster_coco_eval()
    from faster_coco_eval import COCO, COCOeval_faster

    shared = {
        "images": [{"id": image_id} for image_id in truth.all_image_ids],
        "categories": [{"id": _PERSON, "name": "person"}],
    }
    run = COCOeval_faster(
        COCO(shared | {"annotations": _label_rows(truth, joints)}),
        COCO(shared | {"annotations": _detection_rows(truth, candidates, joints)}),
        iouType="keypoints",
        kpt_oks_sigmas=truth.skeleton.sigmas[joints],
    )
    run.evaluate()
    run.accumulate()
    run.summarize()
    # -1 is COCO's word for "nothing to measure"
    values = zip(STATISTICS, run.all_stats, strict=True)
    return {name: float(value) for name, value in values if value >= 0}


def _label_rows(truth: Truth, joints: NDArray[np.int64]) -> list[dict[str, Any]]:
    labels = np.concatenate(
        [truth.keypoints[:, joints], truth.visible[:, joints, None].astype(np.float64)], axis=2
    )
    return [
        {
            # from 1: COCO reads a match with id 0 as no match
            "id": index + 1,
            "image_id": int(truth.image_ids[index]),
            "category_id": _PERSON,
            "iscrowd": int(truth.is_crowd[index]),
            "bbox": truth.boxes_xywh[index].tolist(),
            "area": float(truth.areas[index]),
            "num_keypoints": int(truth.visible[index, joints].sum()),
            "keypoints": labels[index].ravel().tolist(),
        }
        for index in range(len(truth))
    ]


def _detection_rows(
    truth: Truth, candidates: Sequence[Candidate], joints: NDArray[np.int64]
) -> list[dict[str, Any]]:
    body = truth.skeleton.groups["body"]
    rows = []
    for index, candidate in enumerate(candidates):
        scores = candidate.keypoint_scores[joints]
        if not scores.any():
            continue  # as the reference: who shows no confidence in a part is not ranked in it
        triplets = np.concatenate([candidate.keypoints[joints], scores[:, None]], axis=1)
        rows.append(
            {
                "id": index + 1,
                "image_id": candidate.image_id,
                "category_id": _PERSON,
                "area": float(np.ptp(candidate.keypoints[body], axis=0).prod()),
                "score": candidate.score,
                "keypoints": triplets.ravel().tolist(),
            }
        )
    return rows
