"""Assemble a recipe: its model, teacher and objective."""

from dataclasses import replace

from posedistill.models import PoseModel, build, load_backbone
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
    spec = teacher.spec
    fresh = build(spec.architecture, spec.skeleton, spec.input_size_wh)
    return StageTwo(fresh.head, teacher, config)


def _make_model(config: ModelConfig) -> PoseModel:
    model = build(config.name, config.skeleton, config.input_size_wh)
    if config.backbone_from:
        load_backbone(model.backbone, config.backbone_from)
    return model
