from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")

from posedistill.media import write_image
from posedistill.synth import backgrounds
from posedistill.synth.backgrounds import Backgrounds
from posedistill.synth.camera import Camera, view_rotation
from posedistill.synth.ground import floor_light
from posedistill.synth.occluders import draw_cutouts, paint_cutouts
from posedistill.synth.reflection import Lights


def test_pictures_come_from_the_folder(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write_image(tmp_path / "deep" / "red.png", np.full((70, 90, 3), (200, 20, 20), np.uint8))
    places = Backgrounds(tmp_path)
    means = [
        places.draw(np.random.default_rng(seed), size_wh=(20, 30)).mean(axis=(0, 1))
        for seed in range(12)
    ]
    assert np.mean([mean[0] > mean[1] + 50 for mean in means]) > 0.7


def test_a_photo_smaller_than_the_picture_is_blown_up(tmp_path: Path) -> None:
    write_image(tmp_path / "small.png", np.full((10, 6, 3), 90, np.uint8))
    for seed in range(5):
        picture = Backgrounds(tmp_path).draw(np.random.default_rng(seed), size_wh=(40, 30))
        assert picture.shape == (30, 40, 3)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".hidden.png").touch()
    with pytest.raises(ValueError, match="no images in"):
        Backgrounds(tmp_path)


def test_a_photo_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_text("no photo")
    with pytest.raises(ValueError, match=r"broken\.jpg: cannot be read as an image"):
        Backgrounds(tmp_path).draw(np.random.default_rng(0), size_wh=(8, 8))


def test_no_more_photos_are_kept_than_memory_is_meant_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backgrounds, "_KEPT_BYTES", 2 * 8 * 8 * 3)
    backgrounds._kept().clear()
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file in files:
        write_image(file, np.full((8, 8, 3), 9, np.uint8))
    for number in (0, 1, 0, 2):
        assert (backgrounds._photo(files[number]) == 9).all()
    assert list(backgrounds._kept()) == [files[0], files[2]]
    backgrounds._kept().clear()


def test_made_backgrounds_differ_and_repeat_by_seed() -> None:
    plain = Backgrounds(None)
    first, again, other = (
        plain.draw(np.random.default_rng(s), size_wh=(16, 12)) for s in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_cutouts_change_the_picture_where_they_are_and_not_far_from_it() -> None:
    rng = np.random.default_rng(3)
    mask = np.zeros((40, 40), np.bool_)
    mask[:10, :10] = True
    image = np.full((40, 40, 3), 128, np.uint8)
    painted = paint_cutouts(rng, image, mask=mask, backgrounds=Backgrounds(None))
    assert (painted[20:, 20:] >= 127).all()
    assert (painted[20:, 20:] <= 128).all()
    assert np.abs(painted[:6, :6].astype(int) - 128).max() > 3


def test_cutouts_lie_over_people() -> None:
    box = np.array([[20.0, 20, 40, 40]])
    masks = [draw_cutouts(np.random.default_rng(s), box, size_wh=(60, 60)) for s in range(20)]
    assert np.mean([mask[15:45, 15:45].any() for mask in masks]) > 0.9


def test_the_floor_is_dark_where_the_map_says_so_and_bright_above_the_horizon() -> None:
    # Light from straight above; x and z are columns and rows of the map, 10 pixels a metre.
    to_map = np.array([[10, 0, 0, 50], [0, 0, 10, 50], [0, -1, 0, 5]], np.float32)
    depth = np.full((100, 100), 1e6, np.float32)
    depth[:, :50] = 3.0  # something 2 metres up hides the light from x < 0
    down = np.array([[0, 1, 0]], np.float32)
    none = np.zeros(3, np.float32)
    lights = Lights(down, np.ones((1, 3), np.float32), none, none, to_map, depth)
    camera = Camera(view_rotation(0, 20), np.array([0, 1.5, 3.0]), 40.0, (20.0, 15.0))
    share = floor_light(camera, lights, size_wh=(40, 30))
    np.testing.assert_array_equal(share[0], 1)
    assert (share[-1, :18] == 0).all()
    assert (share[-1, 22:] == 1).all()
