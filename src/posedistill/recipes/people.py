"""The first distillation on real people with few labels: small input, short runs, two CPU cores.

All start with `pretrain`: SimCC from scratch hardly learns in so few samples, heatmaps do. What
came out of them stands in docs/first-distillation.md, with the commands.
"""

from dataclasses import replace

from posedistill.objectives.dwpose import StageOneConfig, StageTwoConfig
from posedistill.objectives.supervised import SupervisedConfig
from posedistill.train.augment import AugmentConfig
from posedistill.train.data import WholeBodyData
from posedistill.train.optim import OptimConfig
from posedistill.train.recipe import ModelConfig, Recipe

INPUT_SIZE_WH = (144, 192)
DATA = WholeBodyData(
    root="data/people",
    train="annotations/train.json",
    train_images="images",
    val="annotations/val.json",
    val_images="images",
)
# Short runs: weaker than the published augmentation, which wants hundreds of epochs.
AUGMENT = AugmentConfig(
    scale=(0.75, 1.25),
    rotation=45.0,
    shift=0.1,
    half_body=0.2,
    dropout=0.3,
    blur=0.05,
    median_blur=0.05,
)
OPTIM = OptimConfig(
    lr=2e-3, warmup_steps=100, flat_fraction=0.4, clip_norm=5.0, ema_momentum=0.005, ema_gamma=50.0
)
# Few samples: the smaller model, whose steps are cheap, takes more of them.
_BATCH_SIZES = {"s": 32, "t": 16}
_LEARNING_RATES = {"s": 2e-3, "t": 1.5e-3}
_PRETRAIN_EPOCHS = {"s": 7, "t": 3}
_EPOCHS = {"s": 4, "t": 2}


def _recipe(name: str, model: str, size: str) -> Recipe:
    return Recipe(
        name=name,
        model=ModelConfig(model, input_size_wh=INPUT_SIZE_WH),
        data=DATA,
        objective=SupervisedConfig(),
        optim=replace(OPTIM, lr=_LEARNING_RATES[size]),
        augment=AUGMENT,
        late_augment=AUGMENT,
        batch_size=_BATCH_SIZES[size],
        num_workers=1,
        evaluate_every=2,
        save_every=325,
    )


def pretrain(size: str) -> Recipe:
    """Give heatmap pre-training of the backbone of a size.

    Launch: `posedistill train people-pretrain-t --run runs/pretrain-t`.
    """
    recipe = _recipe(f"people-pretrain-{size}", f"cspnext-{size}-heatmap", size)
    return replace(recipe, epochs=_PRETRAIN_EPOCHS[size])


def supervised(size: str) -> Recipe:
    """Give RTMPose of a size from labels alone, on the pre-trained backbone of that size.

    Launch: `posedistill train people-rtmpose-s --run runs/teacher`.
    """
    recipe = _recipe(f"people-rtmpose-{size}", f"rtmpose-{size}", size)
    model = replace(recipe.model, backbone_from=f"runs/pretrain-{size}")
    return replace(recipe, model=model, epochs=_EPOCHS[size])


def stage_one() -> Recipe:
    """Give stage one: RTMPose-s teaches RTMPose-t, as long as the student alone.

    Launch: `posedistill train people-stage1-t --run runs/stage1`.
    """
    return replace(
        supervised("t"), name="people-stage1-t", objective=StageOneConfig(teacher="runs/teacher")
    )


def stage_two() -> Recipe:
    """Give stage two: a new head from the stage-one student's own logits, in half the epochs.

    Launch: `posedistill train people-stage2-t --run runs/stage2`.
    """
    return replace(
        supervised("t"),
        name="people-stage2-t",
        objective=StageTwoConfig(teacher="runs/stage1"),
        epochs=1,
        evaluate_every=1,
    )
