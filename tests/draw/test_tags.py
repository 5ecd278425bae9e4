"""Tags: colours of ids, boxes and labels."""

import numpy as np
import pytest

from posedistill.draw.tags import draw_box, draw_id, id_color


def test_ids_that_follow_each_other_have_clearly_different_colours() -> None:
    colors = np.array([id_color(k) for k in range(40)], float)
    for distance in (1, 2, 3):
        assert np.abs(colors[distance:] - colors[:-distance]).max(axis=-1).min() > 60


@pytest.mark.parametrize("point", [(-50, -50), (500, 10), (30, 400), (40, 0)])
def test_a_tag_stays_inside_the_picture(point: tuple[float, float]) -> None:
    canvas, middle = np.zeros((80, 120, 3), np.uint8), np.zeros((80, 120, 3), np.uint8)
    draw_id(canvas, 17, above_xy=point, height=12)
    draw_id(middle, 17, above_xy=(60, 60), height=12)
    assert canvas.any(axis=-1).sum() == middle.any(axis=-1).sum() > 100


def test_tags_of_different_ids_differ() -> None:
    pictures = []
    for track_id in (1, 2):
        canvas = np.zeros((80, 120, 3), np.uint8)
        draw_id(canvas, track_id, above_xy=(60, 60), height=12)
        pictures.append(canvas.any(axis=-1) & (canvas == (16, 16, 24)).all(axis=-1))
    assert (pictures[0] != pictures[1]).any()


def test_a_box_lies_on_its_coordinates() -> None:
    canvas = np.zeros((80, 120, 3), np.uint8)
    draw_box(canvas, np.array([10.4, 19.6, 90.0, 60.0]), color=(9, 200, 9))
    ys, xs = np.nonzero((canvas == (9, 200, 9)).all(axis=-1))
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (10, 90, 20, 60)
    assert not canvas[24:56, 14:86].any()
