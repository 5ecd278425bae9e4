"""Marginals: what heatmaps tell a SimCC student is what its own targets would."""

import numpy as np
import pytest
import torch

from posedistill.codecs import Heatmap, SimCC
from posedistill.codecs.heatmap import Grid
from posedistill.models import build
from posedistill.teachers import Fitted, Frozen
from posedistill.teachers.marginals import Marginals

TARGET = SimCC((96, 128), (3.5, 4.0))


@pytest.mark.parametrize("grid", ["stride", "udp"])
@pytest.mark.parametrize("factor", [1, 2])
def test_rows_of_target_maps_are_target_rows(grid: Grid, factor: int) -> None:
    source = Heatmap((96 * factor, 128 * factor), grid=grid)
    rng = np.random.default_rng(0)
    keypoints = rng.uniform((12, 12), (84, 116), (3, 40, 2))
    visible = np.ones((3, 40))
    maps, _ = source.encode(keypoints * factor, visible)
    rows = [row.numpy() for row in Marginals(source, TARGET)(torch.from_numpy(maps))]
    wanted = TARGET.encode(keypoints, visible)[:2]
    for row, want in zip(rows, wanted, strict=True):
        assert np.abs(row - want).max() < 0.15  # targets are centred on whole bins
    found, scores = TARGET.decode(rows[0], rows[1])
    assert np.abs(found - keypoints).max() < 0.51 / TARGET.split_ratio
    assert np.abs(scores - 1).max() < 0.02


def test_a_lower_peak_gives_lower_rows_and_an_empty_map_none() -> None:
    source = Heatmap((96, 128))
    maps, _ = source.encode(np.array([[40.0, 60.0], [40.0, 60.0]]), np.ones(2))
    maps[0] *= 0.3
    maps[1] *= -1
    x, y = Marginals(source, TARGET)(torch.from_numpy(maps)[None])
    assert float(x[0, 0].max()) == pytest.approx(0.3, abs=0.01)
    assert float(y[0, 0].max()) == pytest.approx(0.3, abs=0.01)
    assert not x[0, 1].any()
    assert not y[0, 1].any()


def test_a_map_with_two_peaks_gives_both() -> None:
    source = Heatmap((96, 128))
    maps, _ = source.encode(np.array([[20.0, 60.0], [70.0, 60.0]]), np.ones(2))
    both = torch.from_numpy(np.maximum(maps[0], np.float32(0.6) * maps[1]))[None, None]
    x, _ = Marginals(source, TARGET)(both)
    assert float(x[0, 0, 40]) == pytest.approx(1.0, abs=0.02)
    assert float(x[0, 0, 140]) == pytest.approx(0.6, abs=0.06)
    assert float(x[0, 0, 90]) < 0.05


def test_a_heatmap_teacher_answers_a_simcc_student_with_rows_and_features() -> None:
    teacher = Frozen(build("cspnext-s-heatmap", "coco17", (48, 64)))
    student = build("rtmpose-n", "coco17", (48, 64))
    fitted = Fitted(teacher, student.spec)
    answer = fitted.answer(torch.zeros(2, 3, 64, 48, dtype=torch.uint8))
    assert [tuple(rows.shape) for rows in answer.logits] == [(2, 17, 96), (2, 17, 128)]
    assert answer.features is not None
    assert fitted.channels == answer.features[-1].shape[1]


def test_a_simcc_teacher_cannot_teach_heatmaps() -> None:
    teacher = Frozen(build("rtmpose-n", "coco17", (48, 64)))
    student = build("cspnext-n-heatmap", "coco17", (48, 64))
    with pytest.raises(ValueError, match="rows cannot teach maps"):
        Fitted(teacher, student.spec)
