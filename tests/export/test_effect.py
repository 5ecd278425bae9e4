"""Effects: shifts, speed and scores are measured right, and judged by the limits."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.codecs import SimCC
from posedistill.evaluate.report import Report
from posedistill.export.effect import (
    Effect,
    PartScore,
    PartShift,
    compared,
    part_shifts,
    speed_ratio,
    why_refused,
)
from posedistill.runtime.session import Floats
from posedistill.spec import Spec

SPEC = Spec("rtmpose-n", "wholebody133", SimCC((48, 64), (1.0, 1.0)))
BINS_XY = (96, 128)  # two a pixel


def _rows(places_xy: NDArray[np.int64], heights: NDArray[np.float64]) -> tuple[Floats, Floats]:
    """Give logits (N, K, bins) whose largest is at those bins and of that height."""
    pair = []
    for axis, bins in enumerate(BINS_XY):
        rows = np.zeros((*places_xy.shape[:2], bins), np.float32)
        np.put_along_axis(rows, places_xy[..., axis, None], heights[..., None], axis=2)
        pair.append(rows)
    return pair[0], pair[1]


def test_shifts_are_those_of_the_joints_that_were_sure(rng: np.random.Generator) -> None:
    places = rng.integers(10, 80, (4, 133, 2))
    heights = rng.uniform(0.05, 0.9, (4, 133))
    steps = rng.integers(-8, 9, (4, 133, 2))
    before, after = _rows(places, heights), _rows(places + steps, heights - 0.02)
    far = np.hypot(*np.moveaxis(steps / 2, -1, 0))  # two bins a pixel
    shifts = {shift.part: shift for shift in part_shifts(before, after, SPEC)}
    assert list(shifts) == ["whole", "body", "foot", "face", "left_hand", "right_hand"]
    for part, joints in {"whole": slice(None), "foot": slice(17, 23)}.items():
        sure = heights[:, joints] >= 0.3
        assert shifts[part].mean == pytest.approx(far[:, joints][sure].mean())
        assert shifts[part].largest == pytest.approx(far[:, joints][sure].max())
        assert shifts[part].score == pytest.approx(-0.02, abs=1e-6)
        assert shifts[part].joints == sure.sum()


def test_of_a_model_that_is_sure_of_nothing_all_joints_count() -> None:
    places = np.full((2, 133, 2), 20)
    before = _rows(places, np.full((2, 133), 0.1))
    (whole, *_) = part_shifts(before, _rows(places + [6, 8], np.full((2, 133), 0.1)), SPEC)
    assert (whole.mean, whole.largest, whole.joints) == (5.0, 5.0, 266)


class _Slow:
    """Take a given time for a call."""

    spec = SPEC
    provider = "none"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, crops: NDArray[np.uint8]) -> tuple[Floats, ...]:
        time.sleep(self._seconds)
        return ()

    def close(self) -> None:
        pass


def test_a_model_of_a_quarter_of_the_time_is_faster() -> None:
    crops = np.zeros((1, 3, 64, 48), np.uint8)
    # The machine may be busy: far from 4, but on the right side of 1.
    assert speed_ratio(_Slow(0.02), _Slow(0.005), crops=crops) > 1.5
    assert speed_ratio(_Slow(0.005), _Slow(0.02), crops=crops) < 0.7


def _effect(mean: float, *scores: PartScore) -> Effect:
    shift = PartShift("whole", mean=mean, largest=99.0, score=0.0, joints=9)
    return Effect(2, 1, {1: 1.0}, (shift,), num_crops=1, input_height=200, scores=scores)


def test_without_scores_the_shift_decides() -> None:
    assert why_refused(_effect(1.0), max_loss=0.0) == ""
    assert "more than 1.00 px (0.5 % of the height)" in why_refused(_effect(1.01), max_loss=99.0)


def test_with_scores_the_worst_part_decides_whatever_the_shift() -> None:
    whole = PartScore("whole", before=60.0, after=59.5, persons=100)
    hand = PartScore("left_hand", before=50.0, after=48.0, persons=50)
    assert why_refused(_effect(9.0, whole, hand), max_loss=2.0) == ""
    reason = why_refused(_effect(0.0, whole, hand), max_loss=1.0)
    assert reason == "left hand falls from 50.00 to 48.00, by more than 1"


def test_a_part_of_few_persons_does_not_decide() -> None:
    whole = PartScore("whole", before=60.0, after=59.5, persons=10)
    hand = PartScore("left_hand", before=50.0, after=10.0, persons=49)
    assert why_refused(_effect(0.0, whole, hand), max_loss=0.5) == ""
    assert why_refused(_effect(0.0, whole, hand), max_loss=0.4).startswith("whole falls")


def test_scores_of_every_kind_of_report_are_compared() -> None:
    before = Report({"body/AP": 40.0, "whole/AP": 30.0}, {"body": 7, "whole": 8})
    after = Report({"body/AP": 39.0, "whole/AP": 31.0}, {"body": 7, "whole": 8})
    rows = compared(before, after)
    assert [(row.part, row.loss, row.persons) for row in rows] == [
        ("whole", -1.0, 8),
        ("body", 1.0, 7),
    ]
    mpii = Report({"PCKh@0.5": 80.0, "PCKh@0.5/wrist": 70.0}, {"PCKh@0.5": 3}, parts=("PCKh@0.5",))
    assert compared(mpii, mpii) == (PartScore("PCKh@0.5", 80.0, 80.0, 3),)
