"""Distillation from a teacher's logits alone, for images without labels.

The logit loss of DWPose (Yang et al., ICCVW 2023, section 3.1) on its own: there, too, it needs no
labels and no visibility. It does not fade, as nothing else is left to learn from.
"""

from dataclasses import dataclass

from torch import Tensor

from posedistill.models.pose_model import PoseModel
from posedistill.objectives.dwpose import logit_loss
from posedistill.objectives.objective import Batch, Objective
from posedistill.teachers import Fitted, Teacher


@dataclass(frozen=True)
class LogitsOnlyConfig:
    """Weigh the loss.

    Attributes:
        teacher: run folder, `.safetensors` or `.onnx` file, or several joined by ``+``.
        gamma: factor of the logit loss.
    """

    teacher: str = ""
    gamma: float = 1.0


class LogitsOnly(Objective):
    """Learn a teacher's logits; the labels of a batch are never looked at.

    A teacher of another size, grid or skeleton is fitted to the student, see `Fitted`; joints that
    it does not know stay untaught. Raises ValueError for a teacher that cannot be fitted.
    """

    def __init__(  # house rule: student, teacher, how
        self, model: PoseModel, teacher: Teacher, config: LogitsOnlyConfig
    ) -> None:
        super().__init__()
        self.model = model
        self.teacher = teacher
        self.config = config
        self._fitted = Fitted(teacher, model.spec)

    def forward(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Give the logit loss."""
        wanted = self._fitted.answer(batch.images).logits
        outputs = self.model(batch.images)
        loss = logit_loss(outputs, wanted, self.model.spec.codec, self._fitted.joints)
        return {"logit": self.config.gamma * loss}

    def deployable(self) -> PoseModel:
        """Give the student."""
        return self.model
