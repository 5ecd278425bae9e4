"""What `posedistill data ubody` does: prepare UBody for training."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from posedistill.datasets.ubody import UBodySource, prepare_ubody


def prepare(
    videos: Path,
    annotations: Path,
    *,
    out: Path,
    splits: Path | None = None,
    every: int = 10,
    workers: int | None = None,
) -> int:
    """Prepare UBody; print what became of each scene, what is missing and where things are.

    Arguments and errors: as for `posedistill.datasets.ubody.prepare_ubody`. Progress goes to stderr
    if that is a terminal. Gives the exit code: 1 if something is missing and the rest is done.

    >>> prepare(Path("no videos"), Path("no annotations"), out=Path("out"))
    Traceback (most recent call last):
    FileNotFoundError: no such folder: no annotations
    """
    source = UBodySource(videos, annotations, splits)
    bars = _Bars() if sys.stderr.isatty() else None
    try:
        report = prepare_ubody(source, out, every=every, workers=workers, progress=bars)
    finally:
        if bars is not None:
            bars.close()
    print(report)
    print(f"\nfor training: {out / 'annotations' / 'train.json'} with images {out / 'images'}")
    print(f"for testing: {out / 'annotations' / 'test.json'}, the same images")
    print(f"this report: {out / 'report.txt'} and {out / 'report.json'}")
    return 0 if report.is_complete else 1


class _Bars:
    """Show a progress bar for each scene."""

    def __init__(self) -> None:
        from tqdm import tqdm

        self._new: Callable[..., Any] = tqdm  # Any: tqdm has no types
        self._bar: Any = None
        self._scene = ""

    def __call__(self, scene: str, done: int, wanted: int) -> None:
        if self._bar is None or scene != self._scene:
            self.close()
            self._scene, self._bar = scene, self._new(desc=scene, total=wanted, unit="frame")
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """End the last bar."""
        if self._bar is not None:
            self._bar.close()
