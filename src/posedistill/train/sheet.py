"""Sheet: predictions against truth on the same validation crops at each evaluation, as a picture.

Predictions are in colour, labels are white dots. Two rows in three show people spread evenly over
the validation set, always the same; the last show those whose predictions are worst.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.crop import box_matrices, transform_points, warp
from posedistill.datasets.coco import CocoDataset, read_coco
from posedistill.datasets.mpii import read_mpii
from posedistill.datasets.wholebody import read_wholebody
from posedistill.draw.overlay import draw_overlay
from posedistill.draw.sheet import contact_sheet
from posedistill.evaluate.pck import keypoint_distances, match_boxes
from posedistill.evaluate.predictions import Prediction
from posedistill.evaluate.truth import read_truth
from posedistill.poses import Poses
from posedistill.train.data import ValidationFiles

_COLUMNS, _TYPICAL, _WORST = 6, 18, 6
_CELL_WH = (192, 256)
_WHITE, _DARK = (255, 255, 255), (16, 16, 24)


def read_people(validation: ValidationFiles, skeleton: str) -> CocoDataset:
    """Read the people to evaluate on.

    Raises FileNotFoundError and ValueError that name the file, annotation or image at fault.

    >>> from pathlib import Path
    >>> read_people(ValidationFiles(Path("val.json"), Path("images")), "coco17")
    Traceback (most recent call last):
    FileNotFoundError: no such annotation file: val.json
    """
    if skeleton == "wholebody133":
        return read_wholebody(validation.annotations, validation.images_dir)
    if skeleton == "mpii16":
        return read_mpii(validation.annotations, validation.images_dir)
    return read_coco(validation.annotations, validation.images_dir, skeleton=skeleton)


class PredictionSheet:
    """Draw predictions against the labels of a validation set.

    >>> sheet = PredictionSheet(validation, "wholebody133")  # doctest: +SKIP
    >>> sheet.draw(read_predictions(Path("predictions.json"))).shape  # doctest: +SKIP
    (1024, 1152, 3)
    """

    def __init__(self, validation: ValidationFiles, skeleton: str) -> None:
        self._people = read_people(validation, skeleton)
        self._truth = read_truth(validation.annotations, skeleton=skeleton)
        usable = ~self._truth.is_crowd & self._truth.visible.any(axis=1)
        self._usable = np.flatnonzero(usable & (self._truth.boxes_xywh[:, 2:].min(axis=1) > 1))

    def draw(self, predictions: Sequence[Prediction]) -> NDArray[np.uint8]:
        """Give a picture (H, W, 3) RGB of up to 24 people; each tells its mean error.

        The error is the mean distance of the labelled keypoints, in per cent of the box's
        longer side.
        """
        errors = self._errors(predictions)
        spread = np.linspace(0, len(self._usable) - 1, min(_TYPICAL, len(self._usable)))
        typical = self._usable[spread.astype(int)]
        others = np.setdiff1d(self._usable[np.isfinite(errors[self._usable])], typical)
        worst = others[np.argsort(-errors[others], kind="stable")][:_WORST]
        cells = [self._cell(int(person), predictions) for person in (*typical, *worst)]
        for index, person in enumerate((*typical, *worst)):
            which = "worst: " if index >= len(typical) else ""
            cells[index] = write_caption(cells[index], f"{which}{errors[person]:.1f} %")
        rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
        return contact_sheet(rows, cell_wh=_CELL_WH)

    def _errors(self, predictions: Sequence[Prediction]) -> NDArray[np.float64]:
        """Give (N,) the mean error of each person, infinite without a prediction."""
        truth = self._truth
        distances = keypoint_distances(truth, predictions)
        count = np.maximum(truth.visible.sum(axis=1), 1)
        total = np.where(truth.visible, distances, 0).sum(axis=1)
        longer = np.maximum(truth.boxes_xywh[:, 2:].max(axis=1, initial=0), 1)
        return np.asarray(100 * total / count / longer)

    def _cell(self, person: int, predictions: Sequence[Prediction]) -> NDArray[np.uint8]:
        truth = self._truth
        x, y, w, h = truth.boxes_xywh[person]
        matrix = box_matrices(np.array([[x, y, x + w, y + h]]), _CELL_WH)[0]
        crop = warp(self._people.image(int(truth.image_ids[person])), matrix, _CELL_WH)
        shown = truth.visible[person]
        match = self._prediction(person, predictions)
        if match is not None:
            poses = Poses(
                keypoints=transform_points(match.keypoints, matrix)[None].astype(np.float32),
                scores=shown[None].astype(np.float32),
                boxes_xyxy=np.array([[0, 0, *_CELL_WH]], np.float32),
                box_scores=np.ones(1, np.float32),
                skeleton=truth.skeleton,
            )
            crop = draw_overlay(crop, poses, min_score=0.5)
        self._draw_labels(crop, transform_points(truth.keypoints[person], matrix), shown)
        return crop

    def _draw_labels(  # house rule: where, what of it
        self, crop: NDArray[np.uint8], points: NDArray[np.float64], shown: NDArray[np.bool_]
    ) -> None:
        fine = np.ones(len(points), np.bool_)
        fine[self._truth.skeleton.groups["body"]] = False
        draw_dots(crop, points[shown & fine], radius=0.5)  # a face has 68 of them
        draw_dots(crop, points[shown & ~fine], radius=1.3)

    def _prediction(self, person: int, predictions: Sequence[Prediction]) -> Prediction | None:
        truth = self._truth
        rows = [row for row in predictions if row.image_id == truth.image_ids[person]]
        boxes_xywh = np.array([row.box_xywh for row in rows], np.float64)
        match = int(match_boxes(truth.boxes_xywh[[person]], boxes_xywh)[0])
        return None if match < 0 else rows[match]


def draw_dots(
    image_rgb: NDArray[np.uint8], points: NDArray[np.floating], *, radius: float = 1.0
) -> None:
    """Draw white dots, large ones with a dark rim, in place.

    points: (N, 2) pixels; those outside the image are left out. radius: pixels.

    >>> image = np.zeros((9, 9, 3), np.uint8)
    >>> draw_dots(image, np.array([[4.0, 4.0], [-1.0, 99.0]]))
    >>> image[4, 4].tolist(), image[0, 0].tolist()
    ([255, 255, 255], [0, 0, 0])
    """
    h, w = image_rgb.shape[:2]
    inside = ((points >= 0) & (points < (w, h))).all(axis=-1)
    for x, y in np.round(points[inside] * 16).astype(int).tolist():
        if radius >= 1:
            cv2.circle(image_rgb, (x, y), round(16 * radius) + 10, _DARK, -1, cv2.LINE_AA, 4)
        cv2.circle(image_rgb, (x, y), round(16 * radius), _WHITE, -1, cv2.LINE_AA, 4)


def write_caption(image_rgb: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """Give the picture with a line of text in its upper left corner.

    >>> write_caption(np.zeros((40, 80, 3), np.uint8), "3 %").any().item()
    True
    """
    out = image_rgb.copy()
    place, font = (5, 15), cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(out, text, place, font, 0.42, _DARK, 3, cv2.LINE_AA)
    cv2.putText(out, text, place, font, 0.42, _WHITE, 1, cv2.LINE_AA)
    return out
