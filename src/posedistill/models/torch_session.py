"""TorchSession: a torch model as a runtime session, so that evaluation sees one kind of thing."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posedistill.spec import Spec


class TorchSession:
    """Call a model on uint8 crops where its weights are, in eval mode and without gradient."""

    def __init__(self, model: nn.Module, spec: Spec) -> None:
        self.spec = spec
        self._model: nn.Module | None = model
        self._device = next(model.parameters()).device
        self.provider = f"torch-{self._device.type}"

    def __call__(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """Map RGB crops (N, 3, h, w) to outputs in the order of the codec's `output_names`.

        Raises ValueError once it is closed.
        """
        if self._model is None:
            raise ValueError("this session is closed; make a new one")
        self._model.eval()
        with torch.inference_mode():
            outputs = self._model(torch.from_numpy(crops).to(self._device))
        return tuple(output.float().cpu().numpy() for output in outputs)

    def close(self) -> None:
        """Let go of the model, whose memory is free when nobody else holds it."""
        self._model = None
