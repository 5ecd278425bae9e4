"""Measure an epoch of stage two on kept features beside one on images and one of stage one.

One thread does everything, making the samples from image files included; the networks are
untrained, as only the time counts. Stage one is RTMPose-s teaching RTMPose-t.

    OMP_NUM_THREADS=1 python benchmarks/stage_two_cache.py
"""

import argparse
import copy
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from torch.autograd import backward
from torch.utils.data import Dataset

from posedistill.datasets.drawn import DrawnPeople
from posedistill.datasets.wholebody import read_wholebody
from posedistill.models import PoseModel, build
from posedistill.objectives.dwpose import (
    STORED,
    StageOne,
    StageOneConfig,
    StageTwo,
    StageTwoConfig,
)
from posedistill.objectives.objective import Batch, Objective
from posedistill.teachers import Frozen
from posedistill.train.augment import AugmentConfig
from posedistill.train.batches import KeyBatches, TrainSamples, make_loader
from posedistill.train.optim import Ema, OptimConfig, parameter_groups


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--batches", type=int, default=3)
    parser.add_argument("--image-size", type=int, default=480, help="side of the images, pixels")
    parser.add_argument(
        "--bf16", action="store_true", help="as precision auto, where there is bf16"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    student, teacher = build("rtmpose-t"), build("rtmpose-s")
    one = StageOne(copy.deepcopy(student), Frozen(teacher), StageOneConfig())
    plain = _stage_two(student, cached_views=0)
    cached = _stage_two(student, cached_views=1)
    with tempfile.TemporaryDirectory() as folder:
        count = arguments.batch_size * arguments.batches
        samples = _samples(student, Path(folder), arguments.image_size, count=count)
        start = time.perf_counter()
        stored = cached.training_samples(samples, Path(folder))
        fill = (time.perf_counter() - start) / count
        kilobytes = (Path(folder) / STORED / "rows.bin").stat().st_size / count / 1e3
        seconds = {
            "stage one": _seconds_an_image(one, samples, arguments),
            "stage two on images": _seconds_an_image(plain, samples, arguments),
            "keeping features and logits, once a view": fill,
            "stage two on what was kept": _seconds_an_image(cached, stored, arguments),
        }
    print(f"{kilobytes:.0f} kB a sample and view\n")
    print("| | ms an image | images a second | of stage one |\n| --- | ---: | ---: | ---: |")
    for name, each in seconds.items():
        ratio = seconds["stage one"] / each
        print(f"| {name} | {each * 1e3:.1f} | {1 / each:.0f} | 1/{ratio:.1f} |")


def _stage_two(student: PoseModel, *, cached_views: int) -> StageTwo:
    frozen = Frozen(copy.deepcopy(student))
    return StageTwo(build("rtmpose-t").head, frozen, StageTwoConfig(cached_views=cached_views))


def _samples(model: PoseModel, folder: Path, image_size: int, *, count: int) -> TrainSamples:
    files = DrawnPeople(count, size=image_size).write(folder / "people")
    config = AugmentConfig()
    return TrainSamples(
        read_wholebody(*files),
        model.spec.codec,
        seed=0,
        early=config,
        late=config,
        late_epoch=1,
        views=1,
    )


def _seconds_an_image(
    objective: Objective, samples: Dataset[Batch], arguments: argparse.Namespace
) -> float:
    """Give the seconds that training takes for each image of the fastest batch after an epoch."""
    objective = objective.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stub
    optimizer = torch.optim.AdamW(parameter_groups(objective, 0.05), lr=1e-3)
    ema = Ema(objective, OptimConfig())
    size: int = arguments.batch_size
    per_epoch: int = arguments.batches
    keys = KeyBatches(
        DrawnPeople(size * per_epoch),
        size,
        seed=0,
        steps=range(4 * per_epoch),
        rank=0,
        world_size=1,
        views=1,
    )
    seconds: list[float] = []
    start = time.perf_counter()
    for batch in make_loader(samples, keys, num_workers=0):
        with torch.autocast("cpu", torch.bfloat16) if arguments.bf16 else nullcontext():
            losses = objective(batch, 0.0)
        backward(torch.stack(list(losses.values())).sum())
        optimizer.step()
        optimizer.zero_grad()
        ema.update(objective)
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
    return min(seconds[per_epoch:]) / size


if __name__ == "__main__":
    main()
