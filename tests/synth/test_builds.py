"""Builds, and the weights of the body's shapes that they ask for."""

import numpy as np
import pytest

from posedistill.synth.builds import draw_phenotype, draw_shapes
from posedistill.synth.compact import compacted
from posedistill.synth.phenotypes import phenotype_weights

ORIGINS = ("african", "asian", "caucasian")


def test_origins_are_drawn_evenly() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_phenotype(rng) for _ in range(1500)]
    means = [np.mean([phenotype[origin] for phenotype in drawn]) for origin in ORIGINS]
    assert np.abs(np.array(means) - 1 / 3).max() < 0.04


def test_shapes_are_alike_on_both_sides_and_small() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        shapes = draw_shapes(rng)
        assert all(abs(value) <= 0.6 for value in shapes.values())
        for name, value in shapes.items():
            if name.startswith("l-"):
                assert shapes["r-" + name.removeprefix("l-")] == value


def test_variations_of_each_kind_share_one_weight() -> None:
    phenotype = draw_phenotype(np.random.default_rng(3))
    weights = phenotype_weights(phenotype, np.eye(26, dtype=bool))
    kinds = np.split(weights, np.cumsum([3, 2, 5, 3, 3, 2, 2, 3]))
    assert len(kinds) == 9
    for kind in kinds:
        assert kind.sum() == pytest.approx(1)
        assert (kind > 0).sum() <= (3 if len(kind) == 3 else 2)


def test_a_shape_of_two_variations_has_the_product_of_their_weights() -> None:
    mask = np.zeros((1, 26), bool)
    mask[0, [3, 9]] = True  # male and old
    assert phenotype_weights({"gender": 0.25, "age": 0.9}, mask) == pytest.approx(0.75 * 0.7)


def test_an_unknown_phenotype_is_refused() -> None:
    with pytest.raises(ValueError, match="charm.*gender"):
        phenotype_weights({"charm": 1.0}, np.eye(26, dtype=bool))


def test_the_compact_basis_gives_the_bodies_that_are_drawn() -> None:
    rng = np.random.default_rng(4)
    mask = rng.random((80, 26)) < 0.08
    shapes = (rng.normal(size=(80, 6)) @ rng.normal(size=(6, 90))).astype(np.float32)
    mix, projection = compacted(shapes, mask)
    weights = phenotype_weights(draw_phenotype(rng), mask)
    exact, close = weights @ shapes, weights @ projection @ (mix @ shapes)
    assert np.abs(close - exact).max() < 1e-3 * np.abs(exact).max()
