"""Print how far posedistill is from the reference implementations, item by item.

    python benchmarks/parity.py                 a table; exit code 1 where a row fails
    python benchmarks/parity.py --markdown      the same in Markdown
    python benchmarks/parity.py --differences   the figures that docs/differences.md quotes

The reference's numbers stand in tests/golden. Rows on photos need a folder that holds these and
the reference's numbers for them (--photos); they are no part of the project.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks` and `tests`

from benchmarks.parity_differences import all_differences
from benchmarks.parity_networks import (
    distiller_rows,
    forward_rows,
    loss_rows,
    optimiser_rows,
    weight_rows,
)
from benchmarks.parity_photos import photo_rows
from benchmarks.parity_rows import crop_rows, heatmap_rows, metric_rows, picture_rows, simcc_rows
from benchmarks.parity_table import ROOT, Row, table

_PHOTOS = ROOT.parent / "shared" / "golden"


def main(words: list[str] | None = None) -> int:
    """Print what is asked for; give the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, metavar="DIR", help="folder of the four photos")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    parser.add_argument("--differences", action="store_true", help="print deliberate differences")
    arguments = parser.parse_args(words)
    photos: Path | None = arguments.photos
    if photos is not None and not (photos / "inputs").is_dir():
        parser.error(f"{photos} has no folder inputs with the photos")
    if photos is None and (_PHOTOS / "inputs").is_dir():
        photos = _PHOTOS
    if arguments.differences:
        for line in all_differences(photos):
            print(line)
        return 0
    return report(list(_rows(photos)), markdown=arguments.markdown)


def report(rows: list[Row], *, markdown: bool) -> int:
    """Print the table, and which rows fail; give the exit code."""
    print(table(rows, markdown=markdown))
    failed = [row.item for row in rows if row.fails]
    if failed:
        print(f"{len(failed)} of {len(rows)} rows fail: {'; '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _rows(photos: Path | None) -> Iterator[Row]:
    sections: tuple[Callable[[], Iterator[Row]], ...] = (
        weight_rows,
        forward_rows,
        simcc_rows,
        heatmap_rows,
        loss_rows,
        distiller_rows,
        optimiser_rows,
        crop_rows,
        metric_rows,
        picture_rows,
        partial(photo_rows, photos),
    )
    for count, row in enumerate(chain.from_iterable(section() for section in sections), start=1):
        _tell(f"{count} rows, the last: {row.item}")
        yield row
    _tell("")


def _tell(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
