"""Assemble a recipe: its model, teacher and objective."""

from dataclasses import replace

from posedistill.models import PoseModel, build, load, load_backbone
from posedistill.models.files import fresh_like
from posedistill.models.widths import unpruned
from posedistill.objectives.dwpose import StageOne, StageOneConfig, StageTwo, StageTwoConfig
from posedistill.objectives.objective import Objective
from posedistill.objectives.online import OnlineConfig, make_online
from posedistill.objectives.supervised import Supervised, SupervisedConfig
from posedistill.objectives.teacher_only import LogitsOnly, LogitsOnlyConfig
from posedistill.teachers import Frozen, Teacher, open_teacher
from posedistill.train.recipe import ModelConfig, Recipe


def make_objective(recipe: Recipe) -> Objective:
    """Build what the recipe trains.

    Raises ValueError when a teacher is missing or does not fit the student, or when branches do
    not fit together.
    """
    config = recipe.objective
    if isinstance(config, SupervisedConfig):
        return Supervised(_make_model(recipe.model), config)
    if isinstance(config, OnlineConfig):
        branch = recipe.model
        if branch.start:
            raise ValueError(
                f"model.start={branch.start} is one model, and recipe {recipe.name} trains "
                "branches; start them from a backbone, by model.backbone_from"
            )
        return make_online(
            lambda name: _make_model(replace(branch, name=name)), branch.name, config=config
        )
    if not config.teacher:
        raise ValueError(
            f"recipe {recipe.name} needs a teacher: --set objective.teacher=FILE_OR_RUN"
        )
    if isinstance(config, LogitsOnlyConfig):
        return LogitsOnly(_make_model(recipe.model), open_teacher(config.teacher), config)
    teacher = open_teacher(config.teacher, batch_statistics=config.teacher_batch_statistics)
    if isinstance(config, StageOneConfig):
        return StageOne(_make_model(recipe.model), teacher, config)
    assert isinstance(config, StageTwoConfig)
    return _stage_two(teacher, config)


def _stage_two(teacher: Teacher, config: StageTwoConfig) -> StageTwo:
    if not isinstance(teacher, Frozen):
        raise ValueError(
            "stage two re-learns the head of one torch model on its own backbone, so "
            f"objective.teacher={config.teacher} must be a run folder or a .safetensors file"
        )
    return StageTwo(fresh_like(teacher.model).head, teacher, config)


def _make_model(config: ModelConfig) -> PoseModel:
    if config.start:
        return _started(config)
    model = build(config.name, config.skeleton, config.input_size_wh)
    if config.backbone_from:
        load_backbone(model.backbone, config.backbone_from)
    return model


def _started(config: ModelConfig) -> PoseModel:
    model = load(config.start)
    spec = model.spec
    own = (unpruned(spec.architecture), spec.skeleton, spec.input_size_wh)
    if own != (config.name, config.skeleton, config.input_size_wh):
        name, skeleton, (w, h) = own
        raise ValueError(
            f"model.start={config.start} is {name} for {skeleton} at {w}x{h}, the recipe's model "
            f"is {config.name} for {config.skeleton} at "
            f"{config.input_size_wh[0]}x{config.input_size_wh[1]}: --set model.name={name} "
            f"--set model.skeleton={skeleton} --set 'model.input_size_wh=({w}, {h})'"
        )
    return model
