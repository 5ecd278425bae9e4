"""Fit: train the person detector on one device, in a run that resumes."""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from posedistill.detect.assign import assign, losses
from posedistill.detect.model import PersonDetector, cells
from posedistill.detect.paint import draw_scenes
from posedistill.detect.pool import Pool
from posedistill.json_file import read_json
from posedistill.media import whole_file
from posedistill.train.launch import cpu_has_bf16
from posedistill.train.optim import Ema, OptimConfig, learning_rate, parameter_groups

logger = logging.getLogger(__name__)
_PARTS = 10_000  # in which the learning rate's curve takes a run
_CLIP_NORM = 10.0
_OPTIM = OptimConfig(
    lr=1.0,  # a factor on that of the plan
    warmup_steps=300,  # of those parts
    flat_fraction=0.3,
    final_factor=0.02,
    ema_momentum=1e-3,
    ema_gamma=300.0,
)
_LOG_EVERY = 20  # steps
_SAVE_EVERY = 60.0  # seconds


@dataclass(frozen=True)
class DetectorPlan:
    """Say how long and on what a detector is trained.

    Attributes:
        steps: of the run; without it, minutes count, those of former stretches too.
        side: pixels of the square scenes. batch: scenes of a step. lr: of AdamW.
        start: folder of a run whose averaged network it starts from; empty for a fresh one.

    Raises ValueError unless there is one of steps and minutes, above 0, for a side that is no
    multiple of 32, and for a batch of fewer than two, of which BatchNorm makes nothing.

    >>> DetectorPlan(steps=1000).batch
    32
    """

    steps: int | None = None
    minutes: float | None = None
    side: int = 320
    batch: int = 32
    lr: float = 2e-3
    seed: int = 0
    start: str = ""

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError(
                f"steps is {self.steps} and minutes {self.minutes}; a run takes one of the two"
            )
        if not (self.steps or self.minutes or 0) > 0:
            raise ValueError(
                f"steps is {self.steps} and minutes {self.minutes}; expected a number above 0"
            )
        if self.side < 32 or self.side % 32:
            raise ValueError(f"side is {self.side}; expected a multiple of 32 pixels")
        if self.batch < 2:
            raise ValueError(f"batch is {self.batch}; expected two scenes or more")

    def progress(self, step: int, seconds: float) -> float:
        """Give the part of the run that is done."""
        if self.steps is not None:
            return step / self.steps
        assert self.minutes is not None, "a plan has one of the two"
        return seconds / (60 * self.minutes)


@dataclass(frozen=True)
class Progress:
    """Say where a run stands, with the mean losses since the last time."""

    step: int
    seconds: float
    part: float
    losses: dict[str, float]


class DetectorRun:
    """Train a detector in a folder; a run that was cut off goes on where it was saved.

    In the folder are `plan.json`, `metrics.jsonl` and `last.pt`. Raises ValueError for a folder
    with a run of another plan; its length may change.

    >>> run = DetectorRun(Path("runs/person-n"), plan, pool=pool)  # doctest: +SKIP
    >>> for progress in run.fit(): print(progress)  # doctest: +SKIP
    """

    def __init__(self, folder: Path, plan: DetectorPlan, *, pool: Pool) -> None:
        self.folder, self.plan, self.pool = folder, plan, pool
        torch.manual_seed(plan.seed)
        self.model = load_detector(Path(plan.start)) if plan.start else PersonDetector()
        self._begin()
        self.model.train().to(pool.device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # no stub
        groups = parameter_groups(self.model, _OPTIM.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=plan.lr)
        self.ema = Ema(self.model, _OPTIM)
        self.step, self.seconds = 0, 0.0
        self._has_bf16 = cpu_has_bf16() if pool.device.type == "cpu" else pool.device.type == "cuda"
        self._centres = cells((plan.side, plan.side)).to(pool.device)
        if self._last.is_file():
            self._load()

    @property
    def _last(self) -> Path:
        return self.folder / "last.pt"

    def fit(self) -> Iterator[Progress]:
        """Train to the end; say every few steps, and there, where things stand."""
        saved = time.monotonic()
        start = saved - self.seconds
        recent: list[dict[str, Tensor]] = []
        while not self._is_done():
            recent.append(self._train_step())
            self.step += 1
            now = time.monotonic()
            self.seconds = now - start
            if self._is_done() or now - saved > _SAVE_EVERY:
                self.save()
                saved = now
            if self._is_done() or self.step % _LOG_EVERY == 0:
                yield self._told(recent)
                recent = []

    def _is_done(self) -> bool:
        return self.plan.progress(self.step, self.seconds) >= 1

    def averaged(self) -> PersonDetector:
        """Give a model with the averaged weights, for use."""
        model = PersonDetector().to(self.pool.device)
        model.load_state_dict(self.ema.average)
        return model.eval()

    def save(self) -> None:
        """Write all that is needed to go on; the file appears whole."""
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "ema": self.ema.state(),
            "optimizer": self.optimizer.state_dict(),
        }
        with whole_file(self._last) as path:
            torch.save(state, path)

    def _train_step(self) -> dict[str, Tensor]:
        plan, device = self.plan, self.pool.device
        rate = learning_rate(
            int(_PARTS * plan.progress(self.step, self.seconds)), _PARTS, config=_OPTIM
        )
        for group in self.optimizer.param_groups:
            group["lr"] = plan.lr * rate
        scenes = draw_scenes(self.pool, plan.batch, side=plan.side, seed=(plan.seed, self.step))
        images = scenes.images_rgb.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._has_bf16):
            predictions = self.model(images)
        found = losses(predictions, assign(predictions, scenes.truth, centres=self._centres))
        self.optimizer.zero_grad()
        torch.stack(list(found.values())).sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), _CLIP_NORM)
        self.optimizer.step()
        self.ema.update(self.model)
        return {name: loss.detach() for name, loss in found.items()}

    def _told(self, recent: list[dict[str, Tensor]]) -> Progress:
        """Give the means of the losses of some steps, and note them in the folder."""
        names = recent[0]
        means = {name: float(torch.stack([row[name] for row in recent]).mean()) for name in names}
        part = self.plan.progress(self.step, self.seconds)
        progress = Progress(self.step, round(self.seconds, 1), round(part, 4), means)
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(progress)) + "\n")
        return progress

    def _begin(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        file, record = self.folder / "plan.json", asdict(self.plan)
        if file.is_file():
            lengths = {"steps", "minutes"}
            former: dict[str, Any] = read_json(file, kind="plan")  # Any: JSON
            unlike = [k for k in record if k not in lengths and former.get(k, "") != record[k]]
            if unlike:
                raise ValueError(
                    f"{self.folder} holds a run with another {', '.join(unlike)}; go on with the "
                    "same plan, or choose another folder"
                )
        file.write_text(json.dumps(record, indent=2), encoding="utf-8")

    def _load(self) -> None:
        state = torch.load(self._last, map_location=self.pool.device, weights_only=True)
        self.step, self.seconds = state["step"], state["seconds"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.ema.load(**state["ema"])
        logger.warning("%s goes on from step %d", self.folder, self.step)


def side_of(folder: Path) -> int:
    """Give the side of the scenes that a run trains on, pixels.

    Raises FileNotFoundError for a folder without a run.

    >>> side_of(Path("no run"))
    Traceback (most recent call last):
    FileNotFoundError: no such plan: no run/plan.json
    """
    return int(read_json(folder / "plan.json", kind="plan")["side"])


def load_detector(*folders: Path) -> PersonDetector:
    """Give the averaged network of a run, on the CPU; of several runs, their mean.

    The mean of a network and of what it was trained on into finds more than either (Wortsman et
    al., 2022: model soups); runs must have started from one another. Raises FileNotFoundError for
    a folder without a saved run, ValueError for no folder.

    >>> load_detector(Path("no run"))
    Traceback (most recent call last):
    FileNotFoundError: no such run: no run has no last.pt
    """
    if not folders:
        raise ValueError("no run to load; expected a folder or more")
    weights = [_average(folder / "last.pt") for folder in folders]
    model = PersonDetector()
    mean = {
        name: torch.stack([row[name].double() for row in weights]).mean(dim=0).to(value)
        for name, value in weights[0].items()
    }
    model.load_state_dict(mean)
    return model.eval()


def _average(file: Path) -> dict[str, Tensor]:
    if not file.is_file():
        raise FileNotFoundError(f"no such run: {file.parent} has no {file.name}")
    average: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)["ema"][
        "average"
    ]
    return average
