"""RTMPose on COCO-WholeBody, COCO + UBody or COCO's body joints, and what its backbone starts from.

Constants: the published configurations (MMPose, configs/wholebody_2d_keypoint/rtmpose and
configs/body_2d_keypoint/rtmpose); scores: their tables.
"""

from dataclasses import replace

from posedistill.objectives.supervised import SupervisedConfig
from posedistill.train.augment import AugmentConfig
from posedistill.train.data import CocoData, CocoUBodyData, HalpeData
from posedistill.train.optim import OptimConfig
from posedistill.train.recipe import ModelConfig, Recipe
from posedistill.train.sources import JointData

SMALL, LARGE = (192, 256), (288, 384)
LATE_AUGMENT = AugmentConfig(shift=0.0, scale=(0.75, 1.25), rotation=60.0, dropout=0.5)
_X_AUGMENT = AugmentConfig(scale=(0.5, 1.5), rotation=90.0)
_PUBLISHED = {
    ("m", SMALL): 58.2,
    ("l", SMALL): 61.1,
    ("l", LARGE): 64.8,
    ("x", LARGE): 65.3,
}
_PUBLISHED_BODY = {"t": 68.5, "s": 72.2, "m": 75.8, "l": 76.5}


def rtmpose(
    size: str, input_size_wh: tuple[int, int] = SMALL, *, with_ubody: bool = False
) -> Recipe:
    """Give RTMPose of a size on 133 keypoints, 270 epochs, global batch 512 (256 at 384x288).

    On COCO-WholeBody, with_ubody on COCO + UBody (see `posedistill data ubody`). The published
    ones start from a backbone trained on the body joints of AIC and COCO, x on those of seven sets
    (`--set model.backbone_from=...`; `pretrain-*` make one). Not yet run.

    >>> rtmpose("t").batch_size
    512
    """
    is_large = input_size_wh == LARGE
    score = _PUBLISHED.get((size, input_size_wh)) if not with_ubody else None
    recipe = Recipe(
        name=f"rtmpose-{size}" + ("-384" if is_large else "") + ("-ucoco" if with_ubody else ""),
        model=ModelConfig(f"rtmpose-{size}", input_size_wh=input_size_wh),
        objective=SupervisedConfig(people_scale=32.0 if is_large else 64.0),
        optim=OptimConfig(clip_norm=35.0 if size == "x" else None),
        augment=_X_AUGMENT if size == "x" else AugmentConfig(),
        late_augment=(replace(_X_AUGMENT, shift=0.0, dropout=0.5) if size == "x" else LATE_AUGMENT),
        late_epochs=30,
        epochs=270,
        batch_size=256 if is_large else 512,
        num_workers=8,
        expected="not published" if score is None else f"{score} whole AP",
    )
    return replace(recipe, data=CocoUBodyData()) if with_ubody else recipe


def body(size: str) -> Recipe:
    """Give RTMPose of a size on COCO's 17 body keypoints, 420 epochs, global batch 2048.

    As published: no weight decay for t and s. Their scores are of models that saw AIC too; t has
    no averaged weights there, here it has. Not yet run.

    >>> body("m").model.skeleton
    'coco17'
    """
    decay = 0.0 if size in "ts" else 0.05
    return Recipe(
        name=f"rtmpose-{size}-body",
        model=ModelConfig(f"rtmpose-{size}", skeleton="coco17"),
        data=CocoData(),
        objective=SupervisedConfig(people_scale=256.0),
        optim=OptimConfig(weight_decay=decay),
        late_augment=LATE_AUGMENT,
        late_epochs=30,
        epochs=420,
        batch_size=2048,
        num_workers=8,
        best_by="body/AP",
        expected=f"{_PUBLISHED_BODY[size]} body AP",
    )


def joint(size: str) -> Recipe:
    """Give RTMPose of a size on 133 keypoints of any data sets joined, 100 epochs.

    `--set data.sources=KIND|ANNOTATIONS|IMAGES` names them, see `JointData`; data.val and
    data.val_images what to evaluate on. Not yet run.

    >>> joint("t").data.sources
    ()
    """
    recipe = rtmpose(size)
    return replace(
        recipe,
        name=f"rtmpose-{size}-joint",
        data=JointData(),
        epochs=100,
        late_epochs=10,
        batch_size=64,
        expected="not published",
    )


def halpe(size: str) -> Recipe:
    """Give RTMPose of a size on Halpe-FullBody, its 133 keypoints that COCO-WholeBody has too.

    100 epochs; evaluated where data.val and data.val_images are set. Not yet run.

    >>> halpe("m").model.skeleton
    'wholebody133'
    """
    return replace(joint(size), name=f"rtmpose-{size}-halpe", data=HalpeData())


def pretrain(size: str) -> Recipe:
    """Give CSPNeXt of a size with heatmaps on COCO-WholeBody, to start RTMPose from.

    RTMPose starts from a backbone trained this way on AIC+COCO body joints (Jiang et al., 2023);
    here on all 133. Not yet run.

    >>> pretrain("t").model.name
    'cspnext-t-heatmap'
    """
    return Recipe(
        name=f"pretrain-{size}",
        model=ModelConfig(f"cspnext-{size}-heatmap"),
        optim=OptimConfig(lr=2e-3),
        late_augment=LATE_AUGMENT,
        late_epochs=30,
        epochs=210,
        batch_size=512,
        num_workers=8,
        expected="not published",
    )
