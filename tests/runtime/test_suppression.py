"""Suppression beside a slow loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from posedistill.runtime.suppression import suppress
from tests.slow_suppression import slow_suppress

Floats = NDArray[np.float32]


def _random_boxes(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    low = rng.uniform(0, 60, (count, 2))
    boxes = np.concatenate([low, low + rng.uniform(1, 60, (count, 2))], axis=1)
    scores = rng.permutation(count) / (count + 1)
    return boxes.astype(np.float32), scores.astype(np.float32)


@given(st.integers(0, 1000), st.integers(0, 40), st.sampled_from([0.3, 0.45, 0.65]))
def test_suppression_equals_a_slow_loop(seed: int, count: int, threshold: float) -> None:
    boxes, scores = _random_boxes(np.random.default_rng(seed), count)
    kept = suppress(boxes, scores, threshold=threshold).tolist()
    assert kept == slow_suppress(boxes, scores, threshold)


def test_an_overlap_of_just_the_threshold_stays() -> None:
    # Of 8 and 4 pixels 4 are shared: 4 / 8; without the 1 of the last pixel it were 1 / 3.
    boxes = np.array([[0, 0, 3, 1], [0, 0, 1, 1]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    assert suppress(boxes, scores, threshold=0.5).tolist() == [0, 1]
    assert suppress(boxes, scores, threshold=0.49).tolist() == [0]


def test_crowds_and_nobody_are_suppressed(rng: np.random.Generator) -> None:
    boxes, scores = _random_boxes(rng, 200)
    kept = suppress(boxes, scores, threshold=0.45).tolist()
    assert 30 < len(kept) < 150
    assert kept == slow_suppress(boxes, scores, 0.45)
    assert suppress(boxes[:0], scores[:0], threshold=0.45).shape == (0,)


def test_the_order_of_the_boxes_does_not_matter(rng: np.random.Generator) -> None:
    boxes, scores = _random_boxes(rng, 40)
    order = rng.permutation(40)
    kept = suppress(boxes[order], scores[order], threshold=0.45)
    assert order[kept].tolist() == suppress(boxes, scores, threshold=0.45).tolist()


@pytest.mark.filterwarnings("error")
def test_huge_boxes_do_not_overflow() -> None:
    boxes = np.array([[-3e38, -3e38, 3e38, 3e38], [0, 0, 3e38, 3e38]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    assert suppress(boxes, scores, threshold=0.2).tolist() == [0]
    assert suppress(boxes, scores, threshold=0.3).tolist() == [0, 1]
