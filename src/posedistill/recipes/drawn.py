"""The whole method on drawn people, tiny: what `make distil` runs, in minutes on two cores."""

from dataclasses import replace

from posedistill.objectives.dwpose import StageOneConfig, StageTwoConfig
from posedistill.objectives.online import OnlineConfig
from posedistill.recipes.people import AUGMENT, OPTIM
from posedistill.train.data import DrawnData
from posedistill.train.recipe import ModelConfig, Recipe


def supervised(size: str) -> Recipe:
    """Give RTMPose of a size on drawn people, labels alone.

    >>> supervised("t").model.input_size_wh
    (96, 128)
    """
    return Recipe(
        name=f"drawn-rtmpose-{size}",
        model=ModelConfig(f"rtmpose-{size}", input_size_wh=(96, 128)),
        data=DrawnData(train_count=448, val_count=32),
        optim=replace(OPTIM, warmup_steps=20),
        augment=replace(AUGMENT, dropout=0.1),
        late_augment=replace(AUGMENT, dropout=0.1),
        epochs=4,
        batch_size=16,
        num_workers=1,
        evaluate_every=2,
        save_every=100,
    )


def pretrain(size: str) -> Recipe:
    """Give heatmap pre-training of the backbone of a size on drawn people."""
    recipe = supervised(size)
    model = replace(recipe.model, name=f"cspnext-{size}-heatmap")
    return replace(recipe, name=f"drawn-pretrain-{size}", model=model)


def stage_one() -> Recipe:
    """Give stage one on drawn people, t teaching n; teacher and first backbone are to be set."""
    return replace(supervised("n"), name="drawn-stage1-n", objective=StageOneConfig())


def stage_two() -> Recipe:
    """Give stage two on drawn people; the stage-one student is to be set as teacher."""
    return replace(
        supervised("n"),
        name="drawn-stage2-n",
        objective=StageTwoConfig(),
        epochs=1,
        evaluate_every=1,
    )


def online_simcc() -> Recipe:
    """Give RTMPose-n with three heads that teach each other, on drawn people."""
    return replace(supervised("n"), name="drawn-okd-rtmpose-n", objective=OnlineConfig())


def hourglass() -> Recipe:
    """Give a narrow hourglass network of two stacks on drawn people."""
    recipe = supervised("n")
    model = replace(recipe.model, name="hourglass-2-narrow")
    return replace(recipe, name="drawn-hourglass-2-narrow", model=model)


def online_hourglass() -> Recipe:
    """Give three branches of that hourglass network that teach each other."""
    recipe = hourglass()
    return replace(recipe, name="drawn-okdhp-hourglass-2-narrow", objective=OnlineConfig())
