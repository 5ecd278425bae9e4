"""What a command tells: lines and progress on stderr, tables."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic
from typing import TypeVar

T = TypeVar("T")
_CLEAR = "\r\x1b[K"
_SECONDS_BETWEEN = 0.1  # two progress lines


def report(line: str) -> None:
    """Print a line on stderr, in the place of a progress line if there is one."""
    clear = _CLEAR if sys.stderr.isatty() else ""
    print(f"{clear}posedistill: {line}", file=sys.stderr)


def shown(items: Iterable[T], line: Callable[[int, T], str]) -> Iterator[T]:
    """Give items on, and show now and then on stderr, if that is a terminal, how far that is.

    line: from the count of the items so far, and the last one, to what is shown.

    >>> list(shown("ab", lambda count, letter: f"{count}: {letter}"))
    ['a', 'b']
    """
    if not sys.stderr.isatty():
        yield from items
        return
    due = monotonic()
    try:
        for count, item in enumerate(items, 1):
            if monotonic() >= due:
                due = monotonic() + _SECONDS_BETWEEN
                print(f"{_CLEAR}{line(count, item)}", end="", file=sys.stderr, flush=True)
            yield item
    finally:
        print(_CLEAR, end="", file=sys.stderr, flush=True)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Give rows as lines: the first column to the left, the others to the right.

    >>> print(table([["stage", "frames"], ["draw", "12"]]))
    stage  frames
    draw       12
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
