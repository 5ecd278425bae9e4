import json
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from posedistill.crop import (
    affine_matrix,
    box_matrices,
    box_to_center_scale,
    crop_boxes,
    fix_aspect,
    invert_affine,
    transform_points,
    warp,
)

SIZES = ((192, 256), (288, 384))
SINGLE = 4 * float(np.finfo(np.float32).eps)  # boxes and corner points are float32, rounded twice
Golden = dict[str, NDArray[np.float64]]
_sizes = st.sampled_from([*SIZES, (256, 256), (48, 20)])
_places = st.floats(-500, 2000)
_sides = st.floats(1, 1500)
_boxes = st.tuples(_places, _places, _sides, _sides).map(
    lambda box: np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]])
)
every_size = pytest.mark.parametrize("size_wh", SIZES, ids=["192x256", "288x384"])


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> dict[str, NDArray[np.float64]]:
    """Give what the reference computed for 12 people of 4 photos, every 19th keypoint."""
    with np.load(golden_dir / "crop.npz") as file:
        return dict(file)


def _of(golden: Golden, size_wh: tuple[int, int], key: str) -> NDArray[np.float64]:
    return golden[f"{size_wh[0]}x{size_wh[1]}_{key}"]


@every_size
def test_center_and_scale_are_those_of_the_reference(
    golden: Golden, size_wh: tuple[int, int]
) -> None:
    center, scale = box_to_center_scale(_of(golden, size_wh, "bbox_xyxy"))
    np.testing.assert_allclose(center, _of(golden, size_wh, "center"), atol=1e-4)
    scale = fix_aspect(scale, size_wh)
    np.testing.assert_allclose(scale, _of(golden, size_wh, "scale"), atol=1e-4)


@every_size
def test_matrices_are_those_of_the_reference(golden: Golden, size_wh: tuple[int, int]) -> None:
    matrices = box_matrices(_of(golden, size_wh, "bbox_xyxy"), size_wh)
    np.testing.assert_allclose(matrices, _of(golden, size_wh, "warp"), rtol=0, atol=1e-9)


@every_size
def test_keypoints_reach_the_input_as_in_the_reference(
    golden: Golden, size_wh: tuple[int, int]
) -> None:
    matrices = box_matrices(_of(golden, size_wh, "bbox_xyxy"), size_wh)
    moved = transform_points(_of(golden, size_wh, "kpts_img"), matrices)
    np.testing.assert_allclose(moved, _of(golden, size_wh, "kpts_input"), atol=1e-3)


@every_size
def test_predictions_return_to_the_image_as_in_the_reference(
    golden: Golden, size_wh: tuple[int, int]
) -> None:
    back = invert_affine(box_matrices(_of(golden, size_wh, "bbox_xyxy"), size_wh))
    moved = transform_points(_of(golden, size_wh, "pred_input"), back)
    # float32 rounding of the reference's centres and scales, in pixels of photos 640 wide.
    np.testing.assert_allclose(moved, _of(golden, size_wh, "pred_image"), atol=2e-4)


@every_size
def test_crops_of_photos_are_those_of_the_reference(
    shared_dir: Path, size_wh: tuple[int, int]
) -> None:
    folder = shared_dir / "golden"
    with np.load(folder / f"valpipe_{size_wh[0]}x{size_wh[1]}.npz") as file:
        boxes, crops, image_ids = file["bbox_xyxy"], file["crop_u8"], file["img_id"]
    known = json.loads((folder / "valpipe.json").read_text(encoding="utf-8"))["images"]
    for matrix, wanted, image_id in zip(
        box_matrices(boxes, size_wh), crops, image_ids, strict=True
    ):
        file_name = f"{image_id:012d}.jpg"
        image_bgr = np.asarray(cv2.imread(str(folder / "inputs" / file_name)), np.uint8)
        is_same_photo = zlib.crc32(image_bgr.tobytes()) == known[file_name]["crc32_bgr_u8"]
        crop_bgr = warp(image_bgr, matrix, size_wh)
        step = size_wh[1] // wanted.shape[0]  # the larger crops are kept in part
        difference = np.abs(crop_bgr[::step, ::step].astype(int) - wanted)
        assert difference.max() <= (0 if is_same_photo else 1)  # JPEG decoders may differ


@given(box=_boxes, size_wh=_sizes, padding=st.floats(1, 2))
def test_the_box_lands_centred_inside_the_input(
    box: NDArray[np.float64], size_wh: tuple[int, int], padding: float
) -> None:
    (matrix,) = box_matrices(box[None], size_wh, padding=padding)
    corners = transform_points(box.reshape(2, 2), matrix)
    tolerance = SINGLE * np.abs(box).max() * np.abs(matrix[:, :2]).max() + SINGLE * size_wh[1]
    np.testing.assert_allclose(corners.mean(axis=0), np.array(size_wh) / 2, atol=tolerance)
    margin = np.minimum(corners[0], np.array(size_wh) - corners[1])
    assert (margin >= -tolerance).all()
    tight = np.array(size_wh) * (1 - 1 / padding) / 2  # one side of the padded box fills the input
    assert np.isclose(margin, tight, atol=tolerance).any()


@given(box=_boxes, size_wh=_sizes, rotation=st.floats(-180, 180))
def test_there_and_back_is_the_identity(
    box: NDArray[np.float64], size_wh: tuple[int, int], rotation: float
) -> None:
    center, scale = box_to_center_scale(box)
    matrix = affine_matrix(center, fix_aspect(scale, size_wh), size_wh, rotation=rotation)
    points = np.array([[0.0, 0.0], [100.0, 50.0], [-3.5, 2000.0]])
    back = transform_points(transform_points(points, matrix), invert_affine(matrix))
    np.testing.assert_allclose(back, points, atol=1e-6)


@given(box=_boxes, size_wh=_sizes, rotation=st.floats(-180, 180))
def test_the_matrix_is_the_one_through_three_points(
    box: NDArray[np.float64], size_wh: tuple[int, int], rotation: float
) -> None:
    center, scale = box_to_center_scale(box)
    scale = fix_aspect(scale, size_wh)
    angle = np.deg2rad(rotation)
    across = scale[0] / 2 * np.array([np.cos(angle), np.sin(angle)])
    down = scale[0] / 2 * np.array([-np.sin(angle), np.cos(angle)])
    w, h = size_wh
    source = np.stack([center, center + across, center + down])
    target = np.array([[w / 2, h / 2], [w, h / 2], [w / 2, h / 2 + w / 2]])
    matrix = affine_matrix(center, scale, size_wh, rotation=rotation)
    tolerance = SINGLE * np.abs(source).max() * w / scale[0]
    np.testing.assert_allclose(transform_points(source, matrix), target, atol=tolerance + 1e-4)


def test_a_positive_rotation_turns_the_content_counter_clockwise() -> None:
    center, scale = np.array([50.0, 50.0]), np.array([100.0, 100.0])
    matrix = affine_matrix(center, scale, (100, 100), rotation=90)
    right_of_center = transform_points(np.array([[60.0, 50.0]]), matrix)
    np.testing.assert_allclose(right_of_center, [[50.0, 40.0]], atol=1e-9)


@given(_boxes, _sizes)
def test_the_aspect_is_fixed_by_widening_alone(
    box: NDArray[np.float64], size_wh: tuple[int, int]
) -> None:
    _, scale = box_to_center_scale(box)
    fixed = fix_aspect(scale, size_wh)
    assert fixed[0] / fixed[1] == pytest.approx(size_wh[0] / size_wh[1])
    assert (fixed >= scale).all()
    assert (fixed == scale).any()


def test_points_of_several_persons_move_by_their_own_matrices(rng: np.random.Generator) -> None:
    points, matrices = rng.random((3, 5, 2)), rng.random((3, 2, 3))
    expected = np.empty_like(points)
    for n, k in np.ndindex(3, 5):
        expected[n, k] = cv2.transform(points[n, k][None, None], matrices[n])[0, 0]
    np.testing.assert_allclose(transform_points(points, matrices), expected, atol=1e-12)


def _slow_warp(
    image: NDArray[np.uint8], matrix: NDArray[np.float64], size_wh: tuple[int, int]
) -> NDArray[np.float64]:
    """Take the bilinear mean of four pixels, black outside, one output pixel at a time."""
    back = invert_affine(matrix)
    crop = np.zeros((size_wh[1], size_wh[0], 3))
    for y, x in np.ndindex(size_wh[1], size_wh[0]):
        u, v = back @ (x, y, 1)
        for row, column in np.ndindex(2, 2):
            i, j = int(np.floor(v)) + row, int(np.floor(u)) + column
            if 0 <= i < image.shape[0] and 0 <= j < image.shape[1]:
                crop[y, x] += (1 - abs(v - i)) * (1 - abs(u - j)) * image[i, j]
    return crop


def test_the_warp_is_bilinear_and_black_outside() -> None:
    ramp = np.add.outer(3 * np.arange(20), 2 * np.arange(24))
    image = np.stack([ramp, 120 - ramp, ramp + 60], axis=-1).astype(np.uint8)
    matrix = affine_matrix(np.array([11.0, 9.3]), np.array([30.0, 40.0]), (27, 36), rotation=20)
    difference = np.abs(warp(image, matrix, (27, 36)) - _slow_warp(image, matrix, (27, 36)))
    # OpenCV places samples in 32nds of a pixel: little inside, more across the black edge.
    assert np.median(difference) < 0.5
    assert difference.max() <= 180 / 16


def test_a_place_beyond_any_image_is_black_and_not_wrapped_around() -> None:
    image = np.full((9, 9, 3), 255, np.uint8)
    for shift in (2.0**15, 2.0**16, 2.0**21, 2.0**40):
        for sign in (-1, 1):
            matrix = np.array([[1.0, 0, sign * shift], [0, 1, 0]])
            assert not warp(image, matrix, (12, 16)).any()


def test_crops_come_channels_first_one_a_matrix(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    shift = np.array([[1.0, 0, -5], [0, 1, -7]])
    crops = crop_boxes(image, [np.eye(3)[:2], shift], (12, 16))
    assert crops.shape == (2, 3, 16, 12)
    assert np.array_equal(crops[0].transpose(1, 2, 0), image[:16, :12])
    assert np.array_equal(crops[1].transpose(1, 2, 0), image[7:23, 5:17])


def test_crops_are_those_that_a_warp_cuts_also_into_rows_of_a_batch(
    rng: np.random.Generator,
) -> None:
    image = rng.integers(0, 256, (90, 70, 3), dtype=np.uint8)
    boxes = np.array([[3.3, 5, 40, 80.7], [-20, -30, 20, 30], [50, 60, 100, 120]])
    matrices = box_matrices(boxes, (12, 16))
    turned = affine_matrix(np.array([30.0, 40]), np.array([30.0, 40]), (12, 16), rotation=33)
    matrices = np.concatenate([matrices, turned[None]])
    batch = np.full((6, 3, 16, 12), 7, np.uint8)
    crops = crop_boxes(image, matrices, (12, 16), out=batch[1:5])
    assert np.shares_memory(crops, batch)
    for crop, matrix in zip(batch[1:5], matrices, strict=True):
        assert np.array_equal(crop.transpose(1, 2, 0), warp(image, matrix, (12, 16)))
    assert (batch[[0, 5]] == 7).all()


def test_no_boxes_give_no_matrices_and_no_crops() -> None:
    matrices = box_matrices(np.zeros((0, 4)), (12, 16))
    assert matrices.shape == (0, 2, 3)
    assert crop_boxes(np.zeros((9, 9, 3), np.uint8), list(matrices), (12, 16)).shape[0] == 0


def test_a_box_far_outside_the_image_gives_a_black_crop() -> None:
    matrices = box_matrices(np.array([[5000.0, 5000, 5100, 5200]]), (12, 16))
    assert not crop_boxes(np.full((9, 9, 3), 255, np.uint8), list(matrices), (12, 16)).any()


@pytest.mark.parametrize(
    "box",
    [[0, 0, 0, 9], [5, 0, 4, 9], [0, 9, 9, 9], [np.nan, 0, 9, 9], [0, 0, np.inf, 9]],
    ids=["no width", "reversed", "no height", "nan", "infinite"],
)
def test_a_box_that_is_none_is_refused_with_its_number(box: list[float]) -> None:
    with pytest.raises(ValueError, match="box 1 is"):
        box_matrices(np.array([[0.0, 0, 9, 9], box]), (12, 16))
