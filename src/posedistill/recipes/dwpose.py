"""DWPose on COCO-WholeBody: stage one and stage two (paper and constants: objectives/dwpose.py).

Where paper and released code differ, `variant` chooses; docs/differences.md tells the effects.
"""

from dataclasses import replace
from typing import Literal

from posedistill.objectives.dwpose import PAPER_ALPHA, StageOneConfig, StageTwoConfig
from posedistill.recipes.rtmpose import rtmpose
from posedistill.train.recipe import Recipe

_CONFIGS = {
    "default": StageOneConfig(),
    "paper": StageOneConfig(alpha=PAPER_ALPHA),
    "reference": StageOneConfig(teacher_batch_statistics=True),
}


def stage_one(size: str, variant: Literal["default", "paper", "reference"] = "default") -> Recipe:
    """Give stage one for a student of a size, 270 epochs; the teacher is to be set.

    variant: ``paper`` takes the paper's alpha, ``reference`` lets the teacher's BatchNorm run in
    train mode as the released code does.
    Launch: `torchrun --nproc-per-node 8 -m posedistill train dwpose-stage1-t --run runs/stage1
    --set objective.teacher=runs/l --set model.backbone_from=runs/pretrain-t`. Not yet run.

    >>> stage_one("t").optim.clip_norm
    1.0
    """
    recipe = rtmpose(size)
    return replace(
        recipe,
        name=_name("dwpose-stage1", size, variant=variant),
        objective=_CONFIGS[variant],
        optim=replace(recipe.optim, clip_norm=1.0),
    )


def stage_two(size: str, variant: Literal["default", "reference"] = "default") -> Recipe:
    """Give stage two: the head of a stage-one student again, in 60 epochs.

    The schedule is scaled to these 60 epochs. The reference keeps that of 270, so that its
    learning rate never falls and its late augmentation never comes; ``reference`` does the same,
    and lets the frozen BatchNorm run in train mode as there.
    Launch: `torchrun --nproc-per-node 8 -m posedistill train dwpose-stage2-t --run runs/stage2
    --set objective.teacher=runs/stage1`. Not yet run.

    >>> stage_two("t").epochs
    60
    """
    recipe = stage_one(size)
    is_reference = variant == "reference"
    return replace(
        recipe,
        name=_name("dwpose-stage2", size, variant=variant),
        objective=StageTwoConfig(teacher_batch_statistics=is_reference),
        optim=replace(recipe.optim, flat_fraction=1.0) if is_reference else recipe.optim,
        epochs=60,
        late_epochs=0 if is_reference else 7,
    )


def _name(stage: str, size: str, *, variant: str) -> str:
    return f"{stage}-{size}" if variant == "default" else f"{stage}-{size}-{variant}"
