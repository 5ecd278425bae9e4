"""Export of the person detector: `.onnx` in 16-bit weights, checked against torch."""

import copy
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from posedistill.detect.model import PersonDetector, TwoLooks
from posedistill.export.onnx import _forget_origins, _quiet
from posedistill.export.precision import store_in_16_bits
from posedistill.media import list_images, read_image, whole_file
from posedistill.runtime.detector_spec import DETECTOR_KEY, DetectorSpec
from posedistill.runtime.letterbox import letterbox
from posedistill.runtime.session import open_graph

_PHOTOS = Path(__file__).parent.parent / "assets" / "demo"
# Of scores, from 0 to 1: rounding weights to 11 bits costs some thousandths.
_TOLERANCE = 0.05
_AT_SCORE = 0.3  # from which on `posedistill.runtime.detector` takes a box


@dataclass(frozen=True)
class DetectorReport:
    """Say how well the exported detector agrees with torch.

    Attributes:
        score_difference: largest of any cell, on the bundled photos. box_difference: largest of
            cells with a score of 0.1 and more, pixels. num_bytes: size of the file.
    """

    score_difference: float
    box_difference: float
    num_bytes: int

    def __str__(self) -> str:
        return (
            f"onnxruntime against torch: scores differ by at most {self.score_difference:.2g}, "
            f"boxes by {self.box_difference:.2g} px; {self.num_bytes / 1e6:.2f} MB"
        )


class _Scored(nn.Module):
    """Give scores in place of logits, of both looks; at_score becomes 0.3."""

    def __init__(self, model: PersonDetector, at_score: float) -> None:
        super().__init__()
        self.model = TwoLooks(model)
        self.shift = math.log(_AT_SCORE / (1 - _AT_SCORE)) - math.log(at_score / (1 - at_score))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        boxes, logits = self.model(images)
        return boxes, (logits + self.shift).sigmoid()


def export_detector(
    model: PersonDetector, path: Path, *, spec: DetectorSpec, at_score: float = _AT_SCORE
) -> DetectorReport:
    """Write a detector as an `.onnx` file that `posedistill.runtime.detector` opens, and check it.

    The weights are stored in fp16. at_score: the score that is 0.3 in the file, from which on boxes
    are taken, and all others with it, in their order. Raises ValueError, leaving no file, for a
    name that does not end in .onnx, for an at_score that is not between 0 and 1, and where scores
    differ by more than 0.05.

    >>> export_detector(model, Path("person.onnx"), spec=DetectorSpec((320, 320)))  # doctest: +SKIP
    """
    if path.suffix != ".onnx":
        raise ValueError(f"expected a file name ending in .onnx, got {path}")
    if not 0 < at_score < 1:
        raise ValueError(f"at_score is {at_score}; expected a score between 0 and 1")
    scored = _Scored(copy.deepcopy(model).cpu().float(), at_score).eval()
    images = _photos(spec.input_size_wh)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as beside:
        _write(scored, beside, images, spec=spec)
        report = _compare(scored, beside, images)
        if not report.score_difference <= _TOLERANCE:
            raise ValueError(f"{path} was not written: {report}")
    return report


def _photos(size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """Give two or more bundled photos, letterboxed."""
    files = list_images([_PHOTOS])
    planes = np.empty((len(files), 3, size_wh[1], size_wh[0]), np.uint8)
    for file, image in zip(files, planes, strict=True):
        letterbox(read_image(file), image)
    return planes


def _write(scored: nn.Module, path: Path, images: NDArray[np.uint8], *, spec: DetectorSpec) -> None:
    with _quiet():
        program = torch.onnx.export(
            scored,
            (torch.from_numpy(images[:2]),),
            input_names=["images"],
            output_names=["boxes", "scores"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    proto = store_in_16_bits(program.model_proto, "fp16")
    _forget_origins(proto)
    _shorten_names(proto.graph)
    onnx.helper.set_model_props(proto, {DETECTOR_KEY: spec.to_json()})
    onnx.save(proto, path)


def _shorten_names(graph: onnx.GraphProto) -> None:
    """Give numbers for names where nobody asks for them: names are a tenth of so small a file."""
    outside = {port.name for port in (*graph.input, *graph.output)}
    short: dict[str, str] = {"": "", **{name: name for name in outside}}

    def shortened(name: str) -> str:
        return short.setdefault(name, f"{len(short):x}")

    for node in graph.node:
        node.ClearField("name")
        node.input[:] = [shortened(name) for name in node.input]
        node.output[:] = [shortened(name) for name in node.output]
    for tensor in graph.initializer:
        tensor.name = shortened(tensor.name)
    # What the exporter knows of shapes onnxruntime finds out by itself.
    graph.ClearField("value_info")


@torch.no_grad()
def _compare(scored: nn.Module, path: Path, images: NDArray[np.uint8]) -> DetectorReport:
    boxes, scores = (output.numpy() for output in scored(torch.from_numpy(images)))
    graph, _ = open_graph(path, device="cpu")
    got_boxes, got_scores = graph.run(images, ("boxes", "scores"))
    graph.close()
    shown = scores >= 0.1
    gaps = np.abs(got_boxes - boxes)[shown]
    return DetectorReport(
        score_difference=float(np.abs(got_scores - scores).max()),
        box_difference=float(gaps.max()) if len(gaps) else 0.0,
        num_bytes=path.stat().st_size,
    )
