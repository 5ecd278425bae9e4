"""RTMPose with several heads that teach each other: OKDHP's online distillation for SimCC.

Not published: docs/online.md tells how the method is carried over from heatmaps.
"""

from dataclasses import replace

from posedistill.objectives.online import OnlineConfig
from posedistill.objectives.supervised import SupervisedConfig
from posedistill.recipes.rtmpose import body, rtmpose
from posedistill.train.recipe import Recipe

SIZES = "tsm"


def online_rtmpose(size: str) -> Recipe:
    """Give RTMPose of a size with three heads on one backbone, on 133 keypoints, 270 epochs.

    Data, schedule and augmentation are those of `rtmpose-*`. Launch: `posedistill train
    okd-rtmpose-t --run runs/okd`. Not yet run.

    >>> online_rtmpose("t").objective.num_branches
    3
    """
    return _online(rtmpose(size))


def online_body(size: str) -> Recipe:
    """Give RTMPose of a size with three heads on one backbone, on COCO's 17, 420 epochs.

    Data, schedule and augmentation are those of `rtmpose-*-body`. Launch: `posedistill train
    okd-rtmpose-t-body --run runs/okd`. Not yet run.

    >>> online_body("t").name
    'okd-rtmpose-t-body'
    """
    return _online(body(size))


def _online(recipe: Recipe) -> Recipe:
    assert isinstance(recipe.objective, SupervisedConfig)
    return replace(
        recipe,
        name=f"okd-{recipe.name}",
        objective=OnlineConfig(supervised=recipe.objective),
        expected="not published",
    )
