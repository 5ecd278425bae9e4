"""What `posedistill models` does: list published models, show one, fetch one."""

import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from posedistill import weights, zoo
from posedistill.zoo import Entry, WeightFile

_HEADER = (
    *("name", "kind", "input", "skeleton", "whole", "body", "foot", "face", "hand", "box"),
    *("GFLOPs", "params M", "files", "status"),
)
_TEXT_COLUMNS = (0, 1, 2, 3, 12, 13)
_NOTES = """
whole to hand: published keypoint AP on COCO-WholeBody, of coco17 models on COCO; box: AP of boxes.
What each was measured on: `posedistill models show NAME`. -: not published.
status: the day the urls were last tried; unverified: nobody has told yet."""
_SECONDS_BETWEEN = 0.1  # two progress lines


def list_models() -> str:
    """Give the table of published models as text.

    >>> list_models().splitlines()[0].split()[:3]
    ['name', 'kind', 'input']
    """
    rows = [_HEADER, *map(_row, zoo.entries())]
    return f"{_table(rows)}\n{_NOTES}"


def show_model(name: str) -> str:
    """Give all that is known of one published model as text.

    name: as for `posedistill.zoo.find`. Raises ValueError for an unknown one.

    >>> print(show_model("dw-ll_ucoco_384.onnx").splitlines()[0])
    name          dwpose-l-384
    """
    entry = zoo.find(name)
    ap = entry.ap
    parts = ("whole", "body", "foot", "face", "hand", "box")
    scores = [f"{part} {getattr(ap, part)}" for part in parts if getattr(ap, part) is not None]
    facts = {
        "name": entry.name,
        "kind": entry.kind,
        "architecture": entry.architecture,
        "skeleton": entry.skeleton or "-",
        "input": _size(entry),
        "AP": ", ".join(scores) or "-",
        "AR": f"whole {entry.ar_whole}" if entry.ar_whole is not None else "-",
        "source": entry.source,
        "GFLOPs": _number(entry.gflops),
        "parameters": "-" if entry.parameters is None else f"{entry.parameters:,}",
        "licence": entry.licence,
        "data": entry.data_card,
        "other names": ", ".join(entry.aliases) or "-",
    }
    lines = [f"{key:13} {value}" for key, value in facts.items()]
    for file in entry.files:
        lines += ["", *_file_lines(file)]
    return "\n".join(lines)


def fetch_model(name: str, *, file_format: str | None = None, offline: bool | None = None) -> Path:
    """Fetch a file of a published model; print progress, where it is and what to do next.

    name, file_format, offline and errors: as for `posedistill.weights.fetch`; of a model named
    as such, the `.onnx` file comes first. Progress goes to stderr if that is a terminal, the rest
    to stdout.
    """
    entry = zoo.find(name)
    is_model = name.lower() in map(str.lower, (entry.name, *entry.aliases))
    if file_format is None and is_model and any(file.format == "onnx" for file in entry.files):
        file_format = "onnx"  # the form that `predict` takes
    path = fetch_with_progress(name, file_format=file_format, offline=offline)
    print(f"{entry.name} is in {path}")
    print(f"licence: {entry.licence}. {entry.data_card}")
    if entry.kind == "pose":
        print(f"next: {_next_command(entry, path)}")
    return path


def fetch_with_progress(
    name: str, *, file_format: str | None = None, offline: bool | None = None
) -> Path:
    """Fetch a file of a published model, with progress on stderr if that is a terminal.

    Arguments and errors: as for `posedistill.weights.fetch`.

    >>> fetch_with_progress("dwpose-l-384", file_format="onnx").name  # doctest: +SKIP
    'dw-ll_ucoco_384.onnx'
    """
    progress = _Progress(zoo.find(name).name) if sys.stderr.isatty() else None
    try:
        return weights.fetch(name, file_format=file_format, offline=offline, report=progress)
    finally:
        if progress is not None:
            progress.end()


def _next_command(entry: Entry, path: Path) -> str:
    quoted = shlex.quote(str(path))
    if path.suffix == ".pth":
        return f"posedistill convert {quoted} --out {entry.name}.safetensors"
    return f"posedistill predict PHOTOS --model {quoted} --spec {entry.name} --out DIR"


class _Progress:
    """Write one line on stderr that tells how far a download is."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._last = float("-inf")
        self._is_begun = False

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN and done != total:
            return
        self._last, self._is_begun = now, True
        whole = "" if total is None else f" of {total / 1e6:.1f}"
        sys.stderr.write(f"\r{self._name}: {done / 1e6:.1f}{whole} MB ")
        sys.stderr.flush()

    def end(self) -> None:
        """End the line, if one was begun."""
        if self._is_begun:
            sys.stderr.write("\n")


def _row(entry: Entry) -> tuple[str, ...]:
    ap = entry.ap
    days = [file.checked for file in entry.files if file.checked is not None]
    millions = None if entry.parameters is None else round(entry.parameters / 1e6, 2)
    return (
        *(entry.name, entry.kind, _size(entry), entry.skeleton or "-"),
        *map(_percent, (ap.whole, ap.body, ap.foot, ap.face, ap.hand, ap.box)),
        *(_number(entry.gflops), _number(millions)),
        "+".join(dict.fromkeys(file.format for file in entry.files)),
        max(days, default="unverified"),
    )


def _file_lines(file: WeightFile) -> Iterable[str]:
    yield f"file          {file.file_name}"
    yield from (f"  url         {url}" for url in file.urls)
    if file.member is not None:
        yield f"  within it   {file.member}"
    yield f"  sha256      {_told_hash(file)}"
    yield f"  size        {'-' if file.size is None else f'{file.size:,} bytes'}"
    yield f"  status      {'unverified' if file.checked is None else f'checked {file.checked}'}"
    path = weights.cached(file.file_name)
    yield f"  cached      {'no' if path is None else path}"


def _told_hash(file: WeightFile) -> str:
    if file.known_hash is None:
        return "-"
    return file.sha256 or f"{file.known_hash}... (from its name)"


def _size(entry: Entry) -> str:
    w, h = entry.input_size_wh
    return f"{w}x{h}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index in _TEXT_COLUMNS else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
