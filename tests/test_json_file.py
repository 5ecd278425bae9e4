from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posedistill.json_file import entry, number, numbers, read_json, shortest


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_shortest_digits_are_the_same_number_again(value: float) -> None:
    (digits,) = shortest(np.array([value], np.float32))
    assert repr(digits) == repr(float(str(np.float32(value))))
    assert numbers([digits], (1,))[0] == np.float32(value)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1, 1e3, 1e6, 1e7, 1e12])
def test_the_shortest_digits_of_many_numbers_are_those_of_each(
    rng: np.random.Generator, scale: float
) -> None:
    values = (rng.normal(0, scale, 3000)).astype(np.float32)
    assert shortest(values) == [float(text) for text in values.astype(str)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, True], "found True; expected a finite number"),
        ([1, "2"], "found '2'; expected a finite number"),
        ([1, float("nan")], "found nan"),
        ([1, 1e39], r"found 1e\+39"),
        ([1, 10**400], "found 1000"),
        ([1, None], "found None"),
        ([1, [2]], "found a list; expected a finite number"),
        ([1], "found 1 values; expected a list of 2"),
        ({"a": 1}, "found an object; expected a list of 2"),
        (7, "found 7; expected a list of 2"),
    ],
    ids=str,
)
def test_what_is_no_list_of_numbers_is_refused(values: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        numbers(values, (2,))


def test_an_entry_of_another_kind_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="'id' is True; expected a whole number"):
        entry({"id": True}, "id", kind=int)
    with pytest.raises(ValueError, match="'id' is missing; expected text"):
        entry({"id": None}, "id", kind=str)
    with pytest.raises(ValueError, match="found a list; expected an object with 'id'"):
        number([], "id")


def test_json_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"deep\.json is not JSON"):
        read_json(tmp_path / "deep.json", kind="file")
