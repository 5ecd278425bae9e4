"""Print what smaller files cost: size, speed, shift and scores, and the goals for int8.

    python benchmarks/compression.py --data people/annotations/val.json --images people/images
    python benchmarks/compression.py --model runs/student --prune 0.3 --data ... --images ...

Speeds are ratios of calls in turns on one thread; nothing else should run meanwhile. Ranges are
found on up to 256 of the people that are scored. A pruned model is shown as it comes from pruning,
before it is trained on.
"""

import argparse
import json
import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.goals import Goal, print_goals
from posedistill.evaluate.report import Report
from posedistill.evaluate.run import evaluate
from posedistill.export.calibration import LabelledPhotos, calibration_crops
from posedistill.export.compress import KINDS, compress
from posedistill.export.effect import Effect
from posedistill.runtime.session import OnnxSession, open_session

_PCK = ("body/PCK@0.1", "foot/PCK@0.05", "face/PCK@0.02", "left_hand/PCK@0.2", "right_hand/PCK@0.2")
_HEADINGS = (
    *("file", "MB", "speed, 1 crop", "speed, 16 crops", "mean shift, px", "max shift, px"),
    *("whole AP", "body AP"),
    *(name.replace("_", " ").replace("/", " ") for name in _PCK),
)
_INT8_LIMIT = (
    "what is not a product of 8-bit numbers: activations, attention, norms and the layers that are "
    "left in float"
)


class Row(NamedTuple):
    """Hold one file: its name, what it is against the first, its scores, and how it was made."""

    name: str
    num_bytes: int
    effect: Effect | None
    scores: Report
    choice: str = ""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", default="wholebody-t", help="embedded name, .onnx file; to prune, a torch model")
    add("--data", required=True, type=Path, metavar="ANN.json")
    add("--images", required=True, type=Path, metavar="DIR")
    add("--people", type=int, metavar="N", help="only so many, spread over the file")
    add("--prune", type=float, metavar="R", help="also prune the torch model by that ratio")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    with TemporaryDirectory() as name:
        folder = Path(name)
        data = arguments.data
        if arguments.people is not None:
            data = _subset(data, arguments.people, folder)
        photos = LabelledPhotos(data, arguments.images)
        rows = list(_rows(_source(arguments.model, folder), photos, folder))
        if arguments.prune is not None:
            rows.append(_pruned(arguments.model, arguments.prune, photos=photos, folder=folder))
    print(_table(rows))
    for row in rows:
        if row.choice:
            print(f"\nWhat was made of each layer for {row.name}:\n\n```\n{row.choice}\n```")
    print_goals(_goals(rows[0], next(row for row in rows if row.name == "int8")))


def _goals(whole: Row, int8: Row) -> list[Goal]:
    assert int8.effect is not None
    goals = []
    for crops, ratio in int8.effect.speed_ratios.items():
        name, measured = f"int8, crops a call: {crops}", f"{ratio:.2f} times as fast"
        goals.append(Goal(name, "1.6 times as fast or more", measured, ratio >= 1.6, _INT8_LIMIT))
    losses = {
        name: whole.scores.scores[name] - int8.scores.scores[name]
        for name in ("whole/AP", "body/AP")
        if name in whole.scores.scores
    }
    worst = max(losses, key=losses.__getitem__)
    measured = f"{losses[worst]:+.2f} ({worst.replace('/', ' ')})"
    return [*goals, Goal("int8, AP lost", "under 1", measured, losses[worst] < 1)]


def _subset(data: Path, count: int, folder: Path) -> Path:
    record = json.loads(data.read_text(encoding="utf-8"))
    people = record["annotations"]
    chosen = np.unique(np.linspace(0, len(people) - 1, count).round().astype(int))
    record["annotations"] = [people[index] for index in chosen]
    used = {person["image_id"] for person in record["annotations"]}
    record["images"] = [image for image in record["images"] if image["id"] in used]
    (folder / "subset.json").write_text(json.dumps(record), encoding="utf-8")
    return folder / "subset.json"


def _source(model: str, folder: Path) -> Path:
    path = Path(model)
    if path.suffix != ".safetensors" and not path.is_dir():
        session = open_session(model)
        assert isinstance(session, OnnxSession)
        return session.path
    from posedistill.export.onnx import export_onnx
    from posedistill.models import load

    export_onnx(load(path), folder / "float32.onnx")
    return folder / "float32.onnx"


def _rows(  # house rule: what, on what, and where
    source: Path, photos: LabelledPhotos, folder: Path
) -> Iterator[Row]:
    with OnnxSession(source, device="cpu") as session:
        spec = session.spec
    yield Row("float32", source.stat().st_size, None, _score(source, photos))
    for kind in KINDS:
        out = folder / f"{kind}.onnx"
        done = compress(source, out, kind=kind, spec=spec, photos=photos, force=True)
        choice = "" if done.choice is None else str(done.choice)
        yield Row(kind, out.stat().st_size, done.effect, _score(out, photos), choice)


def _score(file: Path, photos: LabelledPhotos) -> Report:
    with OnnxSession(file, device="cpu") as session:
        return evaluate(
            session, annotations=photos.annotations, images_dir=photos.images_dir, out=None
        )


def _pruned(model: str, ratio: float, *, photos: LabelledPhotos, folder: Path) -> Row:
    from posedistill.export.onnx import export_onnx
    from posedistill.export.prune import measure_pruned, prune
    from posedistill.models import load

    whole = load(model)
    pruned = prune(whole, ratio)
    report = measure_pruned(whole, pruned, crops=calibration_crops(whole.spec, photos))
    file = folder / "pruned.onnx"
    export_onnx(pruned, file)
    made = "\n".join(str(report).splitlines()[:2])
    return Row(f"pruned {ratio}", file.stat().st_size, report.effect, _score(file, photos), made)


def _table(rows: Iterable[Row]) -> str:
    lines = [_HEADINGS, ("---", *["---:"] * (len(_HEADINGS) - 1)), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(row: Row) -> tuple[str, ...]:
    effect = row.effect
    against = ["1", "1", "0", "0"]
    if effect is not None:
        whole = effect.shifts[0]
        against = [f"{ratio:.2f}" for ratio in effect.speed_ratios.values()]
        against += [f"{whole.mean:.3f}", f"{whole.largest:.1f}"]
    names = ("whole/AP", "body/AP", *_PCK)
    scores = [
        f"{row.scores.scores[name]:.2f}" if name in row.scores.scores else "-" for name in names
    ]
    return (row.name, f"{row.num_bytes / 1e6:.1f}", *against, *scores)


if __name__ == "__main__":
    main()
