"""The notebook runs from its first cell to its last, and is stored without what it gave."""

from pathlib import Path

import pytest

from posedistill.formats.table import FORMATS
from tests.examples.load import EXAMPLES

nbformat = pytest.importorskip("nbformat", reason="needs nbclient and ipykernel")
nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel")
pytest.importorskip("ipykernel", reason="needs nbclient and ipykernel")
NOTEBOOK = EXAMPLES / "start_here.ipynb"


def test_the_notebook_runs_and_shows_what_it_speaks_of(tmp_path: Path) -> None:
    book = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 2
    printed = "".join(output.get("text", "") for output in outputs)
    assert "of 68 joints are sure" in printed
    assert "sd15-openpose" in printed
    (row,) = FORMATS["csv"].read(tmp_path / "poses.csv")
    assert len(row.poses) >= 1


def test_the_notebook_is_valid_and_holds_no_outputs() -> None:
    book = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert len(code) >= 6
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
