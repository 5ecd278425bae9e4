"""Export RTMPose as published files are: by tracing, normalised input, no Spec."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from posedistill.models import PoseModel

AxesByName = dict[str, dict[int, str]]


class _Normalised(nn.Module):
    """Map normalised crops to logits."""

    def __init__(self, model: PoseModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits: tuple[Tensor, Tensor] = self.model.head(self.model.backbone(images))
        return logits


def export_raw(model: PoseModel, path: Path, *, dynamic_axes: AxesByName | None = None) -> None:
    """Write the file, for one crop a run unless the axes say otherwise."""
    w, h = model.spec.input_size_wh
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter by tracing, that of published files, is old
        torch.onnx.export(
            _Normalised(model).eval(),
            (torch.zeros(1, 3, h, w),),
            path,
            input_names=["input"],
            output_names=["simcc_x", "simcc_y"],
            dynamic_axes=dynamic_axes or {},
            dynamo=False,
        )
