"""docs/formats.md: every block of Python runs, and prints what the page says."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

from posedistill import __version__

PAGE = Path(__file__).resolve().parents[1] / "docs" / "formats.md"
BLOCKS = re.findall(
    r"^```python\n(.*?)^```\n\n```text\n(.*?)^```",
    PAGE.read_text(encoding="utf-8"),
    flags=re.MULTILINE | re.DOTALL,
)
NEEDED = ("pandas", "pyarrow", "supervision")
Names = dict[str, Any]  # Any: whatever a page defines


def _run(code: str, names: Names) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, PAGE.name, "exec"), names)
    return printed.getvalue()


def test_every_block_of_python_is_followed_by_what_it_prints() -> None:
    assert len(BLOCKS) == PAGE.read_text(encoding="utf-8").count("```python")


@pytest.mark.parametrize("index", range(len(BLOCKS)))
def test_the_python_of_the_page_prints_what_the_page_says(
    index: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: Names = {}
    code, printed = BLOCKS[index]
    for package in NEEDED:
        if package in code:
            pytest.importorskip(package)
    for earlier, _ in BLOCKS[:index]:
        if not any(package in earlier for package in NEEDED):
            _run(earlier, names)
    assert _run(code, names) == printed.replace("0.1.0", __version__)
