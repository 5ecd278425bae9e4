"""Time training steps and their parts, all settings in turns in one run.

    python benchmarks/train_step.py --model rtmpose-t --input 192x256 --batch 32 --threads 2

prints images a second of supervised and distilled steps (forward, backward, clipping, AdamW,
moving average) for each setting, the median of the rounds, and the ratio to "our model in the
reference's settings". With MMPose 1.3 installed, its own model takes the same steps beside them;
that part has not been tried. --loader DATA times the loader instead, and says how long a step
would wait for it.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.train_step_reference import reference
from posedistill.datasets.wholebody import read_wholebody
from posedistill.models import build
from posedistill.models.pose_model import PoseModel
from posedistill.objectives.dwpose import StageOne, StageOneConfig
from posedistill.objectives.objective import Batch, Objective
from posedistill.objectives.supervised import Supervised, SupervisedConfig
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD
from posedistill.teachers import Frozen
from posedistill.train.augment import AugmentConfig
from posedistill.train.batches import KeyBatches, TrainSamples, make_loader
from posedistill.train.optim import Ema, OptimConfig, parameter_groups

Step = Callable[[], None]
_OPTIM = OptimConfig(clip_norm=5.0)


@dataclass(frozen=True)
class Setting:
    """Say how steps are taken; optimizer is "fused", "foreach" or "loop"."""

    name: str
    is_bf16: bool = False
    channels_last: bool = False
    optimizer: str = "loop"
    compile: bool = False
    is_float_input: bool = False  # mean and std taken off before the network


STAND_IN = Setting("our model in the reference's settings", is_float_input=True)
_OURS = Setting("float32, channels last, fused", channels_last=True, optimizer="fused")
SETTINGS = (
    STAND_IN,
    Setting("uint8 input"),
    Setting("+ foreach AdamW", optimizer="foreach"),
    Setting("+ fused AdamW", optimizer="fused"),
    Setting("+ channels last", channels_last=True),
    _OURS,
    replace(_OURS, name="bf16, channels last, fused", is_bf16=True),
    replace(_OURS, name="bf16, NCHW, fused", is_bf16=True, channels_last=False),
    replace(_OURS, name="float32, channels last, fused, compiled", compile=True),
    replace(_OURS, name="bf16, channels last, fused, compiled", is_bf16=True, compile=True),
)


def main() -> None:
    """Print the tables."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    if arguments.loader is not None:
        time_loader(arguments)
        return
    batch = random_batch(arguments.model, arguments.input, size=arguments.batch)
    tables = {
        "supervised": lambda: Supervised(_model(arguments, arguments.model), SupervisedConfig()),
        "distilled": lambda: StageOne(
            _model(arguments, arguments.model),
            Frozen(_model(arguments, arguments.teacher).eval()),
            StageOneConfig(),
        ),
    }
    for name, make in tables.items():
        steps, skipped = make_steps(make, batch, settings=_chosen(arguments))
        if name == "distilled":
            steps |= teacher_steps(make, batch)
        else:
            add_reference(steps, skipped, batch, arguments)
        seconds = time_in_turns(steps, rounds=arguments.rounds)
        print_table(f"{name} step", seconds, skipped, num_images=arguments.batch)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="rtmpose-t")
    parser.add_argument("--teacher", default="rtmpose-s")
    parser.add_argument("--input", type=_size_wh, default=(192, 256), help="WxH")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--loader", type=Path, help="folder of the people data: time its loader")
    return parser.parse_args()


def _size_wh(text: str) -> tuple[int, int]:
    w, h = map(int, text.split("x"))
    return w, h


def _chosen(arguments: argparse.Namespace) -> list[Setting]:
    return [item for item in SETTINGS if not (item.compile and arguments.no_compile)]


def _model(arguments: argparse.Namespace, name: str) -> PoseModel:
    torch.manual_seed(0)
    return build(name, "wholebody133", arguments.input)


def random_batch(model: str, size_wh: tuple[int, int], *, size: int) -> Batch:
    """Give a batch of noise with 133 keypoints anywhere, as the codec of the model encodes it."""
    rng = np.random.default_rng(0)
    codec = build(model, "wholebody133", size_wh).spec.codec
    keypoints = rng.uniform(0, size_wh, (size, 133, 2))
    *targets, weights = codec.encode(keypoints, np.ones((size, 133)))
    images = rng.integers(0, 256, (size, 3, size_wh[1], size_wh[0]), np.uint8)
    names = torch.arange(size)
    return Batch(
        torch.from_numpy(images),
        tuple(map(torch.from_numpy, targets)),
        torch.from_numpy(weights),
        names,
        torch.zeros_like(names),
    )


def make_steps(
    make: Callable[[], Objective], batch: Batch, *, settings: list[Setting]
) -> tuple[dict[str, Step], dict[str, str]]:
    """Give one step for each setting that works here, and why others do not."""
    steps: dict[str, Step] = {}
    skipped: dict[str, str] = {}
    for setting in settings:
        step = OurStep(make(), batch, setting)
        try:
            step()
        except (RuntimeError, NotImplementedError) as error:  # torch.compile without a compiler
            skipped[setting.name] = str(error).strip().splitlines()[0][:90]
            continue
        steps[setting.name] = step
    return steps, skipped


class OurStep:
    """Take the step of an objective on one batch, over and over."""

    def __init__(  # house rule: what learns, from what, how
        self, objective: Objective, batch: Batch, setting: Setting
    ) -> None:
        self.objective, self.setting = objective.train(), setting
        layout = torch.channels_last if setting.channels_last else torch.contiguous_format
        images = batch.images
        if setting.is_float_input:
            mean, std = (torch.tensor(part).view(3, 1, 1) for part in (IMAGENET_MEAN, IMAGENET_STD))
            images = (images - mean) / std
            _expect_normalised(objective)
        self.objective.to(memory_format=layout)  # type: ignore[call-overload]  # missing in stub
        self.batch = batch._replace(images=images.contiguous(memory_format=layout))
        if setting.compile:
            _compile(objective)
        self.update = Update(objective, setting.optimizer)

    def __call__(self) -> None:
        """Take one step."""
        with _precision(self.setting.is_bf16):
            losses = self.objective(self.batch, 0.0)
        self.update(torch.stack(list(losses.values())).sum())


class Update:
    """Go back through a loss, clip, move the weights by AdamW and take them into the average."""

    def __init__(self, module: nn.Module, optimizer: str) -> None:
        self.module = module
        self.optimizer = AdamW(
            parameter_groups(module, _OPTIM.weight_decay),
            lr=1e-5,
            fused=optimizer == "fused",
            foreach=optimizer == "foreach",
        )
        self.ema = Ema(module, _OPTIM)

    def __call__(self, loss: Tensor) -> None:
        """Do all of it once."""
        loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
        nn.utils.clip_grad_norm_(self.module.parameters(), _OPTIM.clip_norm or 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.update(self.module)


def _precision(is_bf16: bool) -> AbstractContextManager[Any]:  # Any: nothing is taken from it
    return torch.autocast("cpu", torch.bfloat16) if is_bf16 else nullcontext()


def _held_models(objective: Objective) -> Iterator[PoseModel]:
    yield objective.deployable()
    if isinstance(objective, StageOne) and isinstance(objective.teacher, Frozen):
        yield objective.teacher.model


def _expect_normalised(objective: Objective) -> None:
    for model in _held_models(objective):
        model.mean.zero_()
        model.std.fill_(1)


def _compile(objective: Objective) -> None:
    model = objective.deployable()
    model.backbone.compile()
    model.head.compile()


def teacher_steps(make: Callable[[], Objective], batch: Batch) -> dict[str, Step]:
    """Give the forward passes of the teacher alone: no distilled step is faster."""
    return {
        "the teacher's forward, float32": _teacher_forward(make(), batch, is_bf16=False),
        "the teacher's forward, bf16": _teacher_forward(make(), batch, is_bf16=True),
    }


def _teacher_forward(objective: Objective, batch: Batch, *, is_bf16: bool) -> Step:
    assert isinstance(objective, StageOne)
    objective.teacher.model.to(memory_format=torch.channels_last)  # type: ignore[attr-defined]
    images = batch.images.contiguous(memory_format=torch.channels_last)

    def forward() -> None:
        with _precision(is_bf16):
            objective.teacher.answer(images)

    return forward


def time_in_turns(steps: dict[str, Step], *, rounds: int) -> dict[str, float]:
    """Give the median seconds of each step; every round takes each of them once, in new order."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        for name in rng.permutation(list(steps)).tolist():
            start = time.perf_counter()
            steps[name]()
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(taken)) for name, taken in seconds.items()}


def print_table(
    title: str, seconds: dict[str, float], skipped: dict[str, str], *, num_images: int
) -> None:
    """Print images a second of each setting and its ratio to the stand-in."""
    floor = seconds[STAND_IN.name]
    print(f"\n| {title} | images/s | ratio |\n|---|---:|---:|", flush=True)
    for name, taken in seconds.items():
        print(f"| {name} | {num_images / taken:.1f} | {floor / taken:.2f} |")
    for name, reason in skipped.items():
        print(f"| {name} | {reason} | |")


def add_reference(  # house rule: what is printed, then what is timed
    steps: dict[str, Step], skipped: dict[str, str], batch: Batch, arguments: argparse.Namespace
) -> None:
    """Add the step of MMPose's own model where it is installed (not tried here)."""
    name = "reference (MMPose), float32, not tried here"
    if find_spec("mmpose") is None:
        skipped[name] = "reference: not installed"
        return
    network, loss = reference(arguments.model, arguments.input, batch=batch)
    update = Update(network, "loop")
    steps[name] = lambda: update(loss())


def time_loader(arguments: argparse.Namespace) -> None:
    """Print samples a second of 0, 1 and 2 workers, and how long a step waits for two.

    The last figure is measured: bf16 steps of the model on what two workers give.
    """
    root: Path = arguments.loader
    data = read_wholebody(root / "annotations" / "train.json", root / "images")
    model = _model(arguments, arguments.model)
    config = AugmentConfig()
    samples = TrainSamples(
        data, model.spec.codec, seed=0, early=config, late=config, late_epoch=10**6
    )
    for workers in (0, 1, 2):
        rate = loader_rate(samples, arguments.batch, num_workers=workers)
        print(f"loader, {workers} workers: {rate:.0f} samples/s", flush=True)
    setting = replace(_OURS, is_bf16=True)
    objective = Supervised(model, SupervisedConfig())
    idle, rate = idle_share(objective, samples, setting=setting, batch_size=arguments.batch)
    print(f"bf16 steps with 2 workers: {rate:.0f} images/s, idle {100 * idle:.1f} % of the time")


def _keys(samples: TrainSamples, batch_size: int, *, num_batches: int) -> KeyBatches:
    steps = range(num_batches)
    return KeyBatches(samples.data, batch_size, seed=0, steps=steps, rank=0, world_size=1)


def loader_rate(samples: TrainSamples, batch_size: int, *, num_workers: int) -> float:
    """Give samples a second, the first batches, in which workers start, left out."""
    num_batches, left_out = 40, 10
    loader = make_loader(
        samples, _keys(samples, batch_size, num_batches=num_batches), num_workers=num_workers
    )
    start = 0.0
    for number, _ in enumerate(loader, 1):
        if number == left_out:
            start = time.perf_counter()
    return (num_batches - left_out) * batch_size / (time.perf_counter() - start)


def idle_share(
    objective: Objective, samples: TrainSamples, *, setting: Setting, batch_size: int
) -> tuple[float, float]:
    """Give which part of the time steps wait for two workers, and images a second."""
    waited, worked, num_batches, left_out = 0.0, 0.0, 24, 4
    loader = make_loader(
        samples, _keys(samples, batch_size, num_batches=num_batches), num_workers=2
    )
    batches = iter(loader)
    step = OurStep(objective, next(batches), setting)
    for number in range(1, num_batches):
        start = time.perf_counter()
        step.batch = next(batches)
        middle = time.perf_counter()
        step()
        if number >= left_out:
            waited += middle - start
            worked += time.perf_counter() - middle
    total = waited + worked
    return waited / total, (num_batches - left_out) * batch_size / total


if __name__ == "__main__":
    main()
