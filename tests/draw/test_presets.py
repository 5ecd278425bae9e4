from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.draw import controlnet
from posedistill.draw.presets import PRESETS, Preset, draw_preset
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

WHOLE = Skeleton.get("wholebody133")
every_preset = pytest.mark.parametrize("name", PRESETS)


@pytest.fixture
def person() -> Poses:
    """Give a person with all joints sure, within 640 x 480."""
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(40, 440, (1, 133, 2)).astype(np.float32)
    scores, boxes = np.ones((1, 133), np.float32), np.zeros((1, 4), np.float32)
    return Poses(keypoints, scores, boxes, np.ones(1, np.float32), WHOLE)


def _arm(length: float) -> Poses:
    """Give a right upper arm alone, level, from (20, 240) on."""
    keypoints, scores = np.zeros((1, 133, 2), np.float32), np.zeros((1, 133), np.float32)
    keypoints[0, 6], keypoints[0, 8] = (20, 240), (20 + length, 240)
    scores[0, [6, 8]] = 1
    return Poses(keypoints, scores, np.zeros((1, 4), np.float32), np.ones(1, np.float32), WHOLE)


def _thickness(drawn: NDArray[np.uint8]) -> int:
    """Give how many pixels of a column the middle of the arm takes."""
    lit = np.asarray(drawn.any(axis=-1))
    columns = np.flatnonzero(lit.any(axis=0))
    return int(lit[:, columns[len(columns) // 2]].sum())


@every_preset
def test_a_preset_is_found_by_its_name_and_says_where_its_facts_come_from(name: str) -> None:
    preset = PRESETS[name]
    assert preset.name == name
    assert preset.title
    assert len(preset.source) > 20


@every_preset
def test_the_sides_are_multiples_and_keep_the_shape_of_the_photo(name: str) -> None:
    preset = PRESETS[name].at(1024)
    for image_wh in ((640, 480), (480, 640), (1920, 1080), (500, 500)):
        w, h = preset.size_wh(image_wh)
        assert w % preset.multiple == h % preset.multiple == 0
        assert abs(np.log(w / h) - np.log(image_wh[0] / image_wh[1])) < 0.09  # half a step a side


@pytest.mark.parametrize(
    ("name", "image_wh", "size_wh"),
    [
        ("photo", (637, 481), (637, 481)),
        ("sd15-openpose", (480, 640), (512, 704)),
        ("sdxl-openpose", (3000, 3000), (1024, 1024)),
        ("sdxl-openpose-xinsir", (1920, 1080), (1344, 768)),  # one of SDXL's own sizes
        ("flux-openpose", (600, 600), (512, 512)),
    ],
)
def test_the_size_is_that_of_the_preset(
    name: str, image_wh: tuple[int, int], size_wh: tuple[int, int], person: Poses
) -> None:
    drawn = draw_preset(person, image_wh, name)
    assert drawn.shape == (size_wh[1], size_wh[0], 3)
    assert drawn.dtype == np.uint8


def test_the_preset_of_the_photo_is_the_plain_drawing(person: Poses) -> None:
    expected = controlnet(person, (640, 480))
    np.testing.assert_array_equal(draw_preset(person, (640, 480), PRESETS["photo"]), expected)


def test_a_preset_of_usual_lines_is_the_plain_drawing_at_its_size(person: Poses) -> None:
    expected = controlnet(person, (704, 512), image_size_wh=(640, 480))
    np.testing.assert_array_equal(draw_preset(person, (640, 480), "sd15-openpose"), expected)


@pytest.mark.parametrize(
    ("resolution", "half_width"),
    [(448, 4), (512, 8), (960, 8), (1024, 12), (2048, 16), (3008, 20), (4032, 24), (5056, 28)],
)
def test_the_lines_of_xinsir_grow_in_steps_of_the_long_side(
    resolution: int, half_width: int
) -> None:
    drawn = draw_preset(_arm(400), (480, 480), "sdxl-openpose-xinsir", resolution=resolution)
    assert drawn.shape[:2] == (resolution, resolution)
    # An ellipse of that half width covers it on both sides, and the middle row.
    assert _thickness(drawn) == pytest.approx(2 * half_width + 1, abs=1)


def test_the_lines_of_other_presets_are_as_wide_at_every_size() -> None:
    drawn = [draw_preset(_arm(400), (480, 480), "photo", resolution=r) for r in (512, 2048)]
    assert _thickness(drawn[0]) == _thickness(drawn[1]) == 9


def test_joints_are_as_wide_as_limbs() -> None:
    drawn = draw_preset(_arm(400), (1024, 1024), "sdxl-openpose-xinsir")
    assert np.flatnonzero(drawn[:, 20].any(axis=-1)).tolist() == list(range(228, 253))


def test_hands_and_faces_are_as_fine_beside_wide_bodies(person: Poses) -> None:
    size_wh, name = (1024, 1024), "sdxl-openpose-xinsir"
    drawn = draw_preset(person, size_wh, name, body=False, hands=True, face=True)
    np.testing.assert_array_equal(drawn, controlnet(person, size_wh, body=False))


@pytest.mark.parametrize("part", ["body", "hands", "face"])
def test_each_part_can_be_overruled(person: Poses, part: str) -> None:
    left_out: dict[str, Any] = {part: False}  # Any: a keyword of functions that have more
    without = draw_preset(person, (640, 480), "photo", **left_out)
    expected = controlnet(person, (640, 480), **left_out)
    np.testing.assert_array_equal(without, expected)
    assert (without != draw_preset(person, (640, 480), "photo")).any()


def test_a_preset_of_bodies_leaves_out_hands_and_faces_unless_asked(person: Poses) -> None:
    plain = draw_preset(person, (640, 480), "sdxl-openpose")
    no_body = draw_preset(person, (640, 480), "sdxl-openpose", body=False)
    asked = draw_preset(person, (640, 480), "sdxl-openpose", hands=True, face=True)
    assert plain.any()
    assert not no_body.any()
    assert (asked != plain).any()


def test_an_own_preset_is_taken_as_it_is() -> None:
    own = Preset("own", "Own", resolution=96, multiple=8, body_scales=((0, 1.5),))
    drawn = draw_preset(_arm(400), (480, 480), own)
    assert drawn.shape == (96, 96, 3)
    assert _thickness(drawn) == 13


def test_a_name_that_no_preset_has_is_told_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="no preset is called 'sd9'; expected one of photo, sd15"):
        draw_preset(_arm(9), (64, 64), "sd9")


@pytest.mark.parametrize("resolution", [0, -1, 63, 8193])
def test_a_resolution_that_no_picture_has_is_refused(resolution: int) -> None:
    with pytest.raises(ValueError, match=f"resolution is {resolution}; expected 64 to 8192"):
        draw_preset(_arm(9), (64, 64), "photo", resolution=resolution)


def test_a_picture_that_would_be_huge_is_refused() -> None:
    with pytest.raises(ValueError, match="would be too large: 819200x8192"):
        PRESETS["photo"].at(8192).size_wh((1000, 10))


def test_the_picture_of_a_very_long_image_is_at_least_a_step_high() -> None:
    assert PRESETS["sdxl-openpose"].size_wh((100_000, 10)) == (102_400, 64)


def test_presets_cannot_be_changed_by_chance() -> None:
    with pytest.raises(TypeError):
        PRESETS["own"] = replace(PRESETS["photo"], name="own")  # type: ignore[index]
