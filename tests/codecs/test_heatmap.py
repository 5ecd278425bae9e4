import json
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from posedistill.codecs import Heatmap
from posedistill.codecs.heatmap import Center, Grid, Refine
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec

CODEC = Heatmap((192, 256))
GOLDEN_SIZES = {"48x64": (192, 256), "64x64": (256, 256)}
VARIANTS: dict[str, Callable[[tuple[int, int]], Heatmap]] = {
    "msra": partial(Heatmap, center="rounded", window=True),
    "unbiased": partial(Heatmap, refine="dark"),
    "udp": partial(Heatmap, window=True, refine="dark_udp", grid="udp_reference"),
}
Floats = NDArray[np.float32]
Golden = dict[str, Floats]
every_size = pytest.mark.parametrize("size", list(GOLDEN_SIZES))
every_variant = pytest.mark.parametrize("variant", list(VARIANTS))


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> Golden:
    """Give what the reference computed for 17 points, also outside and barely visible ones.

    Maps and what they decode to are those of the 13 points `selected`.
    """
    with np.load(golden_dir / "heatmap.npz") as file:
        return dict(file)


@every_size
@every_variant
def test_maps_are_those_of_the_reference(golden: Golden, size: str, variant: str) -> None:
    codec = VARIANTS[variant](GOLDEN_SIZES[size])
    maps, _ = codec.encode(golden[f"{size}_keypoints"], golden[f"{size}_visible"])
    chosen = maps[golden["selected"]]
    np.testing.assert_allclose(chosen, golden[f"{size}_{variant}_maps"], rtol=0, atol=1e-6)


@every_size
@every_variant
def test_weights_are_exactly_those_of_the_reference(
    golden: Golden, size: str, variant: str
) -> None:
    codec = VARIANTS[variant](GOLDEN_SIZES[size])
    _, weights = codec.encode(golden[f"{size}_keypoints"], golden[f"{size}_visible"])
    assert np.array_equal(weights, golden[f"{size}_{variant}_weights"])


def _golden_maps(golden: Golden, key: str, *, kind: str) -> Floats:
    """Give the maps that the reference decoded, to some of them noise added for all 17."""
    maps = golden[f"{key}_maps"]
    if kind == "clean":
        return maps
    noise = np.random.RandomState(301).standard_normal((17, *maps.shape[1:])).astype(np.float32)
    return np.asarray(maps + 0.05 * noise[golden["selected"]], np.float32)


@pytest.mark.parametrize("kind", ["clean", "noisy"])
@every_size
@every_variant
def test_decoding_is_that_of_the_reference(
    golden: Golden, size: str, variant: str, kind: str
) -> None:
    key = f"{size}_{variant}"
    codec = VARIANTS[variant](GOLDEN_SIZES[size])
    keypoints, scores = codec.decode(_golden_maps(golden, key, kind=kind))
    assert np.array_equal(scores, golden[f"{key}_{kind}_scores"])
    wanted = golden[f"{key}_{kind}_keypoints"]
    # Quarter offsets are exact; the parabolas of DARK differ by rounding, 6e-5 pixels at most.
    tolerance = 0 if variant == "msra" else 1e-3
    found = scores > 0  # where nothing is found, the reference's UDP gives NaN
    np.testing.assert_allclose(keypoints[found], wanted[found], rtol=0, atol=tolerance)
    if variant != "udp":
        assert np.array_equal(keypoints[~found], wanted[~found])


def _slow_map(codec: Heatmap, point: Floats, *, is_udp: bool) -> Floats:
    """Give the map of one visible point, cell by cell; empty where its window misses the map."""
    w, h = codec.map_size_wh
    scale = [
        (size - 1) / (n - 1) if is_udp else 4 for size, n in zip((24, 32), (w, h), strict=True)
    ]
    x, y = (float(value) / s for value, s in zip(point, scale, strict=True))
    near_x, near_y = int(x + 0.5), int(y + 0.5)
    is_snapped = codec.center == "rounded" or codec.window
    test_x, test_y = (near_x, near_y) if is_snapped else (x, y)
    radius = 3 * codec.sigma
    heatmap = np.zeros((h, w), np.float32)
    if not (-radius - 1 <= test_x < w + radius and -radius - 1 <= test_y < h + radius):
        return heatmap
    if codec.center == "rounded":
        x, y = near_x, near_y
    for j, i in np.ndindex(h, w):
        if not codec.window or max(abs(i - near_x), abs(j - near_y)) <= radius:
            heatmap[j, i] = np.exp(-((i - x) ** 2 + (j - y) ** 2) / (2 * codec.sigma**2))
    return heatmap


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("center", ["exact", "rounded"])
@pytest.mark.parametrize("window", [False, True])
@pytest.mark.parametrize("grid", ["stride", "udp"])
def test_maps_are_gaussians_of_a_slow_loop(
    rng: np.random.Generator, sigma: float, center: Center, window: bool, grid: Grid
) -> None:
    codec = Heatmap((24, 32), sigma, center=center, window=window, grid=grid)
    points = rng.uniform(-30, 60, (40, 2))
    maps, weights = codec.encode(points, np.ones(40))
    expected = np.stack([_slow_map(codec, point, is_udp=grid == "udp") for point in points])
    np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-6)
    assert 0 < weights.sum() < 40
    assert not maps[weights == 0].any()


# Nearest to a cell that the quarter offset may leave: not the first two, not the last.
_place = st.tuples(st.floats(6.1, 185.9), st.floats(6.1, 249.9))
_inner_place = st.tuples(st.floats(26, 165), st.floats(26, 229))  # whole blurs fit on the map


@given(st.lists(_place, min_size=1, max_size=4))
def test_a_round_trip_stays_within_a_quarter_cell(places: list[tuple[float, float]]) -> None:
    points = np.array(places)
    maps, weights = CODEC.encode(points, np.ones(len(points)))
    decoded, scores = CODEC.decode(maps)
    assert np.abs(decoded - points).max() <= 0.25 * CODEC.stride + 1e-3
    assert weights.tolist() == [1.0] * len(points)
    assert (scores > 0.93).all()  # half a cell off on both axes: exp(-0.25 / 4)


@pytest.mark.parametrize("refine", ["dark", "dark_udp"])
@pytest.mark.parametrize("grid", ["stride", "udp"])
@given(st.lists(_inner_place, min_size=1, max_size=4))
def test_a_round_trip_with_dark_is_all_but_exact(
    refine: Refine, grid: Grid, places: list[tuple[float, float]]
) -> None:
    codec = replace(CODEC, refine=refine, grid=grid)
    points = np.array(places)
    decoded, _ = codec.decode(codec.encode(points, np.ones(len(points)))[0])
    # The blur is cut off at 5 cells, so that a blurred Gaussian is not quite one.
    assert np.abs(decoded - points).max() <= 0.01


@pytest.mark.parametrize(
    ("grid", "last"), [("stride", (188, 252)), ("udp", (191, 255)), ("udp_reference", (192, 256))]
)
def test_the_grid_says_where_the_last_cell_lies(grid: Grid, last: tuple[int, int]) -> None:
    maps = np.zeros((2, 64, 48), np.float32)
    maps[0, 0, 0] = maps[1, 63, 47] = 1
    keypoints, _ = replace(CODEC, refine="none", grid=grid).decode(maps)
    np.testing.assert_allclose(keypoints, np.array([(0, 0), last]), atol=1e-4)


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
        if 1 < x < 5 and y > 0:
            expected[0] += 0.25 if one[y, x + 1] > one[y, x - 1] else -0.25
        if 1 < y < 7 and x > 0:
            expected[1] += 0.25 if one[y + 1, x] > one[y - 1, x] else -0.25
        assert scores[n, k] == one[y, x]
        assert keypoints[n, k].tolist() == [4 * value for value in expected]


@pytest.mark.parametrize("refine", get_args(Refine))
@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_map_without_a_peak_scores_nothing(refine: Refine, value: float) -> None:
    maps = np.full((1, 64, 48), value, np.float32)
    keypoints, scores = replace(CODEC, refine=refine).decode(maps)
    assert scores.tolist() == [value]
    assert keypoints.tolist() == [[-4.0, -4.0]]


@pytest.mark.parametrize("refine", get_args(Refine))
def test_people_are_decoded_one_by_one_as_together(
    rng: np.random.Generator, refine: Refine
) -> None:
    codec = replace(CODEC, refine=refine)
    maps = rng.standard_normal((3, 2, 64, 48)).astype(np.float32)
    keypoints, scores = codec.decode(maps)
    for n, k in np.ndindex(3, 2):
        alone, score = codec.decode(maps[n, k])
        np.testing.assert_allclose(keypoints[n, k], alone, rtol=1e-4, atol=1e-3)
        assert scores[n, k] == score


@pytest.mark.parametrize(
    ("visible", "weight", "peak"), [(0.0, 0.0, 0.0), (0.25, 0.25, 0.0), (0.5, 0.5, 1.0)]
)
def test_what_is_hardly_visible_has_an_empty_map_and_keeps_its_weight(
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


def test_on_the_grid_of_udp_a_mirrored_input_gives_the_very_maps(rng: np.random.Generator) -> None:
    codec, permutation = replace(CODEC, grid="udp"), Skeleton.get("coco17").flip_permutation
    points = rng.uniform(-8, 200, (4, 17, 2))
    mirrored = points[:, permutation] * (-1, 1) + (191, 0)
    (back,) = codec.flip_back(codec.encode(mirrored, np.ones((4, 17)))[:1], permutation)
    np.testing.assert_allclose(back, codec.encode(points, np.ones((4, 17)))[0], atol=1e-5)


@every_variant
def test_nobody_is_encoded_and_decoded_to_nobody(variant: str) -> None:
    codec = VARIANTS[variant]((192, 256))
    maps, weights = codec.encode(np.zeros((0, 17, 2)), np.zeros((0, 17)))
    assert (maps.shape, weights.shape) == ((0, 17, 64, 48), (0, 17))
    assert codec.decode(maps)[0].shape == (0, 17, 2)


@every_variant
def test_every_variant_survives_json(variant: str) -> None:
    spec = Spec("x", "coco17", VARIANTS[variant]((192, 256)))
    assert Spec.from_json(spec.to_json()) == spec


def test_a_spec_written_before_there_were_variants_is_still_read() -> None:
    spec = Spec("x", "coco17", CODEC)
    record = json.loads(spec.to_json())
    record["codec"] = {"name": "heatmap", "input_size_wh": [192, 256], "sigma": 2.0, "stride": 4}
    assert Spec.from_json(json.dumps(record)) == spec


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


@pytest.mark.parametrize("field", ["center", "window", "refine", "grid"])
def test_an_unknown_option_is_refused_by_name(field: str) -> None:
    record: dict[str, Any] = {**asdict(CODEC), field: "unheard"}  # Any: fields of several types
    with pytest.raises(ValueError, match=f"{field} is 'unheard'; expected one of"):
        Heatmap(**record)


def test_a_grid_from_corner_to_corner_needs_two_cells() -> None:
    with pytest.raises(ValueError, match="two cells or more"):
        Heatmap((4, 8), grid="udp")
