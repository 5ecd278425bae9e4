import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from posedistill.codecs import SimCC
from posedistill.codecs.simcc import published_sigma_xy
from posedistill.skeleton import Skeleton

CODECS = {
    "256": SimCC((192, 256), (4.9, 5.66)),
    "384": SimCC((288, 384), (6.0, 6.93)),
}
Golden = dict[str, NDArray[np.float32]]
every_codec = pytest.mark.parametrize("size", list(CODECS))
every_set = pytest.mark.parametrize("index", [0, 1])


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> Golden:
    """Give the labels of the reference for points inside, outside, at ties and barely visible."""
    with np.load(golden_dir / "simcc.npz") as file:
        return dict(file)


@every_codec
@every_set
def test_labels_are_those_of_the_reference(golden: Golden, size: str, index: int) -> None:
    key = f"simcc{size}_set{index}"
    x, y, _ = CODECS[size].encode(golden[f"{key}_kpts"], golden[f"{key}_vis"])
    chosen = golden[f"{key}_sel"].astype(int)
    np.testing.assert_allclose(x[chosen], golden[f"{key}_x"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(y[chosen], golden[f"{key}_y"], rtol=0, atol=1e-6)
    assert np.array_equal(x[chosen].argmax(-1), golden[f"{key}_x"].argmax(-1))
    assert np.array_equal(y[chosen].argmax(-1), golden[f"{key}_y"].argmax(-1))
    np.testing.assert_allclose(x.sum(-1), golden[f"{key}_xsum"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y.sum(-1), golden[f"{key}_ysum"], rtol=1e-5, atol=1e-6)


@every_codec
@every_set
def test_weights_are_exactly_those_of_the_reference(golden: Golden, size: str, index: int) -> None:
    key = f"simcc{size}_set{index}"
    _, _, weights = CODECS[size].encode(golden[f"{key}_kpts"], golden[f"{key}_vis"])
    assert np.array_equal(weights, golden[f"{key}_weights"])


def _seeded_logits(codec: SimCC) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the logits that the reference decoded: noise, with a lost, a flat and a tied row."""
    state = np.random.RandomState(200)
    x = state.standard_normal((2, 133, codec.bins_xy[0])).astype(np.float32)
    y = state.standard_normal((2, 133, codec.bins_xy[1])).astype(np.float32)
    x[0, 0] -= 100
    x[0, 1] = y[0, 1] = 0
    x[1, 2, 50] = x[1, 2, 60] = 9
    return x, y


@every_codec
def test_decoding_is_exactly_that_of_the_reference(golden: Golden, size: str) -> None:
    keypoints, scores = CODECS[size].decode(*_seeded_logits(CODECS[size]))
    assert np.array_equal(keypoints, golden[f"simcc{size}_dec_kpts"])
    assert np.array_equal(scores, golden[f"simcc{size}_dec_scores"])


def test_decoding_is_what_a_slow_loop_finds(rng: np.random.Generator) -> None:
    codec = SimCC((12, 16), (2.0, 2.0))
    x = rng.standard_normal((3, 5, 24)).astype(np.float32)
    y = rng.standard_normal((3, 5, 32)).astype(np.float32)
    keypoints, scores = codec.decode(x, y)
    for n, k in np.ndindex(3, 5):
        best_x = max(range(24), key=lambda i: (x[n, k, i], -i))
        best_y = max(range(32), key=lambda i: (y[n, k, i], -i))
        assert scores[n, k] == min(x[n, k, best_x], y[n, k, best_y])
        assert keypoints[n, k].tolist() == [best_x / 2, best_y / 2]


def test_encoding_is_what_a_slow_loop_finds(rng: np.random.Generator) -> None:
    codec = SimCC((12, 16), (2.0, 3.0))
    points = rng.uniform(-4, 20, (6, 2))
    x, y, _ = codec.encode(points, np.ones(6))
    for k, (px, py) in enumerate(points):
        cx, cy = round(px * 2), round(py * 2)
        inside = -7 <= cx < 24 + 6 and -10 <= cy < 32 + 9
        for i in range(24):
            expected = np.exp(-((i - cx) ** 2) / 8) if inside else 0
            assert x[k, i] == pytest.approx(expected, abs=1e-6)
        for j in range(32):
            expected = np.exp(-((j - cy) ** 2) / 18) if inside else 0
            assert y[k, j] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("pixel", "peak"), [(10.25, 20), (10.75, 22), (11.25, 22), (11.7, 23), (0.25, 0), (-0.25, 0)]
)
def test_half_a_bin_is_rounded_to_the_even_bin(pixel: float, peak: int) -> None:
    x, y, _ = CODECS["256"].encode(np.array([[pixel, pixel]]), np.ones(1))
    assert (int(x.argmax()), int(y.argmax())) == (peak, peak)
    assert (x.max(), y.max()) == (1, 1)


@pytest.mark.parametrize(
    ("point", "weight"),
    [
        # Bins -7 and 24 + 5: the last whose window of 3 sigma = 6 and its end reach the input.
        ((-3.5, 5), 1),
        ((-4.0, 5), 0),
        ((14.5, 5), 1),
        ((15.0, 5), 0),
        # Bins -10 and 32 + 8, 3 sigma = 9.
        ((5, -5.0), 1),
        ((5, -5.5), 0),
        ((5, 20.0), 1),
        ((5, 20.5), 0),
    ],
)
def test_a_point_counts_while_its_window_reaches_the_input(
    point: tuple[float, float], weight: int
) -> None:
    x, y, weights = SimCC((12, 16), (2.0, 3.0)).encode(np.array([point]), np.ones(1))
    assert weights.tolist() == [weight]
    assert bool(x.any()) is bool(y.any()) is bool(weight)


def test_what_is_hardly_visible_has_empty_rows_and_keeps_its_weight() -> None:
    points = np.array([[5.0, 5.0], [5.0, 5.0], [-90.0, 5.0]])
    x, y, weights = CODECS["256"].encode(points, np.array([0.25, 0.5, 0.25]))
    assert weights.tolist() == [0.25, 0.5, 0.25]
    assert x.any(-1).tolist() == y.any(-1).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("peak_x", "peak_y", "score", "point"),
    [(3.0, 2.0, 2.0, [2.5, 3.5]), (1.0, 2.0, 1.0, [2.5, 3.5]), (3.0, 0.0, 0.0, [-0.5, -0.5])],
    ids=["y is lower", "x is lower", "y says nothing"],
)
def test_the_lower_of_both_maxima_is_the_score(
    peak_x: float, peak_y: float, score: float, point: list[float]
) -> None:
    x, y = np.full((1, 24), -1, np.float32), np.full((1, 32), -1, np.float32)
    x[0, 5], y[0, 7] = peak_x, peak_y
    keypoints, scores = SimCC((12, 16), (2.0, 3.0)).decode(x, y)
    assert scores.tolist() == [score]
    assert keypoints.tolist() == [point]


@every_codec
@given(st.data())
def test_a_round_trip_stays_within_a_quarter_pixel(size: str, data: st.DataObject) -> None:
    codec = CODECS[size]
    w, h = codec.input_size_wh
    # Half a bin short of the border: beyond it the nearest bin lies outside.
    place = st.tuples(st.floats(0, w - 0.76), st.floats(0, h - 0.76))
    points = np.array(data.draw(st.lists(place, min_size=1, max_size=4)))
    x, y, weights = codec.encode(points, np.ones(len(points)))
    decoded, scores = codec.decode(x, y)
    assert np.abs(decoded - points).max() <= 0.25 + 1e-5
    assert weights.tolist() == [1.0] * len(points)
    np.testing.assert_allclose(scores, 1)


def test_batches_are_encoded_like_single_persons(rng: np.random.Generator) -> None:
    codec = CODECS["256"]
    points, visible = rng.uniform(-20, 280, (3, 7, 2)), rng.choice([0, 0.4, 1.0], (3, 7))
    batch = codec.encode(points, visible)
    for n in range(3):
        for together, alone in zip(batch, codec.encode(points[n], visible[n]), strict=True):
            assert np.array_equal(together[n], alone)


def test_a_mirrored_input_gives_the_same_points_half_a_pixel_on(rng: np.random.Generator) -> None:
    codec, skeleton = CODECS["256"], Skeleton.get("wholebody133")
    points = np.round(rng.uniform(5, 180, (1, 133, 2)) * 2) / 2
    seen = np.ones((1, 133))
    mirrored = points[:, skeleton.flip_permutation] * (-1, 1) + (191, 0)
    x, y, _ = codec.encode(mirrored, seen)
    back = codec.decode(*codec.flip_back((x, y), skeleton.flip_permutation))[0]
    # Bins mirror to 2w - 1 - i, pixels to w - 1 - x: one bin apart, as in the reference.
    np.testing.assert_allclose(back, points + (0.5, 0), atol=1e-5)


def test_turning_back_twice_changes_nothing(rng: np.random.Generator) -> None:
    codec, permutation = CODECS["256"], Skeleton.get("wholebody133").flip_permutation
    outputs = rng.random((2, 133, 384)), rng.random((2, 133, 512))
    x, y = (array.astype(np.float32) for array in outputs)
    twice = codec.flip_back(codec.flip_back((x, y), permutation), permutation)
    assert np.array_equal(twice[0], x)
    assert np.array_equal(twice[1], y)


def test_nobody_is_encoded_and_decoded_to_nobody() -> None:
    codec = CODECS["256"]
    x, y, weights = codec.encode(np.zeros((0, 133, 2)), np.zeros((0, 133)))
    assert (x.shape, y.shape, weights.shape) == ((0, 133, 384), (0, 133, 512), (0, 133))
    assert codec.decode(x, y)[0].shape == (0, 133, 2)


@pytest.mark.parametrize(
    ("size_wh", "sigma_xy", "split_ratio"),
    [((0, 256), (4.9, 5.66), 2), ((192, 256), (0, 5.66), 2), ((192, 256), (4.9, 5.66), 0)],
    ids=["size", "sigma", "split ratio"],
)
def test_impossible_parameters_are_refused(
    size_wh: tuple[int, int], sigma_xy: tuple[float, float], split_ratio: float
) -> None:
    with pytest.raises(ValueError, match="positive"):
        SimCC(size_wh, sigma_xy, split_ratio)


@pytest.mark.parametrize(
    ("size_wh", "sigma_xy"),
    [((192, 256), (4.9, 5.66)), ((288, 384), (6.0, 6.93)), ((256, 256), (5.66, 5.66))],
    ids=str,
)
def test_sigmas_are_those_of_the_papers(
    size_wh: tuple[int, int], sigma_xy: tuple[float, float]
) -> None:
    assert published_sigma_xy(size_wh) == pytest.approx(sigma_xy, abs=0.005)


def test_many_persons_are_decoded_like_single_ones(rng: np.random.Generator) -> None:
    codec, n = CODECS["256"], 20  # so many that two threads share the work
    x = rng.standard_normal((n, 133, 384), np.float32)
    y = rng.standard_normal((n, 133, 512), np.float32)
    x[3, 5], y[7, 9] = -1, np.nan
    keypoints, scores = codec.decode(x, y)
    for person in range(n):
        alone = codec.decode(x[person], y[person])
        assert np.array_equal(keypoints[person], alone[0])
        assert np.array_equal(scores[person], alone[1], equal_nan=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_many_persons_are_decoded_in_a_forked_process_too() -> None:
    script = (
        "import os, numpy as np\n"
        "from posedistill.codecs import SimCC\n"
        "rows = [np.ones((20, 133, bins), np.float32) for bins in (384, 512)]\n"
        "decode = lambda: SimCC((192, 256), (4.9, 5.66)).decode(*rows)[1].sum()\n"
        "decode()\n"
        "child = os.fork()\n"
        "if not child: os._exit(decode() != 20 * 133)\n"
        "raise SystemExit(os.waitpid(child, 0)[1])\n"
    )
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
@pytest.mark.parametrize("axis", [0, 1], ids=["x", "y"])
def test_a_peak_that_is_no_number_makes_the_score_of_its_joint_nan(axis: int, value: float) -> None:
    rows = np.ones((1, 2, 24), np.float32), np.ones((1, 2, 32), np.float32)
    rows[axis][0, 1, 4] = value
    _, scores = SimCC((12, 16), (2.0, 3.0)).decode(*rows)
    assert np.isfinite(scores[0]).tolist() == [True, False]


def test_bins_that_are_ruled_out_by_minus_infinity_change_nothing() -> None:
    x, y = np.full((1, 24), -np.inf, np.float32), np.zeros((1, 32), np.float32)
    x[0, 5], y[0, 7] = 2, 3
    keypoints, scores = SimCC((12, 16), (2.0, 3.0)).decode(x, y)
    assert (keypoints.tolist(), scores.tolist()) == ([[2.5, 3.5]], [2])
