"""Measure what each part of two-stage distillation brings, at a small scale, over several seeds.

The students see a part of the real people and some drawn ones; the teacher, as a published one
would, all of the real people that are not held out. All students take the same number of samples.

    python benchmarks/distillation.py --data data/people --runs runs/distillation

trains what is missing below --runs, one thread a run and --jobs runs at a time, goes on where it
was stopped, scores all on the validation people, prints the table and draws the plot.
--part tune scores on people held out of the training file instead: look there while choosing
settings, and at the validation people once.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.small_runs import (
    Part,
    Result,
    Task,
    cpu_minutes,
    draw,
    folder_of,
    gain_table,
    read_arguments,
    result_of,
    split_people,
    table,
    train_all,
)
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
_STUDENTS = {
    "student alone": None,
    "feature": StageOneConfig(beta=0.0, decay=False),
    "logit": StageOneConfig(alpha=0.0, decay=False),
    "feature + logit": StageOneConfig(decay=False),
    "feature + logit + decay": StageOneConfig(),
}
_SECOND = {"stage two alone": "student alone", "stage one + two": "feature + logit + decay"}


def main() -> None:
    """Train what is missing, then print the table."""
    arguments = read_arguments((__doc__ or "").splitlines()[0])
    files = write_parts(arguments.data, arguments.runs)
    tasks = list(all_tasks(arguments.runs, files, arguments.seeds))
    train_all(tasks, arguments.jobs)
    results = score_all(
        arguments.runs, files[arguments.part], images=files["images"], seeds=arguments.seeds
    )
    print(table(results, SCORES), end="\n\n")
    print(gain_table(results, SCORES, alone="student alone"), end="\n\n")
    for size in "st":
        minutes = cpu_minutes(arguments.runs / f"pretrain-{size}")
        print(f"pre-training of {size}: {minutes:.1f} CPU minutes")
    if arguments.plot is not None:
        draw(results, ("body/AP", "body/PCK@0.1", "face/PCK@0.02"), path=arguments.plot)


def write_parts(data: Path, runs: Path) -> dict[str, Path]:
    """Write who trains students and teacher, and who is held out for choosing settings."""
    content = json.loads((data / "annotations" / "train.json").read_text(encoding="utf-8"))
    real, tune = split_people(content, NUM_TUNE)
    drawn = _drawn_people(runs / "drawn")
    parts = {
        "tune": tune,
        "train": Part(real.people[:NUM_REAL], real.images) + drawn,
        "teacher": real + drawn,
    }
    files = {name: (runs / f"{name}.json").resolve() for name in parts}
    for name, part in parts.items():
        part.write(files[name], like=content)
    files["val"] = (data / "annotations" / "val.json").resolve()
    return files | {"images": (data / "images").resolve()}


def _drawn_people(folder: Path) -> Part:
    """Draw people, once; give their labels, with ids and file names beside the real ones'."""
    annotations = folder / "annotations.json"
    if not annotations.exists():
        DrawnPeople(NUM_DRAWN, seed=3).write(folder)
    content = json.loads(annotations.read_text(encoding="utf-8"))
    for image in content["images"]:
        image["id"] += _DRAWN_IDS
        image["file_name"] = str((folder / "images" / image["file_name"]).resolve())
    for person in content["annotations"]:
        person["id"] += _DRAWN_IDS
        person["image_id"] += _DRAWN_IDS
    return Part(content["annotations"], content["images"])


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


def score_all(runs: Path, annotations: Path, *, images: Path, seeds: Sequence[int]) -> list[Result]:
    """Score all runs on annotated people."""
    rows = {"teacher": [runs / "teacher"]}
    for label in (*_STUDENTS, *_SECOND):
        rows[label] = [folder_of(runs, label, seed) for seed in seeds]
    return [
        result_of(label, folders, annotations=annotations, images=images)
        for label, folders in rows.items()
    ]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
