"""Boxes files: what is written is read back, and what is wrong is named."""

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posedistill.formats.boxes_json import read_boxes, write_boxes
from tests.damage import Edit, damage, edits


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
        ('{"a.jpg": [[1, 2, 3, 1%s]]}' % ("0" * 400), "'a.jpg' has boxes that are no numbers"),
        ("[" * 100_000, "is not JSON"),
    ],
    ids=["json", "list", "words", "flat", "three numbers", "more than a float", "deep"],
)
def test_what_is_no_boxes_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "boxes.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_boxes(file)


def _json() -> st.SearchStrategy[object]:
    leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3))
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=4), max_leaves=12)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(max_size=3), _json(), max_size=3), edits())
def test_any_json_and_any_bytes_give_boxes_or_a_value_error(
    tmp_path: Path, record: dict[str, object], edits: list[Edit]
) -> None:
    file = tmp_path / "boxes.json"
    for content in (json.dumps(record).encode(), damage(json.dumps(record).encode(), edits)):
        file.write_bytes(content)
        with suppress(ValueError):
            assert all(boxes.shape[1:] == (4,) for boxes in read_boxes(file).values())
