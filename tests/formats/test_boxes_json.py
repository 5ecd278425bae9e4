"""Boxes files: what is written is read back, and what is wrong is named."""

from pathlib import Path

import numpy as np
import pytest

from posedistill.formats.boxes_json import read_boxes, write_boxes


def test_written_boxes_are_read_back(tmp_path: Path, rng: np.random.Generator) -> None:
    boxes = {
        "a.jpg": rng.uniform(-5, 900, (3, 4)).astype(np.float32),
        "Straße/ü b.png": np.zeros((0, 4), np.float32),
    }
    write_boxes(tmp_path / "boxes.json", boxes)
    read = read_boxes(tmp_path / "boxes.json")
    assert list(read) == list(boxes)
    for name, wanted in boxes.items():
        assert np.array_equal(read[name].astype(np.float32), wanted)
        assert read[name].shape == wanted.shape


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[[1, 2, 3, 4]]", "expected an object .* found list"),
        ('{"a.jpg": [["x", 2, 3, 4]]}', "'a.jpg' has boxes that are no numbers"),
        ('{"a.jpg": [1, 2, 3, 4]}', "'a.jpg' expects a list of"),
        ('{"a.jpg": [[1, 2, 3]]}', "'a.jpg' expects a list of"),
    ],
    ids=["json", "list", "words", "flat", "three numbers"],
)
def test_what_is_no_boxes_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "boxes.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_boxes(file)
