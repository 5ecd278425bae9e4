"""Boxes files: for each image file the boxes of the people in it, as JSON."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posedistill.json_file import read_json, shortest
from posedistill.media import write_whole


def read_boxes(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read a boxes file: a JSON object from image file name to a list of x1, y1, x2, y2.

    Gives (N, 4) pixels by name. Raises FileNotFoundError, and ValueError naming the entry.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "boxes.json")
    ...     _ = file.write_text('{"a.jpg": [[10, 20, 110, 320]]}')
    ...     read_boxes(file)["a.jpg"].tolist()
    [[10.0, 20.0, 110.0, 320.0]]
    """
    record = read_json(path, kind="boxes file")
    if not isinstance(record, dict):
        raise ValueError(
            f'{path}: expected an object such as {{"a.jpg": [[x1, y1, x2, y2]]}}, '
            f"found {type(record).__name__}"
        )
    return {name: _boxes(boxes, f"{path}: {name!r}") for name, boxes in record.items()}


def write_boxes(path: Path, boxes_by_name: Mapping[str, NDArray[np.floating]]) -> None:
    """Write a boxes file, whole or not at all; coordinates are rounded to float32.

    boxes_by_name: (N, 4) pixels x1, y1, x2, y2 by image file name.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_boxes(Path(folder, "boxes.json"), {"a.jpg": np.array([[1, 2, 3.5, 4]])})
    ...     Path(folder, "boxes.json").read_text()
    '{"a.jpg": [[1.0, 2.0, 3.5, 4.0]]}'
    """
    rows_by_name = {
        name: [shortest(box.astype(np.float32)) for box in boxes]
        for name, boxes in boxes_by_name.items()
    }
    write_whole(path, json.dumps(rows_by_name, ensure_ascii=False).encode())


def _boxes(boxes: object, where: str) -> NDArray[np.float64]:
    try:
        array = np.array(boxes, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{where} has boxes that are no numbers: {boxes!r:.80}") from error
    if array.shape == (0,):
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"{where} expects a list of [x1, y1, x2, y2], found {boxes!r:.80}")
    return array
