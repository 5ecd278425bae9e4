"""Damaged images and masks give a picture or a ValueError, and nothing else."""

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posedistill.image_header import image_size
from posedistill.media import read_reduced_image
from posedistill.runtime.regions import boxes_of_mask, read_mask
from tests.damage import Edit, damage, edits

MAX_PIXELS = 100_000
SUFFIXES = (
    ".jpg",
    ".png",
    ".webp",
    ".bmp",
    ".tiff",
    ".ppm",
    ".pgm",
    ".pam",
    ".jp2",
    ".gif",
    ".avif",
)
bounded = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _encode(suffix: str) -> bytes:
    photo = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    photo = cv2.resize(photo, (60, 40)).astype(np.uint8)
    try:
        is_done, data = cv2.imencode(suffix, photo if suffix != ".pgm" else photo[..., 0])
    except cv2.error:
        is_done = False
    if not is_done:
        pytest.skip(f"this OpenCV writes no {suffix}")
    return bytes(data.tobytes())


@pytest.mark.parametrize("suffix", SUFFIXES)
@bounded
@given(edits(), st.sampled_from([1, 4]))
def test_a_damaged_image_is_a_picture_or_a_value_error(
    tmp_path: Path, suffix: str, edits: list[Edit], factor: int
) -> None:
    path = tmp_path / "photo"
    path.write_bytes(damage(_encode(suffix), edits))
    with suppress(ValueError):
        image, _ = read_reduced_image(path, factor=factor, max_pixels=MAX_PIXELS)
        assert image.shape[2] == 3
        assert 0 < image.shape[0] * image.shape[1] <= MAX_PIXELS


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".bmp", ".pgm"])
@bounded
@given(edits())
def test_a_damaged_mask_gives_boxes_or_a_value_error(
    tmp_path: Path, suffix: str, edits: list[Edit]
) -> None:
    path = tmp_path / "mask"
    path.write_bytes(damage(_encode(suffix), edits))
    with suppress(ValueError):
        boxes = boxes_of_mask(read_mask(path, max_pixels=MAX_PIXELS))
        assert (boxes[:, 2:] > boxes[:, :2]).all()


@settings(max_examples=50)
@given(st.binary(max_size=200), st.sampled_from([".jpg", ".png", ".webp", ".tiff", ".jp2"]))
def test_a_header_of_any_bytes_gives_a_size_or_none(content: bytes, suffix: str) -> None:
    for data in (content, _encode(suffix)[:12] + content):
        size = image_size(data)
        assert size is None or min(size) >= 0
