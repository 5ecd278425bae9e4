"""Detector: boxes of the people in images, by an `.onnx` file.

Three kinds of files are known. YOLOX as its authors publish it gives one output, which is decoded
and suppressed here in the way of the annotator of DWPose (onnxdet.py). Exports by MMDeploy suppress
by themselves and give dets and labels. Ours say what they are in their metadata
(`posedistill.runtime.detector_spec`).

Published files take BGR, as OpenCV reads images: neither YOLOX nor the configurations of
MMDetection swap channels. (The annotator of DWPose passes on what it gets, of either order.)
Deliberate difference: of several classes only one is suppressed, as no class suppresses another;
boxes below the final threshold cannot suppress any above it and are left out at once.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posedistill.media import check_image
from posedistill.runtime.detector_layouts import find_layout
from posedistill.runtime.letterbox import letterbox
from posedistill.runtime.session import open_graph
from posedistill.runtime.suppression import suppress

Floats = NDArray[np.float32]
_ASSETS = Path(__file__).parent.parent / "assets" / "detectors"
_IMAGES_PER_RUN = 8  # more take more memory, but hardly less time each
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


class Detector:
    """Find people by an `.onnx` file.

    path: of the file, or the name of a detector that comes with the package or is published; that
    is fetched unless it is cached. score_threshold: boxes above it are given. nms_threshold: of
    two boxes that overlap by more (intersection over union) the surer one stays; files that
    suppress by themselves have their own. class_index: of what is looked for among the classes of
    a published file; people come first in all of them. normalise: subtract RTMDet's mean and
    divide by its deviation, as exports of RTMDet want (no graph tells); YOLOX wants the plain 0 to
    255. threads, device, strict_device: as `posedistill.runtime.session.open_graph` takes them.
    The thresholds are those of the annotator of DWPose (onnxdet.py).
    Raises FileNotFoundError when the file is missing, ValueError for one that is damaged or of no
    known kind and for a threshold outside 0 to 1, and what `posedistill.weights.fetch` does.

    >>> with Detector("yolox-m") as detector:  # doctest: +SKIP
    ...     detector([image_rgb])[0].boxes_xyxy.shape
    (2, 4)
    """

    def __init__(  # house rule: each is one plain choice of whoever opens a detector
        self,
        path: str | os.PathLike[str],
        *,
        score_threshold: float = 0.3,
        nms_threshold: float = 0.45,
        class_index: int = 0,
        normalise: bool = False,
        threads: int | None = None,
        device: str = "auto",
        strict_device: bool = False,
    ) -> None:
        _check_threshold("score_threshold", score_threshold)
        _check_threshold("nms_threshold", nms_threshold)
        if class_index < 0:
            raise ValueError(f"class_index is {class_index}; expected 0 or more")
        self.path = _find_file(path)
        self._graph, self.provider = open_graph(
            self.path, threads=threads, device=device, strict_device=strict_device
        )
        self._layout = find_layout(self._graph)
        self.input_size_wh = self._layout.input_size_wh
        if normalise and self._graph.dtype == np.uint8:
            raise ValueError(
                f"{self.path} normalises by itself; normalise is for exports of RTMDet"
            )
        self._score_threshold, self._nms_threshold = score_threshold, nms_threshold
        self._class_index, self._normalise = class_index, normalise

    def __enter__(self) -> "Detector":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory of the network; a later call raises ValueError."""
        self._graph.close()

    def __call__(self, images_rgb: Sequence[NDArray[np.uint8]]) -> list[Boxes]:
        """Give the people of each image.

        images_rgb: (H, W, 3) uint8 each, of any sizes; ValueError otherwise, and for a network
        that gives NaN. They run in groups of eight or, where the file fixes its batch, of that.
        """
        for image in images_rgb:
            check_image(image)
        group = self._graph.batch or _IMAGES_PER_RUN
        starts = range(0, len(images_rgb), group)
        return [boxes for start in starts for boxes in self._run(images_rgb[start : start + group])]

    def _run(self, images_rgb: Sequence[NDArray[np.uint8]]) -> list[Boxes]:
        w, h = self.input_size_wh
        batch = np.empty((self._graph.batch or len(images_rgb), 3, h, w), self._graph.dtype)
        batch[len(images_rgb) :] = 0  # what a fixed batch has beyond the images does not matter
        pixels = batch if self._layout.is_rgb else batch[:, ::-1]
        ratios = [letterbox(*pair) for pair in zip(images_rgb, pixels, strict=False)]
        if self._normalise:
            np.subtract(batch, _MEAN, out=batch)
            np.divide(batch, _STD, out=batch)
        outputs = self._graph.run(batch, self._layout.outputs)
        if any(np.ndim(output) < 2 or len(output) < len(batch) for output in outputs):
            shapes = [np.shape(output) for output in outputs]
            raise ValueError(
                f"{self.path} gives {shapes} for {len(batch)} images; expected a row each"
            )
        return [
            self._people([output[index] for output in outputs], ratio)
            for index, ratio in enumerate(ratios)
        ]

    def _people(self, outputs: list[Floats], ratio: float) -> Boxes:
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # told by _check_finite
                scores = self._layout.scores(outputs, self._class_index)
                self._check_finite(scores)
                taken = np.flatnonzero(scores > self._score_threshold)
                boxes = (self._layout.boxes(outputs, taken) / ratio).astype(np.float32)
                self._check_finite(boxes)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from error
        has_area = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        boxes, scores = boxes[has_area], scores[taken][has_area]
        if self._layout.is_suppressed:
            kept = np.argsort(-scores, kind="stable")
        else:
            kept = suppress(boxes, scores, threshold=self._nms_threshold)
        return Boxes(boxes[kept], scores[kept].astype(np.float32))

    def _check_finite(self, values: Floats) -> None:
        if not np.isfinite(values).all():
            raise ValueError(
                f"the network gives NaN or infinite values on {self.provider}; the file is broken, "
                "or too imprecise there: try device='cpu'"
            )


def embedded_detectors() -> list[str]:
    """Give the names of the detectors that come with the package.

    >>> embedded_detectors()
    ['person-n']
    """
    return sorted(path.stem for path in _ASSETS.glob("*.onnx"))


def _find_file(path: str | os.PathLike[str]) -> Path:
    name, file = os.fspath(path), Path(path)
    if name in embedded_detectors():
        return _ASSETS / f"{name}.onnx"
    if file.suffix == ".onnx" or file.is_file():
        return file
    from posedistill.weights import fetch  # http and all that it needs take a while to import

    return fetch(name, file_format="onnx")


def _check_threshold(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}; expected 0 to 1")
