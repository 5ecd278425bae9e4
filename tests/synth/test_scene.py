import numpy as np
import pytest

pytest.importorskip("numba")

from posedistill.synth.backgrounds import Backgrounds
from posedistill.synth.scene import Scene, draw_scene

SIZE_WH = (64, 48)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [_draw(seed) for seed in range(8)]


def _draw(seed: int, people: int | None = None) -> Scene:
    rng = np.random.default_rng(seed)
    return draw_scene(rng, size_wh=SIZE_WH, people=people, backgrounds=Backgrounds(None))


def test_a_seed_gives_the_same_scene_again(scenes: list[Scene]) -> None:
    again = _draw(3)
    assert (again.image_rgb == scenes[3].image_rgb).all()
    for person, other in zip(again.people, scenes[3].people, strict=True):
        assert (person.keypoints == other.keypoints).all()
        assert (person.visible == other.visible).all()


def test_different_seeds_give_different_scenes(scenes: list[Scene]) -> None:
    assert (scenes[0].image_rgb != scenes[1].image_rgb).any()


def test_shapes_and_types_are_those_of_the_contract(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert scene.image_rgb.shape == (48, 64, 3)
        assert scene.image_rgb.dtype == np.uint8
        for person in scene.people:
            assert person.keypoints.shape == (133, 2)
            assert person.keypoints.dtype == person.visible.dtype == np.float32
            assert person.mask.shape == (48, 64)
            assert set(person.visible.tolist()) <= {0.0, 1.0, 2.0}


def test_boxes_are_the_extent_of_the_masks(scenes: list[Scene]) -> None:
    people = [person for scene in scenes for person in scene.people]
    assert people
    for person in people:
        rows, columns = np.nonzero(person.mask)
        extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert person.box_xyxy.tolist() == extent


def test_points_outside_of_the_picture_and_only_they_are_0(scenes: list[Scene]) -> None:
    for person in (person for scene in scenes for person in scene.people):
        inside = ((person.keypoints >= -0.5) & (person.keypoints < np.array(SIZE_WH) - 0.5)).all(
            axis=1
        )
        assert (person.visible[~inside] == 0).all()
        assert (person.visible[inside] > 0).mean() > 0.99  # the rest are behind the camera


def test_people_are_in_order_of_their_seen_area() -> None:
    areas = [int(person.mask.sum()) for person in _draw(1, people=4).people]
    assert areas == sorted(areas, reverse=True)


def test_no_pixel_belongs_to_two_people() -> None:
    scene = _draw(2, people=4)
    assert sum(person.mask.astype(int) for person in scene.people).max() <= 1  # type: ignore[union-attr]


def test_seen_points_of_the_body_lie_on_or_next_to_the_persons_mask(scenes: list[Scene]) -> None:
    offs = []
    for person in (person for scene in scenes for person in scene.people):
        rows, columns = np.nonzero(person.mask)
        for x, y in person.keypoints[:17][person.visible[:17] == 2]:
            offs.append(np.min(np.hypot(columns - x, rows - y)))
    assert np.mean(np.array(offs) < 2.5) > 0.95
