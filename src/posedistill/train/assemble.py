"""Assemble a recipe: its model, teacher and objective."""

from posedistill.models import PoseModel, build, load, load_backbone
from posedistill.objectives.dwpose import StageOne, StageOneConfig, StageTwo, StageTwoConfig
from posedistill.objectives.objective import Objective
from posedistill.objectives.supervised import Supervised, SupervisedConfig
from posedistill.teachers import Frozen
from posedistill.train.recipe import ModelConfig, Recipe


def make_objective(recipe: Recipe) -> Objective:
    """Build what the recipe trains.

    Raises ValueError when a teacher is missing or does not fit the student.
    """
    config = recipe.objective
    if isinstance(config, SupervisedConfig):
        return Supervised(_make_model(recipe.model), config)
    if not config.teacher:
        raise ValueError(
            f"recipe {recipe.name} needs a teacher: --set objective.teacher=FILE_OR_RUN"
        )
    teacher = Frozen(load(config.teacher), batch_statistics=config.teacher_batch_statistics)
    if isinstance(config, StageOneConfig):
        return StageOne(_make_model(recipe.model), teacher, config)
    assert isinstance(config, StageTwoConfig)
    spec = teacher.spec
    fresh = build(spec.architecture, spec.skeleton, spec.input_size_wh)
    return StageTwo(fresh.head, teacher, config)


def _make_model(config: ModelConfig) -> PoseModel:
    model = build(config.name, config.skeleton, config.input_size_wh)
    if config.backbone_from:
        load_backbone(model.backbone, config.backbone_from)
    return model
