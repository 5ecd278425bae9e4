"""Curves: losses, validation scores and learning rate of a run as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402  # the backend is chosen first
from matplotlib.axes import Axes  # noqa: E402

Row = dict[str, Any]  # Any: one JSON record of metrics.jsonl
_SHOWN = (
    "whole/AP",
    "body/AP",
    "body/PCK@0.1",
    "foot/PCK@0.05",
    "face/PCK@0.02",
    "left_hand/PCK@0.2",
    "right_hand/PCK@0.2",
    "PCKh@0.5",
    "PCKh@0.1",
)


def draw_curves(metrics: Sequence[Row], path: Path) -> None:
    """Draw the losses, validation scores and learning rate of one run into a PNG.

    metrics: the lines of metrics.jsonl; those without losses or scores are left out.

    >>> from tempfile import TemporaryDirectory
    >>> rows = [{"step": 20, "lr": 0.004, "losses": {"keypoint": 1.5}}]
    >>> with TemporaryDirectory() as folder:
    ...     draw_curves(rows, Path(folder, "curves.png"))
    ...     [file.name for file in Path(folder).iterdir()]
    ['curves.png']
    """
    steps = [row for row in metrics if "losses" in row]
    evaluations = [row for row in metrics if "scores" in row]
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4), layout="constrained")
    names = sorted({name for row in steps for name in row["losses"]})
    if len(names) > 1:
        totals = [sum(row["losses"].values()) for row in steps]
        left.plot([row["step"] for row in steps], totals, color="0.2", label="all")
    for name in names:
        _plot(left, steps, "losses", name=name)
    for name in _SHOWN:
        _plot(middle, evaluations, "scores", name=name, style="o-" if "AP" in name else "o--")
    right.plot([row["step"] for row in steps], [row["lr"] for row in steps], label="lr")
    left.set(xlabel="step", ylabel="loss", yscale="log", title="losses")
    middle.set(xlabel="step", ylabel="per cent", title="validation")
    right.set(xlabel="step", ylabel="lr", title="learning rate")
    for axes in (left, middle, right):
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3)
        if len(axes.get_lines()) > 1:
            axes.legend(fontsize=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _plot(  # house rule: where, what
    axes: Axes, rows: Sequence[Row], group: str, *, name: str, style: str = "-"
) -> None:
    found = [row for row in rows if name in row[group]]
    if found:
        values = [row[group][name] for row in found]
        axes.plot([row["step"] for row in found], values, style, markersize=4, label=name)
