"""Resampling: the teacher sees the same picture, and its peaks come back to the same pixels."""

import numpy as np
import pytest
import torch

from posedistill.codecs import Codec, Heatmap, SimCC
from posedistill.codecs.heatmap import Grid
from posedistill.crop import affine_matrix, transform_points
from posedistill.teachers.resample import check_aspect, grid_xy, positions_xy, resize, sample_at


def _spot(size_wh: tuple[int, int], center: tuple[float, float], width: float) -> torch.Tensor:
    """Give a crop (1, 3, h, w) with one blurred spot; pixel i has its centre at i."""
    x, y = np.arange(size_wh[0]) - center[0], np.arange(size_wh[1]) - center[1]
    spot = 250 * np.exp(-(x**2)[None] / (2 * width**2)) * np.exp(-(y**2)[:, None] / (2 * width**2))
    return torch.from_numpy(np.broadcast_to(spot, (1, 3, *spot.shape)).round().astype(np.uint8))


def _middle(image: torch.Tensor) -> tuple[float, float]:
    """Give the centre of mass of a crop, pixels."""
    mass = image[0, 0].double().numpy()
    y, x = np.indices(mass.shape)
    return float((x * mass).sum() / mass.sum()), float((y * mass).sum() / mass.sum())


@pytest.mark.parametrize("size_wh", [(96, 128), (72, 96), (24, 32), (32, 40)])
def test_a_point_comes_to_lie_where_the_formula_says(size_wh: tuple[int, int]) -> None:
    center = (20.3, 41.8)
    resized = resize(_spot((48, 64), center, 4.0), size_wh)
    assert resized.dtype == torch.uint8
    assert resized.shape == (1, 3, size_wh[1], size_wh[0])
    wanted = [(c + 0.5) * m / n - 0.5 for c, m, n in zip(center, size_wh, (48, 64), strict=True)]
    assert _middle(resized) == pytest.approx(wanted, abs=0.05)


def test_shrinking_filters_what_the_smaller_crop_cannot_show() -> None:
    stripes = torch.zeros(1, 3, 12, 12, dtype=torch.uint8)
    stripes[..., ::2] = 200
    inner = resize(stripes, (4, 4))[..., 1:-1]
    assert inner.float().sub(100).abs().max() < 30


CODECS: list[Codec] = [
    SimCC((48, 64), (2.0, 2.0)),
    SimCC((48, 64), (2.0, 2.0), 3.0),
    Heatmap((48, 64)),
    Heatmap((48, 64), grid="udp", refine="dark_udp"),
    Heatmap((48, 64), grid="udp_reference", refine="dark_udp"),
]


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_the_grid_is_that_of_the_codec(codec: Codec) -> None:
    (count_x, step_x), (count_y, step_y) = grid_xy(codec)
    keypoint = np.array([[[3 * step_x, 5 * step_y]]])
    targets = codec.encode(keypoint, np.ones((1, 1)))[:-1]
    if len(targets) == 2:
        assert (targets[0].shape[-1], targets[1].shape[-1]) == (count_x, count_y)
        assert [int(rows.argmax()) for rows in targets] == [3, 5]
    else:
        assert targets[0].shape[-2:] == (count_y, count_x)
        assert divmod(int(targets[0].argmax()), count_x) == (5, 3)


@pytest.mark.parametrize(
    ("teacher", "student"),
    [
        (SimCC((72, 96), (4.0, 4.0)), SimCC((48, 64), (4.0, 4.0))),
        (SimCC((48, 64), (4.0, 4.0), 3.0), SimCC((48, 64), (4.0, 4.0))),
        (SimCC((24, 32), (4.0, 4.0), 4.0), SimCC((48, 64), (4.0, 4.0), 1.0)),
    ],
    ids=["larger input", "finer bins", "smaller input, finer bins"],
)
def test_peaks_of_the_teacher_come_to_the_students_bins(teacher: SimCC, student: SimCC) -> None:
    point = np.array([[21.0, 37.0]])  # where the student's crop shows it
    scale = np.array(teacher.input_size_wh) / student.input_size_wh
    logits = teacher.encode((point + 0.5) * scale - 0.5, np.ones(1))[:2]
    moved = [
        sample_at(torch.from_numpy(rows), positions, -1)
        for rows, positions in zip(logits, positions_xy(teacher, student), strict=True)
    ]
    assert tuple(rows.shape[-1] for rows in moved) == student.bins_xy
    # the centre of mass is finer than a bin; encode rounds to one of the teacher's
    found = [float((rows[0] * torch.arange(rows.shape[-1])).sum() / rows.sum()) for rows in moved]
    half_bin = 0.5 / teacher.split_ratio / scale.min() + 1e-4
    assert np.array(found) / student.split_ratio == pytest.approx(point[0], abs=half_bin)


@pytest.mark.parametrize("grid", ["stride", "udp"])
def test_cells_of_the_teacher_come_to_the_students_cells(grid: Grid) -> None:
    teacher = Heatmap((72, 96), sigma=3.0, grid=grid)
    student = Heatmap((48, 64), refine="dark")
    point = np.array([[[21.0, 37.0]]])
    maps, _ = teacher.encode((point + 0.5) * 1.5 - 0.5, np.ones((1, 1)))
    x, y = positions_xy(teacher, student)
    moved = sample_at(sample_at(torch.from_numpy(maps), x, -1), y, -2).numpy()
    assert moved.shape[-2:] == (16, 12)
    assert student.decode(moved)[0] == pytest.approx(point, abs=0.3)


def test_equal_grids_are_left_alone() -> None:
    codec = SimCC((48, 64), (2.0, 2.0))
    assert positions_xy(SimCC((48, 64), (3.0, 3.0)), codec) == (None, None)
    rows = torch.randn(2, 3, 96)
    assert sample_at(rows, None, -1) is rows


def test_interpolation_agrees_with_numpy() -> None:
    values, places = torch.randn(2, 9, 3), torch.rand(40) * 8
    found = sample_at(values, places, 1)
    wanted = [
        [np.interp(places, np.arange(9), values[n, :, c]) for c in range(3)] for n in range(2)
    ]
    np.testing.assert_allclose(found.numpy(), np.swapaxes(wanted, 1, 2), atol=1e-6)


def test_the_shift_to_a_crop_cut_at_the_teachers_size_is_a_part_of_a_pixel() -> None:
    box = np.array([30.0, 40.0]), np.array([96.0, 128.0])
    own, wanted = (affine_matrix(*box, size) for size in ((72, 96), (48, 64)))
    point = np.array([[50.0, 20.0]])
    resized = (transform_points(point, wanted) + 0.5) * 1.5 - 0.5
    assert transform_points(point, own) - resized == pytest.approx(-0.25)


def test_sizes_of_another_aspect_are_refused() -> None:
    check_aspect((288, 384), (192, 256))
    check_aspect((196, 256), (192, 256))
    with pytest.raises(ValueError, match="crops of 256x256, the student of 192x256"):
        check_aspect((256, 256), (192, 256))
