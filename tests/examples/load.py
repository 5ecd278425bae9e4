"""The examples as modules, and photos for them."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from posedistill.media import write_image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(name: str) -> ModuleType:
    """Load an example by its name, afresh."""
    spec = spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def spots(size_wh: tuple[int, int] = (48, 64), *, shift: int = 0) -> NDArray[np.uint8]:
    """Give a picture with a red, a green and a blue spot, on which the dot models find joints."""
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    for channel, (x, y) in enumerate([(12, 36), (32, 16), (24, 52)]):
        image[y : y + 3, x + shift : x + shift + 3, channel] = 255
    return image


def write_spots(folder: Path, count: int) -> Path:
    """Write photos of spots, each a pixel further to the right, into a folder."""
    folder.mkdir()
    for index in range(count):
        write_image(folder / f"{index}.png", spots(shift=index))
    return folder
