"""Print the table of the runs that made the embedded model, and draw their curves.

    python benchmarks/embedded_runs.py --runs runs --data people --images docs/img

The runs are those of the recipes `embedded-*`, made with the commands of docs/embedded-models.md.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.first_distillation import read_arguments, score_file
from posedistill.train.compare import compare_runs, comparison_table, draw_comparison

RUNS = {
    "teacher, begun": "teacher-begun",
    "teacher": "teacher",
    "student, heatmaps": "heatmap-t",
    "student, stage one": "stage1-t",
    "stage one, then two": "stage2-t",
    "stage one, more steps, real": "labels-real",
    "stage one, more steps, half synthetic": "labels-synth",
}


def main() -> None:
    """Score all runs on the validation people."""
    arguments, validation = read_arguments(__doc__)
    runs = {label: arguments.runs / name for label, name in RUNS.items()}
    rows = compare_runs(runs, validation)
    if arguments.onnx is not None:
        rows.append(score_file(arguments.onnx, validation))
    print(comparison_table(rows))
    draw_comparison(runs, arguments.images / "embedded-curves.png")


if __name__ == "__main__":
    main()
