import importlib
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import posedistill.draw
from posedistill.draw.controlnet import controlnet
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

WHOLE = Skeleton.get("wholebody133")
SIZE_WH = (200, 160)
PARTS = {
    "body": (True, False, False),
    "hand": (False, True, False),
    "face": (False, False, True),
    "all": (True, True, True),
}
# CRC of the pixels that the reference drew of a second photo, 640 x 425, with OpenCV 4.11.
SECOND_CRC = {"body": 666360951, "hand": 2611516114, "face": 3125913935, "all": 1559760669}
every_part = pytest.mark.parametrize("part", PARTS)
Joints = dict[int, tuple[float, float]]


def _poses(keypoints: NDArray[np.float32], scores: NDArray[np.float32], name: str) -> Poses:
    n = len(keypoints)
    boxes, box_scores = np.zeros((n, 4), np.float32), np.ones(n, np.float32)
    return Poses(keypoints, scores, boxes, box_scores, Skeleton.get(name))


def _persons(*persons: Joints, score: float = 1.0) -> Poses:
    keypoints = np.zeros((len(persons), 133, 2), np.float32)
    scores = np.zeros((len(persons), 133), np.float32)
    for index, joints in enumerate(persons):
        for joint, point in joints.items():
            keypoints[index, joint], scores[index, joint] = point, score
    return _poses(keypoints, scores, "wholebody133")


def _golden(golden_dir: Path, photo: str) -> Poses:
    with np.load(golden_dir / "controlnet.npz") as golden:
        return _poses(golden[f"keypoints_{photo}"], golden[f"scores_{photo}"], "wholebody133")


def _draw_part(poses: Poses, size_wh: tuple[int, int], part: str) -> NDArray[np.uint8]:
    body, hands, face = PARTS[part]
    return controlnet(poses, size_wh, body=body, hands=hands, face=face)


@every_part
def test_the_drawing_equals_that_of_the_reference(golden_dir: Path, part: str) -> None:
    # The file holds the RGB array as if it were BGR, so OpenCV reads back the array itself.
    expected = cv2.imread(str(golden_dir / f"draw_controlnet_{part}_197388.png"))
    assert expected is not None
    drawn = _draw_part(_golden(golden_dir, "197388"), (640, 392), part)
    assert drawn.shape == expected.shape
    assert (drawn == expected).all(axis=-1).mean() >= 0.999
    if cv2.__version__.startswith(("4.11.", "5.0.")):  # where it was measured
        np.testing.assert_array_equal(drawn, expected)


@every_part
@pytest.mark.skipif(not cv2.__version__.startswith(("4.11.", "5.0.")), reason="other line drawing")
def test_the_drawing_of_a_second_photo_has_the_checksum_of_the_reference(
    golden_dir: Path, part: str
) -> None:
    drawn = _draw_part(_golden(golden_dir, "785"), (640, 425), part)
    assert zlib.crc32(drawn.tobytes()) == SECOND_CRC[part]


def test_the_function_is_found_in_its_module_and_in_the_package() -> None:
    module = importlib.import_module("posedistill.draw.controlnet")
    assert posedistill.draw.controlnet is controlnet is module.controlnet


def test_no_persons_give_a_black_canvas() -> None:
    drawn = controlnet(Poses.empty(WHOLE), SIZE_WH)
    assert drawn.shape == (160, 200, 3)
    assert drawn.dtype == np.uint8
    assert not drawn.any()


def test_a_limb_is_darker_than_its_joints_and_of_its_own_colour() -> None:
    drawn = controlnet(_persons({6: (30, 50), 8: (130, 50)}), SIZE_WH)  # right upper arm
    assert drawn[50, 80].tolist() == [153, 102, 0]  # 0.6 of (255, 170, 0)
    assert drawn[50, 30].tolist() == [255, 170, 0]
    assert drawn[50, 130].tolist() == [255, 255, 0]
    assert np.flatnonzero(drawn[:, 80].any(axis=-1)).tolist() == list(range(46, 55))


def test_the_neck_is_drawn_between_two_sure_shoulders_only() -> None:
    shoulders = _persons({5: (150, 50), 6: (50, 50)})
    assert controlnet(shoulders, SIZE_WH)[50, 100].tolist() == [255, 85, 0]
    shoulders.scores[0, 5] = 0.2
    assert not controlnet(shoulders, SIZE_WH)[50, 100].any()


@pytest.mark.parametrize(
    ("joint", "score", "is_drawn"),
    [(0, 0.3, False), (0, 0.31, True), (30, 0.3, True), (30, 0.29, False), (95, 0.3, True)],
    ids=["body at it", "body above", "face at it", "face below", "hand at it"],
)
def test_the_threshold_itself_is_enough_for_face_and_hands(
    joint: int, score: float, is_drawn: bool
) -> None:
    poses = _persons({joint: (50, 50)}, score=score)
    assert controlnet(poses, SIZE_WH).any() == is_drawn


def test_feet_are_not_drawn() -> None:
    feet = {int(joint): (20.0 + 10 * joint, 50.0) for joint in WHOLE.groups["foot"]}
    assert not controlnet(_persons(feet), (400, 400)).any()


@pytest.mark.parametrize("point", [(0.9, 50.0), (50.0, 0.9)])
def test_face_points_in_the_first_row_or_column_are_left_out(point: tuple[float, float]) -> None:
    assert not controlnet(_persons({30: point}), SIZE_WH).any()
    assert controlnet(_persons({0: point}), SIZE_WH).any()  # a nose is not


def test_hands_lie_over_bodies_and_faces_over_hands() -> None:
    poses = _persons({0: (50, 50), 95: (50, 50)}, {30: (50, 50)})
    assert controlnet(poses, SIZE_WH)[50, 50].tolist() == [255, 255, 255]
    assert controlnet(poses, SIZE_WH, face=False)[50, 50].tolist() == [0, 0, 255]
    assert controlnet(poses, SIZE_WH, face=False, hands=False)[50, 50].tolist() == [255, 0, 0]


def test_all_right_hands_lie_over_all_left_hands() -> None:
    left, right = WHOLE.groups["left_hand"], WHOLE.groups["right_hand"]
    first = {int(right[0]): (20.0, 50.0), int(right[1]): (100.0, 50.0)}
    second = {int(left[3]): (60.0, 48.0)}
    drawn = controlnet(_persons(first, second), SIZE_WH)
    assert drawn[50, 60].tolist() == [255, 0, 0]  # the first finger link, over the joint


def test_whoever_comes_later_is_drawn_over_the_others_joint_by_joint() -> None:
    one, other = {5: (50.0, 50.0)}, {6: (50.0, 50.0)}
    forth, back = (controlnet(_persons(*both), SIZE_WH) for both in ((one, other), (other, one)))
    np.testing.assert_array_equal(forth, back)  # the left shoulder is later in the skeleton
    assert forth[50, 50].tolist() == [85, 255, 0]


def test_keypoints_of_a_photo_are_scaled_to_the_canvas() -> None:
    rng = np.random.default_rng(0)
    small = _poses(
        rng.integers(4, 60, (2, 133, 2)).astype(np.float32),
        np.ones((2, 133), np.float32),
        "wholebody133",
    )
    factors = np.array([4, 2], np.float32)
    large = replace(small, keypoints=small.keypoints * factors)
    drawn = controlnet(small, (256, 128), image_size_wh=(64, 64))
    np.testing.assert_array_equal(drawn, controlnet(large, (256, 128)))


@pytest.mark.parametrize("name", ["coco17", "openpose18", "openpose25"])
def test_a_skeleton_with_the_body_alone_gives_the_body(golden_dir: Path, name: str) -> None:
    whole = _golden(golden_dir, "197388")
    expected = controlnet(whole, (640, 392), hands=False, face=False)
    np.testing.assert_array_equal(controlnet(whole.to(name), (640, 392)), expected)


@pytest.mark.parametrize("name", ["mpii16", "hand21", "face68"])
def test_a_skeleton_without_the_body_joints_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} lacks nose.*wholebody133"):
        controlnet(Poses.empty(Skeleton.get(name)), SIZE_WH)


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (5,), (5.0, 5.0), 5, None, (5, 5, 3)], ids=str)
def test_a_size_that_is_none_is_refused(size: object) -> None:
    with pytest.raises(ValueError, match=r"size is .*expected \(width, height\)"):
        controlnet(Poses.empty(WHOLE), size)  # type: ignore[arg-type]


def test_the_size_of_the_photo_is_checked_too() -> None:
    with pytest.raises(ValueError, match=r"size is \(0, 5\)"):
        controlnet(Poses.empty(WHOLE), SIZE_WH, image_size_wh=(0, 5))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -1e9])
def test_a_point_that_no_image_has_is_left_out(value: float) -> None:
    odd = controlnet(_persons({6: (50, 50), 8: (value, 50), 10: (50, value)}), SIZE_WH)
    np.testing.assert_array_equal(odd, controlnet(_persons({6: (50, 50)}), SIZE_WH))


def test_a_limb_that_leaves_the_canvas_is_cut_at_its_border() -> None:
    drawn = controlnet(_persons({6: (100, 50), 8: (5000, 50)}), SIZE_WH)
    assert drawn[50, 110:].any(axis=-1).all()
    assert not drawn[50, :90].any()


@given(
    st.lists(
        st.floats(width=32) | st.floats(-500, 500, width=32) | st.integers(-(2**20), 2**20),
        min_size=12,
        max_size=12,
    ),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
)
def test_no_keypoints_make_it_fail(values: list[float], size_wh: tuple[int, int]) -> None:
    keypoints = np.resize(np.array(values, np.float32), (1, 133, 2))
    with np.errstate(invalid="ignore"):  # the middle of infinities
        drawn = controlnet(
            _poses(keypoints, np.ones((1, 133), np.float32), "wholebody133"), size_wh
        )
    assert drawn.shape == (size_wh[1], size_wh[0], 3)
