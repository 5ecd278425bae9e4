"""The prediction file: what a model saw, in the COCO results layout, enough to score it later."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill.json_file import read_json, shortest
from posedistill.poses import Poses, person_score

# What can be scored, by the number of joints.
SCORED = {133: "wholebody133", 17: "coco17", 16: "mpii16"}
_PERSON = 1
_USUAL = 133  # joints, where a file does not tell
_KEYS = ("image_id", "category_id", "bbox", "score", "keypoints")


@dataclass(frozen=True, eq=False)
class Prediction:
    """Hold one predicted person of one image.

    Attributes:
        image_id: as in the annotation file.
        box_xywh: (4,) pixels, the box the person was estimated in, not padded.
        keypoints: (K, 2) pixels.
        keypoint_scores: (K,) one score a keypoint.
        score: what ranks the persons, see `posedistill.poses.person_score`.
        box_score: of the box alone, or None where a file does not tell.

    Raises ValueError for arrays that do not fit each other or are not finite.

    >>> points, scores = np.zeros((17, 2), np.float32), np.ones(17, np.float32)
    >>> Prediction(7, np.array([0, 0, 9, 9], np.float32), points, scores, score=0.5).image_id
    7
    """

    image_id: int
    box_xywh: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    keypoint_scores: NDArray[np.float32]
    score: float
    box_score: float | None = None

    def __post_init__(self) -> None:
        k = len(self.keypoints)
        expected = {"box_xywh": (4,), "keypoints": (k, 2), "keypoint_scores": (k,)}
        for name, shape in expected.items():
            values = getattr(self, name)
            if values.shape != shape:
                raise ValueError(f"{name} has shape {values.shape}, expected {shape}")
            if not np.isfinite(values).all():
                raise ValueError(f"{name} holds values that are not finite")
        for value in (self.score, self.box_score):
            if value is not None and not np.isfinite(value):
                raise ValueError(f"a score is {value}; scores must be finite")


def predictions_of(poses: Poses, image_id: int) -> list[Prediction]:
    """Give the persons of one image as predictions.

    >>> from posedistill.skeleton import Skeleton
    >>> predictions_of(Poses.empty(Skeleton.get("coco17")), 7)
    []
    """
    low, high = poses.boxes_xyxy[:, :2], poses.boxes_xyxy[:, 2:]
    boxes_xywh = np.concatenate([low, high - low], axis=1).astype(np.float32)
    return [
        Prediction(
            image_id=image_id,
            box_xywh=box,
            keypoints=keypoints,
            keypoint_scores=scores,
            score=person_score(scores, float(box_score)),
            box_score=float(box_score),
        )
        for box, keypoints, scores, box_score in zip(
            boxes_xywh, poses.keypoints, poses.scores, poses.box_scores, strict=True
        )
    ]


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write predictions as JSON in the COCO results layout.

    Keypoints are K triplets (x, y, score). The numbers are exact: reading them back gives the
    same float32. The file appears whole or not at all.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_predictions(Path(folder) / "out.json", [])
    ...     read_predictions(Path(folder) / "out.json")
    []
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump([_entry(prediction) for prediction in predictions], file)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_predictions(path: Path) -> list[Prediction]:
    """Read a prediction file of 133, 17 or 16 keypoints; the first entry tells of how many.

    Raises FileNotFoundError where there is none, and ValueError, with the file and the index of
    the entry, for what is no list of persons with that many keypoints.

    >>> read_predictions(Path("none.json"))
    Traceback (most recent call last):
    FileNotFoundError: no such prediction file: none.json
    """
    entries = read_json(path, kind="prediction file")
    if not isinstance(entries, list):
        raise ValueError(
            f"{path} holds a {type(entries).__name__}, expected a list of predictions "
            "(is it the annotation file?)"
        )
    k = _num_keypoints(entries)
    return [_checked(entry, f"{path}, entry {i}", k) for i, entry in enumerate(entries)]


def _num_keypoints(entries: list[Any]) -> int:  # Any: JSON of any shape
    first = entries[0] if entries else None
    keypoints = first.get("keypoints") if isinstance(first, dict) else None
    count, rest = divmod(len(keypoints), 3) if isinstance(keypoints, list) else (_USUAL, 0)
    return count if count in SCORED and not rest else _USUAL


def _entry(prediction: Prediction) -> dict[str, Any]:  # Any: JSON values
    triplets = np.concatenate(
        [prediction.keypoints, prediction.keypoint_scores[:, None]], axis=1, dtype=np.float32
    )
    entry = {
        "image_id": int(prediction.image_id),
        "category_id": _PERSON,
        "bbox": shortest(prediction.box_xywh),
        "score": prediction.score,
        "keypoints": shortest(triplets.ravel()),
    }
    return entry if prediction.box_score is None else entry | {"box_score": prediction.box_score}


def _checked(entry: Any, where: str, num_keypoints: int) -> Prediction:  # Any: JSON of any shape
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is a {type(entry).__name__}, expected an object")
    missing = [key for key in _KEYS if key not in entry]
    if missing:
        raise ValueError(f"{where} has no {', '.join(missing)}; expected {', '.join(_KEYS)}")
    if entry["category_id"] != _PERSON:
        raise ValueError(f"{where} has category_id {entry['category_id']!r}, expected 1 (person)")
    keypoints = _numbers(entry["keypoints"], 3 * num_keypoints, f"{where}, keypoints")
    triplets = keypoints.reshape(num_keypoints, 3)
    try:
        return Prediction(
            image_id=_integer(entry["image_id"]),
            box_xywh=_numbers(entry["bbox"], 4, f"{where}, bbox"),
            keypoints=triplets[:, :2],
            keypoint_scores=triplets[:, 2],
            score=float(entry["score"]),
            box_score=float(entry["box_score"]) if "box_score" in entry else None,
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error


def _integer(value: Any) -> int:  # Any: JSON of any shape
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"image_id is {value!r}, expected an integer")
    return value


def _numbers(values: Sequence[float], length: int, where: str) -> NDArray[np.float32]:
    if not isinstance(values, list) or len(values) != length:
        seen = len(values) if isinstance(values, list) else type(values).__name__
        raise ValueError(f"{where}: {seen} values, expected a flat list of {length}")
    try:
        return np.array(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: not all are numbers") from error
