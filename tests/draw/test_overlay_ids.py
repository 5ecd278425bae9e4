"""Overlay of tracked persons: tags and colours that stay with the id."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from posedistill.draw.overlay import draw_overlay
from posedistill.draw.tags import id_color
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

COCO = Skeleton.get("coco17")
PHOTO = np.full((240, 480, 3), 90, np.uint8)


def _people(places_x: list[float], ids: list[int] | None) -> Poses:
    """Give standing people with feet at 200 px."""
    joints = np.array([[0, 60], [-3, 57], [3, 57], [-6, 60], [6, 60], [-20, 80], [20, 80]], float)
    joints = np.r_[joints, [[-25, 110], [25, 110], [-25, 140], [25, 140], [-12, 140], [12, 140]]]
    joints = np.r_[joints, [[-12, 170], [12, 170], [-12, 200], [12, 200]]]
    keypoints = np.array([joints + (x, 0) for x in places_x], np.float32).reshape(-1, 17, 2)
    boxes = [[x - 30, 50, x + 30, 205] for x in places_x]
    return Poses(
        keypoints=keypoints,
        scores=np.ones(keypoints.shape[:2], np.float32),
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        box_scores=np.ones(len(places_x), np.float32),
        skeleton=COCO,
        ids=None if ids is None else np.array(ids),
    )


def _where(image: NDArray[np.uint8], track_id: int) -> NDArray[np.int64]:
    """Give the columns in which the colour of an id is seen."""
    has_color = (image == id_color(track_id)).all(axis=-1)
    return np.flatnonzero(has_color.any(axis=0))


def test_each_person_has_the_tag_of_their_id_above_them() -> None:
    drawn = draw_overlay(PHOTO, _people([100, 300], [4, 9]))
    assert abs(_where(drawn, 4).mean() - 100) < 3
    assert abs(_where(drawn, 9).mean() - 300) < 3
    assert not (drawn[70:] == id_color(4)).all(axis=-1).any()  # not over the face or the body


def test_a_tag_follows_its_person_in_whatever_order_they_come() -> None:
    first = draw_overlay(PHOTO, _people([100, 300], [4, 9]), boxes=True)
    second = draw_overlay(PHOTO, _people([300, 100], [9, 4]), boxes=True)
    np.testing.assert_array_equal(first, second)


def test_the_box_of_a_person_has_the_colour_of_the_id() -> None:
    drawn = draw_overlay(PHOTO, _people([200], [5]), boxes=True)
    assert (drawn[120, 170] == id_color(5)).all()
    assert (draw_overlay(PHOTO, _people([200], None), boxes=True)[120, 170] == 235).all()


def test_ids_are_left_out_when_not_wanted() -> None:
    poses = _people([100, 300], [4, 9])
    plain = draw_overlay(PHOTO, replace(poses, ids=None), boxes=True)
    np.testing.assert_array_equal(draw_overlay(PHOTO, poses, boxes=True, ids=False), plain)


def test_a_person_of_whom_nothing_is_sure_has_no_tag() -> None:
    poses = _people([100, 300], [4, 9])
    poses.scores[0] = 0.1
    drawn = draw_overlay(PHOTO, poses)
    assert len(_where(drawn, 4)) == 0
    assert len(_where(drawn, 9)) > 0


def test_no_persons_give_the_photo_again() -> None:
    assert (draw_overlay(PHOTO, _people([], []), boxes=True) == PHOTO).all()
