"""A student for one's own photos: a teacher's logits on images without labels.

DWPose's own ablation has a teacher's logits without labels ahead of labels without a teacher
(Yang et al., ICCVW 2023), so that photos and a teacher are all it takes.
"""

from posedistill.objectives.teacher_only import LogitsOnlyConfig
from posedistill.recipes.people import OPTIM
from posedistill.recipes.rtmpose import LATE_AUGMENT
from posedistill.train.augment import AugmentConfig
from posedistill.train.data import UnlabelledData
from posedistill.train.recipe import ModelConfig, Recipe


def distil() -> Recipe:
    """Give RTMPose-t, taught by a model of any size on a folder of photos or a video.

    People are found by YOLOX-m unless data.boxes or data.whole_image says where they are. The
    augmentation is that of RTMPose, as the teacher sees what the student sees.
    Launch: `posedistill train distil --run runs/mine --set objective.teacher=teacher.onnx --set
    data.source=photos`. It starts sooner from a trained backbone, --set model.backbone_from=FILE,
    and is evaluated where data.val and data.val_images are set. Not yet run.

    >>> distil().data.detector
    'yolox-m'
    """
    return Recipe(
        name="distil",
        model=ModelConfig("rtmpose-t"),
        data=UnlabelledData(detector="yolox-m"),
        objective=LogitsOnlyConfig(),
        optim=OPTIM,
        augment=AugmentConfig(),
        late_augment=LATE_AUGMENT,
        late_epochs=5,
        epochs=30,
        batch_size=32,
        num_workers=2,
        evaluate_every=5,
    )
