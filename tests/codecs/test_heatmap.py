from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from posedistill.codecs import Heatmap
from posedistill.skeleton import Skeleton

CODEC = Heatmap((192, 256))
Golden = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> Golden:
    """Give what the reference computed for 17 points, also outside and barely visible ones."""
    with np.load(golden_dir / "heatmap.npz") as file:
        return dict(file)


def test_maps_are_those_of_the_reference(golden: Golden) -> None:
    maps, _ = CODEC.encode(golden["keypoints"], golden["visible"])
    np.testing.assert_allclose(maps[golden["selected"].astype(int)], golden["maps"], atol=1e-6)


def test_weights_are_those_of_the_reference_but_for_barely_visible_points(golden: Golden) -> None:
    _, weights = CODEC.encode(golden["keypoints"], golden["visible"])
    # The reference keeps the weight of a point whose map it leaves empty; here it is 0.
    expected = np.where(golden["visible"] < 0.5, 0, golden["weights"])
    assert np.array_equal(weights, expected)


def test_decoding_is_that_of_the_reference(golden: Golden) -> None:
    keypoints, scores = CODEC.decode(golden["to_decode"])
    assert np.array_equal(keypoints, golden["decoded"])
    assert np.array_equal(scores, golden["scores"])


def test_maps_are_gaussians_of_a_slow_loop(rng: np.random.Generator) -> None:
    codec = Heatmap((24, 32), sigma=1.5)
    points = rng.uniform(-6, 36, (8, 2))
    maps, weights = codec.encode(points, np.ones(8))
    for k, (x, y) in enumerate(points / 4):
        inside = -5.5 <= x < 6 + 4.5 and -5.5 <= y < 8 + 4.5
        assert weights[k] == inside
        for j, i in np.ndindex(8, 6):
            expected = np.exp(-((i - x) ** 2 + (j - y) ** 2) / 4.5) if inside else 0
            assert maps[k, j, i] == pytest.approx(expected, abs=1e-6)


_place = st.tuples(st.floats(2.1, 185.9), st.floats(2.1, 249.9))  # nearest to an inner cell


@given(st.lists(_place, min_size=1, max_size=4))
def test_a_round_trip_stays_within_a_quarter_cell(places: list[tuple[float, float]]) -> None:
    points = np.array(places)
    maps, weights = CODEC.encode(points, np.ones(len(points)))
    decoded, scores = CODEC.decode(maps)
    assert np.abs(decoded - points).max() <= 0.25 * CODEC.stride + 1e-3
    assert weights.tolist() == [1.0] * len(points)
    assert (scores > 0.93).all()  # half a cell off on both axes: exp(-0.25 / 4)


@pytest.mark.parametrize("cell", [(0, 0), (47, 63), (0, 30), (20, 63)])
def test_at_the_border_the_peak_stays_on_its_cell(cell: tuple[int, int]) -> None:
    maps, _ = CODEC.encode(4.0 * np.array([cell]), np.ones(1))
    assert CODEC.decode(maps)[0].tolist() == [[4.0 * cell[0], 4.0 * cell[1]]]


def test_decoding_is_what_a_slow_loop_finds(rng: np.random.Generator) -> None:
    codec = Heatmap((24, 32))
    maps = rng.standard_normal((2, 9, 8, 6)).astype(np.float32)
    keypoints, scores = codec.decode(maps)
    for n, k in np.ndindex(2, 9):
        one = maps[n, k]
        y, x = max(np.ndindex(8, 6), key=lambda cell: one[cell])
        expected = [float(x), float(y)]
        if 0 < x < 5:
            expected[0] += 0.25 if one[y, x + 1] > one[y, x - 1] else -0.25
        if 0 < y < 7:
            expected[1] += 0.25 if one[y + 1, x] > one[y - 1, x] else -0.25
        assert scores[n, k] == one[y, x]
        assert keypoints[n, k].tolist() == [4 * value for value in expected]


def test_a_map_without_a_peak_scores_nothing() -> None:
    keypoints, scores = CODEC.decode(np.zeros((1, 64, 48), np.float32))
    assert scores.tolist() == [0.0]
    assert keypoints.tolist() == [[-4.0, -4.0]]


@pytest.mark.parametrize(
    ("visible", "weight", "peak"), [(0.0, 0.0, 0.0), (0.49, 0.0, 0.0), (0.5, 0.5, 1.0)]
)
def test_what_is_hardly_visible_has_an_empty_map(
    visible: float, weight: float, peak: float
) -> None:
    maps, weights = CODEC.encode(np.array([[40.0, 80.0]]), np.array([visible]))
    assert weights.tolist() == [weight]
    assert maps.max() == peak


def test_a_point_without_finite_coordinates_does_not_spoil_its_map() -> None:
    maps, weights = CODEC.encode(np.array([[np.nan, 3.0]]), np.zeros(1))
    assert weights.tolist() == [0.0]
    assert not maps.any()


def test_a_mirrored_input_gives_the_same_points(rng: np.random.Generator) -> None:
    skeleton = Skeleton.get("wholebody133")
    points = rng.uniform(8, 180, (2, 133, 2))
    mirrored = points[:, skeleton.flip_permutation] * (-1, 1) + (191, 0)
    maps, _ = CODEC.encode(mirrored, np.ones((2, 133)))
    decoded, _ = CODEC.decode(*CODEC.flip_back((maps,), skeleton.flip_permutation))
    # A quarter cell of what the shift by a whole cell leaves over, and one of decoding.
    assert np.abs(decoded - points).max() <= 0.5 * CODEC.stride + 1e-3


def test_the_mean_with_the_mirrored_input_stays_within_a_pixel(rng: np.random.Generator) -> None:
    skeleton = Skeleton.get("coco17")
    points = rng.uniform(8, 180, (4, 17, 2))
    mirrored = points[:, skeleton.flip_permutation] * (-1, 1) + (191, 0)
    maps, _ = CODEC.encode(points, np.ones((4, 17)))
    (back,) = CODEC.flip_back(
        (CODEC.encode(mirrored, np.ones((4, 17)))[0],), skeleton.flip_permutation
    )
    decoded, _ = CODEC.decode(((maps + back) / 2).astype(np.float32))
    assert np.abs(decoded - points).mean() < 1


def test_nobody_is_encoded_and_decoded_to_nobody() -> None:
    maps, weights = CODEC.encode(np.zeros((0, 17, 2)), np.zeros((0, 17)))
    assert (maps.shape, weights.shape) == ((0, 17, 64, 48), (0, 17))
    assert CODEC.decode(maps)[0].shape == (0, 17, 2)


@pytest.mark.parametrize(
    ("size_wh", "sigma", "stride"),
    [((190, 256), 2.0, 4), ((192, 256), 0.0, 4), ((192, 256), 2.0, 0)],
    ids=["size", "sigma", "stride"],
)
def test_impossible_parameters_are_refused(
    size_wh: tuple[int, int], sigma: float, stride: int
) -> None:
    with pytest.raises(ValueError, match="stride that divides"):
        Heatmap(size_wh, sigma, stride)
