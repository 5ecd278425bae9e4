"""Letterbox: where pixels go, in both orders of channels and both types."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.runtime.letterbox import letterbox

SIDE = 64


def _planes(dtype: type[np.uint8 | np.float32] = np.uint8) -> NDArray[np.uint8 | np.float32]:
    return np.full((3, SIDE, SIDE), 77, dtype)  # as memory that was used before


@pytest.mark.parametrize(
    "size_wh", [(100, 30), (30, 100), (17, 17), (64, 64), (3000, 1), (1, 1), (1, 40000)]
)
def test_letterboxed_points_come_back_by_the_ratio(size_wh: tuple[int, int]) -> None:
    planes = _planes()
    ratio = letterbox(np.full((size_wh[1], size_wh[0], 3), 50, np.uint8), planes)
    rows, columns = np.nonzero((planes == 50).all(axis=0))
    w, h = columns.max() + 1, rows.max() + 1
    assert max(w, h) == SIDE
    assert (rows.min(), columns.min()) == (0, 0)
    assert (planes[:, h:] == 114).all()
    assert (planes[:, :, w:] == 114).all()
    # Sides are cut to whole pixels of the planes, but the thinnest strip keeps one.
    back = np.array([w, h]) / ratio
    assert (np.abs(back - size_wh) <= 1 / ratio + 1e-6).all()


def test_an_image_of_the_size_of_the_input_is_left_as_it_is(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    planes = _planes()
    assert letterbox(image, planes) == 1
    assert np.array_equal(planes, image.transpose(2, 0, 1))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("step", [1, -1], ids=["red first", "blue first"])
def test_an_image_is_resized_bilinearly_in_either_order_and_type(
    rng: np.random.Generator, dtype: type[np.uint8 | np.float32], step: int
) -> None:
    image = rng.integers(0, 256, (90, 120, 3), np.uint8)
    planes = _planes(dtype)
    assert letterbox(image, planes[::step]) == SIDE / 120
    resized = cv2.resize(image, (64, 48), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(planes[:, :48], resized[..., ::step].transpose(2, 0, 1))
    assert (planes[:, 48:] == 114).all()
