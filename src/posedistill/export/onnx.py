"""Export to `.onnx`: dynamic batch, spec in the metadata, checked against torch on real crops."""

import contextlib
import copy
import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from posedistill.export.calibration import demo_crops
from posedistill.models import PoseModel
from posedistill.runtime.session import OnnxSession
from posedistill.spec import METADATA_KEY

# Of the largest output; float32 kernels of two libraries differ by about 1e-5 of it.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class ExportReport:
    """Say how well the exported graph agrees with torch.

    Attributes:
        max_difference: largest absolute difference of any output. largest_output: for scale.
        max_shift: largest distance of a decoded keypoint, in network-input pixels.
        num_crops: crops compared. num_bytes: size of the file.
    """

    max_difference: float
    largest_output: float
    max_shift: float
    num_crops: int
    num_bytes: int

    def __str__(self) -> str:
        return (
            f"onnxruntime against torch on {self.num_crops} crops: outputs differ by at most "
            f"{self.max_difference:.2g} (largest output {self.largest_output:.2g}), keypoints by "
            f"{self.max_shift:.2g} px; {self.num_bytes / 1e6:.1f} MB"
        )


def export_onnx(
    model: PoseModel, path: Path, *, images: NDArray[np.uint8] | None = None
) -> ExportReport:
    """Write a model as an `.onnx` file that takes uint8 RGB crops, and check it.

    images: (N, 3, h, w) uint8 crops to compare torch and onnxruntime on; by default the people
    of the bundled photos. Raises ValueError, leaving no file, when outputs differ by more than a
    thousandth of the largest.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise ValueError(f"expected a file name ending in .onnx, got {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    crops = demo_crops(model.spec) if images is None else images
    model = copy.deepcopy(model).cpu().float().eval()
    beside = path.with_name(path.stem + ".partial.onnx")
    try:
        _write(model, beside, crops)
        report = _compare(model, beside, crops)
        if report.max_difference > _TOLERANCE * max(report.largest_output, 1.0):
            raise ValueError(f"{path} was not written: {report}")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return report


def _write(model: PoseModel, path: Path, crops: NDArray[np.uint8]) -> None:
    batch = torch.export.Dim("batch")
    with _quiet():
        program = torch.onnx.export(
            model,
            (torch.from_numpy(crops[:2].repeat(2, axis=0)[:2]),),
            input_names=["images"],
            output_names=list(model.spec.codec.output_names),
            dynamic_shapes=({0: batch},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    _forget_origins(proto)
    onnx.helper.set_model_props(proto, {METADATA_KEY: model.spec.to_json()})
    onnx.save(proto, path)


def _forget_origins(proto: onnx.ModelProto) -> None:
    """Drop the stack traces, with paths of this machine, that the exporter leaves on nodes."""
    graph = proto.graph
    for item in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks on its own workings off the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _compare(model: PoseModel, path: Path, crops: NDArray[np.uint8]) -> ExportReport:
    wanted = model.session()(crops)
    got = OnnxSession(path, providers=["CPUExecutionProvider"])(crops)
    pairs = list(zip(wanted, got, strict=True))
    codec = model.spec.codec
    shift = np.abs(codec.decode(*wanted)[0] - codec.decode(*got)[0])
    return ExportReport(
        max_difference=float(max(np.abs(a - b).max() for a, b in pairs)),
        largest_output=float(max(np.abs(a).max() for a, _ in pairs)),
        max_shift=float(shift.max()),
        num_crops=len(crops),
        num_bytes=path.stat().st_size,
    )
