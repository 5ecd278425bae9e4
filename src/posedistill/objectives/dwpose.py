"""Two-stage pose distillation.

Paper: Effective Whole-body Pose Estimation with Two-stages Distillation (Yang et al., ICCVW
2023), and its released code, mmpose/models/pose_estimators/distiller.py. Deliberate differences
from the released code: the teacher is in eval mode (there its BatchNorm runs in train mode and
drifts: option `teacher_batch_statistics`); losses are means over people, so that they do not depend
on the batch or the number of processes; the decay follows progress as given by the loop, one value
an epoch as there. docs/differences.md has the effects.
"""

import copy
import logging
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn
from torch.utils.data import Dataset

from posedistill.codecs import Codec, SimCC
from posedistill.losses import ALPHA, feature_mse, heatmap_mse, logit_kl
from posedistill.models.pose_model import PoseModel
from posedistill.objectives.objective import Batch, Objective, Samples
from posedistill.objectives.stored import StoredSamples
from posedistill.objectives.supervised import SupervisedConfig, label_losses
from posedistill.teachers import Answer, Fitted, Frozen, Remembered, Teacher, last_channels

PAPER_ALPHA = 5e-5
_HEATMAP_SCALE = SupervisedConfig.heatmap_weight  # that of the labels' loss
STORED = "stage-two-features"  # folder in the run folder
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageOneConfig:
    """Weigh the losses of stage one.

    Attributes:
        teacher: run folder, `.safetensors` or `.onnx` file, or several joined by ``+``.
        alpha: factor of the feature loss, 7e-5 as released (5e-5 in the paper); 0 leaves it out.
        beta: factor of the logit loss, 0.1; 0 leaves it out.
        decay: whether both fade as 1 - progress (the paper's r(t)).
        teacher_batch_statistics: let the teacher's BatchNorm run in train mode, as released.
        teacher_cache: folder to keep the teacher's answers in, each asked for once; needs `views`
            of the recipe. Empty keeps none.
    """

    teacher: str = ""
    alpha: float = ALPHA
    beta: float = 0.1
    decay: bool = True
    teacher_batch_statistics: bool = False
    teacher_cache: str = ""
    supervised: SupervisedConfig = field(default_factory=SupervisedConfig)


@dataclass(frozen=True)
class StageTwoConfig:
    """Weigh the loss of stage two.

    Attributes:
        teacher: file or run folder of the student of stage one, which teaches its own new head.
        gamma: factor of the logit loss, 1 as published.
        teacher_batch_statistics: let the BatchNorm of the frozen backbone run in train mode, as
            released; the deployed model then has the statistics that moved.
        cached_views: compute features and logits of so many augmented views of each sample once,
            into the run folder, and train on them; 0 computes them anew in every epoch.
    """

    teacher: str = ""
    gamma: float = 1.0
    teacher_batch_statistics: bool = False
    cached_views: int = 0


def logit_loss(  # house rule: student, then teacher
    outputs: tuple[Tensor, ...], wanted: tuple[Tensor, ...], codec: Codec, joints: Tensor | None
) -> Tensor:
    """Give the logit distillation loss that fits the codec.

    Of SimCC the released one. Of heatmaps, which the paper leaves open, the squared error on the
    scale of the labels' loss: a divergence does not see how high a map lies, and so not its scores.
    outputs: of the student, all joints. wanted: of the teacher, for the student's `joints`, (M,)
    indices, or for all where they are None; the loss averages over these joints.

    >>> import torch
    >>> rows = (torch.zeros(2, 3, 8), torch.zeros(2, 3, 8))
    >>> picked = tuple(row[:, :2] for row in rows)
    >>> float(logit_loss(rows, picked, SimCC((4, 4), (1.0, 1.0)), torch.tensor([0, 1])))
    0.0
    """
    if joints is not None:
        outputs = tuple(part[:, joints.to(part.device)] for part in outputs)
    if isinstance(codec, SimCC):
        return logit_kl(outputs[0], outputs[1], wanted[0], wanted[1])
    weights = wanted[0].new_ones(wanted[0].shape[:2])
    return _HEATMAP_SCALE * heatmap_mse(outputs[0], wanted[0], weights)


class _Taught(Objective):
    """Hold a teacher."""

    teacher: Teacher

    def held_state(self) -> dict[str, Tensor]:
        """Give the statistics of the teacher that moved."""
        return self.teacher.moved_statistics() if isinstance(self.teacher, Frozen) else {}

    def load_held_state(self, state: dict[str, Tensor]) -> None:
        """Give the teacher its moved statistics back."""
        if isinstance(self.teacher, Frozen):
            self.teacher.restore_statistics(state)

    def _check_keeps_still(self, name: str) -> None:
        if isinstance(self.teacher, Frozen) and self.teacher.batch_statistics:
            raise ValueError(
                f"{name} keeps the teacher's answers, but with teacher_batch_statistics they "
                "depend on the batch; set one of the two alone"
            )


class StageOne(_Taught):
    """Learn from labels, and from a teacher's last feature map and logits.

    A teacher of another size, grid or skeleton is fitted to the student, see `Fitted`. The feature
    loss needs a torch teacher of the student's input size; with any other it is off, and a line of
    the log says so. Raises ValueError for a teacher that cannot be fitted.
    """

    def __init__(  # house rule: student, teacher, how
        self, model: PoseModel, teacher: Teacher, config: StageOneConfig
    ) -> None:
        super().__init__()
        self.model = model
        self.teacher = teacher
        self.config = config
        self._fitted = Fitted(teacher, model.spec)
        self._remembered: Remembered | None = None
        self._num_draws = 0
        inputs, outputs = last_channels(model), self._fitted.channels
        self.has_feature_loss = bool(config.alpha) and inputs is not None and outputs is not None
        if config.alpha and not self.has_feature_loss:
            _logger.warning("no feature loss: %s", _why_no_features(teacher, model))
        self.align: nn.Module = nn.Identity()
        if self.has_feature_loss and inputs and outputs and inputs != outputs:
            self.align = nn.Conv2d(inputs, outputs, 1)

    def forward(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Give the keypoint loss and the fading feature and logit losses."""
        answer = self._ask(batch)
        features = self.model.features(batch.images)
        outputs = self.model.head(features)
        fade = 1 - progress if self.config.decay else 1.0
        losses = label_losses(
            features, outputs, batch=batch, model=self.model, config=self.config.supervised
        )
        if self.has_feature_loss:
            assert answer.features is not None
            aligned = self.align(features[-1])
            losses["feature"] = fade * feature_mse(
                aligned, answer.features[-1], alpha=self.config.alpha
            )
        if self.config.beta:
            codec, joints = self.model.spec.codec, self._fitted.joints
            loss = logit_loss(outputs, answer.logits, codec, joints)
            losses["logit"] = fade * self.config.beta * loss
        return losses

    def deployable(self) -> PoseModel:
        """Give the student."""
        return self.model

    def training_samples(
        self, samples: Samples, folder: Path, *, num_workers: int = 0
    ) -> Dataset[Batch]:
        """Give the samples as they are, and open the teacher's cache where there is to be one.

        Raises ValueError for a cache without `views`, with `teacher_batch_statistics`, or made
        from something else, and OSError where the disk has not the room.
        """
        if self.config.teacher_cache:
            self._check_keeps_still("teacher_cache")
            self._num_draws = samples.num_draws
            self._remembered = Remembered(
                self._fitted,
                Path(self.config.teacher_cache),
                num_rows=len(samples) * samples.num_draws,
                identity=samples.identity(),
                keeps_features=self.has_feature_loss,
            )
        return samples

    def _ask(self, batch: Batch) -> Answer:
        if self._remembered is None:
            return self._fitted.answer(batch.images)
        rows = batch.indices * self._num_draws + batch.views
        return self._remembered.answer(batch.images, rows.cpu().numpy())


class StageTwo(_Taught):
    """Re-learn the head from the model's own logits, on its frozen backbone.

    Only the fresh head is registered, so nothing else can move.
    """

    teacher: Frozen

    def __init__(  # house rule: student, teacher, how
        self, head: nn.Module, teacher: Frozen, config: StageTwoConfig
    ) -> None:
        super().__init__()
        self.head = head
        self.teacher = teacher
        self.config = config

    def forward(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Give the logit loss; labels are not used, as released."""
        if batch.features:
            features = tuple(part.float() for part in batch.features)
            wanted = batch.targets
        else:
            features = self.teacher.features(batch.images)
            wanted = self.teacher.head(features)
        loss = logit_loss(self.head(features), wanted, self.teacher.spec.codec, None)
        return {"logit": self.config.gamma * loss}

    def deployable(self) -> PoseModel:
        """Give a copy of the frozen backbone with the new head.

        A copy, so that whatever is done to the model cannot reach the teacher.
        """
        backbone = copy.deepcopy(self.teacher.model.backbone)
        model = PoseModel(backbone, self.head, self.teacher.spec)
        # to where the head trains: the teacher only follows when it is first asked
        return model.to(next(self.head.parameters()).device)

    def training_samples(
        self, samples: Samples, folder: Path, *, num_workers: int = 0
    ) -> Dataset[Batch]:
        """Give the samples, or with `cached_views` what the frozen model makes of them.

        Raises ValueError for `cached_views` with `teacher_batch_statistics` or beside other
        `views`, and OSError where the disk has not the room.
        """
        if not self.config.cached_views:
            return samples
        self._check_keeps_still("cached_views")
        reused = samples.reusing(self.config.cached_views)
        stored = StoredSamples(reused, self.teacher, folder / STORED)
        device = next(self.head.parameters()).device
        stored.fill(self.teacher, device=device, num_workers=num_workers)
        return stored


def _why_no_features(teacher: Teacher, model: PoseModel) -> str:
    own, wanted = teacher.spec.input_size_wh, model.spec.input_size_wh
    if teacher.channels is None:
        return f"the teacher ({teacher.spec.architecture}) gives logits only"
    if own != wanted:
        return f"the teacher takes {own[0]}x{own[1]} crops, the student {wanted[0]}x{wanted[1]}"
    return f"the student ({model.spec.architecture}) has no last feature map to compare"
