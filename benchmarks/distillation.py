"""Measure what each part of two-stage distillation brings, at a small scale, over several seeds.

The students see a part of the real people and some drawn ones; the teacher, as a published one
would, all of the real people that are not held out. All students take the same number of samples.

    python benchmarks/distillation.py --data data/people --runs runs/distillation

trains what is missing below --runs, one thread a run and --jobs runs at a time, goes on where it
was stopped, scores all on the validation people, prints the table and draws the plot.
--part tune scores on people held out of the training file instead: look there while choosing
settings, and at the validation people once.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from posedistill.datasets.drawn import DrawnPeople
from posedistill.objectives.dwpose import StageOneConfig, StageTwoConfig
from posedistill.recipes import people
from posedistill.train.data import WholeBodyData
from posedistill.train.recipe import Recipe

INPUT_SIZE_WH = (96, 128)
NUM_REAL, NUM_DRAWN, NUM_TUNE = 2000, 500, 600
EPOCHS, STAGE_TWO_EPOCHS, PRETRAIN_EPOCHS = 6, 2, 6
TEACHER_EPOCHS, TEACHER_PRETRAIN_EPOCHS = 4, 3  # of about five times as many people
_DRAWN_IDS = 10_000_000  # beyond the ids of the real people
SCORES = ("whole/AP", "body/AP", "body/PCK@0.1", "face/PCK@0.02", "foot/PCK@0.05")
Row = dict[str, Any]  # of a json file
_CHUNK = 250  # steps between two notes of the cost
_STUDENTS = {
    "student alone": None,
    "feature": StageOneConfig(beta=0.0, decay=False),
    "logit": StageOneConfig(alpha=0.0, decay=False),
    "feature + logit": StageOneConfig(decay=False),
    "feature + logit + decay": StageOneConfig(),
}
_SECOND = {"stage two alone": "student alone", "stage one + two": "feature + logit + decay"}


@dataclass(frozen=True)
class Task:
    """Hold one training run: where it goes, what it does, and the runs it starts from."""

    folder: Path
    recipe: Recipe
    needs: tuple[Path, ...] = ()


def main() -> None:
    """Train what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the people data")
    parser.add_argument("--runs", type=Path, required=True, help="where the run folders go")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, one thread each")
    parser.add_argument("--part", choices=["val", "tune"], default="val", help="people to score on")
    parser.add_argument("--plot", type=Path, help="file for the plot")
    arguments = parser.parse_args()
    files = split_people(arguments.data, arguments.runs)
    tasks = list(all_tasks(arguments.runs, files, arguments.seeds))
    train_all(tasks, arguments.jobs)
    part = files["val"] if arguments.part == "val" else files["tune"]
    rows = score_all(arguments.runs, part, arguments.data / "images", arguments.seeds)
    print(table(rows))
    if arguments.plot is not None:
        draw(rows, arguments.plot)


def split_people(data: Path, runs: Path) -> dict[str, Path]:
    """Write who trains and who is held out for choosing settings, by whole photos."""
    content = json.loads((data / "annotations" / "train.json").read_text(encoding="utf-8"))
    order = np.random.default_rng(0).permutation(len(content["annotations"]))
    people_in_order = [content["annotations"][index] for index in order]
    tune = people_in_order[:NUM_TUNE]
    taken = {person["image_id"] for person in tune}
    real = [person for person in people_in_order if person["image_id"] not in taken]
    drawn = _drawn_people(runs / "drawn")
    parts = {
        "tune": {"annotations": tune, "images": content["images"]},
        "train": _joined({"annotations": real[:NUM_REAL], "images": content["images"]}, drawn),
        "teacher": _joined({"annotations": real, "images": content["images"]}, drawn),
    }
    files = {"val": (data / "annotations" / "val.json").resolve()}
    for name, part in parts.items():
        used = {person["image_id"] for person in part["annotations"]}
        part["images"] = [image for image in part["images"] if image["id"] in used]
        files[name] = (runs / f"{name}.json").resolve()
        files[name].write_text(json.dumps(content | part), encoding="utf-8")
    files["images"] = (data / "images").resolve()
    return files


def _drawn_people(folder: Path) -> dict[str, list[Row]]:
    """Draw people, once; give their labels, with ids and file names beside the real ones'."""
    annotations = folder / "annotations.json"
    if not annotations.exists():
        DrawnPeople(NUM_DRAWN, seed=3).write(folder)
    content: dict[str, list[Row]] = json.loads(annotations.read_text(encoding="utf-8"))
    for image in content["images"]:
        image["id"] += _DRAWN_IDS
        image["file_name"] = str((folder / "images" / image["file_name"]).resolve())
    for person in content["annotations"]:
        person["id"] += _DRAWN_IDS
        person["image_id"] += _DRAWN_IDS
    return content


def _joined(first: dict[str, list[Row]], second: dict[str, list[Row]]) -> dict[str, list[Row]]:
    return {key: first[key] + second[key] for key in ("annotations", "images")}


def all_tasks(runs: Path, files: dict[str, Path], seeds: Sequence[int]) -> Iterator[Task]:
    """Give all runs, those that others start from first."""
    data, more = _people_of(files, "train"), _people_of(files, "teacher")
    starts = {size: runs / f"pretrain-{size}" for size in "st"}
    teacher = runs / "teacher"
    yield Task(starts["s"], _small(people.pretrain("s"), more, epochs=TEACHER_PRETRAIN_EPOCHS))
    yield Task(starts["t"], _small(people.pretrain("t"), data, epochs=PRETRAIN_EPOCHS))
    recipe = _small(people.supervised("s"), more, epochs=TEACHER_EPOCHS, start=starts["s"])
    yield Task(teacher, recipe, (starts["s"],))
    for seed in seeds:
        for label, config in _STUDENTS.items():
            recipe = _small(people.supervised("t"), data, epochs=EPOCHS, start=starts["t"])
            recipe = replace(recipe, seed=seed)
            if config is not None:
                recipe = replace(recipe, objective=replace(config, teacher=str(teacher)))
            needs = (starts["t"],) if config is None else (starts["t"], teacher)
            yield Task(folder_of(runs, label, seed), recipe, needs)
        for label, first in _SECOND.items():
            before = folder_of(runs, first, seed)
            recipe = _small(people.stage_two(), data, epochs=STAGE_TWO_EPOCHS)
            objective = StageTwoConfig(teacher=str(before))
            recipe = replace(recipe, objective=objective, seed=seed)
            yield Task(folder_of(runs, label, seed), recipe, (before,))


def _people_of(files: dict[str, Path], part: str) -> WholeBodyData:
    return WholeBodyData(
        root="",
        train=str(files[part]),
        train_images=str(files["images"]),
        val=str(files["tune"]),
        val_images=str(files["images"]),
    )


def folder_of(runs: Path, label: str, seed: int) -> Path:
    """Give the run folder of a label and a seed."""
    return runs / f"{label.replace(' + ', '-').replace(' ', '-')}-{seed}"


def _small(
    recipe: Recipe, data: WholeBodyData, *, epochs: int, start: Path | None = None
) -> Recipe:
    model = replace(
        recipe.model, input_size_wh=INPUT_SIZE_WH, backbone_from="" if start is None else str(start)
    )
    return replace(
        recipe,
        model=model,
        data=data,
        epochs=epochs,
        batch_size=16,
        num_workers=0,
        evaluate_every=1000,
        optim=replace(recipe.optim, lr=1.5e-3),
    )


def train_all(tasks: Sequence[Task], jobs: int) -> None:
    """Run the tasks that are not done, as soon as what they start from is."""
    waiting = [task for task in tasks if not is_done(task.folder)]
    running: dict[Future[None], Task] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        while waiting or running:
            for task in [task for task in waiting if all(map(is_done, task.needs))]:
                if len(running) < jobs:
                    waiting.remove(task)
                    running[pool.submit(train, task)] = task
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
                print(f"{time.strftime('%H:%M')} {running.pop(future).folder.name}", flush=True)


def is_done(folder: Path) -> bool:
    """Tell whether a run came to its end."""
    return (folder / "done").exists()


def train(task: Task) -> None:
    """Take all steps of a run on one thread, noting the CPU seconds."""
    import torch

    from posedistill.train.fit import fit

    torch.set_num_threads(1)
    steps = count_steps(task.recipe)
    cost = task.folder / "cpu-seconds.txt"
    for stop_at in [*range(_CHUNK, steps, _CHUNK), steps + 1]:
        start = time.process_time()
        fit(task.recipe, task.folder, stop_at=stop_at)
        with cost.open("a", encoding="utf-8") as file:
            file.write(f"{time.process_time() - start}\n")
    (task.folder / "done").touch()


def count_steps(recipe: Recipe) -> int:
    """Give the steps of a run; a step too many does no harm."""
    return -(-len(recipe.data.training().instances) // recipe.batch_size) * recipe.epochs


@dataclass(frozen=True)
class Result:
    """Hold a kind of run: a report of each seed, and the CPU minutes of each."""

    label: str
    scores: tuple[dict[str, float], ...]
    cpu_minutes: tuple[float, ...]

    def mean_sd(self, name: str) -> tuple[float, float]:
        """Give the mean of a score, and the standard deviation between seeds."""
        values = [scores.get(name, np.nan) for scores in self.scores]
        return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def score_all(runs: Path, annotations: Path, images: Path, seeds: Sequence[int]) -> list[Result]:
    """Score all runs, each once: what was scored before is read."""
    rows = [_row("teacher", [runs / "teacher"], annotations, images)]
    for label in (*_STUDENTS, *_SECOND):
        folders = [folder_of(runs, label, seed) for seed in seeds]
        rows.append(_row(label, folders, annotations, images))
    return rows


def _row(label: str, folders: Sequence[Path], annotations: Path, images: Path) -> Result:
    scores = tuple(_scores(folder, annotations, images) for folder in folders)
    minutes = tuple(
        sum(map(float, (folder / "cpu-seconds.txt").read_text().split())) / 60 for folder in folders
    )
    return Result(label, scores, minutes)


def _scores(folder: Path, annotations: Path, images: Path) -> dict[str, float]:
    from posedistill.evaluate.run import evaluate
    from posedistill.models import load

    kept = folder / f"scores-{annotations.stem}.json"
    if not kept.exists():
        report = evaluate(
            load(folder).session(),
            annotations=annotations,
            images_dir=images,
            out=None,
            progress=False,
        )
        kept.write_text(json.dumps(report.as_dict()), encoding="utf-8")
    scores: dict[str, float] = json.loads(kept.read_text(encoding="utf-8"))
    return scores


def table(rows: Sequence[Result]) -> str:
    """Give mean and standard deviation of all scores as a Markdown table."""
    lines = [
        f"| run | {' | '.join(SCORES)} | CPU minutes |",
        "|---" + "|---:" * (len(SCORES) + 1) + "|",
    ]
    for row in rows:
        cells = []
        for name in SCORES:
            mean, sd = row.mean_sd(name)
            cells.append(f"{mean:.1f} ± {sd:.1f}" if len(row.scores) > 1 else f"{mean:.1f}")
        cells.append(f"{np.mean(row.cpu_minutes):.1f}")
        lines.append(f"| {row.label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(rows: Sequence[Result], path: Path) -> None:
    """Draw the scores of all seeds as points, their means as bars."""
    from matplotlib import pyplot as plt

    names = ("body/PCK@0.1", "face/PCK@0.02")
    figure, panels = plt.subplots(1, len(names), figsize=(11, 4), layout="constrained", sharey=True)
    for axes, name in zip(panels, names, strict=True):
        for index, row in enumerate(rows):
            values = [scores.get(name, np.nan) for scores in row.scores]
            axes.barh(index, np.mean(values), color="0.8" if index == 0 else "tab:blue", alpha=0.5)
            axes.plot(values, [index] * len(values), "k.", markersize=6)
        axes.set(xlabel=f"{name}, per cent", yticks=range(len(rows)))
        axes.set_yticklabels([row.label for row in rows])
        axes.grid(axis="x", alpha=0.3)
    panels[0].invert_yaxis()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
