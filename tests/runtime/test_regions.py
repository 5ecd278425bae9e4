"""Boxes of masks: beside a slow loop over pixels, and masks in files of every kind."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from posedistill.runtime.regions import boxes_of_mask, read_mask


def _slow_boxes(mask: NDArray[np.generic]) -> list[list[float]]:
    boxes = []
    for value in sorted(set(mask.ravel().tolist()) - {0}):
        rows, columns = np.nonzero(mask == value)
        boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    return [[float(side) for side in box] for box in boxes]


@settings(max_examples=50)
@given(
    st.integers(0, 1000),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from(["uint8", "int16", "int64", "uint64"]),
)
def test_boxes_are_those_of_a_slow_loop(seed: int, h: int, w: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.choice([0, 0, 0, 1, 5, 100], (h, w)).astype(dtype)
    assert boxes_of_mask(mask).tolist() == _slow_boxes(mask)


def test_each_value_is_one_person_in_how_many_pieces_whatever() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[5:10, 5:10] = mask[30:35, 50:55] = 9
    mask[20:25, 20:30] = 3
    assert boxes_of_mask(mask).tolist() == [[20, 20, 30, 25], [5, 5, 55, 35]]
    assert boxes_of_mask(mask > 0).tolist() == [[5, 5, 55, 35]]


def test_a_mask_of_the_whole_image_gives_the_whole_image() -> None:
    assert boxes_of_mask(np.ones((30, 50), bool)).tolist() == [[0, 0, 50, 30]]
    assert boxes_of_mask(np.full((1, 1), 255, np.uint8)).tolist() == [[0, 0, 1, 1]]


def test_of_layers_each_is_one_person_and_an_empty_one_none() -> None:
    layers = np.zeros((3, 20, 30), np.uint8)
    layers[0, 2:5, 6:9] = 1
    layers[0, 10, 20] = 200  # of the same person
    layers[2, :, 4] = 1
    assert boxes_of_mask(layers).tolist() == [[6, 2, 21, 11], [4, 0, 5, 20]]
    assert boxes_of_mask(layers.astype(bool)).tolist() == [[6, 2, 21, 11], [4, 0, 5, 20]]


@pytest.mark.parametrize("shape", [(20, 30), (2, 20, 30), (0, 20, 30)])
def test_a_mask_of_nobody_gives_no_boxes(shape: tuple[int, ...]) -> None:
    assert boxes_of_mask(np.zeros(shape, np.uint8)).shape == (0, 4)


def test_a_mirrored_mask_gives_mirrored_boxes(rng: np.random.Generator) -> None:
    mask = rng.choice([0, 0, 0, 0, 1, 2, 3], (30, 50))
    boxes = boxes_of_mask(mask)
    mirrored = boxes_of_mask(mask[:, ::-1])
    assert (
        mirrored.tolist()
        == np.c_[50 - boxes[:, 2], boxes[:, 1], 50 - boxes[:, 0], boxes[:, 3]].tolist()
    )


def test_500_people_have_500_boxes() -> None:
    labels = np.arange(1, 501).reshape(20, 25)
    mask = np.kron(labels, np.ones((8, 4), int))
    boxes = boxes_of_mask(mask)
    assert boxes.shape == (500, 4)
    assert boxes[0].tolist() == [0, 0, 4, 8]
    assert boxes[-1].tolist() == [96, 152, 100, 160]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((4, 5), np.float32), "float32; .* give mask > 0.5"),
        (np.zeros(4, np.uint8), r"shape \(4,\)"),
        (np.zeros((0, 5), np.uint8), r"shape \(0, 5\)"),
        (np.zeros((2, 3, 4, 5), np.uint8), r"shape \(2, 3, 4, 5\)"),
        (np.zeros((20, 30, 3), np.uint8), "as a picture in colour has"),
        ("mask.png", "type <U8"),
    ],
    ids=["float", "flat", "no pixel", "four axes", "colour", "text"],
)
def test_what_is_no_mask_is_refused(mask: NDArray[np.generic], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        boxes_of_mask(mask)


def _two_people() -> NDArray[np.uint8]:
    mask = np.zeros((60, 80), np.uint8)
    mask[10:50, 10:30], mask[5:40, 50:70] = 1, 2
    return mask


TWO_BOXES = [[10, 10, 30, 50], [50, 5, 70, 40]]


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".pgm", ".bmp"])
def test_a_mask_is_read_with_its_values(tmp_path: Path, suffix: str) -> None:
    cv2.imwrite(str(tmp_path / f"mask{suffix}"), _two_people())
    read = read_mask(tmp_path / f"mask{suffix}")
    assert boxes_of_mask(read).tolist() == TWO_BOXES
    assert len(np.unique(read)) == 3


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".pgm"])
def test_a_mask_of_16_bits_keeps_them(tmp_path: Path, suffix: str) -> None:
    cv2.imwrite(str(tmp_path / f"mask{suffix}"), _two_people().astype(np.uint16) * 1000)
    assert np.unique(read_mask(tmp_path / f"mask{suffix}")).tolist() == [0, 1000, 2000]


@pytest.mark.parametrize("channels", [3, 4])
def test_in_colour_each_colour_is_a_person(tmp_path: Path, channels: int) -> None:
    palette = np.array([(0, 0, 0, 255), (128, 0, 0, 255), (0, 0, 128, 0)], np.uint8)
    cv2.imwrite(str(tmp_path / "mask.png"), palette[_two_people(), :channels])
    assert boxes_of_mask(read_mask(tmp_path / "mask.png")).tolist() == TWO_BOXES


@pytest.mark.parametrize("blur", [0.5, 2, 5])
@pytest.mark.parametrize("radius", [30, 150])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_soft_edges_are_refused(tmp_path: Path, suffix: str, radius: int, blur: float) -> None:
    disc = np.zeros((500, 400), np.uint8)
    cv2.circle(disc, (200, 250), radius, 255, -1)
    soft = cv2.GaussianBlur(disc, (0, 0), blur)
    cv2.imwrite(str(tmp_path / f"soft{suffix}"), soft)
    with pytest.raises(ValueError, match=rf"soft\{suffix}: .* save it as PNG with hard edges"):
        read_mask(tmp_path / f"soft{suffix}")


def test_a_mask_of_fractions_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "mask.tiff"), np.ones((4, 5), np.float32))
    with pytest.raises(ValueError, match="a mask of float32"):
        read_mask(tmp_path / "mask.tiff")


def test_a_missing_or_too_large_mask_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none.png"):
        read_mask(tmp_path / "none.png")
    cv2.imwrite(str(tmp_path / "mask.png"), _two_people())
    with pytest.raises(ValueError, match="80x60 pixels, more than the 4799"):
        read_mask(tmp_path / "mask.png", max_pixels=4799)
