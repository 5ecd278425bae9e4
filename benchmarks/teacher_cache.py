"""Measure from which epoch on a teacher's answers are better kept on disk than asked for again.

Steps of stage one on one thread, with untrained networks, as only the time counts. Making the
samples is left out: both ways make the same.

    OMP_NUM_THREADS=1 python benchmarks/teacher_cache.py --teacher rtmpose-m --student rtmpose-t
"""

import argparse
import math
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from torch.autograd import backward

from posedistill.datasets.drawn import DrawnPeople
from posedistill.models import build
from posedistill.objectives.dwpose import StageOne, StageOneConfig
from posedistill.objectives.objective import Batch
from posedistill.teachers import Frozen
from posedistill.train.augment import AugmentConfig
from posedistill.train.batches import Key, TrainSamples, collate

_VIEWS = (1, 2, 4, 8)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--teacher", default="rtmpose-m")
    parser.add_argument("--student", default="rtmpose-t")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument(
        "--bf16", action="store_true", help="as precision auto, where there is bf16"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    size, count = arguments.batch_size, arguments.batches
    samples = _samples(arguments.student, size * count)
    groups = [range(start, start + size) for start in range(0, size * count, size)]
    batches = [collate([samples[Key(0, person, 0)] for person in group]) for group in groups]
    teacher = Frozen(build(arguments.teacher))
    with tempfile.TemporaryDirectory() as folder:
        asked = _objective(arguments.student, teacher)
        kept = _objective(arguments.student, teacher, cache=folder)
        kept.training_samples(samples, Path(folder))
        for objective in (asked, kept):  # the first step of a network makes its buffers
            _seconds(objective, batches[0]._replace(views=torch.ones(size).long()), arguments)
        ways = {"asked every time": asked, "asked and written": kept, "read": kept}
        # In turn, so that whatever else the machine does meets all of them.
        rows = [[_seconds(way, batch, arguments) for way in ways.values()] for batch in batches]
        times = {
            name: min(column) for name, column in zip(ways, zip(*rows, strict=True), strict=True)
        }
        num_bytes = (Path(folder) / "rows.bin").stat().st_size / (2 * len(samples))
    print(f"teacher {arguments.teacher}, student {arguments.student}, batches of {size}")
    _print_table(times, num_bytes)


def _samples(student: str, count: int) -> TrainSamples:
    """Give samples with two draws, the second for warming up."""
    config = AugmentConfig()
    return TrainSamples(
        DrawnPeople(count, size=128),
        build(student).spec.codec,
        seed=0,
        early=config,
        late=config,
        late_epoch=1,
        views=2,
    )


def _objective(student: str, teacher: Frozen, *, cache: str = "") -> StageOne:
    objective = StageOne(build(student), teacher, StageOneConfig(teacher_cache=cache))
    channels_last: StageOne = objective.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stub
    return channels_last


def _seconds(objective: StageOne, batch: Batch, arguments: argparse.Namespace) -> float:
    """Give the seconds that forward and backward of a batch take."""
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16) if arguments.bf16 else nullcontext():
        losses = objective(batch, 0.0)
    backward(torch.stack(list(losses.values())).sum())
    objective.zero_grad()
    return time.perf_counter() - start


def _print_table(times: dict[str, float], num_bytes: float) -> None:
    print("| teacher is | seconds a batch |\n| --- | ---: |")
    for name, seconds in times.items():
        print(f"| {name} | {seconds:.2f} |")
    print(f"\n{num_bytes / 1e3:.0f} kB a sample and view\n")
    asked, written, read = times.values()
    print("| views | GB for 100 000 people | pays from epoch | time of 100 epochs |")
    print("| ---: | ---: | ---: | ---: |")
    for views in _VIEWS:
        pays = "never"
        if asked > read:  # views * written + (epochs - views) * read < epochs * asked
            epochs = views * (written - read) / (asked - read)
            pays = str(max(math.floor(epochs), views) + 1)
        part = (views * written + (100 - views) * read) / (100 * asked)
        print(f"| {views} | {num_bytes * views * 1e5 / 1e9:.0f} | {pays} | {part:.0%} |")


if __name__ == "__main__":
    main()
