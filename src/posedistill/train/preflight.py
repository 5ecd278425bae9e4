"""Preflight: a recipe is looked at as a whole before its first step, and all problems are told."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from posedistill.codecs import Codec, SimCC
from posedistill.datasets.instance import PoseDataset
from posedistill.datasets.joint import samples_per_epoch
from posedistill.evaluate.report import score
from posedistill.evaluate.truth import read_truth
from posedistill.models import PoseModel, build
from posedistill.objectives.objective import Objective
from posedistill.skeleton import Skeleton
from posedistill.train.assemble import make_objective
from posedistill.train.data import ValidationFiles
from posedistill.train.launch import PRECISIONS
from posedistill.train.recipe import ModelConfig, Recipe
from posedistill.train.sheet import read_people

logger = logging.getLogger(__name__)
_WHERE = "data.* of the recipe say where it is"
_SMALLEST_SIDE, _STRIDE = 32, 32
# Fields and the least that they may be.
_AT_LEAST = {
    "epochs": 1,
    "batch_size": 1,
    "late_epochs": 0,
    "num_workers": 0,
    "evaluate_every": 1,
    "save_every": 1,
    "views": 0,
    "max_bad_steps": 0,
}


class RecipeError(ValueError):
    """Say why a recipe cannot run: all problems, one line each.

    >>> print(RecipeError("mine", ["epochs is 0", "no teacher"]))
    recipe mine cannot run:
    - epochs is 0
    - no teacher
    """

    def __init__(self, name: str, problems: list[str]) -> None:
        self.problems = tuple(" ".join(problem.split()) for problem in problems)
        super().__init__("\n- ".join([f"recipe {name} cannot run:", *self.problems]))


@dataclass(frozen=True, eq=False)
class Ready:
    """Hold what a run needs; validation is None where there is nothing to evaluate on."""

    objective: Objective
    data: PoseDataset
    validation: ValidationFiles | None


def prepare(recipe: Recipe, run_dir: Path, *, processes: int = 1, validates: bool = True) -> Ready:
    """Read and build what a recipe names.

    run_dir: where data that is made, not read, may be written. processes: that share a batch.
    validates: whether this process is the one that evaluates.
    Raises RecipeError with all problems there are; of what only looks odd it warns.

    >>> recipe = Recipe("example", epochs=0, batch_size=0)
    >>> prepare(recipe, Path("runs/example"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    posedistill.train.preflight.RecipeError: recipe example cannot run:
    - batch_size is 0; expected 1 or more: --set batch_size=1
    - epochs is 0; expected 1 or more: --set epochs=1
    - no such annotation file: data/coco/annotations/coco_wholebody_train_v1.0.json; data.* of ...
    """
    problems = _number_problems(recipe, processes)
    data, objective, validation = None, None, None
    with _noting(problems, _WHERE):
        data = recipe.data.training()
    missing = _model_problems(recipe.model) + _teacher_problems(recipe)
    problems += missing
    if not missing:
        with _noting(problems, "see objective.* and model.* of the recipe"):
            objective = _seeded_objective(recipe)
    if data is not None and objective is not None:
        problems += _fit_problems(recipe, data, objective.deployable())
    if validates:
        with _noting(problems, _WHERE):
            skeleton = _scored_skeleton(recipe, objective, data)
            validation = recipe.data.validation(run_dir)
            problems += _validation_problems(recipe, validation, skeleton)
    if problems:
        raise RecipeError(recipe.name, problems)
    assert data is not None
    assert objective is not None
    _warn(recipe, samples_per_epoch(data), objective.deployable().spec.codec)
    return Ready(objective, data, validation)


@contextmanager
def _noting(problems: list[str], advice: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:
        problems.append(str(error) if "--set" in str(error) else f"{error}; {advice}")


def _number_problems(recipe: Recipe, processes: int) -> list[str]:
    problems = [
        f"{name} is {getattr(recipe, name)}; expected {least} or more: --set {name}={least}"
        for name, least in sorted(_AT_LEAST.items())
        if getattr(recipe, name) < least
    ]
    if recipe.resident and (recipe.views or _keeps_answers(recipe)):
        problems.append(
            "resident people are drawn anew in every step, so that nothing can be kept of them: "
            "--set resident=false, or leave out views, teacher_cache and cached_views"
        )
    if recipe.late_epochs > recipe.epochs:
        problems.append(
            f"late_epochs is {recipe.late_epochs}, more than epochs, {recipe.epochs}: "
            f"--set late_epochs={recipe.epochs} or fewer"
        )
    if recipe.batch_size % processes:
        problems.append(
            f"batch_size {recipe.batch_size} must be divisible by the {processes} processes: "
            f"--set batch_size={-(-recipe.batch_size // processes) * processes}"
        )
    if recipe.precision not in PRECISIONS:
        problems.append(
            f"unknown precision {recipe.precision!r}: --set precision= one of "
            f"{', '.join(PRECISIONS)}"
        )
    if recipe.optim.lr <= 0:
        problems.append(f"optim.lr is {recipe.optim.lr}; expected more than 0: --set lr=0.004")
    return problems


def _keeps_answers(recipe: Recipe) -> bool:
    objective = recipe.objective
    return bool(getattr(objective, "teacher_cache", "") or getattr(objective, "cached_views", 0))


def _model_problems(config: ModelConfig) -> list[str]:
    problems: list[str] = []
    if min(config.input_size_wh) < _SMALLEST_SIDE:
        return [
            f"model.input_size_wh is {config.input_size_wh}; expected {_SMALLEST_SIDE} pixels a "
            "side or more: --set model.input_size_wh=192,256"
        ]
    with _noting(problems, "see model.* of the recipe"):
        model = dry_model(config)
        # On the meta device a forward pass costs nothing and still gives all shapes.
        w, h = model.spec.input_size_wh
        images = torch.zeros(1, 3, h, w, dtype=torch.uint8, device="meta")
        seen = [tuple(output.shape[1:]) for output in model.eval()(images)]
        wanted = target_shapes(model.spec.codec, len(Skeleton.get(config.skeleton)))
        if seen != wanted:
            problems.append(
                f"model {config.name} gives {seen}, its targets are {wanted} (joints and bins or "
                "cells); codec and head disagree"
            )
    return problems


def dry_model(config: ModelConfig) -> PoseModel:
    """Build a model without weights, for its spec and shapes.

    Raises ValueError for an unknown name or skeleton.

    >>> dry_model(ModelConfig("rtmpose-t")).spec.input_size_wh
    (192, 256)
    """
    with torch.device("meta"):
        return build(config.name, config.skeleton, config.input_size_wh)


def target_shapes(codec: Codec, num_joints: int) -> list[tuple[int, ...]]:
    """Give the shapes of one sample's targets.

    >>> target_shapes(SimCC((192, 256), (4.9, 5.66)), 17)
    [(17, 384), (17, 512)]
    """
    if isinstance(codec, SimCC):
        return [(num_joints, bins) for bins in codec.bins_xy]
    w, h = codec.map_size_wh
    return [(num_joints, h, w)]


def _teacher_problems(recipe: Recipe) -> list[str]:
    if getattr(recipe.objective, "teacher", None) != "":
        return []
    return [f"recipe {recipe.name} needs a teacher: --set objective.teacher=FILE_OR_RUN"]


def _seeded_objective(recipe: Recipe) -> Objective:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return make_objective(recipe)


def _fit_problems(recipe: Recipe, data: PoseDataset, model: PoseModel) -> list[str]:
    problems = []
    if data.skeleton.name != model.spec.skeleton:
        problems.append(
            f"the data has skeleton {data.skeleton.name}, the model {model.spec.skeleton}: "
            f"--set model.skeleton={data.skeleton.name}"
        )
    count = samples_per_epoch(data)
    if recipe.batch_size > count:
        problems.append(
            f"batch_size {recipe.batch_size} exceeds the {count} training samples: "
            f"--set batch_size={max(count // 2, 1)} or fewer"
        )
    return problems


def _scored_skeleton(  # house rule: the surest first is known last
    recipe: Recipe, objective: Objective | None, data: PoseDataset | None
) -> str:
    if objective is not None:
        return objective.deployable().spec.skeleton
    return recipe.model.skeleton if data is None else data.skeleton.name


def _validation_problems(  # house rule: what is asked, of what
    recipe: Recipe, validation: ValidationFiles | None, skeleton: str
) -> list[str]:
    """Give what evaluating would stumble over, in hours."""
    if validation is None:
        return []
    read_people(validation, skeleton)
    truth = read_truth(validation.annotations, skeleton=skeleton)
    given = set(score([], truth).as_dict())
    if any(key.startswith("face/PCK") for key in given):
        given.add("face/NME")  # which has no value where nothing is predicted
    if recipe.best_by in given:
        return []
    return [
        f"best_by is {recipe.best_by!r}, which this validation does not give: --set best_by= one "
        f"of {', '.join(sorted(given))}"
    ]


def _warn(  # house rule: the recipe, and what came of it
    recipe: Recipe, num_samples: int, codec: Codec
) -> None:
    steps = recipe.epochs * (num_samples // recipe.batch_size)
    if recipe.optim.warmup_steps >= steps:
        logger.warning(
            "the warm-up of %d steps is as long as the run of %d: lr never gets to optim.lr; "
            "--set optim.warmup_steps=%d",
            recipe.optim.warmup_steps,
            steps,
            steps // 10,
        )
    if isinstance(codec, SimCC) and any(side % _STRIDE for side in codec.input_size_wh):
        logger.warning(
            "the input is %s; sides that are no multiples of %d waste part of the last map",
            codec.input_size_wh,
            _STRIDE,
        )
