"""Compare runs: scores of their best models on the same people, curves, predictions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from posedistill.crop import box_matrices, crop_boxes
from posedistill.datasets.wholebody import read_wholebody
from posedistill.draw.overlay import draw_overlay
from posedistill.draw.sheet import contact_sheet
from posedistill.evaluate.report import Report
from posedistill.evaluate.run import evaluate
from posedistill.models import load
from posedistill.poses import Poses
from posedistill.runtime.estimator import Estimator
from posedistill.train.data import ValidationFiles
from posedistill.train.run_folder import RunFolder

COLUMNS = (
    "whole/AP",
    "body/AP",
    "body/PCK@0.1",
    "body/PCK@0.05",
    "foot/PCK@0.05",
    "face/PCK@0.02",
    "face/NME",
    "left_hand/PCK@0.2",
    "right_hand/PCK@0.2",
)


@dataclass(frozen=True)
class Row:
    """Hold one run: its label, what it saw and took, and the scores of its best model."""

    label: str
    architecture: str
    num_samples: int
    minutes: float
    report: Report


def compare_runs(runs: Mapping[str, Path], validation: ValidationFiles) -> list[Row]:
    """Score the best model of each run folder, by label."""
    rows = []
    for label, path in runs.items():
        model = load(path)
        report = evaluate(
            model.session(),
            annotations=validation.annotations,
            images_dir=validation.images_dir,
            out=None,
            progress=False,
        )
        samples, minutes = _effort(path)
        rows.append(Row(label, model.spec.architecture, samples, minutes, report))
    return rows


def _effort(path: Path) -> tuple[int, float]:
    """Give how many samples a run saw and how many minutes its steps took."""
    batch_size = json.loads((path / "recipe.json").read_text(encoding="utf-8"))["batch_size"]
    rows = [row for row in RunFolder(path).read_metrics() if "losses" in row]
    seconds, before = 0.0, 0
    for row in rows:
        seconds += (row["step"] - before) * batch_size / row["images_per_s"]
        before = row["step"]
    return before * batch_size, seconds / 60


def comparison_table(rows: list[Row]) -> str:
    """Give the scores in per cent as a Markdown table.

    >>> rows = [Row("a", "rtmpose-t", 10, 1.0, Report({}, {}))]
    >>> comparison_table(rows).splitlines()[2][:28]
    '| a | rtmpose-t | 10 | 1.0 |'
    """
    lines = [
        "| run | model | samples | minutes | " + " | ".join(COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 4) + "|",
    ]
    for row in rows:
        scores = row.report.as_dict()
        cells = [f"{scores[name]:.1f}" if name in scores else "-" for name in COLUMNS]
        start = f"| {row.label} | {row.architecture} | {row.num_samples} | {row.minutes:.1f} | "
        lines.append(start + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw_comparison(runs: Mapping[str, Path], path: Path, *, score: str = "body/PCK@0.1") -> None:
    """Draw the total loss and one validation score of several runs into a PNG."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for label, folder in runs.items():
        metrics = RunFolder(folder).read_metrics()
        steps = [row for row in metrics if "losses" in row]
        scored = [row for row in metrics if score in row.get("scores", {})]
        totals = np.array([sum(row["losses"].values()) for row in steps])
        left.plot([row["step"] for row in steps], totals / totals[0], label=label)
        right.plot(
            [row["step"] for row in scored],
            [row["scores"][score] for row in scored],
            "o-",
            label=label,
        )
    left.set(xlabel="step", ylabel="loss / first loss", yscale="log", title="training loss")
    right.set(xlabel="step", ylabel=f"{score}, per cent", title="validation")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def prediction_sheet(
    runs: Mapping[str, Path], validation: ValidationFiles, *, num_people: int = 8
) -> NDArray[np.uint8]:
    """Give a picture: one person a row, the labels first, then each run's prediction.

    The people are spread evenly over the validation set.
    """
    data = read_wholebody(validation.annotations, validation.images_dir)
    picks = np.linspace(0, len(data.instances) - 1, num_people).astype(int)
    estimators = {label: Estimator(load(path)) for label, path in runs.items()}
    rows = []
    for instance in (data.instances[index] for index in picks):
        image = data.image(instance.image_id)
        box = instance.box_xyxy[None]
        truth = Poses(
            keypoints=instance.keypoints[None],
            scores=instance.visible[None],
            boxes_xyxy=box,
            box_scores=np.ones(1, np.float32),
            skeleton=data.skeleton,
        )
        found = [truth, *(estimator(image, box) for estimator in estimators.values())]
        rows.append([_close_up(draw_overlay(image, poses, min_score=0.2), box) for poses in found])
    return contact_sheet(rows, titles=["labels", *runs])


def _close_up(picture: NDArray[np.uint8], box_xyxy: NDArray[np.float32]) -> NDArray[np.uint8]:
    size_wh = (288, 384)
    crop = crop_boxes(picture, list(box_matrices(box_xyxy, size_wh)), size_wh)[0]
    return np.ascontiguousarray(crop.transpose(1, 2, 0))
