"""Showing a batch: the picture is of the samples a run begins with, and of their targets."""

from pathlib import Path

import numpy as np
import pytest

from posedistill.media import read_image
from posedistill.train.show import show_batch
from tests.train.tiny import tiny

PLAIN = ("hsv=(0,0,0)", "blur=0", "median_blur=0", "dropout=0", "rotation=0", "scale=1.0,1.0")


@pytest.mark.parametrize("name", ["drawn-rtmpose-n", "drawn-pretrain-n"], ids=["simcc", "heatmap"])
def test_a_picture_of_24_samples_is_written(tmp_path: Path, name: str) -> None:
    picture = show_batch(tiny(name), tmp_path / "batch.png")
    assert picture.shape == (4 * 256, 6 * 256, 3)
    assert np.array_equal(read_image(tmp_path / "batch.png"), picture)


def test_keypoints_are_drawn_over_the_crops(tmp_path: Path) -> None:
    recipe = tiny("drawn-rtmpose-n", *(f"augment.{text}" for text in PLAIN))
    with_links = show_batch(recipe, tmp_path / "a.png").astype(int)
    # the orange of the right side, which no crop holds by chance in every cell
    orange = np.abs(with_links - (255, 130, 40)).max(axis=-1) < 40
    cells = orange.reshape(4, 256, 6, 256).any(axis=(1, 3))
    assert cells.mean() > 0.8


def test_the_lower_half_shows_the_late_augmentation(tmp_path: Path) -> None:
    run = ["epochs=4", "late_epochs=1"]
    plain = [f"late_augment.{text}" for text in PLAIN]
    calm = show_batch(tiny("drawn-rtmpose-n", *run, *plain), tmp_path / "a.png")
    wild = show_batch(tiny("drawn-rtmpose-n", *run, "late_augment.dropout=1"), tmp_path / "b.png")
    everything_early = show_batch(tiny("drawn-rtmpose-n"), tmp_path / "c.png")
    assert np.array_equal(calm[:512], wild[:512])
    assert np.array_equal(calm[:512], everything_early[:512])
    assert not np.array_equal(calm[512:], wild[512:])


def test_few_people_give_a_small_picture_and_are_shown_once(tmp_path: Path) -> None:
    picture = show_batch(tiny("drawn-rtmpose-n", "data.train_count=7"), tmp_path / "batch.jpg")
    assert picture.shape == (2 * 256, 6 * 256, 3)
    assert (picture[256:, 256:] == 255).all()


def test_what_stage_one_trains_on_is_shown_without_its_teacher(tmp_path: Path) -> None:
    assert show_batch(tiny("drawn-stage1-n"), tmp_path / "batch.jpg").any()


def test_an_unknown_kind_of_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown image suffix"):
        show_batch(tiny("drawn-rtmpose-n", "data.train_count=2"), tmp_path / "batch.xyz")
