"""Ways to estimate poses, with their time told apart: ours, one by one as published, and rtmlib.

One by one is how the ONNX script of DWPose (annotator/dwpose/onnxpose.py) and rtmlib work: each
person is cut out, normalised in double precision, run and decoded alone.
"""

import contextlib
import io
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from posedistill import Estimator
from posedistill.runtime.session import Floats, OnnxSession
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD

Image = NDArray[np.uint8]
Boxes = NDArray[np.float64]
RTMLIB = "rtmlib==0.0.16"
_SIZE_WH = (192, 256)


class Split(NamedTuple):
    """Hold the seconds that the parts of one call took; crop counts normalisation where outside."""

    crop: float = 0.0
    network: float = 0.0
    decode: float = 0.0


class Runner(Protocol):
    """Estimate the persons in boxes of an image, and say how long each part took."""

    def __call__(self, image_rgb: Image, boxes_xyxy: Boxes) -> tuple[Floats, Split]:
        """Give keypoints (N, 133, 2), pixels, and the seconds of the parts."""


class _TimedSession:
    """Be a session that notes when it starts and ends."""

    def __init__(self, session: OnnxSession) -> None:
        self.spec, self.provider = session.spec, session.provider
        self.times: list[tuple[float, float]] = []
        self._session = session

    def __call__(self, crops: Image) -> tuple[Floats, ...]:
        start = time.perf_counter()
        outputs = self._session(crops)
        self.times.append((start, time.perf_counter()))
        return outputs

    def close(self) -> None:
        """Free the memory."""
        self._session.close()


class Ours:
    """Run an `Estimator`; a normalisation outside the graph is a part of its session's call."""

    def __init__(self, path: Path, *, threads: int) -> None:
        self._session = _TimedSession(OnnxSession(path, threads=threads))
        self._estimator = Estimator(self._session)

    def __call__(self, image_rgb: Image, boxes_xyxy: Boxes) -> tuple[Floats, Split]:
        """Give what a `Runner` does."""
        self._session.times.clear()
        start = time.perf_counter()
        poses = self._estimator(image_rgb, boxes_xyxy)
        end = time.perf_counter()
        network = sum(after - before for before, after in self._session.times)
        crop = self._session.times[0][0] - start
        return poses.keypoints, Split(crop, network, end - start - network - crop)


class OneByOne:
    """Run one person after the other, each in a call of its own."""

    def __init__(self, path: Path, *, threads: int) -> None:
        self._session = plain_session(path, threads)
        self._mean, self._std = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)

    def __call__(self, image_rgb: Image, boxes_xyxy: Boxes) -> tuple[Floats, Split]:
        """Give what a `Runner` does."""
        timed = _TimedParts(self._crop, self._run, self._decode)
        return timed.all(image_rgb, boxes_xyxy)

    def _crop(self, image_rgb: Image, box: Boxes) -> tuple[Any, Any, Any]:
        w, h = _SIZE_WH
        center, (box_w, box_h) = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * 1.25
        scale = np.array([max(box_w, box_h * w / h), max(box_h, box_w * h / w)])
        across = scale[0] / 2
        source = np.array([center, center - (across, 0), center - (across, across)], np.float32)
        target = np.array([(w / 2, h / 2), (0, h / 2), (0, h / 2 - w / 2)], np.float32)
        crop = cv2.warpAffine(image_rgb, cv2.getAffineTransform(source, target), _SIZE_WH)
        return (crop - self._mean) / self._std, center, scale

    def _run(self, pixels: Any) -> list[Floats]:
        channels = np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32)
        return list(self._session.run(["simcc_x", "simcc_y"], {"input": channels[None]}))

    def _decode(self, outputs: list[Floats], center: Any, scale: Any) -> Floats:
        x, y = outputs
        best = np.stack([x.argmax(-1), y.argmax(-1)], axis=-1).astype(np.float32)
        scores = np.minimum(x.max(-1), y.max(-1))
        best[scores <= 0] = -1
        return np.asarray(best / 2 / _SIZE_WH * scale + center - scale / 2, np.float32)


class Rtmlib:
    """Run rtmlib's RTMPose, on a session of so many threads."""

    def __init__(self, path: Path, *, threads: int) -> None:
        from rtmlib import RTMPose  # type: ignore[import-not-found]  # see `install_rtmlib`

        with contextlib.redirect_stdout(io.StringIO()):
            self._tool = RTMPose(str(path), model_input_size=_SIZE_WH)
        self._tool.session = plain_session(path, threads)

    def __call__(self, image_rgb: Image, boxes_xyxy: Boxes) -> tuple[Floats, Split]:
        """Give what a `Runner` does."""
        tool = self._tool
        timed = _TimedParts(tool.preprocess, tool.inference, lambda *one: tool.postprocess(*one)[0])
        return timed.all(image_rgb, boxes_xyxy)


class _TimedParts(NamedTuple):
    """Take persons one after the other through three functions, and note the time of each."""

    crop: Callable[..., tuple[Any, Any, Any]]  # Any: arrays as each way has them
    run: Callable[[Any], list[Floats]]
    decode: Callable[[list[Floats], Any, Any], Floats]

    def all(self, image_rgb: Image, boxes_xyxy: Boxes) -> tuple[Floats, Split]:
        """Give the keypoints of all persons and the seconds of the parts."""
        parts, found = np.zeros(3), []
        for box in boxes_xyxy:
            times = [time.perf_counter()]
            pixels, center, scale = self.crop(image_rgb, box)
            times.append(time.perf_counter())
            outputs = self.run(pixels)
            times.append(time.perf_counter())
            found.append(self.decode(outputs, center, scale))
            times.append(time.perf_counter())
            parts += np.diff(times)
        return np.concatenate(found), Split(*parts.tolist())


def plain_session(path: Path, threads: int) -> Any:  # Any: onnxruntime is not typed
    """Load a file on the CPU with so many threads, all else as onnxruntime has it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def install_rtmlib(folder: Path) -> str | None:
    """Make rtmlib importable from a folder of its own; give why it is not, else None.

    Without what it depends on: all of that is installed, and its OpenCV would replace ours.
    """
    if not (folder / "rtmlib").is_dir():
        print(f"installing {RTMLIB} into {folder}", file=sys.stderr)
        words: Sequence[str] = ("install", "--quiet", "--no-deps", "--target", str(folder), RTMLIB)
        done = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["pip failed"])[-1]
    sys.path.append(str(folder))
    return None
