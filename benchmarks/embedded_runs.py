"""Print the table of the runs that made the embedded model, and draw their curves.

    python benchmarks/embedded_runs.py --runs runs --data people --images docs/images

The runs are those of the recipes `embedded-*`, made with the commands of docs/embedded-models.md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.first_distillation import score_file
from posedistill.train.compare import compare_runs, comparison_table, draw_comparison
from posedistill.train.data import ValidationFiles

RUNS = {
    "teacher, begun": "teacher-begun",
    "teacher": "teacher",
    "student, heatmaps": "heatmap-t",
    "student, stage one": "stage1-t",
}


def main() -> None:
    """Score all runs on the validation people."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of the run folders")
    parser.add_argument("--data", type=Path, required=True, help="folder of the people data")
    parser.add_argument("--images", type=Path, required=True, help="where the picture goes")
    parser.add_argument("--onnx", type=Path, help="the shipped file, to score as well")
    arguments = parser.parse_args()
    validation = ValidationFiles(
        arguments.data / "annotations" / "val.json", arguments.data / "images"
    )
    runs = {label: arguments.runs / name for label, name in RUNS.items()}
    rows = compare_runs(runs, validation)
    if arguments.onnx is not None:
        rows.append(score_file(arguments.onnx, validation))
    print(comparison_table(rows))
    draw_comparison(runs, arguments.images / "embedded-curves.png")


if __name__ == "__main__":
    main()
