"""A bad image takes no other with it, and all others are as the pipeline gives them alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.bulk.estimate import estimate_images
from posedistill.bulk.items import Item, list_items, number_of
from posedistill.media import IMAGE_SUFFIXES, read_image
from posedistill.runtime.detector import Boxes
from posedistill.runtime.pipeline import Pipeline
from tests.bulk.photos import write_photos

BAD = 33  # pixels wide


class _Picky(Pipeline):
    """Have nothing for images of one width, as a network that gives no numbers for them."""

    def find(self, images_rgb: Sequence[NDArray[np.uint8]]) -> list[Boxes]:
        if any(image.shape[1] == BAD for image in images_rgb):
            raise ValueError("not a number")
        return super().find(images_rgb)


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    return list_items([str(write_photos(tmp_path / "in", 7))], suffixes=IMAGE_SUFFIXES)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_poses_are_those_of_each_image_alone(items: list[Item], dots: Path, batch: int) -> None:
    with Pipeline(dots, detector="none", threads=1) as pipeline:
        outcomes = list(estimate_images(items, pipeline, batch=batch))
        assert [outcome.item for outcome in outcomes] == items
        for item, image, _ in outcomes:
            path = Path(item.place, item.key)
            expected = pipeline(path)
            assert image is not None
            assert (image.image_id, image.file_name) == (number_of(item.name), item.name)
            assert image.size_wh == read_image(path).shape[1::-1]
            np.testing.assert_array_equal(image.poses.keypoints, expected.keypoints)
            np.testing.assert_array_equal(image.poses.scores, expected.scores)


def test_a_file_that_is_no_image_is_said_and_its_neighbours_are_done(
    items: list[Item], dots: Path
) -> None:
    bad = Path(items[2].place, items[2].key)
    bad.write_bytes(b"no image")
    with Pipeline(dots, detector="none", threads=1) as pipeline:
        outcomes = list(estimate_images(items, pipeline, batch=4))
    assert [outcome.item.name for outcome in outcomes if outcome.image is None] == [items[2].name]
    assert [outcome.error is None for outcome in outcomes] == [n != 2 for n in range(7)]
    assert str(outcomes[2].error).startswith("cannot be read as an image")


def test_an_image_that_the_network_fails_on_does_not_fail_its_batch(
    items: list[Item], dots: Path
) -> None:
    with _Picky(dots, detector="none", threads=1) as pipeline:
        outcomes = list(estimate_images(items, pipeline, batch=4))
    errors = {outcome.item.name: outcome.error for outcome in outcomes if outcome.error}
    assert errors == {"sub/03.png": "not a number"}
    assert len(outcomes) == len(items)


def test_too_large_an_image_is_refused(items: list[Item], dots: Path) -> None:
    with Pipeline(dots, detector="none", threads=1) as pipeline:
        outcomes = list(estimate_images(items[:1], pipeline, max_pixels=100))
    assert "pixels" in str(outcomes[0].error)


def test_an_error_of_a_file_in_a_store_names_the_file_and_not_its_copy(
    items: list[Item], dots: Path
) -> None:
    pytest.importorskip("pyarrow")
    Path(items[0].place, "empty.png").touch()
    item = Item("empty.png", Path(items[0].place).as_uri(), "empty.png")
    with Pipeline(dots, detector="none", threads=1) as pipeline:
        (outcome,) = estimate_images([item], pipeline)
    assert "empty" in str(outcome.error)
    assert "posedistill-" not in str(outcome.error)
