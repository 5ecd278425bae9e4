from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from posedistill.evaluate.oks import oks
from posedistill.runtime.association import (
    Persons,
    assign,
    box_iou,
    box_sizes,
    doubles,
    pose_oks,
    similarity,
)

BOXES = np.array([[0.0, 0, 10, 20], [5, 5, 15, 25], [100, 0, 120, 10]])
SIGMAS = np.linspace(0.03, 0.1, 6)


def _persons(rng: np.random.Generator, n: int) -> Persons:
    low = rng.uniform(0, 50, (n, 2))
    return Persons(
        joints=low[:, None] + rng.uniform(0, 40, (n, 6, 2)),
        is_sure=rng.uniform(size=(n, 6)) < 0.8,
        boxes_xyxy=np.concatenate([low, low + rng.uniform(30, 60, (n, 2))], axis=1),
    )


def _best_by_trying(values: NDArray[np.float64], least: float) -> float:
    n, m = values.shape
    if n > m:
        return _best_by_trying(values.T, least)
    worth = np.maximum(values - least, 0)
    return max(float(worth[range(n), list(columns)].sum()) for columns in permutations(range(m), n))


def test_boxes_overlap_as_counted_in_pixels() -> None:
    masks = np.zeros((3, 30, 130), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, BOXES.astype(int), strict=True):
        mask[y1:y2, x1:x2] = True
    counted = [[(a & b).sum() / (a | b).sum() for b in masks] for a in masks]
    np.testing.assert_allclose(box_iou(BOXES, BOXES), counted, rtol=1e-12)


def test_a_box_without_area_overlaps_nothing() -> None:
    point = np.array([[3.0, 3, 3, 3]])
    assert box_iou(point, BOXES).tolist() == [[0, 0, 0]]
    assert box_iou(point, point).tolist() == [[0]]
    assert box_sizes(np.array([[5.0, 5, 0, 9]])).tolist() == [0]


def test_poses_are_as_alike_as_the_evaluation_says(rng: np.random.Generator) -> None:
    first, second = _persons(rng, 20), _persons(rng, 20)
    second = Persons(first.joints + rng.normal(0, 4, (20, 6, 2)), *_of(second))
    shared = first.is_sure & second.is_sure
    areas = (box_sizes(first.boxes_xyxy) ** 2 + box_sizes(second.boxes_xyxy) ** 2) / 2
    expected = oks(first.joints, second.joints, areas=areas[:, None], sigmas=SIGMAS, visible=shared)
    has_enough = shared.sum(axis=1) >= 3
    ours = pose_oks(first, second, sigmas=SIGMAS)
    assert 10 < has_enough.sum() < 20
    assert np.isnan(ours[~has_enough]).all()
    np.testing.assert_allclose(ours[has_enough], np.diag(expected)[has_enough], rtol=1e-9)


def _of(persons: Persons) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    return persons.is_sure, persons.boxes_xyxy


def test_poses_with_hardly_a_joint_in_common_are_compared_by_their_boxes() -> None:
    joints = np.arange(12.0).reshape(1, 6, 2)
    is_sure = np.ones((1, 6), bool)
    person = Persons(joints, is_sure, BOXES[:1])
    few = np.array([[True, True, False, False, False, False]])
    others = Persons(
        np.repeat(joints + 2, 3, axis=0),
        np.concatenate([is_sure, few, is_sure]),
        BOXES[[1, 1, 2]],
    )
    overlap = box_iou(BOXES[:1], BOXES[1:2])[0, 0]
    alike = pose_oks(person, others[np.array([0])], sigmas=SIGMAS)[0]
    values = similarity(person, others, sigmas=SIGMAS)
    np.testing.assert_allclose(values, [[(overlap + alike) / 2, overlap, 0]])


@pytest.mark.parametrize("has_joints", [True, False], ids=["poses", "boxes"])
def test_of_persons_who_coincide_all_but_the_oldest_are_doubles(has_joints: bool) -> None:
    shifts = np.array([0.0, 0.2, 8, 0])
    joints = np.arange(12.0).reshape(1, 6, 2) + shifts[:, None, None]
    persons = Persons(joints, np.full((4, 6), has_joints), BOXES[0] + shifts[:, None])
    flags = doubles(persons, np.array([5, 2, 1, 9]), sigmas=SIGMAS)
    assert flags.tolist() == [True, False, False, True]


@given(
    st.tuples(st.integers(0, 5), st.integers(0, 5)).flatmap(
        lambda shape: arrays(np.float64, shape, elements=st.sampled_from([0, 0.2, 0.3, 0.5, 0.9]))
    )
)
def test_pairs_are_together_worth_the_most_there_is(values: NDArray[np.float64]) -> None:
    pairs = assign(values, least=0.25)
    chosen = values[pairs[:, 0], pairs[:, 1]]
    assert (chosen >= 0.25).all()
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)
    best = _best_by_trying(values, 0.25) if values.size else 0.0
    assert (chosen - 0.25).sum() == pytest.approx(best)


@pytest.mark.parametrize("shape", [(40, 40), (30, 60), (60, 30)], ids=str)
def test_large_assignments_are_as_good_as_those_of_scipy(shape: tuple[int, int]) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    values = np.random.default_rng(3).normal(size=shape)
    pairs = assign(values, least=-10)
    rows, columns = optimize.linear_sum_assignment(values, maximize=True)
    assert len(pairs) == min(shape)
    assert values[pairs[:, 0], pairs[:, 1]].sum() == pytest.approx(values[rows, columns].sum())


def test_a_pair_that_hardly_passes_does_not_tear_a_good_one_apart() -> None:
    values = np.array([[0.6, 0.0], [0.9, 0.35]])
    assert values[0, 0] + values[1, 1] > values[1, 0]
    assert assign(values, least=0.3).tolist() == [[1, 0]]
