from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill import Estimator
from posedistill.codecs import SimCC
from posedistill.poses import Poses
from posedistill.runtime.estimator import crops_per_call
from posedistill.runtime.session import Floats, OnnxSession
from posedistill.spec import Spec

WriteModel = Callable[..., Path]
LEFT, RIGHT, NOSE = 5, 6, 0
RED, GREEN, BLUE = 0, 1, 2


def _picture(*dots: tuple[float, float, int, int]) -> NDArray[np.uint8]:
    """Paint soft dots (x, y, channel, peak) on black, (300, 400, 3)."""
    y, x = np.mgrid[:300, :400]
    image = np.zeros((300, 400, 3))
    for dot_x, dot_y, channel, peak in dots:
        bump = peak * np.exp(-((x - dot_x) ** 2 + (y - dot_y) ** 2) / (2 * 3.0**2))
        image[..., channel] = np.maximum(image[..., channel], bump)
    return image.round().astype(np.uint8)


class _Counting:
    """Count the crops of each call to a real session."""

    def __init__(self, session: OnnxSession) -> None:
        self.spec: Spec = session.spec
        self.provider = session.provider
        self.calls: list[int] = []
        self._session = session

    def __call__(self, crops: NDArray[np.uint8]) -> tuple[Floats, ...]:
        self.calls.append(len(crops))
        return self._session(crops)

    def close(self) -> None:
        self._session.close()


class _Broken(_Counting):
    """Spoil one logit of some of the crops of each call."""

    def __init__(self, session: OnnxSession, *, rows: list[int], output: int, value: float) -> None:
        super().__init__(session)
        self._rows, self._output, self._value = rows, output, value

    def __call__(self, crops: NDArray[np.uint8]) -> tuple[Floats, ...]:
        outputs = tuple(output.copy() for output in super().__call__(crops))
        outputs[self._output][self._rows, 3, 7] = self._value
        return outputs


def test_a_box_of_the_size_of_the_input_gives_the_very_pixel(write_dot_model: WriteModel) -> None:
    image = _picture((120, 90, RED, 250), (130, 110, GREEN, 200), (112, 77, BLUE, 150))
    poses = Estimator(write_dot_model())(image, [[100, 60, 148, 124]])
    joints = [LEFT, RIGHT, NOSE]
    assert poses.keypoints[0, joints].tolist() == [[120, 90], [130, 110], [112, 77]]
    np.testing.assert_allclose(
        poses.scores[0, joints], [250 / 255, 200 / 255, 150 / 255], atol=1e-6
    )
    assert poses.keypoints.dtype == poses.scores.dtype == np.float32


@pytest.mark.parametrize(
    "box",
    [[60, 20, 200, 150], [90, 80, 140, 100], [-150, -80, 190, 280]],
    ids=["wide", "small", "out"],
)
def test_a_box_of_any_shape_gives_the_dot_within_a_crop_pixel(
    write_dot_model: WriteModel, box: list[float]
) -> None:
    poses = Estimator(write_dot_model())(_picture((120, 90, RED, 250)), [box])
    pixel = max((box[2] - box[0]) / 48, (box[3] - box[1]) / 64)
    assert np.abs(poses.keypoints[0, LEFT] - (120, 90)).max() <= 0.5 * pixel + 0.5


def test_persons_are_estimated_in_the_order_of_their_boxes(write_dot_model: WriteModel) -> None:
    image = _picture((50, 50, RED, 250), (150, 90, RED, 240), (300, 200, RED, 230))
    boxes = np.array([[20, 20, 68, 84], [130, 60, 178, 124], [280, 160, 328, 224]])
    estimator = Estimator(write_dot_model())
    poses = estimator(image, boxes, [0.9, 0.8, 0.7])
    assert poses.keypoints[:, LEFT].tolist() == [[50, 50], [150, 90], [300, 200]]
    order = [2, 0, 1]
    permuted = estimator(image, boxes[order], np.array([0.7, 0.9, 0.8]))
    np.testing.assert_array_equal(permuted.keypoints, poses.keypoints[order])
    np.testing.assert_array_equal(permuted.box_scores, poses.box_scores[order])


def test_all_persons_go_in_one_call_unless_they_exceed_the_batch(
    write_dot_model: WriteModel,
) -> None:
    session = _Counting(OnnxSession(write_dot_model()))
    boxes = np.tile([100, 60, 148, 124], (5, 1)) + np.arange(5)[:, None]
    image = _picture((120, 90, RED, 250))
    whole = Estimator(session)(image, boxes)
    chunked = Estimator(session, batch_size=2)(image, boxes)
    assert session.calls == [5, 2, 2, 1]
    np.testing.assert_array_equal(whole.keypoints, chunked.keypoints)


def test_the_flip_test_takes_the_mean_with_the_mirrored_joint(write_dot_model: WriteModel) -> None:
    # Mirroring swaps left and right: both joints see (red + green) / 2, whose peak is the red dot.
    image = _picture((120, 90, RED, 250), (130, 110, GREEN, 200), (112, 77, BLUE, 150))
    poses = Estimator(write_dot_model(), flip_test=True)(image, [[100, 60, 148, 124]])
    assert poses.keypoints[0, [LEFT, RIGHT, NOSE]].tolist() == [[120, 90], [120, 90], [112, 77]]
    expected = [125 / 255, 125 / 255, 150 / 255]
    np.testing.assert_allclose(poses.scores[0, [LEFT, RIGHT, NOSE]], expected, atol=0.01)


def test_a_mirrored_image_gives_mirrored_poses_under_the_flip_test(
    write_dot_model: WriteModel,
) -> None:
    image = _picture((120, 90, RED, 250), (130, 110, GREEN, 200), (112, 77, BLUE, 150))
    mirrored = np.asarray(cv2.flip(image, 1), np.uint8)
    estimator = Estimator(write_dot_model(), flip_test=True)
    poses = estimator(image, [[100, 60, 148, 124]])
    # The crop is mirrored pixel by pixel when its box is [399 - x2 + 1, 399 - x1 + 1].
    other = estimator(mirrored, [[400 - 148, 60, 400 - 100, 124]])
    swap = estimator.skeleton.flip_permutation
    np.testing.assert_allclose(other.keypoints[:, swap, 0], 399 - poses.keypoints[..., 0])
    np.testing.assert_allclose(other.keypoints[:, swap, 1], poses.keypoints[..., 1])
    np.testing.assert_allclose(other.scores[:, swap], poses.scores, atol=1e-6)


@pytest.mark.parametrize("boxes", [[], np.zeros((0, 4))], ids=["list", "array"])
def test_no_boxes_give_empty_poses_without_a_call(
    write_dot_model: WriteModel, boxes: NDArray[np.float64]
) -> None:
    session = _Counting(OnnxSession(write_dot_model()))
    poses = Estimator(session)(_picture(), boxes)
    assert len(poses) == 0
    assert session.calls == []
    assert poses.skeleton.name == "coco17"


def test_a_box_outside_the_image_gives_joints_of_score_0(write_dot_model: WriteModel) -> None:
    poses = Estimator(write_dot_model())(_picture((5, 5, RED, 250)), [[900, 900, 950, 980]])
    assert poses.scores.max() == 0
    assert np.isfinite(poses.keypoints).all()


def test_box_scores_are_ones_when_none_are_given(write_dot_model: WriteModel) -> None:
    poses = Estimator(write_dot_model())(_picture(), [[0, 0, 9, 9], [0, 0, 9, 9]])
    assert poses.box_scores.tolist() == [1, 1]
    assert poses.boxes_xyxy.dtype == poses.box_scores.dtype == np.float32


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[0, 0, 9, 9], [5, 5, 5, 9]], "box 1 is"),
        ([[9, 0, 0, 9]], "box 0 is"),
        ([[0, 0, np.nan, 9]], "box 0 is"),
        ([0, 0, 9, 9], r"shape \(4,\); expected \(N, 4\)"),
        ([[0, 0, 9, 9, 1]], r"shape \(1, 5\)"),
    ],
    ids=["no area", "turned over", "NaN", "one box bare", "five numbers"],
)
def test_a_bad_box_is_named(
    write_dot_model: WriteModel, boxes: list[list[float]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Estimator(write_dot_model())(_picture(), boxes)


def test_box_scores_must_be_as_many_as_boxes(write_dot_model: WriteModel) -> None:
    with pytest.raises(ValueError, match=r"box_scores has shape \(2,\); expected \(1,\)"):
        Estimator(write_dot_model())(_picture(), [[0, 0, 9, 9]], [1, 1])


def test_a_grey_image_is_refused_and_a_single_pixel_is_not(write_dot_model: WriteModel) -> None:
    estimator = Estimator(write_dot_model())
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8"):
        estimator(np.zeros((9, 9), np.uint8), [[0, 0, 9, 9]])
    assert len(estimator(np.zeros((1, 1, 3), np.uint8), [[0, 0, 1, 1]])) == 1


def test_an_image_too_long_for_opencv_is_refused(write_dot_model: WriteModel) -> None:
    with pytest.raises(ValueError, match="sides go up to 32766"):
        Estimator(write_dot_model())(np.zeros((1, 32767, 3), np.uint8), [[0, 0, 9, 1]])
    estimator = Estimator(write_dot_model())
    assert len(estimator(np.zeros((1, 32766, 3), np.uint8), [[0, 0, 9, 1]])) == 1


def test_a_batch_of_none_is_refused(write_dot_model: WriteModel) -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        Estimator(write_dot_model(), batch_size=0)


def _same(a: Poses, b: Poses) -> bool:
    names = ("keypoints", "scores", "boxes_xyxy", "box_scores")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


PICTURES = [
    _picture((50, 50, RED, 250), (150, 90, RED, 240)),
    _picture(),
    np.ascontiguousarray(_picture((300, 200, RED, 230), (130, 110, GREEN, 200))[:250]),
]
BOXES = [
    [[20, 20, 68, 84], [130, 60, 178, 124], [10, 10, 200, 150]],
    [],
    [[280, 160, 328, 224], [110, 80, 158, 144]],
]


@pytest.mark.parametrize("flip_test", [False, True], ids=["plain", "flip test"])
@pytest.mark.parametrize("batch_size", [None, 1, 2, 4], ids=str)
def test_images_together_give_what_each_gives_alone(
    write_dot_model: WriteModel, flip_test: bool, batch_size: int | None
) -> None:
    alone = Estimator(write_dot_model(), flip_test=flip_test)
    together = Estimator(write_dot_model(), flip_test=flip_test, batch_size=batch_size)
    scores = [[0.9, 0.8, 0.7], [], [0.6, 0.5]]
    found = together.many(PICTURES, BOXES, scores)
    assert [len(poses) for poses in found] == [3, 0, 2]
    for poses, picture, boxes, given in zip(found, PICTURES, BOXES, scores, strict=True):
        assert _same(poses, alone(picture, boxes, given))


def test_persons_of_several_images_go_in_one_call(write_dot_model: WriteModel) -> None:
    session = _Counting(OnnxSession(write_dot_model()))
    Estimator(session).many(PICTURES, BOXES)
    Estimator(session, batch_size=4).many(PICTURES, BOXES)
    Estimator(session, flip_test=True).many(PICTURES, BOXES)
    assert session.calls == [5, 4, 1, 5, 5]


def test_no_images_and_images_without_persons_take_no_call(write_dot_model: WriteModel) -> None:
    session = _Counting(OnnxSession(write_dot_model()))
    assert Estimator(session).many([], []) == []
    assert [len(poses) for poses in Estimator(session).many(PICTURES[:2], [[], []])] == [0, 0]
    assert session.calls == []


def test_poses_are_their_own_and_not_overwritten_by_the_next_call(
    write_dot_model: WriteModel,
) -> None:
    estimator = Estimator(write_dot_model())
    first = estimator(PICTURES[0], BOXES[0])
    before = first.keypoints.copy(), first.scores.copy()
    estimator(PICTURES[2], BOXES[2])
    assert np.array_equal(first.keypoints, before[0])
    assert np.array_equal(first.scores, before[1])


def test_what_is_wrong_with_one_of_several_images_names_it(write_dot_model: WriteModel) -> None:
    estimator = Estimator(write_dot_model())
    with pytest.raises(ValueError, match=r"image 1: box 0 is \[9"):
        estimator.many(PICTURES[:2], [[], [[9, 0, 0, 9]]])
    with pytest.raises(ValueError, match=r"image 2: .*expected \(H, W, 3\)"):
        estimator.many([*PICTURES[:2], np.zeros((9, 9), np.uint8)], [[], [], []])


@pytest.mark.parametrize(
    ("boxes", "scores"), [([[]], None), ([[], []], [[]])], ids=["boxes", "scores"]
)
def test_boxes_and_scores_must_be_there_for_each_image(
    write_dot_model: WriteModel, boxes: list[list[float]], scores: list[list[float]] | None
) -> None:
    with pytest.raises(ValueError, match="2 images, boxes for [12] and scores for [12]; expected"):
        Estimator(write_dot_model()).many(PICTURES[:2], boxes, scores)


def test_five_hundred_persons_are_found_at_their_places(write_dot_model: WriteModel) -> None:
    image = np.zeros((20 * 64, 25 * 48, 3), np.uint8)
    corners = np.stack(np.meshgrid(48 * np.arange(25), 64 * np.arange(20)), axis=-1).reshape(-1, 2)
    places = corners + np.random.default_rng(0).integers(0, 48, (500, 2))
    image[places[:, 1], places[:, 0], RED] = 200
    poses = Estimator(write_dot_model())(image, np.hstack([corners, corners + (48, 64)]))
    assert np.array_equal(poses.keypoints[:, LEFT], places)
    np.testing.assert_allclose(poses.scores[:, LEFT], 200 / 255, rtol=1e-6)


@pytest.mark.parametrize("output", [0, 1], ids=["x", "y"])
@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_outputs_that_are_not_finite_are_an_error_that_says_where(
    write_dot_model: WriteModel, output: int, value: float
) -> None:
    whole = OnnxSession(write_dot_model())
    session = _Broken(whole, rows=[1], output=output, value=value)
    message = r"dot-finder gives outputs .* NaN or infinite for 1 of 3 persons, the first in box 1;"
    with pytest.raises(ValueError, match=message):
        Estimator(session)(PICTURES[0], BOXES[0])
    session = _Broken(whole, rows=[0], output=output, value=value)
    with pytest.raises(ValueError, match="for 3 of 5 persons, the first in box 0 of image 0"):
        Estimator(session, batch_size=2).many(PICTURES, BOXES)
    session = _Broken(whole, rows=[-1], output=output, value=value)
    with pytest.raises(ValueError, match="for 1 of 5 persons, the first in box 1 of image 2"):
        Estimator(session).many(PICTURES, BOXES)


def test_a_file_that_gives_nan_is_named(write_dot_model: WriteModel) -> None:
    spec = OnnxSession(write_dot_model()).spec
    broken = replace(spec, mean=(0.0, 0.0, 0.0), std=(np.nan, np.nan, np.nan))
    with pytest.raises(ValueError, match=r"dot\.onnx gives outputs that are NaN"):
        Estimator(OnnxSession(write_dot_model(spec=broken), spec=broken))(PICTURES[0], BOXES[0])


def test_a_closed_estimator_says_so(write_dot_model: WriteModel) -> None:
    session = OnnxSession(write_dot_model())
    with Estimator(session) as estimator:
        assert len(estimator(PICTURES[0], BOXES[0])) == 3
    with pytest.raises(ValueError, match="this Estimator is closed"):
        estimator(PICTURES[0], BOXES[0])
    with pytest.raises(ValueError, match="closed"):
        session(np.zeros((1, 3, 64, 48), np.uint8))
    estimator.close()


def test_larger_inputs_and_more_joints_take_fewer_crops_a_call(write_dot_model: WriteModel) -> None:
    spec = OnnxSession(write_dot_model()).spec
    sizes = [(48, 64), (192, 256), (288, 384), (9600, 9600)]
    counts = [
        crops_per_call(replace(spec, codec=SimCC(size, (4.9, 5.66)), skeleton=skeleton))
        for size in sizes
        for skeleton in ("coco17", "wholebody133")
    ]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[1]
    assert counts[-1] == 1
