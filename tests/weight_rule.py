"""Weights and inputs made from names and seeds, so that golden numbers need no stored weights.

The golden numbers of the network tests were computed by the reference implementation (MMPose 1.3.2)
with the weights and inputs that these functions give.
"""

import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

GAINS = {"t": 1.68, "s": 1.63, "m": 1.53}
"""By model size: with these, activations keep their size from layer to layer."""


def seeded(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Give the standard normal input of a seed."""
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))


def weight(name: str, shape: tuple[int, ...], gain: float) -> NDArray[np.float32]:
    """Give the weight of a name: noise of a spread that suits what the name says it is."""
    seed = zlib.crc32(name.encode())
    noise = np.asarray(np.random.RandomState(seed).standard_normal(shape), np.float64)
    match name.rsplit(".", 1)[-1]:
        case "running_mean" | "bias" | "beta":
            value = 0.1 * noise
        case "running_var":
            value = 1 + 0.1 * np.abs(noise)
        case "g" | "scale":
            value = 1 + 0.1 * noise
        case "gamma":
            value = 0.4 * noise
        case _ if name.endswith(".bn.weight"):
            value = 1 + 0.1 * noise
        case _:
            value = gain / np.sqrt(np.prod(shape[1:])) * noise
            value = 0.1 * value if "cls_" in name else value
    return np.asarray(value, np.float32)


def fill(module: nn.Module, gain: float, *, prefix: str = "") -> None:
    """Give all floating-point entries of a module the weights of their names behind `prefix`."""
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.from_numpy(weight(prefix + name, tuple(value.shape), gain)))
