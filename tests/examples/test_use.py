"""Examples that use models: a photo, a video, two models side by side."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from posedistill.codecs import SimCC
from posedistill.formats.table import FORMATS
from posedistill.media import read_image
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec
from tests.examples.load import EXAMPLES, example, spots, write_spots

WriteModel = Callable[..., Path]
SPEC = Spec("dot", "wholebody133", SimCC((48, 64), (4.9, 5.66), split_ratio=1.0), padding=1.0)


@pytest.fixture
def model(write_dot_model: WriteModel) -> Path:
    """Write a model that finds left joints at red, right at green, the others at blue."""
    return write_dot_model(spec=SPEC)


def test_the_photo_gives_poses_and_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example("photo").main(["--out", str(tmp_path / "new" / "found")])
    said = capsys.readouterr().out
    (image,) = FORMATS["coco"].read(tmp_path / "new" / "found" / "poses.json")
    assert f"{len(image.poses)} people in astronaut.jpg" in said
    assert len(image.poses) >= 1
    sure = int((image.poses.scores[0, image.poses.skeleton.groups["face"]] >= 0.3).sum())
    assert f"person 0: {sure} of 68 joints of face are sure" in said
    assert image.size_wh == (512, 512)
    drawn = read_image(tmp_path / "new" / "found" / "astronaut.png")
    assert drawn.shape == (512, 512, 3)


def test_the_video_gives_a_row_a_frame_with_ids_and_smooth_joints(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("av", reason="needs the extra video")
    from posedistill.video import Frame, VideoWriter

    clip, out = tmp_path / "clip.mp4", tmp_path / "new" / "poses.csv"
    with VideoWriter(clip, size_wh=(48, 64), fps=20) as writer:
        for index in range(6):
            writer.write(Frame(index, index / 20, spots(shift=index)))
    words = [str(clip), "--model", str(model), "--detector", "none", "--out", str(out)]
    example("video_to_csv").main([*words, "--frames", "5"])
    rows = FORMATS["csv"].read(out)
    assert [row.image_id for row in rows] == [0, 1, 2, 3, 4]
    ids = {tuple(row.poses.ids.tolist()) for row in rows if row.poses.ids is not None}
    assert len(ids) == 1
    assert f"id {ids.pop()[0]}: in 5 of 5 frames" in capsys.readouterr().out
    last = rows[-1].poses
    assert last.raw_keypoints is not None
    # What is smoothed lags behind what moves to the right.
    assert (last.keypoints[..., 0] < last.raw_keypoints[..., 0]).any()


@pytest.fixture
def other(write_dot_model: WriteModel) -> Path:
    """Write the model with its joints mirrored: left ones at green, right ones at red."""
    from dataclasses import replace

    import onnx
    from onnx import numpy_helper

    path = write_dot_model("other.onnx", spec=replace(SPEC, architecture="other"))
    graph = onnx.load(path)
    (weights,) = [tensor for tensor in graph.graph.initializer if tensor.name == "weights"]
    swapped = numpy_helper.to_array(weights)[:, [1, 0, 2]]
    weights.CopyFrom(numpy_helper.from_array(swapped, "weights"))
    onnx.save(graph, path)
    return path


def test_models_that_differ_are_told_apart_by_part(
    tmp_path: Path, model: Path, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, out = write_spots(tmp_path / "photos", 2), tmp_path / "new" / "out"
    words = [str(model), str(other), str(photos), "--detector", "none", "--out", str(out)]
    example("compare_models").main(words)
    said = capsys.readouterr().out
    assert "2 people in 2 photos" in said
    # Spots lie 20 px apart both ways, in boxes of 48 x 64: 28.28 / 55.43.
    assert "left_hand      42 joints  51.03 % of the box apart" in said
    assert "face          136 joints  0.00 % of the box apart" in said
    picture = cv2.imread(str(out / "compared.jpg"))
    assert picture is not None
    assert picture.shape == (22 + 2 * 384, 3 * 384, 3)


def test_a_model_beside_itself_does_not_differ(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = write_spots(tmp_path / "photos", 1)
    words = [str(model), str(model), str(photos), "--detector", "none", "--out", str(tmp_path)]
    example("compare_models").main(words)
    assert "whole         133 joints  0.00 % of the box apart" in capsys.readouterr().out


def test_differences_leave_out_what_one_model_is_unsure_of() -> None:
    compare = example("compare_models")
    points, scores = np.zeros((1, 21, 2), np.float32), np.ones((1, 21), np.float32)
    boxes, ones = np.array([[0, 0, 40, 10]], np.float32), np.ones(1, np.float32)
    hand = Skeleton.get("hand21")
    one = Poses(points, scores, boxes, ones, hand)
    unsure = scores.copy()
    unsure[0, 3] = 0.2
    other = Poses(points + np.array([3, 4], np.float32), unsure, boxes, ones, hand)
    moved = compare.differences(one, other)
    assert np.flatnonzero(np.isnan(moved[0])).tolist() == [3]
    assert moved[0, 0] == pytest.approx(25.0)  # 5 px in a box of 20 px, squared
    drawn = compare.draw_differences(np.zeros((10, 40, 3), np.uint8), one, other)
    assert drawn.any()


def test_a_folder_without_photos_is_told(tmp_path: Path, model: Path) -> None:
    (tmp_path / "bare").mkdir()
    with pytest.raises(SystemExit):
        example("compare_models").main([str(model), str(model), str(tmp_path / "bare")])


def test_every_example_says_how_to_call_it() -> None:
    for file in EXAMPLES.glob("*.py"):
        if file.stem not in ("distil_drawn", "readme_picture", "controlnet_picture"):
            assert f"python examples/{file.name}" in file.read_text(encoding="utf-8")
