import shutil
from pathlib import Path

import pytest

from benchmarks.goals import Goal, print_goals
from benchmarks.speed_page import (
    ROOT,
    SECTIONS,
    SUMMARY,
    goal_rows,
    read_block,
    run,
    write_block,
    write_summary,
)

GOALS = [
    Goal("a thing", "under 8 %", "6.0 %", is_met=True, limit="never shown"),
    Goal("another", "1.5 or more", "1.4", is_met=False, limit="the memory"),
]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Give a copy of the pages."""
    pages = {section.page for section in SECTIONS.values()}
    for page in pages:
        shutil.copy(ROOT / "docs" / page, tmp_path / page)
    return tmp_path


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_has_a_place_in_its_page(name: str) -> None:
    section = SECTIONS[name]
    read_block(ROOT / "docs" / section.page, name)
    assert (ROOT / section.words[0]).is_file()


def test_a_text_replaces_what_stood_in_its_place_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- printed by x -->\nold\n<!-- end of x -->\nb\n", encoding="utf-8")
    write_block(page, "x", text="| new |\n")
    assert page.read_text(encoding="utf-8") == (
        "a\n<!-- printed by x -->\n| new |\n<!-- end of x -->\nb\n"
    )
    assert read_block(page, "x").strip() == "| new |"


def test_a_page_without_the_place_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- printed by x -->\nnever closed\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has no place for x"):
        write_block(page, "x", text="new")


def test_limits_are_told_of_missed_goals_alone(capsys: pytest.CaptureFixture[str]) -> None:
    print_goals(GOALS)
    printed = capsys.readouterr().out
    assert "- another: the memory" in printed
    assert "never shown" not in printed
    assert list(goal_rows(f"| x |\n{printed}")) == [
        "a thing | under 8 % | 6.0 % | yes |",
        "another | 1.5 or more | 1.4 | no |",
    ]


def test_what_a_section_prints_comes_into_its_page_and_its_goals_into_the_summary(
    docs: Path,
) -> None:
    text = run("drawing", {}, is_quick=True)
    assert text is not None
    assert "python benchmarks/drawing.py --seconds 0.01" in text
    write_block(docs / "speed.md", "drawing", text=text)
    write_summary(docs)
    page, name = SUMMARY
    rows = [line for line in read_block(docs / page, name).splitlines() if "at 720p" in line]
    assert any(row.startswith("| overlay of 16 persons") for row in rows)
