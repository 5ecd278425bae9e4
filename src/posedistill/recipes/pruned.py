"""Training on of a pruned model, taught by the model before pruning (see export/prune.py).

The losses are those of stage one of DWPose. They do not fade: the teacher is what the student was,
and stays ahead of it to the end.
"""

from dataclasses import replace

from posedistill.objectives.dwpose import StageOneConfig
from posedistill.recipes.dwpose import body_stage_one, stage_one
from posedistill.train.recipe import Recipe

_EPOCHS, _LATE_EPOCHS = 60, 7
_RATE = 0.25  # of that of a fresh model: the weights are nearly right


def pruned() -> Recipe:
    """Give the training on of a pruned RTMPose on 133 keypoints, 60 epochs.

    `posedistill prune MODEL --out pruned.safetensors` makes what it starts from, and prints the
    line that launches this: `--set teacher=MODEL --set model.start=pruned.safetensors`, with
    model.name and model.input_size_wh of that model. Not yet run.

    >>> pruned().objective.decay
    False
    """
    return _trained_on(stage_one("t"), "pruned")


def pruned_body() -> Recipe:
    """Give the training on of a pruned RTMPose on COCO's 17 body keypoints, 60 epochs.

    Launched as `pruned` is. Not yet run.

    >>> pruned_body().model.skeleton
    'coco17'
    """
    return _trained_on(body_stage_one("t"), "pruned-body")


def _trained_on(recipe: Recipe, name: str) -> Recipe:
    assert isinstance(recipe.objective, StageOneConfig)
    return replace(
        recipe,
        name=name,
        objective=replace(recipe.objective, teacher="", decay=False),
        optim=replace(recipe.optim, lr=_RATE * recipe.optim.lr),
        epochs=_EPOCHS,
        late_epochs=_LATE_EPOCHS,
        expected="not published",
    )
