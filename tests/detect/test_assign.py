"""Assignment and losses beside slow loops."""

import numpy as np
import pytest
import torch
from torch import Tensor

from posedistill.detect.assign import (
    Targets,
    Truth,
    assign,
    generalised_overlap,
    losses,
    overlap,
)
from posedistill.detect.model import Predictions, cells

SIZE_WH = (64, 64)
CENTRES = cells(SIZE_WH)


def _boxes(count: int, *, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand((count, 2), generator=generator) * 40
    return torch.cat([low, low + 4 + torch.rand((count, 2), generator=generator) * 30], dim=1)


def _predictions(seed: int) -> Predictions:
    generator = torch.Generator().manual_seed(seed)
    low = CENTRES - 4 - torch.rand(CENTRES.shape, generator=generator) * 12
    high = CENTRES + 4 + torch.rand(CENTRES.shape, generator=generator) * 12
    logits = torch.randn((1, len(CENTRES)), generator=generator)
    return Predictions(torch.cat([low, high], dim=1)[None], logits)


def _truth(boxes: Tensor) -> Truth:
    every = torch.ones((1, len(boxes)), dtype=torch.bool)
    return Truth(boxes[None], every, ~every, torch.zeros(1, len(CENTRES)))


def _slow_overlap(a: list[float], b: list[float]) -> tuple[float, float, float]:
    """Give intersection, union and hull."""
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return w * h, areas - w * h, hull


def _slow_scores(predictions: Predictions, people: list[list[float]]) -> np.ndarray:
    """Give what each cell should score: one person and one cell at a time."""
    boxes, scores = predictions.boxes_xyxy[0].tolist(), predictions.logits[0].sigmoid().tolist()
    fits, overlaps = np.zeros((len(people), len(boxes))), np.zeros((len(people), len(boxes)))
    for p, person in enumerate(people):
        for c, (x, y) in enumerate(CENTRES.tolist()):
            half_w = max((person[2] - person[0]) / 2, 4)
            half_h = max((person[3] - person[1]) / 2, 4)
            near_x = abs(x - (person[0] + person[2]) / 2) <= half_w
            near_y = abs(y - (person[1] + person[3]) / 2) <= half_h
            shared, union, _ = _slow_overlap(boxes[c], person)
            overlaps[p, c] = shared / union
            fits[p, c] = scores[c] ** 0.5 * overlaps[p, c] ** 6 if near_x and near_y else 0
    taken = np.zeros_like(fits, bool)
    for p, row in enumerate(fits):
        taken[p, np.argsort(-row)[:13]] = True
    taken &= fits > 0
    for c in range(len(boxes)):
        owners = np.flatnonzero(taken[:, c])
        taken[:, c] = False
        if len(owners):
            taken[owners[overlaps[owners, c].argmax()], c] = True
    wanted = np.zeros(len(boxes))
    for p, mine in enumerate(taken):
        if mine.any():
            top = overlaps[p, mine].max() / fits[p, mine].max()
            wanted[mine] = fits[p, mine] * top
    return wanted


@pytest.mark.parametrize("seed", range(5))
def test_targets_equal_those_of_a_slow_loop(seed: int) -> None:
    predictions, people = _predictions(seed), _boxes(4, seed=seed + 10)
    targets = assign(predictions, _truth(people), centres=CENTRES)
    expected = _slow_scores(predictions, people.tolist())
    assert expected.max() > 0.2
    np.testing.assert_allclose(targets.scores[0].numpy(), expected, atol=2e-4)


def test_the_order_of_people_does_not_matter() -> None:
    predictions, people = _predictions(0), _boxes(4, seed=1)
    one = assign(predictions, _truth(people), centres=CENTRES)
    other = assign(predictions, _truth(people.flip(0)), centres=CENTRES)
    torch.testing.assert_close(one.scores, other.scores)
    torch.testing.assert_close(one.boxes_xyxy[one.scores > 0], other.boxes_xyxy[other.scores > 0])


def test_a_narrow_person_between_cells_has_cells() -> None:
    person = torch.tensor([[7.0, 0, 9, 12]])
    near = torch.cat([CENTRES - 6, CENTRES + 6], dim=1)[None]
    predictions = Predictions(near, torch.zeros(1, len(CENTRES)))
    assert bool((assign(predictions, _truth(person), centres=CENTRES).scores > 0).any())


def test_nobody_wants_no_score_anywhere() -> None:
    truth = _truth(_boxes(2, seed=0))
    truth = truth._replace(is_person=torch.zeros_like(truth.is_person))
    targets = assign(_predictions(0), truth, centres=CENTRES)
    assert float(targets.scores.sum()) == 0
    assert float(targets.weights.min()) == 1
    found = losses(_predictions(0), targets)
    assert float(found["box"]) == 0 < float(found["score"])


def test_cells_of_people_who_are_hardly_seen_learn_nothing() -> None:
    none = torch.zeros((1, 1), dtype=torch.bool)
    truth = Truth(torch.tensor([[[0.0, 0, 32, 64]]]), none, ~none, torch.zeros(1, len(CENTRES)))
    weights = assign(_predictions(0), truth, centres=CENTRES).weights[0]
    assert weights.tolist() == (CENTRES[:, 0] > 32).float().tolist()


def test_only_what_is_found_in_doubt_is_left_alone() -> None:
    none = torch.zeros((1, 1), dtype=torch.bool)
    predictions = _predictions(0)
    is_doubtful = CENTRES[:, 0] < 32
    truth = Truth(torch.zeros(1, 1, 4), none, none, is_doubtful[None].float())
    weights = assign(predictions, truth, centres=CENTRES).weights[0]
    is_found = predictions.logits[0].sigmoid() > 0.3
    assert weights.tolist() == (~(is_doubtful & is_found)).float().tolist()


def test_overlaps_equal_those_of_a_slow_loop() -> None:
    first, second = _boxes(20, seed=0), _boxes(20, seed=1)
    slow = [_slow_overlap(*pair) for pair in zip(first.tolist(), second.tolist(), strict=True)]
    plain = [shared / union for shared, union, _ in slow]
    general = [shared / union - (hull - union) / hull for shared, union, hull in slow]
    torch.testing.assert_close(overlap(first, second), torch.tensor(plain))
    torch.testing.assert_close(generalised_overlap(first, second), torch.tensor(general))


def test_losses_fall_to_nothing_where_all_is_right() -> None:
    people = _boxes(3, seed=0)[None]
    right = Targets(torch.tensor([[0.9, 0.5, 0.0]]), people, torch.ones(1, 3))
    predictions = Predictions(people, torch.logit(right.scores.clamp(min=1e-6)))
    assert all(float(loss) < 1e-3 for loss in losses(predictions, right).values())
