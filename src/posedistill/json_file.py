"""JSON files: read, with errors that name the file; numbers as they are written."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are both of this kind
        raise ValueError(f"{path} is not JSON: {error}") from error


def shortest(values: NDArray[np.float32]) -> list[float]:
    """Give the numbers with the fewest digits that are the same float32 again.

    >>> shortest(np.array([368.70312], np.float32))
    [368.70312]
    """
    return [float(text) for text in values.astype(np.float32).astype(str)]
