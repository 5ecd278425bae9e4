"""DWPose on COCO-WholeBody: stage one and stage two (paper and constants: objectives/dwpose.py)."""

from dataclasses import replace

from posedistill.objectives.dwpose import StageOneConfig, StageTwoConfig
from posedistill.recipes.rtmpose import rtmpose
from posedistill.train.recipe import Recipe


def stage_one(size: str) -> Recipe:
    """Give stage one for a student of a size, 270 epochs; the teacher is to be set.

    Launch: `torchrun --nproc-per-node 8 -m posedistill train dwpose-stage1-t --run runs/stage1
    --set objective.teacher=runs/l --set model.backbone_from=runs/pretrain-t`. Not yet run.

    >>> stage_one("t").optim.clip_norm
    1.0
    """
    recipe = rtmpose(size)
    return replace(
        recipe,
        name=f"dwpose-stage1-{size}",
        objective=StageOneConfig(),
        optim=replace(recipe.optim, clip_norm=1.0),
    )


def stage_two(size: str) -> Recipe:
    """Give stage two: the head of a stage-one student again, in 60 epochs.

    The schedule is scaled to these 60 epochs; the reference keeps that of 270 and so never anneals.
    Launch: `torchrun --nproc-per-node 8 -m posedistill train dwpose-stage2-t --run runs/stage2
    --set objective.teacher=runs/stage1`. Not yet run.

    >>> stage_two("t").epochs
    60
    """
    return replace(
        stage_one(size),
        name=f"dwpose-stage2-{size}",
        objective=StageTwoConfig(),
        epochs=60,
        late_epochs=7,
    )
