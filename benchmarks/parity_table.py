"""One row of the parity table: what was compared, in how many cases, how far apart it is."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
HEADINGS = ("item", "cases", "largest difference", "tolerance", "pass")


@dataclass(frozen=True)
class Row:
    """Hold one comparison with the reference.

    Attributes:
        item: what is compared. cases: how many of what.
        difference: the largest found, or None where it was not run.
        tolerance: the largest allowed. unit: of both.
    """

    item: str
    cases: str
    difference: float | None
    tolerance: float = 0.0
    unit: str = ""

    @property
    def fails(self) -> bool:
        """Say whether it was run and differs by more than allowed, or by what is no number."""
        return self.difference is not None and not self.difference <= self.tolerance

    def cells(self) -> tuple[str, str, str, str, str]:
        """Give the texts of the row, under `HEADINGS`."""
        limit = f"{self.tolerance:g} {self.unit}".strip()
        if self.difference is None:
            return self.item, self.cases, "-", limit, "not run: needs the photos"
        return self.item, self.cases, f"{self.difference:.2g}", limit, "NO" if self.fails else "yes"


def table(rows: Iterable[Row], *, markdown: bool) -> str:
    """Give the rows as aligned text, or as a Markdown table."""
    lines: list[tuple[str, ...]] = [HEADINGS, *(row.cells() for row in rows)]
    if markdown:
        lines.insert(1, ("---",) * len(HEADINGS))
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (map(str.ljust, cells, widths) for cells in lines)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def arrays(name: str) -> dict[str, NDArray[np.float32]]:
    """Read an `.npz` file of golden arrays."""
    with np.load(GOLDEN / name) as file:
        return dict(file)


def gap(seen: ArrayLike, wanted: ArrayLike) -> float:
    """Give the largest absolute difference of two arrays of one shape; NaN where one has it."""
    return float(np.abs(_pair(seen) - _pair(wanted, like=seen)).max())


def relative_gap(seen: ArrayLike, wanted: ArrayLike) -> float:
    """Give the largest difference as a part of the wanted value."""
    return float(np.abs(_pair(seen, like=wanted) / _pair(wanted) - 1).max())


def gap_of_largest(seen: ArrayLike, wanted: ArrayLike) -> float:
    """Give the largest difference as a part of the largest wanted entry."""
    return gap(seen, wanted) / float(np.abs(wanted).max())


def num_unequal(seen: ArrayLike, wanted: ArrayLike) -> int:
    """Count the entries that are not equal."""
    return int((_pair(seen) != _pair(wanted, like=seen)).sum())


def _pair(values: ArrayLike, *, like: ArrayLike | None = None) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if like is not None and array.shape != np.shape(like):
        raise ValueError(f"shapes {array.shape} and {np.shape(like)} cannot be compared")
    return array
