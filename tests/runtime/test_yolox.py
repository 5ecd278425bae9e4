"""YOLOX: its rows decoded, beside the whole protocol as slow loops."""

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.runtime.detector_layouts import YoloxLayout
from posedistill.runtime.suppression import suppress
from posedistill.runtime.yolox import yolox_cells
from tests.slow_suppression import slow_suppress

Floats = NDArray[np.float32]


def _slow_protocol(rows: Floats, size_wh: tuple[int, int]) -> list[list[float]]:
    """Do as the annotator of DWPose: all classes above 0.1, suppressed one by one, then people."""
    cells = [
        (x, y, stride)
        for stride in (8, 16, 32)
        for y in range(size_wh[1] // stride)
        for x in range(size_wh[0] // stride)
    ]
    found = []
    for index in range(rows.shape[1] - 5):
        boxes, scores = [], []
        for row, (x, y, stride) in zip(rows.tolist(), cells, strict=True):
            center = (row[0] + x) * stride, (row[1] + y) * stride
            half = np.exp(row[2]) * stride / 2, np.exp(row[3]) * stride / 2
            if row[4] * row[5 + index] > 0.1:
                low = [center[0] - half[0], center[1] - half[1]]
                boxes.append([*low, center[0] + half[0], center[1] + half[1]])
                scores.append(row[4] * row[5 + index])
        table, column = np.array(boxes, np.float32), np.array(scores, np.float32)
        for kept in slow_suppress(table, column, 0.45):
            found.append([index, *boxes[kept], scores[kept]])
    return [row[1:] for row in found if row[0] == 0 and row[-1] > 0.3]


def _layout(size_wh: tuple[int, int]) -> YoloxLayout:
    return YoloxLayout(("output",), size_wh)


def test_people_are_those_of_the_whole_protocol(rng: np.random.Generator) -> None:
    size_wh = (96, 64)
    rows = rng.normal(0, 0.4, (12 * 8 + 6 * 4 + 3 * 2, 8)).astype(np.float32)
    rows[:, 2:4] += 1
    rows[:, 4:] = rng.random((len(rows), 4))
    scores = _layout(size_wh).scores([rows], 0)
    people = np.flatnonzero(scores > 0.3)
    boxes = _layout(size_wh).boxes([rows], people)
    kept = suppress(boxes, scores[people], threshold=0.45)
    wanted = np.array(_slow_protocol(rows, size_wh))
    assert 5 < len(wanted) < len(people)
    # float32 against float64
    np.testing.assert_allclose(boxes[kept], wanted[:, :4], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(scores[people][kept], wanted[:, 4], rtol=1e-6)


@pytest.mark.parametrize(("side", "cells"), [(640, 8400), (416, 3549)])
def test_published_inputs_have_the_published_number_of_cells(side: int, cells: int) -> None:
    assert yolox_cells((side, side)).places_xy.shape == (cells, 2)
    assert _layout((side, side)).scores([np.zeros((cells, 85), np.float32)], 0).shape == (cells,)


def test_cells_of_another_input_are_refused() -> None:
    with pytest.raises(ValueError, match=r"gives 8400 cells .* 416x416; .* gives 3549"):
        _layout((416, 416)).scores([np.zeros((8400, 85), np.float32)], 0)


def test_a_score_is_objectness_times_the_class(rng: np.random.Generator) -> None:
    rows = rng.random((21, 8), np.float32)
    for index in range(3):
        scores = _layout((32, 32)).scores([rows], index)
        assert scores.tolist() == [row[4] * row[5 + index] for row in rows]


def test_a_class_that_the_rows_do_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="class_index 3 is one"):
        _layout((32, 32)).scores([np.zeros((21, 8), np.float32)], 3)
