"""Damaged model files give a ValueError or run, and nothing else: detectors and pose networks."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from posedistill.runtime.detector import Detector
from posedistill.runtime.estimator import Estimator
from tests.damage import Edit, damage, edits
from tests.detector_nets import write_own, write_suppressed, write_yolox

IMAGE = np.full((64, 48, 3), (200, 100, 50), np.uint8)
bounded = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("write", [write_own, write_suppressed, write_yolox])
@bounded
@given(edits())
def test_a_damaged_detector_gives_boxes_or_a_value_error(
    tmp_path: Path, write: Callable[[Path], Path], edits: list[Edit]
) -> None:
    whole = write(tmp_path / "whole.onnx").read_bytes()
    (tmp_path / "damaged.onnx").write_bytes(damage(whole, edits))
    with suppress(ValueError), Detector(tmp_path / "damaged.onnx") as detector:
        (found,) = detector([IMAGE])
        assert found.boxes_xyxy.shape == (len(found.scores), 4)


@bounded
@given(edits())
def test_a_damaged_pose_network_gives_poses_or_a_value_error(
    tmp_path: Path, write_dot_model: Callable[..., Path], edits: list[Edit]
) -> None:
    whole = write_dot_model().read_bytes()
    (tmp_path / "damaged.onnx").write_bytes(damage(whole, edits))
    with suppress(ValueError):
        poses = Estimator(tmp_path / "damaged.onnx")(IMAGE, [[0, 0, 48, 64]])
        assert poses.keypoints.shape == (1, len(poses.skeleton), 2)


@pytest.mark.parametrize("open_model", [Detector, Estimator])
@bounded
@given(edits())
def test_bytes_that_are_no_model_at_all_are_a_value_error(
    tmp_path: Path, open_model: Callable[[Path], object], edits: list[Edit]
) -> None:
    (tmp_path / "none.onnx").write_bytes(damage(bytes(64), edits))
    with pytest.raises(ValueError, match=r"none\.onnx"):
        open_model(tmp_path / "none.onnx")
