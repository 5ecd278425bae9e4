"""Detector: boxes of the people in images, by a published `.onnx` file.

Two kinds of files are known, told apart by their outputs. YOLOX as its authors publish it (Ge et
al., 2021) gives one output (B, rows, 5 + classes), which is decoded and suppressed here in the way
of the annotator of DWPose (onnxdet.py). Exports by MMDeploy suppress by themselves and give
dets (B, N, 5) and labels (B, N). Both put people first among their classes.

Both take BGR, as OpenCV reads images: neither YOLOX nor the configurations of MMDetection swap
channels. (The annotator of DWPose passes on what it gets, of either order.)
Deliberate difference: of several classes only people are suppressed, as no class suppresses
another; boxes below the final threshold cannot suppress any above it and are left out at once.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.media import check_image
from posedistill.runtime.graph import Graph, listed
from posedistill.runtime.session import open_graph
from posedistill.weights import fetch

Floats = NDArray[np.float32]
_PERSON = 0  # among the classes of a file
_STRIDES = (8, 16, 32)
_PAD = 114
_OPEN_SIZE_WH = (640, 640)  # where the file takes any
_SUPPRESSED = ("dets", "labels")
# Of RTMDet's configurations, in the order of the channels: blue, green, red.
_MEAN = np.array([103.53, 116.28, 123.675], np.float32)[:, None, None]
_STD = np.array([57.375, 57.12, 58.395], np.float32)[:, None, None]


@dataclass(frozen=True, eq=False)
class Boxes:
    """Hold the people found in one image, the surest first.

    Attributes:
        boxes_xyxy: (N, 4) pixels; they may reach outside the image. scores: (N,) in (0, 1].
    """

    boxes_xyxy: Floats
    scores: Floats

    def __len__(self) -> int:
        return len(self.boxes_xyxy)


class Letterboxed(NamedTuple):
    """Hold an image shrunk or grown into the top left of a canvas.

    Attributes:
        image: (h, w, 3) uint8. ratio: factor from pixels of the image to those of the canvas.
    """

    image: NDArray[np.uint8]
    ratio: float


class Detector:
    """Find people by an `.onnx` file.

    path: of the file, or the name of a published detector, which is fetched unless it is cached.
    score_threshold: boxes above it are given. nms_threshold: of two boxes that overlap by more
    (intersection over union) the surer one stays; files that suppress by themselves have their
    own. normalise: subtract RTMDet's mean and divide by its deviation, as exports of RTMDet want
    (no graph tells); YOLOX wants the plain 0 to 255. threads, providers: as for `OnnxSession`.
    Raises FileNotFoundError when the file is missing, ValueError for one that is damaged or of
    neither kind, and what `posedistill.weights.fetch` does.

    >>> Detector("yolox-m")([image_rgb])[0].boxes_xyxy.shape  # doctest: +SKIP
    (2, 4)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        score_threshold: float = 0.3,
        nms_threshold: float = 0.45,
        normalise: bool = False,
        threads: int | None = None,
        providers: Sequence[str] | None = None,
    ) -> None:
        self.path = _find_file(path)
        self._graph, self.provider = open_graph(self.path, threads=threads, providers=providers)
        self._outputs = _check_outputs(self._graph)
        self.input_size_wh = _input_size(self._graph)
        self._score_threshold, self._nms_threshold = score_threshold, nms_threshold
        self._normalise = normalise

    def __call__(self, images_rgb: Sequence[NDArray[np.uint8]]) -> list[Boxes]:
        """Give the people of each image.

        images_rgb: (H, W, 3) uint8 each, of any sizes; ValueError otherwise. They run together
        or, where the file fixes its batch, in groups of that many.
        """
        for image in images_rgb:
            check_image(image)
        group = self._graph.batch or max(len(images_rgb), 1)
        starts = range(0, len(images_rgb), group)
        return [boxes for start in starts for boxes in self._run(images_rgb[start : start + group])]

    def _run(self, images_rgb: Sequence[NDArray[np.uint8]]) -> list[Boxes]:
        w, h = self.input_size_wh
        canvases = [letterbox(image, (w, h)) for image in images_rgb]
        batch = np.zeros((self._graph.batch or len(canvases), 3, h, w), np.float32)
        for row, canvas in zip(batch, canvases, strict=False):  # rows beyond do not matter
            row[:] = canvas.image[..., ::-1].transpose(2, 0, 1)
        if self._normalise:
            batch = (batch - _MEAN) / _STD
        outputs = self._graph.run(batch, self._outputs)
        return [
            self._people([output[index] for output in outputs], canvas.ratio)
            for index, canvas in enumerate(canvases)
        ]

    def _people(self, outputs: list[Floats], ratio: float) -> Boxes:
        if self._outputs == _SUPPRESSED:
            dets, labels = outputs
            boxes, scores = dets[:, :4], np.where(labels == _PERSON, dets[:, 4], 0)
        else:
            boxes, by_class = decode_yolox(outputs[0], self.input_size_wh)
            scores = by_class[:, _PERSON]
        has_area = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        taken = has_area & (scores > self._score_threshold)
        boxes, scores = (boxes[taken] / ratio).astype(np.float32), scores[taken]
        if self._outputs == _SUPPRESSED:
            kept = np.argsort(-scores, kind="stable")
        else:
            kept = suppress(boxes, scores, threshold=self._nms_threshold)
        return Boxes(boxes[kept], scores[kept].astype(np.float32))


def letterbox(image_rgb: NDArray[np.uint8], size_wh: tuple[int, int]) -> Letterboxed:
    """Resize an image into the top left of a grey canvas, its aspect kept.

    image_rgb: (H, W, 3) uint8; size_wh: of the canvas, pixels.

    >>> canvas = letterbox(np.zeros((20, 40, 3), np.uint8), (80, 80))
    >>> canvas.ratio, canvas.image[[39, 40], 0, 0].tolist()
    (2.0, [0, 114])
    """
    (w, h), (image_h, image_w) = size_wh, image_rgb.shape[:2]
    ratio = min(w / image_w, h / image_h)
    # A strip may be so thin that nothing would be left of it.
    new_w, new_h = max(int(image_w * ratio), 1), max(int(image_h * ratio), 1)
    canvas = np.full((h, w, 3), _PAD, np.uint8)
    canvas[:new_h, :new_w] = cv2.resize(image_rgb, (new_w, new_h), interpolation=cv2.INTER_LINEAR)
    return Letterboxed(canvas, ratio)


def decode_yolox(rows: Floats, size_wh: tuple[int, int]) -> tuple[Floats, Floats]:
    """Give the boxes that rows of YOLOX stand for, and their scores by class.

    rows: (cells, 5 + classes) of one image: x, y, log w, log h in strides from the cell of a
    grid, objectness, classes; size_wh: of the input, pixels. The cells are those of strides 8, 16
    and 32, each grid row by row. Gives (cells, 4) x1, y1, x2, y2 in pixels of the input, and
    (cells, classes). Raises ValueError for another number of cells.

    >>> rows = np.zeros((16 + 4 + 1, 6), np.float32)
    >>> decode_yolox(rows, (32, 32))[0][17].tolist()
    [8.0, -8.0, 24.0, 8.0]
    """
    w, h = size_wh
    shapes = [(h // stride, w // stride) for stride in _STRIDES]
    counts = [grid_h * grid_w for grid_h, grid_w in shapes]
    if len(rows) != sum(counts):
        raise ValueError(
            f"the file gives {len(rows)} cells for an input of {w}x{h}; "
            f"YOLOX with strides 8, 16 and 32 gives {sum(counts)}"
        )
    cells = np.concatenate([np.indices(shape)[::-1].reshape(2, -1).T for shape in shapes])
    strides = np.repeat(np.array(_STRIDES, np.float32), counts)[:, None]
    centers = (rows[:, :2] + cells) * strides
    sizes = np.exp(rows[:, 2:4]) * strides
    boxes = np.concatenate([centers - sizes / 2, centers + sizes / 2], axis=1)
    return boxes.astype(np.float32), rows[:, 4:5] * rows[:, 5:]


def suppress(boxes_xyxy: Floats, scores: Floats, *, threshold: float) -> NDArray[np.intp]:
    """Give which boxes stay when each leaves out those it overlaps, the surest first.

    boxes_xyxy: (N, 4) pixels; scores: (N,); threshold: a larger intersection over union leaves
    out. Corners count as pixels that belong to the box, so that sides are x2 - x1 + 1 long.

    >>> boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 7], [20, 0, 29, 9]], np.float32)
    >>> suppress(boxes, np.array([0.5, 0.9, 0.7], np.float32), threshold=0.45).tolist()
    [1, 2]
    """
    areas = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2] + 1).prod(axis=1)
    left = np.argsort(-scores, kind="stable")
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        low = np.maximum(boxes_xyxy[best, :2], boxes_xyxy[left, :2])
        high = np.minimum(boxes_xyxy[best, 2:], boxes_xyxy[left, 2:])
        shared = np.maximum(high - low + 1, 0).prod(axis=1)
        left = left[shared <= threshold * (areas[best] + areas[left] - shared)]
    return np.array(kept, np.intp)


def _find_file(path: str | os.PathLike[str]) -> Path:
    file = Path(path)
    if file.suffix == ".onnx" or file.is_file():
        return file
    return fetch(os.fspath(path), file_format="onnx")


def _check_outputs(graph: Graph) -> tuple[str, ...]:
    """Give the names of the outputs to read, by which the two kinds are told apart."""
    names = {port.name for port in graph.outputs}
    if names >= set(_SUPPRESSED):
        return _SUPPRESSED
    if len(graph.outputs) == 1 and len(graph.outputs[0].sizes) == 3:
        return (graph.outputs[0].name,)
    raise ValueError(
        f"{graph.path} is no detector that is known here. Outputs: {listed(graph.outputs)}. "
        "Expected: one (N, cells, 5 + classes) of YOLOX, or dets (N, boxes, 5) and "
        "labels (N, boxes)"
    )


def _input_size(graph: Graph) -> tuple[int, int]:
    is_single = len(graph.inputs) == 1 and graph.inputs[0].type == "tensor(float)"
    sizes = graph.inputs[0].sizes if is_single else ()
    if len(sizes) != 4 or sizes[1] not in (3, None):
        raise ValueError(
            f"{graph.path}: input is {listed(graph.inputs)}; "
            "expected one tensor(float) (N, 3, h, w)"
        )
    return sizes[3] or _OPEN_SIZE_WH[0], sizes[2] or _OPEN_SIZE_WH[1]
