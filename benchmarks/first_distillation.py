"""Print the table of the first distillation on real people, and draw its pictures.

The runs are those of the recipes `people-*`, trained with the commands of
docs/first-distillation.md:

    python benchmarks/first_distillation.py --runs runs --data data/people --images docs/img
"""

import argparse
from pathlib import Path

from posedistill.evaluate.run import evaluate
from posedistill.media import write_image
from posedistill.runtime.session import OnnxSession
from posedistill.train.compare import (
    Row,
    compare_runs,
    comparison_table,
    draw_comparison,
    prediction_sheet,
)
from posedistill.train.data import ValidationFiles


def main() -> None:
    """Score all runs on the validation people."""
    arguments, validation = read_arguments(__doc__)
    folder: Path = arguments.runs
    starts = {"pretrained s": folder / "pretrain-s", "pretrained t": folder / "pretrain-t"}
    runs = {
        "teacher": folder / "teacher",
        "student alone": folder / "student",
        "stage one": folder / "stage1",
        "stage one + two": folder / "stage2",
    }
    rows = compare_runs({**starts, **runs}, validation)
    if arguments.onnx is not None:
        rows.append(score_file(arguments.onnx, validation))
    print(comparison_table(rows))
    draw_comparison(runs, arguments.images / "first-distillation-curves.png")
    sheet = prediction_sheet(runs, validation)
    write_image(folder / "predictions.png", sheet)


def read_arguments(about: str) -> tuple[argparse.Namespace, ValidationFiles]:
    """Read the command line of a script that scores runs; give it, and the validation people."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of the run folders")
    parser.add_argument("--data", type=Path, required=True, help="folder of the people data")
    parser.add_argument("--images", type=Path, required=True, help="where the pictures go")
    parser.add_argument("--onnx", type=Path, help="the shipped file, to score as well")
    arguments = parser.parse_args()
    folder: Path = arguments.data
    return arguments, ValidationFiles(folder / "annotations" / "val.json", folder / "images")


def score_file(path: Path, validation: ValidationFiles) -> Row:
    """Score an `.onnx` file, whose effort is not known."""
    session = OnnxSession(path)
    report = evaluate(
        session,
        annotations=validation.annotations,
        images_dir=validation.images_dir,
        out=None,
        progress=False,
    )
    return Row(path.name, session.spec.architecture, 0, 0.0, report)


if __name__ == "__main__":
    main()
