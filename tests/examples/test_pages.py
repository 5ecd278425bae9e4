"""The pages of the examples and of the presets tell what the code has."""

import re
import shlex
from pathlib import Path

import pytest

from posedistill.draw.presets import PRESETS
from posedistill.media import read_image
from tests.examples.load import EXAMPLES, example

DOCS = EXAMPLES.parent / "docs"
CONTROLNET = (DOCS / "controlnet.md").read_text(encoding="utf-8")
PAGE = (DOCS / "examples.md").read_text(encoding="utf-8")
CALLS = re.findall(r"^python examples/\S+[^\n]*", f"{PAGE}\n{CONTROLNET}", flags=re.MULTILINE)


def _row(name: str) -> str:
    """Give what the page says of a preset, from its values."""
    preset = PRESETS[name]
    size_wh = preset.size_wh((1200, 1600))
    style = preset.style(size_wh)
    resolution = "that of the photo"
    if preset.resolution is not None:
        n = preset.resolution
        resolution = f"short side {n}" if preset.measure == "short side" else f"area of {n} x {n}"
    parts = [part for part in ("body", "hands", "face") if getattr(style, part)]
    width = 2 * int(4 * style.body_scale) + 1
    cells = (f"`{name}`", resolution, str(width), ", ".join(parts), f"{size_wh[0]} x {size_wh[1]}")
    return f"| {' | '.join(cells)} |"


def test_the_table_of_presets_is_as_the_code_has_it() -> None:
    rows = [line for line in CONTROLNET.splitlines() if line.startswith("| `")]
    assert rows == [_row(name) for name in PRESETS]


def test_the_page_names_every_example_and_no_other() -> None:
    named = set(re.findall(r"^\| `([^`]+)`", PAGE, flags=re.MULTILINE))
    there = {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    assert named == there


@pytest.mark.parametrize("call", CALLS)
def test_the_calls_on_the_pages_are_ones_that_the_examples_take(call: str) -> None:
    _, script, *words = shlex.split(call)
    text = (EXAMPLES.parent / script).read_text(encoding="utf-8")
    for option in (word for word in words if word.startswith("--")):
        assert f'"{option}"' in text, option


def test_there_are_calls_to_check() -> None:
    assert len(CALLS) >= 7


def test_the_picture_of_the_presets_shows_each(tmp_path: Path) -> None:
    out = tmp_path / "picture.png"
    example("controlnet_picture").main(["--out", str(out)])
    picture = read_image(out)
    assert picture.shape == read_image(DOCS / "img" / "controlnet.png").shape
    cells = picture[22:].reshape(300, len(PRESETS), 300, 3)
    assert all((cells[:, index] > 0).any() for index in range(len(PRESETS)))
