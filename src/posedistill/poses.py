"""Poses: the one result type, all persons of one image."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posedistill.skeleton import Skeleton, convert_keypoints, part_skeleton

if TYPE_CHECKING:
    import supervision as sv

SURE = 0.2  # the score of a keypoint above which it counts for its person


@dataclass(frozen=True, eq=False)
class Poses:
    """Hold the keypoints of all persons of one image.

    Attributes:
        keypoints: (N, K, 2) pixels of the image, (x, y).
        scores: (N, K) one score a keypoint; the higher the surer, 0 and less means absent.
        boxes_xyxy: (N, 4) pixels, the boxes the persons were estimated in.
        box_scores: (N,) scores of those boxes.
        skeleton: what the K joints are.
        ids: (N,) track ids, or None where nobody tracked.
        raw_keypoints: (N, K, 2) pixels, keypoints before they were smoothed; None where nobody did.

    Raises ValueError when the shapes do not fit each other.

    >>> poses = Poses.empty(Skeleton.get("coco17"))
    >>> len(poses), poses.keypoints.shape
    (0, (0, 17, 2))
    """

    keypoints: NDArray[np.float32]
    scores: NDArray[np.float32]
    boxes_xyxy: NDArray[np.float32]
    box_scores: NDArray[np.float32]
    skeleton: Skeleton
    ids: NDArray[np.int64] | None = None
    raw_keypoints: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n, k = len(self.keypoints), len(self.skeleton)
        expected = {
            "keypoints": (n, k, 2),
            "scores": (n, k),
            "boxes_xyxy": (n, 4),
            "box_scores": (n,),
        }
        if self.ids is not None:
            expected["ids"] = (n,)
        if self.raw_keypoints is not None:
            expected["raw_keypoints"] = (n, k, 2)
        for name, shape in expected.items():
            seen = np.shape(getattr(self, name))
            if seen != shape:
                raise ValueError(
                    f"Poses.{name} has shape {seen}, expected {shape} for {self.skeleton.name}"
                )

    @staticmethod
    def empty(skeleton: Skeleton) -> "Poses":
        """Give the poses of an image without persons.

        >>> len(Poses.empty(Skeleton.get("hand21")))
        0
        """
        k = len(skeleton)
        return Poses(
            keypoints=np.zeros((0, k, 2), np.float32),
            scores=np.zeros((0, k), np.float32),
            boxes_xyxy=np.zeros((0, 4), np.float32),
            box_scores=np.zeros(0, np.float32),
            skeleton=skeleton,
        )

    def __len__(self) -> int:
        return len(self.keypoints)

    def __iter__(self) -> Iterator["Poses"]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int | slice | NDArray[np.generic]) -> "Poses":
        """Give some of the persons; an int gives `Poses` of one person."""
        if isinstance(index, int | np.integer):
            if not -len(self) <= index < len(self):
                raise IndexError(f"person {index} of {len(self)}")
            index = np.array([index])
        return replace(
            self,
            keypoints=self.keypoints[index],
            scores=self.scores[index],
            boxes_xyxy=self.boxes_xyxy[index],
            box_scores=self.box_scores[index],
            ids=None if self.ids is None else self.ids[index],
            raw_keypoints=None if self.raw_keypoints is None else self.raw_keypoints[index],
        )

    def part(self, group: str) -> "Poses":
        """Give one group (``face``, ``left_hand``, ...) as poses of its own skeleton.

        >>> Poses.empty(Skeleton.get("wholebody133")).part("face").skeleton.name
        'face68'
        """
        if group not in self.skeleton.groups:
            raise ValueError(
                f"{self.skeleton.name} has no group {group!r}; "
                f"it has {', '.join(self.skeleton.groups)}"
            )
        index = self.skeleton.groups[group]
        return replace(
            self,
            keypoints=self.keypoints[:, index],
            scores=self.scores[:, index],
            skeleton=part_skeleton(group),
            raw_keypoints=None if self.raw_keypoints is None else self.raw_keypoints[:, index],
        )

    def to(self, skeleton: str) -> "Poses":
        """Give the same persons in another skeleton, joint by name.

        >>> Poses.empty(Skeleton.get("wholebody133")).to("openpose18").keypoints.shape
        (0, 18, 2)
        """
        target = Skeleton.get(skeleton)
        keypoints, scores = convert_keypoints(
            self.keypoints, self.scores, source=self.skeleton, target=target
        )
        raw = self.raw_keypoints
        if raw is not None:
            raw, _ = convert_keypoints(raw, self.scores, source=self.skeleton, target=target)
        return replace(self, keypoints=keypoints, scores=scores, skeleton=target, raw_keypoints=raw)

    def to_supervision(self) -> "sv.KeyPoints":
        """Give the same persons as ``supervision.KeyPoints``, for its annotators and tools.

        ``visible`` is where the score is above 0; ``class_id`` is 0, a person of COCO's classes.
        That class has no place for boxes and track ids: they are ``data["xyxy"]`` (N, 4) pixels
        and, for tracked persons, ``data["tracker_id"]`` (N,). Needs the extra ``supervision``;
        raises ModuleNotFoundError without.

        >>> Poses.empty(Skeleton.get("coco17")).to_supervision()  # doctest: +SKIP
        KeyPoints(xy=array([], shape=(0, 17, 2), dtype=float32), ...)
        """
        from supervision import KeyPoints

        n = len(self)
        data = {"class_name": np.full(n, "person"), "xyxy": self.boxes_xyxy.copy()}
        if self.ids is not None:
            data["tracker_id"] = self.ids.copy()
        return KeyPoints(
            xy=self.keypoints.astype(np.float32),
            class_id=np.zeros(n, dtype=int),
            keypoint_confidence=self.scores.astype(np.float32),
            detection_confidence=self.box_scores.astype(np.float32),
            visible=self.scores > 0,
            data=data,
        )


def person_score(keypoint_scores: NDArray[np.floating], box_score: float) -> float:
    """Give the score that ranks a person: box score times the mean of the sure keypoint scores.

    keypoint_scores: (K,). Sure are those above 0.2; with none, the score is 0 (MMPose,
    coco_wholebody_metric.py).

    >>> person_score(np.array([0.1, 0.5, 0.7]), 0.5)
    0.3
    """
    scores = np.asarray(keypoint_scores, np.float64)
    sure = scores[scores > SURE]
    return float(box_score * sure.mean()) if len(sure) else 0.0
