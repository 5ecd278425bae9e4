from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.draw.overlay import draw_overlay
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

WHOLE = Skeleton.get("wholebody133")
SHOULDERS, ELBOW = (5, 6), 7


def _grey(h: int = 240, w: int = 320) -> NDArray[np.uint8]:
    return np.full((h, w, 3), 90, np.uint8)


def _one(joints: dict[int, tuple[float, float]], score: float = 1.0) -> Poses:
    keypoints, scores = np.zeros((1, 133, 2), np.float32), np.zeros((1, 133), np.float32)
    for joint, point in joints.items():
        keypoints[0, joint], scores[0, joint] = point, score
    box = np.array([[20, 20, 200, 220]], np.float32)
    return Poses(keypoints, scores, box, np.ones(1, np.float32), WHOLE)


def _changed(image: NDArray[np.uint8], poses: Poses, *, boxes: bool = False) -> NDArray[np.bool_]:
    different: NDArray[np.bool_] = draw_overlay(image, poses, boxes=boxes) != image
    return np.asarray(different.any(axis=-1), dtype=np.bool_)


def _as_person(scale: float, shift: tuple[float, float] = (0, 0)) -> Poses:
    points = {5: (60, 40), 6: (30, 40), 7: (70, 80), 8: (20, 80), 11: (55, 110), 12: (35, 110)}
    points |= {13: (56, 160), 15: (57, 210), 14: (34, 160), 16: (33, 210)}
    return _one({j: (x * scale + shift[0], y * scale + shift[1]) for j, (x, y) in points.items()})


def test_the_photo_itself_is_left_alone() -> None:
    photo = _grey()
    drawn = draw_overlay(photo, _as_person(1.0))
    assert (photo == 90).all()
    assert drawn.shape == photo.shape
    assert drawn.dtype == np.uint8


def test_a_link_is_drawn_where_both_ends_are_sure() -> None:
    changed = _changed(_grey(), _one({5: (100, 50), 6: (200, 50)}))
    assert changed[50, 100:200].all()


def test_a_joint_below_the_threshold_is_never_drawn_nor_any_link_to_it() -> None:
    poses = _one({5: (100, 50), 6: (200, 50), 7: (100, 150)})
    poses.scores[0, 6] = 0.29
    alone = _one({5: (100, 50), 7: (100, 150)})
    np.testing.assert_array_equal(draw_overlay(_grey(), poses), draw_overlay(_grey(), alone))
    assert not _changed(_grey(), poses)[:, 150:].any()


@pytest.mark.parametrize(("score", "is_drawn"), [(0.29, False), (0.3, True), (-1.0, False)])
def test_the_threshold_itself_is_sure_enough(score: float, is_drawn: bool) -> None:
    assert _changed(_grey(), _one({0: (100, 100)}, score)).any() == is_drawn


def test_left_and_right_differ_in_colour() -> None:
    left = draw_overlay(_grey(), _one({5: (100, 50), 7: (100, 150)}))[100, 100]
    right = draw_overlay(_grey(), _one({6: (100, 50), 8: (100, 150)}))[100, 100]
    assert left[2] > left[0]
    assert right[0] > right[2]


def _line_width(scale: float, photo: NDArray[np.uint8]) -> int:
    changed = _changed(photo, _as_person(scale))
    return int(changed[int(60 * scale), : int(45 * scale)].sum())  # across the right upper arm


def test_lines_widen_with_the_person_and_stop_at_what_suits_the_image() -> None:
    assert _line_width(1.0, _grey(400, 400)) < _line_width(4.0, _grey(1000, 1000))
    narrow, large = (_changed(_grey(900, w), _as_person(4.0))[240, :180].sum() for w in (180, 900))
    assert 2 * narrow < large


def test_a_face_is_dots_without_lines() -> None:
    face = WHOLE.groups["face"]
    points = {int(j): (20.0 + 40 * (i % 7), 20.0 + 20 * (i // 7)) for i, j in enumerate(face)}
    changed = _changed(_grey(), _one(points))
    assert changed[20:220:20, 20:300:40].sum() == len(face)
    assert not changed[:, 40::40].any()


def _together(a: Poses, b: Poses) -> Poses:
    return Poses(
        keypoints=np.concatenate([a.keypoints, b.keypoints]),
        scores=np.concatenate([a.scores, b.scores]),
        boxes_xyxy=np.concatenate([a.boxes_xyxy, b.boxes_xyxy]),
        box_scores=np.concatenate([a.box_scores, b.box_scores]),
        skeleton=a.skeleton,
    )


def test_the_larger_person_is_drawn_over_the_smaller_whatever_their_order() -> None:
    near, far = _as_person(1.0, (20, 5)), _as_person(0.5, (30, 40))
    both = [_together(near, far), _together(far, near)]
    for poses in both:
        poses.boxes_xyxy[:] = [[0, 0, w, w] for w in np.ptp(poses.keypoints[:, 5:17], axis=1)[:, 1]]
    first, second = (draw_overlay(_grey(), poses) for poses in both)
    np.testing.assert_array_equal(first, second)


def test_boxes_are_drawn_when_asked_for() -> None:
    poses = _one({0: (100, 100)})
    with_box, without = _changed(_grey(), poses, boxes=True), _changed(_grey(), poses)
    assert with_box[20, 20:200].all()
    assert not without[20, 20:200].any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30, 1e9])
def test_points_that_no_image_has_are_not_drawn(value: float) -> None:
    poses = _one({5: (100, 50), 6: (value, 50)})
    alone = draw_overlay(_grey(), _one({5: (100, 50)}))
    np.testing.assert_array_equal(draw_overlay(_grey(), poses, boxes=False), alone)


def test_a_link_that_leaves_the_image_is_cut_at_its_border() -> None:
    changed = _changed(_grey(), _one({5: (100, 50), 6: (100_000, 50)}))
    assert changed[50, 100:].all()


@pytest.mark.parametrize("name", Skeleton.names())
def test_every_skeleton_can_be_drawn(name: str) -> None:
    skeleton = Skeleton.get(name)
    k = len(skeleton)
    points = np.random.default_rng(0).uniform(10, 200, (2, k, 2)).astype(np.float32)
    boxes = np.array([[0, 0, 200, 200], [0, 0, 100, 100]], np.float32)
    poses = Poses(points, np.ones((2, k), np.float32), boxes, np.ones(2, np.float32), skeleton)
    assert _changed(_grey(), poses).any()


def test_no_persons_give_the_photo_again() -> None:
    assert not _changed(_grey(), Poses.empty(WHOLE)).any()
    assert not _changed(_grey(1, 1), replace(_one({0: (5, 5)}))).any()


def test_a_float_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8"):
        draw_overlay(np.zeros((4, 4, 3)), Poses.empty(WHOLE))  # type: ignore[arg-type]
