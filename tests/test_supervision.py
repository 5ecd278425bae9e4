"""Poses as `supervision.KeyPoints`, used as that package uses them."""

import numpy as np
import pytest

from posedistill.poses import Poses
from posedistill.skeleton import Skeleton
from tests.pose_images import random_poses, tracked

sv = pytest.importorskip("supervision", reason="needs the extra supervision")


def test_every_number_is_where_supervision_has_it() -> None:
    poses = tracked(random_poses(3))
    found = poses.to_supervision()
    np.testing.assert_array_equal(found.xy, poses.keypoints)
    np.testing.assert_array_equal(found.keypoint_confidence, poses.scores)
    np.testing.assert_array_equal(found.detection_confidence, poses.box_scores)
    np.testing.assert_array_equal(found.visible, poses.scores > 0)
    np.testing.assert_array_equal(found.data["xyxy"], poses.boxes_xyxy)
    np.testing.assert_array_equal(found.data["tracker_id"], poses.ids)
    assert found.class_id.tolist() == [0, 0, 0]


def test_one_person_of_them_keeps_box_and_id() -> None:
    poses = tracked(random_poses(3))
    one = poses.to_supervision()[1]
    np.testing.assert_array_equal(one.data["xyxy"], poses[1].boxes_xyxy)
    np.testing.assert_array_equal(one.data["tracker_id"], poses[1].ids)


def test_absent_joints_leave_the_extent_as_it_is() -> None:
    poses = random_poses(1)
    poses.scores[0, 7], poses.keypoints[0, 7] = 0, -9999
    present = poses.keypoints[0][poses.scores[0] > 0]
    (box,) = poses.to_supervision().as_detections().xyxy
    assert box.tolist() == [*present.min(axis=0), *present.max(axis=0)]


def test_the_annotators_draw_them() -> None:
    poses = random_poses(1)
    poses.keypoints[:] = np.abs(poses.keypoints) / 10
    links = [(first + 1, second + 1) for first, second in poses.skeleton.links]
    image = np.zeros((400, 400, 3), np.uint8)
    drawn = sv.EdgeAnnotator(edges=links).annotate(image.copy(), poses.to_supervision())
    assert (drawn != image).any()


def test_nobody_stays_nobody() -> None:
    assert len(Poses.empty(Skeleton.get("coco17")).to_supervision()) == 0
    assert "tracker_id" not in random_poses(1).to_supervision().data
