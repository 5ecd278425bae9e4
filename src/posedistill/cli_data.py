"""Command line of data: `data check`, `data synth` and `data ubody`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from posedistill.cli_synth import add_synth

_Parser = TypeVar("_Parser", bound=argparse.ArgumentParser)


def add_data(commands: "argparse._SubParsersAction[_Parser]") -> _Parser:
    """Add the sub-command `data` with its actions."""
    command = commands.add_parser("data", help="check labels, prepare data sets, render people")
    actions = command.add_subparsers(metavar="check|synth|ubody", required=True)
    _add_check(actions.add_parser("check", help="find wrong labels and images; write a page"))
    add_synth(actions.add_parser("synth", help="render people with exact keypoints"))
    _add_ubody(actions.add_parser("ubody", help="make UBody ready for training"))
    return command


def _add_check(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_check)
    add = command.add_argument
    add("annotations", type=Path, metavar="ANN.json", help="COCO, COCO-WholeBody or Halpe labels")
    add("--images", required=True, type=Path, metavar="DIR", help="folder of the images")
    add("--out", required=True, type=Path, metavar="DIR", help="where page and list go")
    add("--decode", action="store_true", help="also decode every image; slower")
    add(
        "--pictures",
        type=int,
        default=12,
        metavar="N",
        help="on the page of each kind of finding, at most; default %(default)s",
    )
    add("--traceback", action="store_true", help="show where an error came from")


def _check(arguments: argparse.Namespace) -> int:
    from posedistill.cli_check import check

    return check(
        arguments.annotations,
        arguments.images,
        out=arguments.out,
        decode=arguments.decode,
        pictures=arguments.pictures,
    )


def _add_ubody(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_ubody)
    add = command.add_argument
    add("--videos", required=True, type=Path, metavar="DIR", help="the published videos/")
    add("--annotations", required=True, type=Path, metavar="DIR", help="the published annotations/")
    add("--out", required=True, type=Path, metavar="DIR", help="where frames and labels go")
    add(
        "--splits",
        type=Path,
        metavar="FILE.npy",
        help="which videos are for testing; splits/intra_scene_test_list.npy beside the "
        "annotations without it",
    )
    add("--every", type=int, default=10, metavar="N", help="keep one frame of N; default 10")
    add("--workers", type=int, metavar="N", help="processes; one a CPU without it")
    add("--traceback", action="store_true", help="show where an error came from")


def _ubody(arguments: argparse.Namespace) -> int:
    return prepare(
        arguments.videos,
        arguments.annotations,
        out=arguments.out,
        splits=arguments.splits,
        every=arguments.every,
        workers=arguments.workers,
    )


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
    from posedistill.datasets.ubody import UBodySource, prepare_ubody

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
