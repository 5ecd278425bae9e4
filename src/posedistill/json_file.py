"""JSON files: read, with errors that name the file; their entries and numbers, checked."""

import json
import os
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_Value = TypeVar("_Value", bool, int, str, list[Any], dict[str, Any])  # Any: JSON of any shape
_LARGEST = 3.4028235e38  # float32, as it is written
_ROUNDED_BELOW = 2.0**22  # so that a number of all its decimals is exact in 64 bits
_MOST_DECIMALS = 9
_WORDS = {"dict": "an object", "list": "a list", "str": "text", "int": "a whole number"}


def read_json(path: str | os.PathLike[str], *, kind: str) -> Any:  # Any: JSON of an unknown shape
    """Read a JSON file; `kind` says in the error what it should have been.

    Raises FileNotFoundError where there is none, and ValueError when it is not JSON.

    >>> read_json("none.json", kind="boxes file")
    Traceback (most recent call last):
    FileNotFoundError: no such boxes file: none.json
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such {kind}: {path}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # JSONDecodeError, UnicodeDecodeError, "[[[["
        raise ValueError(f"{path} is not JSON: {error}") from error


def entry(record: object, key: str, *, kind: type[_Value]) -> _Value:
    """Give an entry of a JSON object; ValueError where it is missing or of another kind.

    >>> entry({"id": 7}, "id", kind=int)
    7
    >>> entry({"id": "7"}, "id", kind=int)
    Traceback (most recent call last):
    ValueError: 'id' is '7'; expected a whole number
    """
    found = optional_entry(record, key, kind=kind)
    if found is None:
        raise ValueError(f"{key!r} is missing; expected {_word(kind)}")
    return found


def optional_entry(record: object, key: str, *, kind: type[_Value]) -> _Value | None:
    """Give an entry of a JSON object, None where it is missing or null.

    Raises ValueError where it is of another kind, or the record is no object.

    >>> optional_entry({"id": 7}, "name", kind=str)
    """
    if not isinstance(record, dict):
        raise ValueError(f"found {_shown(record)}; expected an object with {key!r}")
    found = record.get(key)
    if found is None:
        return None
    if type(found) is not kind:  # isinstance would take true for a whole number
        raise ValueError(f"{key!r} is {_shown(found)}; expected {_word(kind)}")
    return found


def number(record: object, key: str) -> np.float32:
    """Give a number of a JSON object; ValueError where it is missing or no finite float32.

    >>> float(number({"score": 0.5}, "score"))
    0.5
    """
    if not isinstance(record, dict):
        raise ValueError(f"found {_shown(record)}; expected an object with {key!r}")
    try:
        return np.float32(numbers([record.get(key)], (1,))[0])
    except ValueError as error:
        raise ValueError(f"{key!r}: {error}") from error


def numbers(values: object, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Give lists of that shape as an array; ValueError where a value is no finite float32.

    >>> numbers([[1, 2.5], [3, 4]], (2, 2)).tolist()
    [[1.0, 2.5], [3.0, 4.0]]
    """
    flat: list[Any] = [values]  # Any: JSON of any shape
    for size in shape:
        for row in flat:
            if not isinstance(row, list) or len(row) != size:
                seen = f"{len(row)} values" if isinstance(row, list) else _shown(row)
                raise ValueError(f"found {seen}; expected a list of {size}")
        flat = [value for row in flat for value in row]
    for value in flat:
        if type(value) not in (int, float) or not abs(value) <= _LARGEST:  # so that NaN is refused
            raise ValueError(f"found {_shown(value)}; expected a finite number")
    return np.array(flat, np.float64).astype(np.float32).reshape(shape)


def shortest(values: NDArray[np.float32]) -> list[float]:
    """Give the numbers with the fewest digits that are the same float32 again.

    >>> shortest(np.array([368.70312], np.float32))
    [368.70312]
    """
    wanted = values.astype(np.float32)
    exact = wanted.astype(np.float64)
    found, is_open = exact.copy(), np.abs(exact) < _ROUNDED_BELOW
    # Several times as fast as to ask numpy for the digits of each number, as is done for the rest.
    for decimals in range(_MOST_DECIMALS):
        rounded = np.round(exact, decimals)
        is_same = is_open & (rounded.astype(np.float32) == wanted)
        found[is_same] = rounded[is_same]
        is_open &= ~is_same
    is_left = is_open | ~(np.abs(exact) < _ROUNDED_BELOW)
    found[is_left] = wanted[is_left].astype(str).astype(np.float64)
    digits: list[float] = found.tolist()
    return digits


def _shown(value: object) -> str:
    if isinstance(value, list | dict):
        return _word(type(value))
    return f"{value!r:.40}" if isinstance(value, str) else str(value)[:40]


def _word(kind: type) -> str:
    return _WORDS.get(kind.__name__, kind.__name__)
