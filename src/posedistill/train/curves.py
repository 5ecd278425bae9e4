"""Curves: losses, learning rate and validation scores of runs as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402  # the backend is chosen first

Row = dict[str, Any]  # Any: one JSON record of metrics.jsonl
_SHOWN = (
    "body/PCK@0.1",
    "foot/PCK@0.05",
    "face/PCK@0.02",
    "left_hand/PCK@0.2",
    "right_hand/PCK@0.2",
)


def draw_curves(metrics: Sequence[Row], path: Path) -> None:
    """Draw the losses and validation scores of one run into a PNG.

    metrics: the lines of metrics.jsonl.
    """
    steps = [row for row in metrics if "losses" in row]
    evaluations = [row for row in metrics if "scores" in row]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    names = sorted({name for row in steps for name in row["losses"]})
    for name in names:
        rows = [row for row in steps if name in row["losses"]]
        left.plot([row["step"] for row in rows], [row["losses"][name] for row in rows], label=name)
    left.set(xlabel="step", ylabel="loss", yscale="log", title="losses")
    for name in _SHOWN:
        rows = [row for row in evaluations if name in row["scores"]]
        if rows:
            right.plot(
                [row["step"] for row in rows],
                [row["scores"][name] for row in rows],
                "o-",
                label=name,
            )
    right.set(xlabel="step", ylabel="PCK", title="validation")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)
