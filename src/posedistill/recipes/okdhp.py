"""OKDHP: heatmap networks alone and as branches that teach each other, on MPII and on COCO.

Paper: Online Knowledge Distillation for Efficient Pose Estimation (Li et al., ICCV 2021). Schedule
and augmentation: its released scripts and configurations; scores: the tables of its project page.
docs/differences.md tells what differs.
"""

from dataclasses import replace
from typing import Literal

from posedistill.objectives.online import OnlineConfig
from posedistill.recipes.rtmpose import LARGE, SMALL
from posedistill.train.augment import AugmentConfig
from posedistill.train.data import CocoData, MpiiData
from posedistill.train.optim import OptimConfig
from posedistill.train.recipe import ModelConfig, Recipe

STACKS = (2, 4, 8)  # of `hourglass-*`
ENCODERS = ("resnet18", "mobilenetv2", "shufflenetv2")
Variant = Literal["default", "unbalanced", "reference"]
UNBALANCED = ("hourglass-4", "hourglass-6", "hourglass-8")
# No colour, blur or dropout, no shift, no half bodies: box and rotation alone vary.
_PLAIN = AugmentConfig(
    half_body=0.0,
    shift_probability=0.0,
    hsv=(0, 0, 0),
    blur=0.0,
    median_blur=0.0,
    dropout=0.0,
)
_MPII_AUGMENT = replace(_PLAIN, scale=(0.75, 1.25), rotation=60.0)
_COCO_AUGMENT = replace(_PLAIN, scale=(0.7, 1.3), rotation=80.0)
# Alone, then distilled.
_MPII = {
    "hourglass-2": (88.6, 89.2),
    "hourglass-4": (89.2, 90.0),
    "hourglass-8": (90.2, 90.6),
    "resnet18": (85.4, 86.4),
    "mobilenetv2": (83.3, 85.1),
    "shufflenetv2": (80.5, 83.0),
}
_MPII_UNBALANCED = 90.2
_COCO = {2: (71.7, 72.8), 4: (73.6, 74.8), 8: (75.3, 76.2)}


def _adam(epochs: int) -> OptimConfig:
    """Give Adam at 2.5e-4, a tenth after 90 epochs and again after 120; nothing is averaged."""
    return OptimConfig(
        lr=2.5e-4,
        weight_decay=0.0,
        warmup_steps=0,
        milestones=(90 / epochs, 120 / epochs),
        ema=False,
    )


def mpii(network: str) -> Recipe:
    """Give a heatmap network from labels alone on MPII's 16 joints at 256x256, 150 epochs.

    network: of `STACKS` or `ENCODERS`; the latter have a deconvolution head, and no schedule that
    is stated, so that of the hourglass networks. Launch: `posedistill train hourglass-4 --run
    runs/hourglass-4`. Not yet run.

    >>> mpii("hourglass-4").expected
    '89.2 PCKh@0.5'
    """
    architecture = f"{network}-deconv" if network in ENCODERS else network
    return Recipe(
        name=network,
        model=ModelConfig(architecture, skeleton="mpii16", input_size_wh=(256, 256)),
        data=MpiiData(),
        optim=_adam(150),
        augment=_MPII_AUGMENT,
        late_augment=_MPII_AUGMENT,
        epochs=150,
        batch_size=16,
        num_workers=4,
        best_by="PCKh@0.5",
        expected=f"{_MPII[network][0]} PCKh@0.5",
    )


def online_mpii(network: str, variant: Variant = "default") -> Recipe:
    """Give three branches that teach each other on MPII's 16 joints at 256x256, 150 epochs.

    Hourglass networks share the first half of their stacks, the encoders with deconvolutions all of
    the encoder. ``unbalanced`` has branches of 4, 6 and 8 stacks, two of them shared, and deploys
    the first; ``reference`` has the aggregation unit of the released code and lets the ensemble
    learn as a target. Launch: `posedistill train okdhp-hourglass-4 --run runs/okdhp`. Not yet run.

    >>> online_mpii("hourglass-4", "unbalanced").objective.branches
    ('hourglass-4', 'hourglass-6', 'hourglass-8')
    """
    score = _MPII[network][1] if variant != "unbalanced" else _MPII_UNBALANCED
    objective = {
        "default": OnlineConfig(),
        "unbalanced": OnlineConfig(branches=UNBALANCED),
        "reference": OnlineConfig(unit="released", detach_target=False),
    }[variant]
    return replace(
        mpii(network),
        name=f"okdhp-{network}" + (f"-{variant}" if variant != "default" else ""),
        objective=objective,
        expected=f"{score} PCKh@0.5",
    )


def coco(stacks: int, input_size_wh: tuple[int, int] = SMALL) -> Recipe:
    """Give an hourglass network from labels alone on COCO's 17 joints, 140 epochs.

    The published score does not say at which input size. Launch: `posedistill train
    hourglass-4-coco --run runs/hourglass-4`. Not yet run.

    >>> coco(4).expected
    '73.6 body AP, input size not stated'
    """
    is_large = input_size_wh == LARGE
    return Recipe(
        name=f"hourglass-{stacks}-coco" + ("-384" if is_large else ""),
        model=ModelConfig(f"hourglass-{stacks}", skeleton="coco17", input_size_wh=input_size_wh),
        data=CocoData(),
        optim=_adam(140),
        augment=_COCO_AUGMENT,
        late_augment=_COCO_AUGMENT,
        epochs=140,
        batch_size=16,
        num_workers=4,
        best_by="body/AP",
        expected=f"{_COCO[stacks][0]} body AP, input size not stated",
    )


def online_coco(stacks: int, input_size_wh: tuple[int, int] = SMALL) -> Recipe:
    """Give three hourglass branches that teach each other on COCO's 17 joints, 140 epochs.

    They share the first half of the stacks. The published score does not say at which input size.
    Launch: `posedistill train okdhp-hourglass-4-coco --run runs/okdhp`. Not yet run.

    >>> online_coco(8, LARGE).name
    'okdhp-hourglass-8-coco-384'
    """
    recipe = coco(stacks, input_size_wh)
    return replace(
        recipe,
        name=f"okdhp-{recipe.name}",
        objective=OnlineConfig(),
        expected=f"{_COCO[stacks][1]} body AP, input size not stated",
    )
