"""Composed scenes: people are where their boxes say, and those who are hidden are not asked for."""

import numpy as np
import pytest
import torch
from torch import Tensor

from posedistill.detect.model import cells
from posedistill.detect.paint import Scenes, _seen, draw_scenes
from posedistill.detect.plan import LAYERS, People
from posedistill.detect.pool import Pool
from tests.detect.pictures import SIDE, empty_picture, green_person

CPU = torch.device("cpu")


def _scenes(count: int = 48, *, seed: int = 0) -> Scenes:
    people = [green_person(has_mask=True), green_person(width=30, height=20)]
    pool = Pool([*people, empty_picture()], side=SIDE, device=CPU)
    return draw_scenes(pool, count, side=128, seed=(seed, 0))


def _green(image: Tensor) -> np.ndarray:
    r, g, b = image.numpy()
    return np.asarray((g - np.maximum(r, b)) > 60)


def test_people_are_where_their_boxes_say() -> None:
    scenes = _scenes(96)
    truth, checked = scenes.truth, 0
    for index, image in enumerate(scenes.images_rgb):
        green = _green(image)
        alone = int(truth.is_person[index].sum()) == 1 and not truth.is_unclear[index].any()
        if not alone or green.sum() < 100:  # others hide each other, or the scene is grey
            continue
        rows, columns = np.flatnonzero(green.any(1)), np.flatnonzero(green.any(0))
        seen = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        box = truth.boxes_xyxy[index][truth.is_person[index]][0].numpy()
        # Blur, noise and the cells on which hiding is told: a few pixels.
        assert np.abs(seen - box).max() <= 4
        checked += 1
    assert checked >= 10


def test_all_that_is_green_is_in_a_box() -> None:
    scenes = _scenes(64, seed=1)
    for image, boxes, is_person, is_unclear, _ in zip(
        scenes.images_rgb, *scenes.truth, strict=True
    ):
        green = _green(image)
        for box in boxes[is_person | is_unclear]:
            x1, y1 = (box[:2] - 4).floor().int().clamp(min=0).tolist()
            x2, y2 = (box[2:] + 4).ceil().int().tolist()
            green[y1:y2, x1:x2] = False
        assert green.sum() <= 40  # rims of those who are hidden


def test_a_seed_says_all_of_a_scene() -> None:
    first, again, other = (_scenes(4, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first.images_rgb, again.images_rgb)
    assert torch.equal(first.truth.boxes_xyxy, again.truth.boxes_xyxy)
    assert not torch.equal(first.images_rgb, other.images_rgb)


def test_doubt_is_where_photos_are() -> None:
    plain = _scenes(32, seed=2)
    assert plain.truth.doubt.shape == (32, len(cells((128, 128))))
    assert 0.1 < float(plain.truth.doubt.mean()) < 0.9
    # Nobody is in doubt in the person-free backgrounds alone.
    pool = Pool([green_person(has_mask=True), empty_picture()], side=SIDE, device=CPU)
    pool.is_complete[:] = True
    assert float(draw_scenes(pool, 8, side=128, seed=(0, 0)).truth.doubt.max()) == 0


def test_a_pool_without_people_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody"):
        Pool([empty_picture()], side=SIDE, device=CPU)


@pytest.mark.parametrize(("weight", "message"), [(0.0, "nobody"), (-1.0, "0 or more")])
def test_weights_that_leave_nobody_are_refused(weight: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pool([green_person(), empty_picture()], side=SIDE, device=CPU, weights={"green": weight})


def test_a_pool_of_people_alone_will_do() -> None:
    pool = Pool([green_person()], side=SIDE, device=CPU)
    scenes = draw_scenes(pool, 8, side=64, seed=(0, 0))
    assert bool(scenes.truth.is_person.any())
    assert torch.isfinite(scenes.images_rgb).all()


def _one_person_under(cover: float, *, until: int) -> tuple[Tensor, bool]:
    """Give the box, and whether it is hidden, of one over whom a layer lies up to a column."""
    covers = torch.zeros(1, LAYERS, 16, 16)
    covers[0, 1] = 1.0
    covers[0, 2, :, :until] = cover
    zero, layer = np.zeros(1, np.int64), np.ones(1, np.int64)
    box = np.array([[10, 8, 50, 60]], np.float32)
    boxes, is_hidden = _seen(People(zero, layer, box, np.zeros(1, bool)), covers)
    return boxes[0], bool(is_hidden[0])


def test_a_box_shrinks_to_what_is_seen() -> None:
    box, is_hidden = _one_person_under(1.0, until=8)  # columns of 4 pixels
    assert (box.tolist(), is_hidden) == ([32, 8, 50, 60], False)


def test_a_box_stays_where_little_is_hidden() -> None:
    box, is_hidden = _one_person_under(1.0, until=3)
    assert (box.tolist(), is_hidden) == ([10, 8, 50, 60], False)


def test_who_is_hidden_is_not_asked_for() -> None:
    assert _one_person_under(1.0, until=16)[1]
    assert not _one_person_under(0.3, until=16)[1]
