"""The parity script: what it calls a failure, its cheap rows, and that its page quotes it."""

import re
from collections.abc import Callable, Iterator
from fnmatch import filter as matching
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

from benchmarks.parity import report
from benchmarks.parity_differences import of_this_machine, same_everywhere
from benchmarks.parity_photos import photo_rows
from benchmarks.parity_rows import crop_rows, heatmap_rows, metric_rows, picture_rows, simcc_rows
from benchmarks.parity_table import Row, gap, gap_of_largest, num_unequal, relative_gap, table
from posedistill.recipes import RECIPES
from posedistill.train.recipe import describe, override

PAGE = Path(__file__).resolve().parents[1] / "docs" / "differences.md"


@pytest.mark.parametrize(
    ("difference", "fails"),
    [(0.0, False), (0.5, False), (0.51, True), (float("nan"), True), (None, False)],
)
def test_a_row_fails_above_its_tolerance_and_where_it_is_no_number(
    difference: float | None, fails: bool
) -> None:
    assert Row("x", "2 cases", difference, 0.5).fails == fails


def test_the_exit_code_tells_of_any_failure(capsys: pytest.CaptureFixture[str]) -> None:
    good, unrun, bad = Row("good", "1", 0.0), Row("unrun", "1", None), Row("bad", "1", 2.0, 1.0)
    assert report([good, unrun], markdown=False) == 0
    assert report([good, bad], markdown=True) == 1
    printed = capsys.readouterr()
    assert "1 of 2 rows fail: bad" in printed.err
    assert "| bad | 1 | 2 | 1 | NO |" in printed.out


def test_the_table_is_aligned_and_says_what_was_not_run() -> None:
    lines = table([Row("a long item", "3", 1e-7, 1e-6), Row("b", "3", None)], markdown=False)
    heading, first, second = lines.splitlines()
    assert heading.index("cases") == first.index("3") == second.index("3")
    assert first.endswith("yes")
    assert second.endswith("not run: needs the photos")


def test_gaps_are_the_largest_difference() -> None:
    seen, wanted = [[1.0, 2.0], [3.0, -4.5]], [[1.0, 2.5], [3.0, -4.0]]
    assert gap(seen, wanted) == 0.5
    assert gap_of_largest(seen, wanted) == 0.125
    assert relative_gap(seen, wanted) == pytest.approx(0.2)
    assert num_unequal(seen, wanted) == 2
    assert np.isnan(gap([1.0, np.nan], [1.0, 2.0]))


@pytest.mark.parametrize("measure", [gap, relative_gap, gap_of_largest, num_unequal])
def test_arrays_of_other_shapes_are_not_compared(
    measure: Callable[[ArrayLike, ArrayLike], float],
) -> None:
    with pytest.raises(ValueError, match=r"shapes .* cannot be compared"):
        measure(np.zeros((2, 1)), np.ones((1, 2)))


@pytest.mark.parametrize(
    "rows",
    [simcc_rows, heatmap_rows, crop_rows, metric_rows, picture_rows],
    ids=lambda rows: rows.__name__,
)
def test_the_rows_without_networks_pass(rows: Callable[[], Iterator[Row]]) -> None:
    found = list(rows())
    assert found
    assert [row.item for row in found if row.fails or row.difference is None] == []


def test_without_photos_their_rows_are_named_and_no_failure() -> None:
    rows = list(photo_rows(None))
    assert len(rows) == 13
    assert {row.difference for row in rows} == {None}


def test_the_page_quotes_what_the_script_prints() -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()
    missing = [line for line in same_everywhere() if line not in page]
    assert missing == []


def test_the_page_quotes_every_effect_that_depends_on_the_machine() -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()
    quoted = {line.partition(":")[0] for line in page}
    assert {line.partition(":")[0] for line in of_this_machine(None)} <= quoted


def test_the_recipes_of_the_page_exist() -> None:
    named = re.findall(r"`((?:dwpose|pretrain)-[\w*-]+)`", PAGE.read_text(encoding="utf-8"))
    assert len(named) >= 4
    assert [name for name in named if not matching(RECIPES, name)] == []


def test_the_options_of_the_page_are_ones_that_recipes_have() -> None:
    options = set(re.findall(r"--set (\w[\w.]*=[^\s`]+)", PAGE.read_text(encoding="utf-8")))
    assert len(options) >= 7
    kinds = [RECIPES[name]() for name in ("rtmpose-t", "dwpose-stage1-t", "okdhp-hourglass-4")]
    for option in options:
        key, _, value = option.replace("=N", "=32").replace("=...", "=runs/x").partition("=")
        recipe = next((kind for kind in kinds if f"\n{key} = " in describe(kind)), kinds[0])
        override(recipe, [f"{key}={value}"])
