"""The models that ship: a teacher with heatmaps, then students by distillation.

Real photos with few labels and synthetic people with all of them; backbones start from heatmaps,
because SimCC from scratch hardly learns from so few people (docs/first-distillation.md). Sizes,
steps and scores of what was run, of t and with other numbers of epochs: docs/embedded-models.md.
All people stay on the device (`Recipe.resident`).
"""

from dataclasses import replace

from posedistill.objectives.dwpose import StageOneConfig, StageTwoConfig
from posedistill.train.augment import AugmentConfig
from posedistill.train.optim import OptimConfig
from posedistill.train.recipe import ModelConfig, Recipe
from posedistill.train.sources import JointData

STUDENTS = ("t", "s")
DATA = JointData(
    sources=(
        "wholebody|people/annotations/train.json|people/images",
        "wholebody|synth/annotations.json|synth/images",
    ),
    val="people/annotations/val.json",
    val_images="people/images",
)
AUGMENT = AugmentConfig(hsv=(8, 60, 60), median_blur=0.0, dropout=0.5, grey=0.25, coarse=0.3)
LATE_AUGMENT = replace(AUGMENT, shift=0.05, scale=(0.75, 1.25), rotation=60.0, dropout=0.3)


def _recipe(name: str, model: str) -> Recipe:
    return Recipe(
        name=f"embedded-{name}",
        model=ModelConfig(model),
        data=DATA,
        optim=OptimConfig(
            lr=2e-3,
            warmup_steps=200,
            flat_fraction=0.3,
            final_factor=0.01,
            clip_norm=5.0,
            ema_momentum=2e-3,
            ema_gamma=200.0,
        ),
        augment=AUGMENT,
        late_augment=LATE_AUGMENT,
        batch_size=256,
        evaluate_every=10,
        save_every=1000,
        best_by="body/PCK@0.1",
        resident=True,
    )


def teacher() -> Recipe:
    """Give the teacher: CSPNeXt-m with heatmaps, from labels alone.

    Launch: `posedistill train embedded-teacher --run runs/teacher`.
    """
    return replace(_recipe("teacher", "cspnext-m-heatmap"), epochs=30, late_epochs=8)


def heatmaps(size: str) -> Recipe:
    """Give a student with heatmaps, from labels and the teacher's maps and features.

    Most joints of most photos have no label but the teacher's, whose weight therefore stays.
    It is a candidate to ship, and what `stage_one` takes its backbone from.
    Launch: `posedistill train embedded-heatmap-t --run runs/heatmap-t`.
    """
    return replace(
        _recipe(f"heatmap-{size}", f"cspnext-{size}-heatmap"),
        objective=StageOneConfig(teacher="runs/teacher", beta=1.0, decay=False),
        epochs=30,
        late_epochs=8,
    )


def stage_one(size: str) -> Recipe:
    """Give RTMPose's first stage, from labels and the marginals of the teacher's heatmaps.

    Launch: `posedistill train embedded-stage1-t --run runs/stage1-t`.
    """
    return replace(
        _recipe(f"stage1-{size}", f"rtmpose-{size}"),
        model=ModelConfig(f"rtmpose-{size}", backbone_from=f"runs/heatmap-{size}"),
        objective=StageOneConfig(teacher="runs/teacher"),
        epochs=24,
        late_epochs=8,
    )


def labels(size: str) -> Recipe:
    """Give more steps of stage one's student from labels alone, to see what data add.

    Launch: `posedistill train embedded-labels-t --run runs/labels-t`.
    """
    recipe = _recipe(f"labels-{size}", f"rtmpose-{size}")
    return replace(
        recipe,
        model=ModelConfig(f"rtmpose-{size}", start=f"runs/stage1-{size}"),
        optim=replace(recipe.optim, lr=5e-4),
        late_augment=LATE_AUGMENT,
        epochs=5,
        evaluate_every=5,
    )


def stage_two(size: str) -> Recipe:
    """Give the second stage: a new head from the first stage's own logits, in a fifth of the time.

    Launch: `posedistill train embedded-stage2-t --run runs/stage2-t`.
    """
    recipe = _recipe(f"stage2-{size}", f"rtmpose-{size}")
    return replace(
        recipe,
        objective=StageTwoConfig(teacher=f"runs/stage1-{size}"),
        augment=LATE_AUGMENT,
        epochs=5,
        evaluate_every=5,
    )
