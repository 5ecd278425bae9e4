"""OnnxTeacher: an `.onnx` file as a teacher that gives logits only."""

import hashlib
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from posedistill.runtime.session import OnnxSession
from posedistill.spec import Spec
from posedistill.teachers.teacher import Answer


class OnnxTeacher:
    """Answer by an `.onnx` file, one of ours or a published one, run by onnxruntime.

    It runs where onnxruntime does, on as many threads as torch; crops come and answers go from and
    to the device of the images. Raises as `OnnxSession` does.

    >>> OnnxTeacher("teacher.onnx").spec.skeleton  # doctest: +SKIP
    'wholebody133'
    """

    channels: None = None

    def __init__(self, path: str | Path) -> None:
        self._session = OnnxSession(path, threads=torch.get_num_threads())

    @property
    def spec(self) -> Spec:
        """Give the spec of the file."""
        return self._session.spec

    @cached_property
    def fingerprint(self) -> str:
        """Give a digest of the file and of the spec."""
        digest = hashlib.sha256(self.spec.to_json().encode())
        digest.update(self._session.path.read_bytes())
        return digest.hexdigest()

    def answer(self, images: Tensor) -> Answer:
        """Answer uint8 RGB crops (B, 3, h, w): logits, float32."""
        outputs = self._session(images.cpu().numpy())
        logits = tuple(torch.from_numpy(output).to(images.device) for output in outputs)
        return Answer(logits, None)
