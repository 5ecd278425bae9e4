"""The training loop: one loop for every objective, on one process or many."""

import copy
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.optim import AdamW, Optimizer
from torch.utils.data import DataLoader
from tqdm import tqdm

from posedistill.codecs import Codec
from posedistill.datasets.instance import PoseDataset
from posedistill.evaluate.run import evaluate
from posedistill.models import PoseModel
from posedistill.objectives.objective import Batch, Objective
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec
from posedistill.train.assemble import make_objective
from posedistill.train.batches import KeyBatches, TrainSamples, make_loader
from posedistill.train.curves import draw_curves
from posedistill.train.data import ValidationFiles
from posedistill.train.optim import Ema, learning_rate, parameter_groups
from posedistill.train.recipe import Recipe
from posedistill.train.run_folder import RunFolder
from posedistill.train.sync_norm import synchronise_batch_norm

logger = logging.getLogger(__name__)
_LOG_EVERY = 20


@dataclass
class _Run:
    """Hold what the loop works on."""

    recipe: Recipe
    folder: RunFolder
    fabric: Fabric
    objective: Objective  # plain
    wrapped: torch.nn.Module  # the same as Fabric set it up: call this one
    optimizer: Optimizer
    ema: Ema
    validation: ValidationFiles | None
    step: int = 0
    best_score: float = float("-inf")


@dataclass(frozen=True)
class _Plan:
    """Say how many steps an epoch and the run have, and after which this call stops."""

    steps_per_epoch: int
    total_steps: int
    stop_at: int


def fit(recipe: Recipe, run_dir: Path, *, stop_at: int | None = None) -> PoseModel:
    """Train by a recipe into a run folder, or go on where the folder's last state stands.

    stop_at ends this call after that many steps of the run, with its state saved.
    Gives the model with averaged weights. Raises ValueError for a recipe that cannot run.
    """
    folder = RunFolder(run_dir)
    data = recipe.data.training()
    objective = _seeded_objective(recipe)
    spec = objective.deployable().spec
    _check_skeleton(data.skeleton, spec)
    fabric = _launch(recipe)
    if fabric.global_rank == 0:
        folder.begin(recipe)
    fabric.barrier()
    run = _set_up(recipe, folder, fabric, objective)
    _resume(run)
    plan = _plan(recipe, len(data.instances), stop_at)
    _train(run, _loader(run, data, codec=spec.codec, plan=plan), plan)
    with run.ema.swapped_in(run.objective):
        return copy.deepcopy(run.objective.deployable()).cpu().eval()


def _plan(recipe: Recipe, num_samples: int, stop_at: int | None) -> _Plan:
    per_epoch = max(num_samples // recipe.batch_size, 1)
    total = recipe.epochs * per_epoch
    return _Plan(per_epoch, total, min(total, stop_at or total))


def _loader(run: _Run, data: PoseDataset, *, codec: Codec, plan: _Plan) -> "DataLoader[Batch]":
    recipe = run.recipe
    samples = TrainSamples(
        data,
        codec,
        seed=recipe.seed,
        early=recipe.augment,
        late=recipe.late_augment,
        late_epoch=recipe.epochs - recipe.late_epochs,
    )
    keys = KeyBatches(
        len(samples),
        recipe.batch_size,
        seed=recipe.seed,
        steps=range(run.step, max(run.step, plan.stop_at)),
        rank=run.fabric.global_rank,
        world_size=run.fabric.world_size,
    )
    return make_loader(samples, keys, num_workers=recipe.num_workers)


def _seeded_objective(recipe: Recipe) -> Objective:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return make_objective(recipe)


def _check_skeleton(skeleton: Skeleton, spec: Spec) -> None:
    if skeleton.name != spec.skeleton:
        raise ValueError(
            f"the data has skeleton {skeleton.name}, the model {spec.skeleton}; "
            f"--set model.skeleton={skeleton.name}"
        )


def _launch(recipe: Recipe) -> Fabric:
    """Set up Fabric; under torchrun, the number of processes comes from its environment."""
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    nodes = int(os.environ.get("WORLD_SIZE", "1")) // local
    fabric = Fabric(
        devices=local,
        num_nodes=nodes,
        strategy="ddp" if local * nodes > 1 else "auto",
        precision=_precision(recipe.precision),  # type: ignore[arg-type]  # Fabric checks the name
    )
    fabric.launch()
    return fabric


def _precision(name: str) -> str:
    if name != "auto":
        return name
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    has_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bf16-mixed" if has_bf16() else "32-true"


def _set_up(recipe: Recipe, folder: RunFolder, fabric: Fabric, objective: Objective) -> _Run:
    objective = objective.to(fabric.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stub
    if fabric.world_size > 1:
        synchronise_batch_norm(objective, fabric.device)
    groups = parameter_groups(objective, recipe.optim.weight_decay)
    optimizer = AdamW(groups, lr=recipe.optim.lr)
    wrapped, prepared = fabric.setup(objective, optimizer)
    validation = recipe.data.validation(folder.path) if fabric.global_rank == 0 else None
    return _Run(
        recipe=recipe,
        folder=folder,
        fabric=fabric,
        objective=objective,
        wrapped=wrapped,
        optimizer=prepared,
        ema=Ema(objective, recipe.optim),
        validation=validation,
    )


def _resume(run: _Run) -> None:
    state = run.folder.load_state()
    if state is None:
        return
    run.objective.load_state_dict(state["objective"])
    run.objective.load_held_state(state["held"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.ema.load(state["ema"]["num_updates"], state["ema"]["average"])
    run.step, run.best_score = state["step"], state["best_score"]
    if run.fabric.global_rank == 0:
        run.folder.forget_after(run.step)
        logger.info("resumed %s at step %d", run.folder.path, run.step)


def _train(run: _Run, loader: "DataLoader[Batch]", plan: _Plan) -> None:
    recipe, is_first = run.recipe, run.fabric.global_rank == 0
    bar = tqdm(
        total=plan.total_steps,
        initial=run.step,
        desc=recipe.name,
        disable=not is_first,
        unit="step",
    )
    meter = _Meter(run, bar)
    for batch in loader:
        epoch = run.step // plan.steps_per_epoch
        lr = learning_rate(run.step, plan.total_steps, config=recipe.optim)
        losses = _step(run, _to_device(batch, run.fabric.device), epoch / recipe.epochs, lr=lr)
        run.step += 1
        bar.update()
        is_over = run.step == plan.total_steps
        if is_first:
            meter.add(losses, lr, epoch=epoch, is_over=is_over)
        ends_epoch = run.step % plan.steps_per_epoch == 0
        if is_over or (ends_epoch and (epoch + 1) % recipe.evaluate_every == 0):
            _validate(run, epoch)
            meter.skip_pause()
        if run.step % recipe.save_every == 0 or run.step == plan.stop_at:
            _save(run)
    bar.close()


class _Meter:
    """Log losses and speed every few steps, time of validation left out."""

    def __init__(self, run: _Run, bar: "tqdm[NoReturn]") -> None:
        self.run, self.bar = run, bar
        self.seconds, self.steps = 0.0, 0
        self.last = time.perf_counter()

    def add(self, losses: dict[str, Tensor], lr: float, *, epoch: int, is_over: bool) -> None:
        """Count a step."""
        now = time.perf_counter()
        self.seconds += now - self.last
        self.last = now
        self.steps += 1
        if self.run.step % _LOG_EVERY and not is_over:
            return
        values = {name: float(value.detach()) for name, value in losses.items()}
        speed = self.steps * self.run.recipe.batch_size / self.seconds
        self.seconds, self.steps = 0.0, 0
        self.bar.set_postfix(loss=f"{sum(values.values()):.4g}", img_s=f"{speed:.1f}")
        self.run.folder.log(
            step=self.run.step, epoch=epoch, lr=lr, losses=values, images_per_s=speed
        )

    def skip_pause(self) -> None:
        """Leave out the time since the last step."""
        self.last = time.perf_counter()


def _step(run: _Run, batch: Batch, progress: float, *, lr: float) -> dict[str, Tensor]:
    for group in run.optimizer.param_groups:
        group["lr"] = lr
    run.wrapped.train()
    losses: dict[str, Tensor] = run.wrapped(batch, progress)
    total = torch.stack(list(losses.values())).sum()
    if not torch.isfinite(total):
        shown = {name: float(value.detach()) for name, value in losses.items()}
        raise ValueError(
            f"step {run.step}: the loss is not finite ({shown}) on samples "
            f"{batch.indices.tolist()}; lower optim.lr or look at those samples"
        )
    run.fabric.backward(total)
    if run.recipe.optim.clip_norm is not None:
        run.fabric.clip_gradients(run.objective, run.optimizer, max_norm=run.recipe.optim.clip_norm)
    run.optimizer.step()
    run.optimizer.zero_grad()
    run.ema.update(run.objective)
    return losses


def _to_device(batch: Batch, device: torch.device) -> Batch:
    if device.type == "cpu":
        return batch
    return Batch(
        batch.images.to(device, non_blocking=True),
        tuple(target.to(device, non_blocking=True) for target in batch.targets),
        batch.weights.to(device, non_blocking=True),
        batch.indices,
    )


def _validate(run: _Run, epoch: int) -> None:
    if run.validation is not None:
        with run.ema.swapped_in(run.objective):
            model = copy.deepcopy(run.objective.deployable()).eval()
        report = evaluate(
            model.session(),
            annotations=run.validation.annotations,
            images_dir=run.validation.images_dir,
            out=run.folder.path / "predictions.json",
            progress=False,
        )
        scores = report.as_dict()
        run.folder.log(step=run.step, epoch=epoch, scores=scores)
        score = scores.get(run.recipe.best_by, float("-inf"))
        if score >= run.best_score:
            run.best_score = score
            run.folder.save_best(model)
        draw_curves(run.folder.read_metrics(), run.folder.path / "curves.png")
    run.fabric.barrier()


def _save(run: _Run) -> None:
    if run.fabric.global_rank == 0:
        run.folder.save_state(
            {
                "objective": run.objective.state_dict(),
                "held": run.objective.held_state(),
                "optimizer": run.optimizer.state_dict(),
                "ema": run.ema.state(),
                "step": run.step,
                "best_score": run.best_score,
            }
        )
    run.fabric.barrier()
