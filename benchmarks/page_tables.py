"""Write the tables of docs/ that follow from the code: models, terms of data, skeletons.

    python benchmarks/page_tables.py

Each stands in its page between two comments that name it, as those of benchmarks/speed_page.py.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.speed_page import ROOT, write_block
from posedistill import zoo
from posedistill.poses import Poses
from posedistill.runtime.detector import Detector, embedded_detectors
from posedistill.runtime.session import OnnxSession, embedded_models
from posedistill.skeleton import Skeleton
from posedistill.zoo import Entry

_ASSETS = ROOT / "src" / "posedistill" / "assets"


class Table(NamedTuple):
    """Hold where a table stands and what makes it: its page in docs/ and its Markdown."""

    page: str
    text: Callable[[], str]


def main() -> None:
    """Write all tables into their pages."""
    for name, table in TABLES.items():
        write_block(ROOT / "docs" / table.page, name, text=table.text())


def embedded() -> str:
    """Give the table of the models that come with the package."""
    rows = []
    for name in embedded_models():
        path = _ASSETS / f"{name}.onnx"
        with OnnxSession(path) as session:
            spec = session.spec
        w, h = spec.input_size_wh
        found = f"{len(Skeleton.get(spec.skeleton))} keypoints"
        rows.append([f"`{name}`", found, f"{w}x{h}", _megabytes(path)])
    for name in embedded_detectors():
        path = _ASSETS / "detectors" / f"{name}.onnx"
        with Detector(name) as detector:
            w, h = detector.input_size_wh
        rows.append([f"`{name}`", "boxes of people", f"{w}x{h}", _megabytes(path)])
    return _table(["name", "finds", "input", "MB"], rows)


def whole_body() -> str:
    """Give the table of the published models with 133 keypoints."""
    rows = [
        [
            *(f"`{entry.name}`", _size(entry)),
            *map(_score, (entry.ap.whole, entry.ap.body, entry.ap.foot, entry.ap.face)),
            *(_score(entry.ap.hand), _gflops(entry), _millions(entry), _files(entry)),
        ]
        for entry in _poses("wholebody133")
    ]
    heads = ["name", "input", "whole", "body", "foot", "face", "hand"]
    return _table([*heads, "GFLOPs", "million parameters", "files"], rows)


def body() -> str:
    """Give the table of the published models with 17 keypoints."""
    rows = [
        [
            *(f"`{entry.name}`", _size(entry), _score(entry.ap.body)),
            *(_gflops(entry), _millions(entry), _files(entry)),
        ]
        for entry in _poses("coco17")
    ]
    return _table(["name", "input", "body", "GFLOPs", "million parameters", "files"], rows)


def detectors() -> str:
    """Give the table of the published detectors."""
    rows = [
        [f"`{e.name}`", _size(e), _score(e.ap.box), _gflops(e), _files(e), e.source.split(":")[0]]
        for e in zoo.entries()
        if e.kind == "detector"
    ]
    return _table(["name", "input", "box AP", "GFLOPs", "files", "AP measured on"], rows)


def data_terms() -> str:
    """Give the table of the data that published models were trained on, and its terms."""
    entries = zoo.entries()
    terms = dict.fromkeys(text for entry in entries for text in entry.data)
    rows = []
    for text in terms:
        name, _, rest = text.rstrip(")").partition(" (")
        trained = [f"`{entry.name}`" for entry in entries if text in entry.data]
        rows.append([name, rest, ", ".join(trained)])
    return _table(["data", "terms as far as we know", "models trained on it"], rows)


def skeletons() -> str:
    """Give the table of the skeletons."""
    rows = []
    for name in Skeleton.names():
        groups = Skeleton.get(name).groups
        ranges = [f"{group} {index[0]}-{index[-1]}" for group, index in groups.items()]
        rows.append([f"`{name}`", str(len(Skeleton.get(name))), ", ".join(ranges)])
    return _table(["name", "joints", "which is which"], rows)


def conversions() -> str:
    """Give the table of how many joints each skeleton has after `Poses.to` from each other."""
    names = [name for name in Skeleton.names() if "body" in Skeleton.get(name).groups]
    rows = [[f"`{source}`", *(_kept(source, target) for target in names)] for source in names]
    return _table(["from \\ to", *(f"`{name}`" for name in names)], rows)


def _kept(source: str, target: str) -> str:
    """Give how many of the target's joints a person has who has all of the source's."""
    skeleton = Skeleton.get(source)
    one = Poses(
        keypoints=np.ones((1, len(skeleton), 2), np.float32),
        scores=np.ones((1, len(skeleton)), np.float32),
        boxes_xyxy=np.ones((1, 4), np.float32),
        box_scores=np.ones(1, np.float32),
        skeleton=skeleton,
    )
    return f"{int((one.to(target).scores > 0).sum())} of {len(Skeleton.get(target))}"


def _poses(skeleton: str) -> list[Entry]:
    return [entry for entry in zoo.entries() if entry.skeleton == skeleton]


def _size(entry: Entry) -> str:
    return f"{entry.input_size_wh[0]}x{entry.input_size_wh[1]}"


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _gflops(entry: Entry) -> str:
    return "-" if entry.gflops is None else f"{entry.gflops:g}"


def _millions(entry: Entry) -> str:
    return "-" if entry.parameters is None else f"{entry.parameters / 1e6:.1f}"


def _files(entry: Entry) -> str:
    return "+".join(dict.fromkeys(file.format for file in entry.files))


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a table in Markdown; columns of figures stand on the right."""
    columns = zip(*rows, strict=True)
    rule = ["---:" if all(map(_is_figure, column)) else "---" for column in columns]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def _is_figure(cell: str) -> bool:
    return cell == "-" or cell.replace(".", "", 1).isdigit()


TABLES = {
    "embedded": Table("which-model.md", embedded),
    "whole_body": Table("which-model.md", whole_body),
    "body": Table("which-model.md", body),
    "detectors": Table("which-model.md", detectors),
    "data_terms": Table("licences.md", data_terms),
    "skeletons": Table("skeletons.md", skeletons),
    "conversions": Table("skeletons.md", conversions),
}

if __name__ == "__main__":
    main()
