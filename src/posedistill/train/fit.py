"""The training loop: one loop for every objective, on one process or many."""

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from posedistill.datasets.joint import samples_per_epoch
from posedistill.evaluate.predictions import read_predictions
from posedistill.media import write_image
from posedistill.models import PoseModel
from posedistill.objectives.objective import Batch
from posedistill.train.batches import KeyBatches, TrainSamples, make_loader
from posedistill.train.curves import draw_curves
from posedistill.train.faults import (
    ReadableSamples,
    batches_of,
    describe_bad_step,
    save_batch,
    tell_unreadable,
)
from posedistill.train.judge import judge
from posedistill.train.launch import PRECISIONS, launch
from posedistill.train.learner import Learner, Step
from posedistill.train.optim import learning_rate
from posedistill.train.preflight import Ready, prepare
from posedistill.train.progress import Progress
from posedistill.train.recipe import Recipe
from posedistill.train.resident import read_people
from posedistill.train.resident_batches import ResidentBatches, Variation
from posedistill.train.run_folder import RunFolder
from posedistill.train.sheet import PredictionSheet

logger = logging.getLogger(__name__)


@dataclass
class _Run:
    """Hold what the loop works on."""

    recipe: Recipe
    folder: RunFolder
    learner: Learner
    ready: Ready
    step: int = 0
    best_score: float = -math.inf
    bad_steps: int = 0
    sheet: PredictionSheet | None = None
    progress: Progress | None = None  # of the first process

    @property
    def is_first(self) -> bool:
        return self.learner.fabric.global_rank == 0

    @property
    def unreadable(self) -> Path:
        return self.folder.path / "unreadable-images.jsonl"


@dataclass(frozen=True)
class _Plan:
    """Say how many steps an epoch and the run have, and after which this call stops."""

    steps_per_epoch: int
    total_steps: int
    stop_at: int


def fit(recipe: Recipe, run_dir: Path, *, stop_at: int | None = None) -> PoseModel:
    """Train by a recipe into a run folder, or go on where the folder's last state stands.

    stop_at ends this call after that many steps of the run, with its state saved.
    Gives the model with averaged weights. Raises RecipeError, a ValueError, with all problems of
    a recipe that cannot run; ValueError when a loss is not finite more often than the recipe
    bears; OSError when the disk is full; ChildProcessError when a loader worker dies. Whatever
    happens, the same call goes on from the last saved state.
    """
    folder = RunFolder(run_dir)
    folder.check(recipe)
    learner, ready = _set_up(recipe, folder)
    run = _Run(recipe, folder, learner, ready)
    _resume(run)
    plan = _plan(recipe, samples_per_epoch(ready.data), stop_at)
    _train(run, plan)
    return learner.averaged().cpu()


def _plan(recipe: Recipe, num_samples: int, stop_at: int | None) -> _Plan:
    per_epoch = num_samples // recipe.batch_size
    total = recipe.epochs * per_epoch
    return _Plan(per_epoch, total, min(total, stop_at or total))


def _set_up(recipe: Recipe, folder: RunFolder) -> tuple[Learner, Ready]:
    fabric = launch(recipe.precision if recipe.precision in PRECISIONS else "auto")
    is_first = fabric.global_rank == 0
    with fabric.rank_zero_first():  # what is made of data is made once
        ready = prepare(recipe, folder.path, processes=fabric.world_size, validates=is_first)
    if is_first:
        folder.begin(recipe, processes=fabric.world_size, device=fabric.device.type)
    fabric.barrier()
    return Learner(ready.objective, recipe, fabric), ready


def _resume(run: _Run) -> None:
    state = run.folder.load_state()
    if state is not None:
        run.learner.load(state)
        run.step, run.best_score = state["step"], state["best_score"]
        run.bad_steps = state["bad_steps"]
    steps = run.learner.fabric.all_gather(torch.tensor(run.step))
    assert isinstance(steps, torch.Tensor)
    if len(set(steps.flatten().tolist())) > 1:
        raise ValueError(
            f"the processes found states of steps {steps.tolist()} in {run.folder.path}; "
            "the run folder must be on a disk that all machines share"
        )
    if not run.is_first:
        return
    run.folder.forget_after(run.step)
    if state is None:
        run.unreadable.unlink(missing_ok=True)
    else:
        logger.info("resumed %s at step %d", run.folder.path, run.step)


def _loader(run: _Run, plan: _Plan) -> Iterable[Batch]:
    recipe, fabric = run.recipe, run.learner.fabric
    codec = run.learner.objective.deployable().spec.codec
    late = recipe.late_augment if recipe.late_epochs else recipe.augment
    late_epoch = recipe.epochs - recipe.late_epochs
    keys = KeyBatches(
        run.ready.data,
        recipe.batch_size,
        seed=recipe.seed,
        steps=range(run.step, max(run.step, plan.stop_at)),
        rank=fabric.global_rank,
        world_size=fabric.world_size,
        views=recipe.views,
    )
    if recipe.resident:
        return ResidentBatches(
            read_people(run.ready.data, codec.input_size_wh, device=fabric.device),
            codec,
            Variation(recipe.augment, late, late_epoch, recipe.seed),
            keys,
        )
    samples = TrainSamples(
        run.ready.data,
        codec,
        seed=recipe.seed,
        early=recipe.augment,
        late=late,
        late_epoch=late_epoch,
        views=recipe.views,
    )
    readable = ReadableSamples(samples, log=run.unreadable)
    dataset = run.learner.objective.training_samples(
        readable, run.folder.path, num_workers=recipe.num_workers
    )
    return make_loader(dataset, keys, num_workers=recipe.num_workers)


def _train(run: _Run, plan: _Plan) -> None:
    loader = _loader(run, plan)
    if run.is_first:
        run.progress = Progress(
            run.recipe,
            run.folder,
            step=run.step,
            total_steps=plan.total_steps,
            best=abs(run.best_score),
        )
    try:
        for batch in batches_of(loader):
            _take_step(run, batch, plan)
    finally:
        if run.progress is not None:
            run.progress.close()
            tell_unreadable(run.unreadable)


def _take_step(run: _Run, batch: Batch, plan: _Plan) -> None:
    """Learn from one batch; evaluate and save where it is time for that."""
    recipe = run.recipe
    epoch = run.step // plan.steps_per_epoch
    lr = learning_rate(run.step, plan.total_steps, config=recipe.optim)
    taken = run.learner.step(run.learner.to_device(batch), epoch / recipe.epochs, lr=lr)
    if not taken.is_finite:
        _leave_out(run, batch, taken)
    run.step += 1
    if run.progress is not None:
        run.progress.step(taken.losses, epoch=epoch, lr=lr)
    is_over = run.step == plan.total_steps
    ends_epoch = run.step % plan.steps_per_epoch == 0
    if is_over or (ends_epoch and (epoch + 1) % recipe.evaluate_every == 0):
        _validate(run, epoch)
    if run.step % recipe.save_every == 0 or run.step == plan.stop_at:
        _save(run)


def _leave_out(run: _Run, batch: Batch, taken: Step) -> None:
    """Save a batch that nothing was learnt from; raise ValueError when there were too many."""
    fabric, most = run.learner.fabric, run.recipe.max_bad_steps
    run.bad_steps += 1
    path = run.folder.path / f"bad-step-{run.step:06d}-process-{fabric.global_rank}.npz"
    save_batch(batch, path)
    told = f"step {run.step}: {describe_bad_step(taken.losses, batch)}; the batch is in {path}"
    fabric.barrier()  # each process saves its part before the first stops them all
    if run.bad_steps > most:
        raise ValueError(
            f"{told}; lower optim.lr, look at those samples, or let the run leave such steps out: "
            f"--set max_bad_steps={max(2 * most, 10)}"
        )
    logger.warning("%s; left out, %d of at most %d", told, run.bad_steps, most)


def _validate(run: _Run, epoch: int) -> None:
    """Score the models of now on the first process; tell all processes which one to deploy."""
    chosen = ""
    if run.progress is not None:
        if run.ready.validation is None:
            run.folder.save_best(run.learner.averaged())
            logger.info(
                "epoch %d: there are no labels to evaluate on, so the averaged model of now is %s",
                epoch + 1,
                run.folder.best,
            )
        else:
            chosen = _evaluate(run, epoch=epoch)
        draw_curves(run.folder.read_metrics(), run.folder.path / "curves.png")
        run.progress.skip_pause()
    chosen = run.learner.fabric.broadcast(chosen)
    if chosen:
        run.learner.objective.choose(chosen)


def _evaluate(run: _Run, *, epoch: int) -> str:
    """Score what may be deployed; keep the best if none was better, and give its name."""
    validation = run.ready.validation
    assert validation is not None
    assert run.progress is not None
    candidates, companions = run.learner.judged()
    verdict = judge(
        candidates,
        companions,
        validation=validation,
        folder=run.folder.path,
        best_by=run.recipe.best_by,
    )
    is_best = verdict.merit >= run.best_score
    if is_best:
        run.best_score = verdict.merit
        run.folder.save_best(verdict.model)
        run.folder.describe_best(model=verdict.name, epoch=epoch + 1, scores=verdict.scores)
    if run.sheet is None:
        run.sheet = PredictionSheet(validation, verdict.model.spec.skeleton)
    picture = run.sheet.draw(read_predictions(verdict.predictions))
    sheets = run.folder.path / "sheets"
    sheets.mkdir(exist_ok=True)
    write_image(sheets / f"epoch-{epoch + 1:04d}.jpg", picture)
    run.progress.scores(
        verdict.scores[verdict.name],
        picture,
        epoch=epoch,
        best=abs(run.best_score),
        judged=verdict.scores if len(verdict.scores) > 1 else None,
    )
    return verdict.name if is_best else ""


def _save(run: _Run) -> None:
    if run.is_first:
        run.folder.save_state(
            {
                **run.learner.state(),
                "step": run.step,
                "best_score": run.best_score,
                "bad_steps": run.bad_steps,
            }
        )
    run.learner.fabric.barrier()
