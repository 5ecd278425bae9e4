"""Measure what online distillation brings, at a small scale, over several seeds.

    python benchmarks/online.py --data data/people --runs runs/online

Two networks on the 17 body joints of real people: a small hourglass network (OKDHP, Li et al., ICCV
2021) and RTMPose-t, whose backbone starts from heatmap pre-training. Each alone, and as branches of
which the best one on held-out people is deployed. All see the same samples equally often. Trains
what is missing below --runs, one thread a run and --jobs runs at a time, goes on where it was
stopped, scores the deployed branches on the validation people, prints the table and draws the plot.
--part tune scores on the held-out people.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.small_runs import (
    Part,
    Result,
    Task,
    draw,
    folder_of,
    mean_sd_text,
    read_arguments,
    result_of,
    split_people,
    table,
    train_all,
)
from posedistill.objectives.online import OnlineConfig
from posedistill.objectives.supervised import SupervisedConfig
from posedistill.recipes.people import AUGMENT, OPTIM
from posedistill.train.data import CocoData
from posedistill.train.recipe import ModelConfig, ObjectiveConfig, Recipe

INPUT_SIZE_WH = (96, 128)
NUM_TRAIN, NUM_TUNE = 2000, 600
EPOCHS, PRETRAIN_EPOCHS = 6, 4
SCORES = ("body/AP", "body/AP50", "body/PCK@0.1")
HOURGLASS, SIMCC = "hourglass-2-narrow", "rtmpose-t"
_UNBALANCED = (HOURGLASS, "hourglass-3-narrow", "hourglass-4-narrow")
_ALONE = SupervisedConfig()
# OKDHP's divergence of raw heatmaps is about joints / pixels of the squared error between them (for
# maps that differ little): at this weight it counts about as much as the labels do.
_STRONG = OnlineConfig(kd_weight=INPUT_SIZE_WH[0] * INPUT_SIZE_WH[1] / 16 / 17)
_STRONG_LABEL = "hourglass, aggregation unit, strong KL"
KINDS: Mapping[str, tuple[str, ObjectiveConfig]] = {
    "hourglass alone": (HOURGLASS, _ALONE),
    "hourglass, branches averaged": (HOURGLASS, OnlineConfig(unit="mean")),
    "hourglass, aggregation unit": (HOURGLASS, OnlineConfig()),
    _STRONG_LABEL: (HOURGLASS, _STRONG),
    "hourglass, unbalanced": (HOURGLASS, OnlineConfig(branches=_UNBALANCED)),
    "SimCC alone": (SIMCC, _ALONE),
    "SimCC, three heads": (SIMCC, OnlineConfig()),
}


def main() -> None:
    """Train what is missing, then print the tables."""
    arguments = read_arguments((__doc__ or "").splitlines()[0])
    files = write_parts(arguments.data, arguments.runs)
    train_all(list(all_tasks(arguments.runs, files, arguments.seeds)), arguments.jobs)
    folders = {
        label: [folder_of(arguments.runs, label, seed) for seed in seeds_of(label, arguments.seeds)]
        for label in KINDS
    }
    results = [
        result_of(label, runs, annotations=files[arguments.part], images=files["images"])
        for label, runs in folders.items()
    ]
    print(table(results, SCORES), end="\n\n")
    print(cost_table(results), end="\n\n")
    print(branch_table(folders))
    if arguments.plot is not None:
        draw(results, ("body/AP", "body/PCK@0.1"), path=arguments.plot)


def write_parts(data: Path, runs: Path) -> dict[str, Path]:
    """Write who trains, and who is held out for choosing branches and settings."""
    content = json.loads((data / "annotations" / "train.json").read_text(encoding="utf-8"))
    train, tune = split_people(content, NUM_TUNE)
    files = {name: (runs / f"{name}.json").resolve() for name in ("train", "tune")}
    Part(train.people[:NUM_TRAIN], train.images).write(files["train"], like=content)
    tune.write(files["tune"], like=content)
    files["val"] = (data / "annotations" / "val.json").resolve()
    return files | {"images": (data / "images").resolve()}


def all_tasks(runs: Path, files: dict[str, Path], seeds: Sequence[int]) -> Iterator[Task]:
    """Give all runs, the one that others start from first."""
    pretrained = runs / "pretrain-t"
    recipe = _recipe("cspnext-t-heatmap", _ALONE, files=files)
    yield Task(pretrained, replace(recipe, epochs=PRETRAIN_EPOCHS))
    for seed in seeds:
        for label, (model, objective) in KINDS.items():
            if seed not in seeds_of(label, seeds):
                continue
            start = pretrained if model == SIMCC else None
            recipe = _recipe(model, objective, files=files, start=start)
            needs = () if start is None else (start,)
            yield Task(folder_of(runs, label, seed), replace(recipe, seed=seed), needs)


def seeds_of(label: str, seeds: Sequence[int]) -> Sequence[int]:
    """Give the seeds of a kind of run: a side question is asked once."""
    return seeds[:1] if label == _STRONG_LABEL else seeds


def _recipe(
    model: str, objective: ObjectiveConfig, *, files: dict[str, Path], start: Path | None = None
) -> Recipe:
    return Recipe(
        name=model,
        model=ModelConfig(
            model, "coco17", INPUT_SIZE_WH, backbone_from="" if start is None else str(start)
        ),
        data=CocoData(
            root="",
            train=str(files["train"]),
            train_images=str(files["images"]),
            val=str(files["tune"]),
            val_images=str(files["images"]),
        ),
        objective=objective,
        optim=replace(OPTIM, lr=1.5e-3),
        augment=AUGMENT,
        late_augment=AUGMENT,
        epochs=EPOCHS,
        batch_size=16,
        num_workers=0,
        evaluate_every=1000,
        best_by="body/AP",
    )


def cost_table(results: Sequence[Result]) -> str:
    """Give the CPU time of training beside that of the same network alone."""
    minutes = {result.label: float(np.mean(result.cpu_minutes)) for result in results}
    lines = ["| run | CPU time of training, alone = 1 |", "|---|---:|"]
    for label, own in minutes.items():
        alone = minutes[f"{label.partition(',')[0].removesuffix(' alone')} alone"]
        lines.append(f"| {label} | {own / alone:.2f} |")
    return "\n".join(lines)


def branch_table(folders: Mapping[str, Sequence[Path]]) -> str:
    """Give the score of each branch and of the ensemble on the held-out people."""
    lines = [
        "| run, held-out people | deployed | best other branch | ensemble |",
        "|---|---:|---:|---:|",
    ]
    for label, runs in folders.items():
        rows = [_judged(run) for run in runs]
        if rows[0] is None:
            continue
        columns = zip(*[row for row in rows if row is not None], strict=True)
        cells = map(mean_sd_text, columns)
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _judged(run: Path) -> tuple[float, float, float] | None:
    """Give body AP of the deployed branch, the best other one and the ensemble; None alone."""
    told = json.loads((run / "best.json").read_text(encoding="utf-8"))
    scores = {name: row["body/AP"] for name, row in told["scores"].items()}
    if "ensemble" not in scores:
        return None
    others = [score for name, score in scores.items() if name not in (told["model"], "ensemble")]
    return scores[told["model"]], max(others), scores["ensemble"]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
