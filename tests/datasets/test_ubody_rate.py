"""Frames are repeated and dropped as ffmpeg does it for 30 frames a second."""

from collections.abc import Iterable
from fractions import Fraction

import pytest

from posedistill.datasets.ubody_rate import RateConversion


def _shown(seconds: Iterable[float], duration: float) -> list[int]:
    """Give, for each place, the index of the frame shown there."""
    conversion = RateConversion()
    shown: list[int] = []
    for index, second in enumerate(seconds):
        before, own = conversion.take(second, duration)
        assert before.start == len(shown)
        assert own.start == before.stop
        shown += [max(index - 1, 0)] * len(before) + [index] * len(own)
    return shown + [index] * len(conversion.end())


def _at_rate(rate: float | Fraction, *, count: int) -> list[int]:
    return _shown((float(index / rate) for index in range(count)), float(1 / rate))


@pytest.mark.parametrize(
    "rate", [30, Fraction(30000, 1001), 25, 27, Fraction(24000, 1001), 17], ids=str
)
def test_up_to_30_a_second_a_place_shows_the_last_frame_whose_time_rounds_to_it(
    rate: int | Fraction,
) -> None:
    count = 2000
    shown = _at_rate(rate, count=count)
    places = [int(Fraction(30) * index / rate + Fraction(1, 2)) for index in range(count)]
    expected = []
    for place in range(places[-1]):
        expected.append(max(index for index in range(count) if places[index] <= place))
        if len(expected) > 600:
            break
    assert shown[: len(expected)] == expected


# Worked out by hand from the rule in the source of FFmpeg 7.
BY_HAND = {
    60: [0, 1, 2, 3, 5, 7, 9, 11, 13],
    15: [0, 0, 1, 1, 2, 2, 3, 3, 4],
    20: [0, 0, 1, 2, 2, 3, 4, 4, 5],
    12: [0, 0, 1, 1, 1, 2, 2, 3, 3, 3],
    24: [0, 1, 1, 2, 3, 4, 5, 5, 6],
}


@pytest.mark.parametrize("rate", BY_HAND)
def test_other_rates_are_converted_as_worked_out_by_hand(rate: int) -> None:
    assert _at_rate(rate, count=40)[: len(BY_HAND[rate])] == BY_HAND[rate]


def test_a_gap_is_filled_by_the_frame_before_it() -> None:
    shown = _shown([0, 1 / 30, 10 / 30, 11 / 30], 1 / 30)
    assert shown == [0, *[1] * 8, 2, 2, 3]


def test_a_late_start_shows_the_first_frame_from_the_first_place_on() -> None:
    assert _shown([5 / 30, 6 / 30], 1 / 30) == [0] * 6 + [1]


def test_no_frames_fill_no_places() -> None:
    assert len(RateConversion().end()) == 0
