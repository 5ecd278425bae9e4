"""Two-stage pose distillation.

Paper: Effective Whole-body Pose Estimation with Two-stages Distillation (Yang et al., ICCVW
2023), and its released code, mmpose/models/pose_estimators/distiller.py. Deliberate differences
from the released code: the teacher is in eval mode (there its BatchNorm runs in train mode and
drifts: option `teacher_batch_statistics`); losses are means over people, so that they do not depend
on the batch or the number of processes; the decay follows progress as given by the loop, one value
an epoch as there. docs/differences.md has the effects.
"""

import copy
from dataclasses import dataclass, field

from torch import Tensor, nn

from posedistill.codecs import SimCC
from posedistill.losses import ALPHA, feature_mse, heatmap_kl, logit_kl
from posedistill.models.pose_model import PoseModel
from posedistill.objectives.objective import Batch, Objective
from posedistill.objectives.supervised import SupervisedConfig, keypoint_loss
from posedistill.teachers import Frozen

PAPER_ALPHA = 5e-5


@dataclass(frozen=True)
class StageOneConfig:
    """Weigh the losses of stage one.

    Attributes:
        teacher: file or run folder of the teacher.
        alpha: factor of the feature loss, 7e-5 as released (5e-5 in the paper); 0 leaves it out.
        beta: factor of the logit loss, 0.1; 0 leaves it out.
        decay: whether both fade as 1 - progress (the paper's r(t)).
        teacher_batch_statistics: let the teacher's BatchNorm run in train mode, as released.
    """

    teacher: str = ""
    alpha: float = ALPHA
    beta: float = 0.1
    decay: bool = True
    teacher_batch_statistics: bool = False
    supervised: SupervisedConfig = field(default_factory=SupervisedConfig)


@dataclass(frozen=True)
class StageTwoConfig:
    """Weigh the loss of stage two.

    Attributes:
        teacher: file or run folder of the student of stage one, which teaches its own new head.
        gamma: factor of the logit loss, 1 as published.
        teacher_batch_statistics: let the BatchNorm of the frozen backbone run in train mode, as
            released; the deployed model then has the statistics that moved.
    """

    teacher: str = ""
    gamma: float = 1.0
    teacher_batch_statistics: bool = False


def _distil_logits(
    student: tuple[Tensor, ...], teacher: tuple[Tensor, ...], model: PoseModel
) -> Tensor:
    if isinstance(model.spec.codec, SimCC):
        return logit_kl(student[0], student[1], teacher[0], teacher[1])
    return heatmap_kl(student[0], teacher[0])


class _Taught(Objective):
    """Hold a teacher."""

    teacher: Frozen

    def held_state(self) -> dict[str, Tensor]:
        """Give the statistics of the teacher that moved."""
        return self.teacher.moved_statistics()

    def load_held_state(self, state: dict[str, Tensor]) -> None:
        """Give the teacher its moved statistics back."""
        self.teacher.restore_statistics(state)


class StageOne(_Taught):
    """Learn from labels, and from a teacher's last feature map and logits."""

    def __init__(  # house rule: student, teacher, how
        self, model: PoseModel, teacher: Frozen, config: StageOneConfig
    ) -> None:
        super().__init__()
        _check_match(model, teacher)
        self.model = model
        self.teacher = teacher
        self.config = config
        inputs, outputs = _last_channels(model), _last_channels(teacher.model)
        is_plain = inputs == outputs or not config.alpha
        self.align = nn.Identity() if is_plain else nn.Conv2d(inputs, outputs, 1)

    def forward(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Give the keypoint loss and the fading feature and logit losses."""
        wanted_features = self.teacher.features(batch.images)
        wanted = self.teacher.head(wanted_features)
        features = self.model.features(batch.images)
        outputs = self.model.head(features)
        fade = 1 - progress if self.config.decay else 1.0
        losses = {
            "keypoint": keypoint_loss(
                outputs, batch, model=self.model, config=self.config.supervised
            )
        }
        if self.config.alpha:
            aligned = self.align(features[-1])
            losses["feature"] = fade * feature_mse(
                aligned, wanted_features[-1], alpha=self.config.alpha
            )
        if self.config.beta:
            losses["logit"] = fade * self.config.beta * _distil_logits(outputs, wanted, self.model)
        return losses

    def deployable(self) -> PoseModel:
        """Give the student."""
        return self.model


class StageTwo(_Taught):
    """Re-learn the head from the model's own logits, on its frozen backbone.

    Only the fresh head is registered, so nothing else can move.
    """

    def __init__(  # house rule: student, teacher, how
        self, head: nn.Module, teacher: Frozen, config: StageTwoConfig
    ) -> None:
        super().__init__()
        self.head = head
        self.teacher = teacher
        self.config = config

    def forward(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Give the logit loss; labels are not used, as released."""
        features = self.teacher.features(batch.images)
        wanted = self.teacher.head(features)
        outputs = self.head(features)
        return {"logit": self.config.gamma * _distil_logits(outputs, wanted, self.teacher.model)}

    def deployable(self) -> PoseModel:
        """Give a copy of the frozen backbone with the new head.

        A copy, so that whatever is done to the model cannot reach the teacher.
        """
        backbone = copy.deepcopy(self.teacher.model.backbone)
        model = PoseModel(backbone, self.head, self.teacher.spec)
        return model.to(self.teacher.model.mean.device)


def _last_channels(model: PoseModel) -> int:
    channels = model.backbone.channels
    assert isinstance(channels, tuple)
    return int(channels[-1])


def _check_match(model: PoseModel, teacher: Frozen) -> None:
    if (model.spec.codec, model.spec.skeleton) != (teacher.spec.codec, teacher.spec.skeleton):
        raise ValueError(
            f"teacher and student must share codec and skeleton; teacher: {teacher.spec.skeleton}, "
            f"{teacher.spec.codec}; student: {model.spec.skeleton}, {model.spec.codec}"
        )
