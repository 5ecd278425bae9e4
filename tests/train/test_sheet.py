"""The sheet of an evaluation: who is on it, and that predictions and labels are drawn."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.datasets.drawn import DrawnPeople
from posedistill.evaluate.predictions import Prediction
from posedistill.train.data import ValidationFiles
from posedistill.train.sheet import PredictionSheet, read_people
from tests.mpii_files import row, write_list

CELL_WH = (192, 256)


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> ValidationFiles:
    folder = tmp_path_factory.mktemp("validation")
    return ValidationFiles(*DrawnPeople(30, seed=2, size=96).write(folder))


def _predictions(validation: ValidationFiles, *, shifts: dict[int, float]) -> list[Prediction]:
    """Give the labels as predictions, those of some people moved to the right, pixels."""
    found = []
    for index, person in enumerate(read_people(validation, "wholebody133").instances):
        x1, y1, x2, y2 = person.box_xyxy
        found.append(
            Prediction(
                person.image_id,
                np.array([x1, y1, x2 - x1, y2 - y1], np.float32),
                person.keypoints + np.array([shifts.get(index, 0.0), 0], np.float32),
                np.ones(133, np.float32),
                score=1.0,
            )
        )
    return found


def _cells(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    w, h = CELL_WH
    rows, columns = picture.shape[0] // h, picture.shape[1] // w
    cells = picture.reshape(rows, h, columns, w, 3).transpose(0, 2, 1, 3, 4)
    return cells.reshape(rows * columns, h, w, 3)


def test_18_are_always_the_same_and_6_are_the_worst(validation: ValidationFiles) -> None:
    sheet = PredictionSheet(validation, "wholebody133")
    others = sorted(set(range(30)) - set(np.linspace(0, 29, 18).astype(int).tolist()))
    worst = {person: 5.0 + person for person in others[:6]}
    plain = _cells(sheet.draw(_predictions(validation, shifts={})))
    moved = _cells(sheet.draw(_predictions(validation, shifts=worst)))
    assert plain.shape[0] == moved.shape[0] == 24
    assert np.array_equal(plain[:18], moved[:18])
    again = _cells(sheet.draw(_predictions(validation, shifts={others[5]: 40.0})))
    alone = _cells(sheet.draw(_predictions(validation, shifts={others[5]: 40.0, others[0]: 9.0})))
    assert np.array_equal(again[18], alone[18])  # the very worst comes first
    assert not np.array_equal(again[19], alone[19])


def test_a_cell_shows_prediction_and_label(validation: ValidationFiles) -> None:
    sheet = PredictionSheet(validation, "wholebody133")
    right = _cells(sheet.draw(_predictions(validation, shifts={})))[0].astype(int)
    wrong = _cells(sheet.draw(_predictions(validation, shifts={0: 20.0})))[0].astype(int)
    white = (right[30:] > 235).all(axis=-1)
    assert white.any()
    assert (wrong[30:][white] > 235).all(axis=-1).mean() > 0.5  # labels stay where they are
    assert np.abs(right - wrong).max() > 100


def test_people_without_prediction_show_their_labels_alone(validation: ValidationFiles) -> None:
    picture = PredictionSheet(validation, "wholebody133").draw([])
    assert len(_cells(picture)) == 18  # nobody is the worst


def test_models_of_17_keypoints_have_a_sheet_too(validation: ValidationFiles) -> None:
    predictions = [
        Prediction(row.image_id, row.box_xywh, row.keypoints[:17], row.keypoint_scores[:17], 1.0)
        for row in _predictions(validation, shifts={})
    ]
    picture = PredictionSheet(validation, "coco17").draw(predictions)
    assert picture.shape == (4 * CELL_WH[1], 6 * CELL_WH[0], 3)


def test_few_people_fit_on_a_small_sheet(tmp_path: Path) -> None:
    few = ValidationFiles(*DrawnPeople(2, size=64).write(tmp_path))
    picture = PredictionSheet(few, "wholebody133").draw(_predictions(few, shifts={}))
    assert picture.shape == (CELL_WH[1], 2 * CELL_WH[0], 3)


def test_models_of_the_16_joints_of_mpii_have_a_sheet_too(tmp_path: Path) -> None:
    rows = [row(10 * n, head_box=[1, 1, 31, 41], scale=0.2) for n in range(3)]
    files = ValidationFiles(write_list(tmp_path / "valid.json", rows), tmp_path / "images")
    people = read_people(files, "mpii16")
    found = [
        Prediction(
            person.image_id,
            np.append(person.box_xyxy[:2], person.box_xyxy[2:] - person.box_xyxy[:2]),
            person.keypoints,
            np.ones(16, np.float32),
            score=1.0,
        )
        for person in people.instances
    ]
    sheet = PredictionSheet(files, "mpii16")
    picture = sheet.draw(found)
    assert picture.shape == (CELL_WH[1], 3 * CELL_WH[0], 3)
    assert not np.array_equal(picture, sheet.draw([]))
