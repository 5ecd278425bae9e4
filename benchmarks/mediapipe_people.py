"""MediaPipe Holistic as an estimator of 133 keypoints, in an environment of its own."""

import json
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.evaluate.truth import Truth, read_truth

Floats = NDArray[np.float64]
PACKAGE = "mediapipe==0.10.21"
SYSTEM = "MediaPipe Holistic"
_WORKER = Path(__file__).with_name("mediapipe_worker.py")
_MARGIN = 0.125  # of the box, on each side
_FACES_TO_LEARN, _FACE_SOURCE = 200, "helen_train"
# Of the 17 body points and the six of the feet, by its 33; it has no small toes.
_BODY = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
_FEET = {0: 31, 2: 29, 3: 32, 5: 30}
_BODY_BY_PEOPLE = {
    "human": range(17),
    "human limbs, mediapipe head": range(5, 17),
    "nose and eyes from the human face points": range(3),
    "nose and eyes from the human face points, ears and shoulders mediapipe": range(3),
}
_PARTS = {
    "feet": "foot_kpts",
    "face": "face_kpts",
    "lefthand": "lefthand_kpts",
    "righthand": "righthand_kpts",
}


@dataclass(frozen=True)
class Places:
    """Name the labelled people and the photos they are in, by image id."""

    truth: Truth
    paths: Mapping[int, Path]

    @staticmethod
    def of(content: Mapping[str, Any], images_dir: Path) -> "Places":  # Any: JSON
        """Give those of the content of an annotation file."""
        paths = {image["id"]: images_dir / image["file_name"] for image in content["images"]}
        return Places(read_truth(content), paths)


class Found(NamedTuple):
    """Hold (133, 2) pixels, NaN where nothing was found, and the milliseconds it took."""

    keypoints: Floats
    milliseconds: float


class MediaPipe:
    """Run MediaPipe Holistic on some processors, installed into a folder at its first use."""

    def __init__(self, folder: Path, cpus: Sequence[int]) -> None:
        self._folder, self._cpus = folder, list(cpus)
        self._face: NDArray[np.int64] | None = None

    def learn_faces(self, data: Path) -> None:
        """Choose for each of the 68 face points the one of MediaPipe's that fits labels best.

        data: folder of the people; faces that people labelled are taken from those for training.
        """
        content = json.loads((data / "annotations" / "train.json").read_text(encoding="utf-8"))
        names = {image["id"]: image["file_name"] for image in content["images"]}
        people = [
            person
            for person in content["annotations"]
            if names[person["image_id"]].startswith(f"{_FACE_SOURCE}/")
        ][:_FACES_TO_LEARN]
        places = Places.of({**content, "annotations": people}, data / "images")
        truth = places.truth
        tasks = [
            {"image": str(places.paths[int(image_id)]), "box_xyxy": box.tolist()}
            for image_id, box in zip(truth.image_ids, wide_boxes(truth), strict=True)
        ]
        labels = truth.keypoints[:, truth.skeleton.groups["face"]]
        between = np.linalg.norm(labels[:, 36] - labels[:, 45], axis=1)
        self.take_faces(_nearest_landmarks(self._run(tasks), labels, between))

    def take_faces(self, landmarks: NDArray[np.int64]) -> None:
        """Take these landmarks (68,) as the 68 points of a face."""
        self._face = landmarks

    def find(self, tasks: Sequence[Mapping[str, object]]) -> list[Found]:
        """Find a person in each photo or cut-out of one, see `mediapipe_worker.py`."""
        return [Found(self.keypoints(row), row["ms"]) for row in self._run(tasks)]

    def keypoints(self, row: Mapping[str, Any]) -> Floats:  # Any: JSON
        """Give the landmarks of a person as (133, 2) pixels, NaN where there are none."""
        assert self._face is not None
        keypoints = np.full((133, 2), np.nan)
        if row["pose"] is not None:
            pose = np.array(row["pose"])
            keypoints[:17] = pose[list(_BODY)]
            keypoints[[17 + place for place in _FEET]] = pose[list(_FEET.values())]
        if row["face"] is not None:
            keypoints[23:91] = np.array(row["face"])[self._face]
        if row["left_hand"] is not None:
            keypoints[91:112] = row["left_hand"]
        if row["right_hand"] is not None:
            keypoints[112:] = row["right_hand"]
        return keypoints

    def _run(self, tasks: Sequence[Mapping[str, object]]) -> list[dict[str, Any]]:  # Any: JSON
        with TemporaryDirectory() as name:
            asked, answered = Path(name, "tasks.json"), Path(name, "found.json")
            asked.write_text(json.dumps({"cpus": self._cpus, "tasks": list(tasks)}))
            words = [self._python, str(_WORKER), str(asked), str(answered)]
            subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
            found: list[dict[str, Any]] = json.loads(answered.read_text(encoding="utf-8"))
            return found

    @cached_property
    def _python(self) -> str:
        python = self._folder / "bin" / "python"
        mark = self._folder / f"{PACKAGE}.done"
        if not mark.is_file():
            print(f"installing {PACKAGE} into {self._folder}", file=sys.stderr)
            venv.create(self._folder, with_pip=True, symlinks=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", PACKAGE], check=True)
            mark.touch()
        return str(python)


def _nearest_landmarks(  # house rule: found, labelled, in which unit
    rows: Sequence[Mapping[str, Any]], labels: Floats, between: Floats
) -> NDArray[np.int64]:
    """Give (68,) the landmark whose mean distance to each labelled point is least.

    labels: (N, 68, 2); between: (N,) the distance of the eyes.
    """
    chosen = [index for index, row in enumerate(rows) if row["face"] is not None]
    faces = np.array([rows[index]["face"] for index in chosen])
    labels, between = labels[chosen], between[chosen]
    nearest = []
    for point in range(labels.shape[1]):
        offsets = np.linalg.norm(faces - labels[:, None, point], axis=2)
        nearest.append(int((offsets / between[:, None]).mean(axis=0).argmin()))
    return np.array(nearest, np.int64)


def wide_boxes(truth: Truth) -> Floats:
    """Give the labelled boxes (N, 4), corners, with a margin on each side."""
    low, size = truth.boxes_xywh[:, :2], truth.boxes_xywh[:, 2:]
    return np.concatenate([low - _MARGIN * size, low + (1 + _MARGIN) * size], axis=1)


def nearest_distances(truth: Truth, found: Mapping[int, NDArray[np.floating]]) -> Floats:
    """Give how far each labelled person is from the found person whose body is nearest.

    found: (n, 133, 2) pixels by image id, NaN where a point was not found. The pair that is nearest
    by the mean of the labelled body points goes first; nobody is taken twice. Gives (N, 133)
    pixels, infinite for points and people that were not found.
    """
    distances = np.full(truth.visible.shape, np.inf)
    body = truth.skeleton.groups["body"]
    for image_id, people in found.items():
        rows = np.flatnonzero(truth.image_ids == image_id)
        if not len(people) or not len(rows):
            continue
        offsets = np.linalg.norm(people[None] - truth.keypoints[rows][:, None], axis=3)
        offsets = np.nan_to_num(offsets, nan=np.inf, posinf=np.inf)  # (rows, people, 133)
        seen = truth.visible[rows][:, None, body]
        total = np.where(seen, offsets[..., body], 0).sum(axis=2)
        costs = total / np.maximum(seen.sum(axis=2), 1)
        for _ in range(min(costs.shape)):
            row, person = np.unravel_index(costs.argmin(), costs.shape)
            distances[rows[row]] = offsets[row, person]
            costs[row], costs[:, person] = np.inf, np.inf
    return distances


def only_labels(content: Mapping[str, Any], *, is_human: bool) -> dict[str, Any]:  # Any: JSON
    """Give annotations with only those labels that people made, or only the others.

    Body points that are mixed go by point, as `label_source` tells.
    """
    people = [_with_labels(person, is_human=is_human) for person in content["annotations"]]
    return {"images": content["images"], "annotations": people}


def _with_labels(person: Mapping[str, Any], *, is_human: bool) -> dict[str, Any]:
    made_by = person["label_source"]
    by_people = np.isin(np.arange(17), _BODY_BY_PEOPLE.get(made_by["body"], range(0)))
    kept = {"keypoints": by_people == is_human}
    for part, field in _PARTS.items():
        kept[field] = np.full(len(person[field]) // 3, (made_by[part] == "human") == is_human)
    chosen = dict(person)
    for field, keeps in kept.items():
        triplets = np.array(person[field], np.float64).reshape(-1, 3)
        chosen[field] = np.where(keeps[:, None], triplets, 0).ravel().tolist()
    return chosen


def found_faces(truth: Truth, distances: Floats, *, source: str | None) -> float | None:
    """Give the share of labelled faces that were found, None where no face is labelled."""
    face = truth.skeleton.groups["face"]
    chosen = truth.visible[:, face].any(axis=1)
    if source is not None:
        chosen &= np.array(truth.folders) == source
    if not chosen.any():
        return None
    return float(np.isfinite(distances[chosen][:, face]).all(axis=1).mean())
