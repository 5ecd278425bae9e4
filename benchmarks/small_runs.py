"""Small runs: many short trainings side by side, one thread each, and what came of them.

Shared by the benchmarks that compare ways of training over several seeds.
"""

import argparse
import json
import re
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from posedistill.train.recipe import Recipe

Row = dict[str, Any]  # Any: a record of a json file
_CHUNK = 250  # steps between two notes of the cost


def read_arguments(description: str) -> argparse.Namespace:
    """Read the command line that all of these benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder of the people data")
    parser.add_argument("--runs", type=Path, required=True, help="where the run folders go")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, one thread each")
    parser.add_argument("--part", choices=["val", "tune"], default="val", help="people to score on")
    parser.add_argument("--plot", type=Path, help="file for the plot")
    return parser.parse_args()


@dataclass(frozen=True)
class Task:
    """Hold one training run: where it goes, what it does, and the runs it starts from."""

    folder: Path
    recipe: Recipe
    needs: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Part:
    """Hold people of a data set, and the images that they are on."""

    people: Sequence[Row]
    images: Sequence[Row]

    def write(self, path: Path, *, like: Row) -> None:
        """Write an annotation file with these people; like: gives all else there is in it."""
        used = {person["image_id"] for person in self.people}
        images = [image for image in self.images if image["id"] in used]
        content = like | {"images": images, "annotations": list(self.people)}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")

    def __add__(self, other: "Part") -> "Part":
        return Part([*self.people, *other.people], [*self.images, *other.images])


def split_people(content: Row, num_tune: int) -> tuple[Part, Part]:
    """Give people to train on, in a random order, and held out ones, by whole photos."""
    order = np.random.default_rng(0).permutation(len(content["annotations"]))
    people = [content["annotations"][index] for index in order]
    tune = people[:num_tune]
    taken = {person["image_id"] for person in tune}
    train = [person for person in people if person["image_id"] not in taken]
    return Part(train, content["images"]), Part(tune, content["images"])


def folder_of(runs: Path, label: str, seed: int) -> Path:
    """Give the run folder of a label and a seed."""
    words = re.findall(r"\w+", label)
    return runs / "-".join([*words, str(seed)])


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

    def cell(self, name: str) -> str:
        """Give mean and standard deviation as text."""
        return mean_sd_text([scores.get(name, np.nan) for scores in self.scores])


def mean_sd_text(values: Sequence[float]) -> str:
    """Give the mean and, of several values, the standard deviation as text."""
    mean = f"{np.mean(values):.1f}"
    return f"{mean} ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else mean


def result_of(label: str, folders: Sequence[Path], *, annotations: Path, images: Path) -> Result:
    """Score the runs of a label, each once: what was scored before is read."""
    scores = tuple(_scores(folder, annotations, images) for folder in folders)
    return Result(label, scores, tuple(map(cpu_minutes, folders)))


def cpu_minutes(folder: Path) -> float:
    """Give what the steps of a run cost."""
    return sum(map(float, (folder / "cpu-seconds.txt").read_text().split())) / 60


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


def table(results: Sequence[Result], names: Sequence[str]) -> str:
    """Give mean and standard deviation of scores as a Markdown table."""
    lines = [
        f"| run | {' | '.join(names)} | CPU minutes |",
        "|---" + "|---:" * (len(names) + 1) + "|",
    ]
    for result in results:
        cells = [result.cell(name) for name in names]
        cells.append(f"{np.mean(result.cpu_minutes):.1f}")
        lines.append(f"| {result.label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def gain_table(results: Sequence[Result], names: Sequence[str], *, alone: str) -> str:
    """Give how far the means lie above those of one label, and in standard deviations.

    The deviation is that of both labels pooled: the root of the mean of their variances.
    """
    base = next(result for result in results if result.label == alone)
    lines = [f"| gain over {alone} | {' | '.join(names)} |", "|---" + "|---:" * len(names) + "|"]
    for result in results:
        if result is base or len(result.scores) < 2:
            continue
        cells = []
        for name in names:
            (mean, sd), (other, other_sd) = result.mean_sd(name), base.mean_sd(name)
            pooled = np.sqrt((sd**2 + other_sd**2) / 2)
            cells.append(f"{mean - other:+.1f} ({(mean - other) / pooled:+.1f} sd)")
        lines.append(f"| {result.label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(results: Sequence[Result], names: Sequence[str], *, path: Path) -> None:
    """Draw the scores of all seeds as points, their means as bars."""
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(names), figsize=(11, 4), layout="constrained", sharey=True)
    for axes, name in zip(panels, names, strict=True):
        for index, result in enumerate(results):
            values = [scores.get(name, np.nan) for scores in result.scores]
            axes.barh(index, np.mean(values), color="tab:blue", alpha=0.5)
            axes.plot(values, [index] * len(values), "k.", markersize=6)
        axes.set(xlabel=f"{name}, per cent", yticks=range(len(results)))
        axes.set_yticklabels([result.label for result in results])
        axes.grid(axis="x", alpha=0.3)
    panels[0].invert_yaxis()
    figure.savefig(path, dpi=110)
    plt.close(figure)
