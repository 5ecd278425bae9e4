"""Layouts of detector files: which of the known kinds one is, what it takes, how it is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from posedistill.runtime.detector_spec import DETECTOR_KEY, DetectorSpec
from posedistill.runtime.graph import Graph, Port, listed
from posedistill.runtime.yolox import yolox_boxes, yolox_cells

Floats = NDArray[np.float32]
_OPEN_SIZE_WH = (640, 640)  # where a published file takes any
_MOST_PIXELS = 2**26  # of all images of a run; 0.75 GiB of floats
_FLOAT, _INTEGERS = ("tensor(float)",), ("tensor(int64)", "tensor(int32)")


class Layout(Protocol):
    """Say what the file of a detector takes and how one image's outputs are read."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Give the names of the outputs that are read."""

    @property
    def input_size_wh(self) -> tuple[int, int]:
        """Give the size of the input, pixels."""

    @property
    def is_rgb(self) -> bool:
        """Tell whether the first channel is red; else it is blue."""

    @property
    def is_suppressed(self) -> bool:
        """Tell whether the graph leaves out overlapping boxes by itself."""

    def scores(self, outputs: Sequence[Floats], class_index: int) -> Floats:
        """Give the scores of all boxes, (M,), for one class."""

    def boxes(self, outputs: Sequence[Floats], indices: NDArray[np.intp]) -> Floats:
        """Give some of the boxes, (N, 4) x1, y1, x2, y2 in pixels of the input."""


@dataclass(frozen=True)
class YoloxLayout:
    """Read YOLOX as its authors publish it: one output (cells, 5 + classes) an image.

    >>> layout = YoloxLayout(("output",), (32, 32))
    >>> layout.boxes([np.zeros((21, 85), np.float32)], np.array([17])).tolist()
    [[8.0, -8.0, 24.0, 8.0]]
    """

    outputs: tuple[str, ...]
    input_size_wh: tuple[int, int]
    is_rgb = False
    is_suppressed = False

    def scores(self, outputs: Sequence[Floats], class_index: int) -> Floats:
        """Give objectness times class; ValueError for rows that are not those of the input."""
        (rows,) = outputs
        w, h = self.input_size_wh
        cells = len(yolox_cells((w, h)).strides)
        if len(rows) != cells:
            raise ValueError(
                f"the file gives {len(rows)} cells for an input of {w}x{h}; "
                f"YOLOX with strides 8, 16 and 32 gives {cells}"
            )
        if rows.ndim != 2 or rows.shape[1] <= 5 + class_index:
            raise ValueError(
                f"the file gives rows of shape {rows.shape[1:]}; expected 5 numbers and one for "
                f"each class, of which class_index {class_index} is one"
            )
        return np.asarray(rows[:, 4] * rows[:, 5 + class_index], np.float32)

    def boxes(self, outputs: Sequence[Floats], indices: NDArray[np.intp]) -> Floats:
        """Decode the rows that are asked for."""
        cells = yolox_cells(self.input_size_wh)
        places, strides = cells.places_xy[indices], cells.strides[indices]
        return yolox_boxes(outputs[0][indices], cells._replace(places_xy=places, strides=strides))


@dataclass(frozen=True)
class SuppressedLayout:
    """Read exports by MMDeploy, which suppress by themselves: dets (M, 5) and labels (M,).

    >>> layout = SuppressedLayout((320, 320))
    >>> outputs = np.array([[0, 0, 9, 9, 0.8], [0, 0, 5, 5, 0.7]], np.float32), np.array([0, 1])
    >>> layout.scores(outputs, 0).tolist()
    [0.800000011920929, 0.0]
    """

    input_size_wh: tuple[int, int]
    outputs = ("dets", "labels")
    is_rgb = False
    is_suppressed = True

    def scores(self, outputs: Sequence[Floats], class_index: int) -> Floats:
        """Give the scores, 0 for those of other classes."""
        dets, labels = outputs
        _check_shapes(dets, labels, columns=5, names=self.outputs)
        return np.where(labels == class_index, dets[:, 4], np.float32(0))

    def boxes(self, outputs: Sequence[Floats], indices: NDArray[np.intp]) -> Floats:
        """Give the boxes as they are."""
        return outputs[0][indices, :4]


@dataclass(frozen=True)
class OwnLayout:
    """Read files of our own, which `posedistill.runtime.detector_spec` describes.

    >>> layout = OwnLayout((320, 320))
    >>> layout.scores((np.zeros((2, 4), np.float32), np.array([0.5, 1], np.float32)), 0).tolist()
    [0.5, 1.0]
    """

    input_size_wh: tuple[int, int]
    outputs = ("boxes", "scores")
    is_rgb = True
    is_suppressed = False

    def scores(self, outputs: Sequence[Floats], class_index: int) -> Floats:
        """Give the scores; ValueError for another class than people."""
        if class_index:
            raise ValueError(f"class_index is {class_index}; the file knows people alone, class 0")
        boxes, scores = outputs
        _check_shapes(boxes, scores, columns=4, names=self.outputs)
        return scores

    def boxes(self, outputs: Sequence[Floats], indices: NDArray[np.intp]) -> Floats:
        """Give the boxes as they are."""
        return outputs[0][indices]


def find_layout(graph: Graph) -> Layout:
    """Give the layout of a detector file: ours by its metadata, others by their outputs.

    Raises ValueError for a file of no known kind, and for one that does not fit its spec.

    >>> find_layout(Graph(session, path)).input_size_wh  # doctest: +SKIP
    (640, 640)
    """
    text = graph.metadata.get(DETECTOR_KEY)
    if text is not None:
        return _own_layout(graph, text)
    if _has_outputs(graph, SuppressedLayout.outputs, types=(_FLOAT, _INTEGERS)):
        return SuppressedLayout(_input_size(graph, "tensor(float)"))
    names = tuple(port.name for port in graph.outputs)
    if len(names) == 1 and len(graph.outputs[0].sizes) == 3 and graph.outputs[0].type in _FLOAT:
        return YoloxLayout(names, _input_size(graph, "tensor(float)"))
    raise ValueError(
        f"{graph.path} is no detector that is known here. Outputs: {listed(graph.outputs)}. "
        "Expected: one (N, cells, 5 + classes) of YOLOX, dets (N, boxes, 5) and labels (N, boxes), "
        f"or boxes, scores and the metadata {DETECTOR_KEY}"
    )


def _own_layout(graph: Graph, text: str) -> OwnLayout:
    try:
        spec = DetectorSpec.from_json(text)
    except ValueError as error:
        raise ValueError(f"{graph.path}: {error}") from error
    if not _has_outputs(graph, OwnLayout.outputs, types=(_FLOAT, _FLOAT)):
        raise ValueError(
            f"{graph.path}: outputs are {listed(graph.outputs)}; expected tensor(float) boxes "
            "(N, boxes, 4) and scores (N, boxes)"
        )
    seen = _input_size(graph, "tensor(uint8)", default_wh=spec.input_size_wh)
    if seen != spec.input_size_wh:
        raise ValueError(f"{graph.path} takes {seen}, but its spec says {spec.input_size_wh}")
    return OwnLayout(spec.input_size_wh)


def _has_outputs(
    graph: Graph, names: tuple[str, ...], *, types: tuple[tuple[str, ...], ...]
) -> bool:
    ports_by_name: dict[str, Port] = {port.name: port for port in graph.outputs}
    found = [ports_by_name.get(name) for name in names]
    return all(port and port.type in known for port, known in zip(found, types, strict=True))


def _input_size(
    graph: Graph, expected: str, *, default_wh: tuple[int, int] = _OPEN_SIZE_WH
) -> tuple[int, int]:
    """Give the width and height that the graph declares, the default where it takes any."""
    is_single = len(graph.inputs) == 1 and graph.inputs[0].type == expected
    sizes = graph.inputs[0].sizes if is_single else ()
    if len(sizes) != 4 or sizes[1] not in (3, None):
        raise ValueError(
            f"{graph.path}: input is {listed(graph.inputs)}; expected one {expected} (N, 3, h, w)"
        )
    w, h = sizes[3] or default_wh[0], sizes[2] or default_wh[1]
    if (graph.batch or 1) * w * h > _MOST_PIXELS:
        raise ValueError(
            f"{graph.path} takes {listed(graph.inputs)}; at most {_MOST_PIXELS} pixels a run can be"
        )
    return w, h


def _check_shapes(
    boxes: Floats, values: NDArray[np.generic], *, columns: int, names: tuple[str, ...]
) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != columns or values.shape != boxes.shape[:1]:
        raise ValueError(
            f"the file gives {names[0]} {boxes.shape} and {names[1]} {values.shape} an image; "
            f"expected (boxes, {columns}) and (boxes,)"
        )
