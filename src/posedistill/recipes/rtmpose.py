"""RTMPose on COCO-WholeBody, supervised, and the heatmap pre-training of its backbone."""

from posedistill.objectives.supervised import SupervisedConfig
from posedistill.train.augment import AugmentConfig
from posedistill.train.optim import OptimConfig
from posedistill.train.recipe import ModelConfig, Recipe

LATE_AUGMENT = AugmentConfig(shift=0.0, scale=(0.75, 1.25), rotation=60.0, dropout=0.5)


def rtmpose(size: str, input_size_wh: tuple[int, int] = (192, 256)) -> Recipe:
    """Give RTMPose of a size on COCO-WholeBody, 270 epochs, global batch 512.

    Launch: `torchrun --nproc-per-node 8 -m posedistill train rtmpose-m --run runs/m --set
    model.backbone_from=runs/pretrain-m`. Published: 58.2 whole AP for m at 256x192 with an
    AIC+COCO pre-trained backbone. Not yet run.

    >>> rtmpose("t").batch_size
    512
    """
    is_large_input = input_size_wh == (288, 384)
    return Recipe(
        name=f"rtmpose-{size}" + ("-384" if is_large_input else ""),
        model=ModelConfig(f"rtmpose-{size}", input_size_wh=input_size_wh),
        objective=SupervisedConfig(people_scale=32.0 if is_large_input else 64.0),
        optim=OptimConfig(clip_norm=35.0 if size == "x" else None),
        late_augment=LATE_AUGMENT,
        late_epochs=30,
        epochs=270,
        batch_size=256 if is_large_input else 512,
        num_workers=8,
    )


def pretrain(size: str) -> Recipe:
    """Give CSPNeXt of a size with heatmaps on COCO-WholeBody, to start RTMPose from.

    RTMPose starts from a backbone trained this way on AIC+COCO body joints (Jiang et al., 2023);
    here on all 133. Launch as `rtmpose`. Not yet run.

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
    )
