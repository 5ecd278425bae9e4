"""Calibration crops: of the people in the annotated boxes, as the network gets them."""

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from posedistill.codecs import SimCC
from posedistill.crop import box_matrices, crop_boxes
from posedistill.export.calibration import (
    ENOUGH,
    LabelledPhotos,
    calibration_crops,
    demo_crops,
    network_input,
)
from posedistill.media import read_image
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD, Spec

SPEC = Spec("rtmpose-n", "coco17", SimCC((48, 64), (1.0, 1.0)))


def _photos(folder: Path, people: int) -> LabelledPhotos:
    """Write one grey image whose people stand in a row, each a box of 20 pixels."""
    image = np.tile(np.arange(400, dtype=np.uint8)[None, :, None], (40, 1, 3))
    cv2.imwrite(str(folder / "a.png"), image)
    annotations = [
        {
            "id": index + 1,
            "image_id": 1,
            "category_id": 1,
            "iscrowd": 0,
            "bbox": [index, 4, 20, 30],
            "area": 600,
            "num_keypoints": 1,
            "keypoints": [index + 5, 9, 2, *[0] * 48],
        }
        for index in range(people)
    ]
    record = {
        "images": [{"id": 1, "file_name": "a.png", "width": 400, "height": 40}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    (folder / "ann.json").write_text(json.dumps(record))
    return LabelledPhotos(folder / "ann.json", folder)


def test_crops_are_those_of_the_annotated_boxes(tmp_path: Path) -> None:
    crops = calibration_crops(SPEC, _photos(tmp_path, 3))
    image = read_image(tmp_path / "a.png")
    boxes = np.array([[index, 4.0, index + 20, 34] for index in range(3)])
    assert np.array_equal(crops, crop_boxes(image, list(box_matrices(boxes, (48, 64))), (48, 64)))


def test_of_many_people_enough_are_taken_from_first_to_last(tmp_path: Path) -> None:
    photos = _photos(tmp_path, 300)
    crops = calibration_crops(SPEC, photos)
    everyone = [calibration_crops(SPEC, _photos(tmp_path, count))[-1] for count in (1, 300)]
    assert len(crops) == ENOUGH
    assert np.array_equal(crops[[0, -1]], np.stack(everyone))


def test_the_bundled_photos_stand_in_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        crops = calibration_crops(SPEC)
    people = demo_crops(SPEC)
    assert crops.shape == (6 * len(people), 3, 64, 48)
    assert np.array_equal(crops[len(crops) // 2 :], crops[: len(crops) // 2, :, :, ::-1])
    assert f"only the {len(people)} people of the bundled photos" in caplog.text


def test_annotations_of_nobody_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="person"):
        calibration_crops(SPEC, _photos(tmp_path, 0))


def test_a_skeleton_without_reader_is_refused(tmp_path: Path) -> None:
    spec = Spec("published-simcc", "hand21", SimCC((48, 64), (1.0, 1.0)))
    with pytest.raises(ValueError, match="the model gives hand21; annotations can be read for"):
        calibration_crops(spec, _photos(tmp_path, 1))


def test_crops_are_normalised_where_the_graph_does_not(rng: np.random.Generator) -> None:
    crops = rng.integers(0, 256, (2, 3, 4, 5), np.uint8)
    assert network_input(crops, SPEC) is crops
    spec = Spec("x", "coco17", SPEC.codec, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    got = network_input(crops, spec)
    assert got.dtype == np.float32
    for channel, (mean, std) in enumerate(zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)):
        assert np.allclose(got[:, channel], (crops[:, channel] - mean) / std, atol=1e-6)
