"""Online distillation: its losses by the formulas, where gradients go, and what is deployed."""

import math
from itertools import count

import pytest
import torch
from torch import Tensor
from torch.autograd import backward

from posedistill.losses import heatmap_kl
from posedistill.models import PoseModel, build
from posedistill.objectives.objective import Batch
from posedistill.objectives.online import Online, OnlineConfig, make_online, online_kl, ramp_up
from posedistill.objectives.supervised import keypoint_loss
from tests.random_batch import random_batch
from tests.weight_rule import fill

HOURGLASS, SIMCC = "hourglass-2-narrow", "rtmpose-n"
KINDS = pytest.mark.parametrize("name", [HOURGLASS, SIMCC])


def _online(name: str, config: OnlineConfig | None = None) -> Online:
    """Give branches that answer to their inputs, each otherwise: fresh SimCC heads hardly do."""
    torch.manual_seed(0)
    numbers = count()

    def built(branch: str) -> PoseModel:
        model = build(branch, "coco17", (64, 64))
        if branch == SIMCC:
            fill(model, 1.6, prefix=f"{next(numbers)}.")
        return model

    return make_online(built, name, config=config or OnlineConfig())


def _batch(online: Online, people: int = 3) -> Batch:
    return random_batch(online.network.model(0), people)


def _kl(first: Tensor, second: Tensor) -> float:
    """Give KL(first || second) of two distributions, by the definition."""
    pairs: list[tuple[float, float]] = list(zip(first.tolist(), second.tolist(), strict=True))
    return sum(p * math.log(p / q) for p, q in pairs)


def test_the_pixel_wise_divergence_is_that_of_the_formula() -> None:
    torch.manual_seed(0)
    maps, targets = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    weights = torch.tensor([[1.0, 0.0, 1.0], [0.5, 1.0, 0.0]])
    total = 0.0
    for person in range(2):
        for joint in range(3):
            weight = weights[person, joint]
            predicted = torch.softmax((weight * maps[person, joint]).flatten().double(), dim=0)
            wanted = torch.softmax((weight * targets[person, joint]).flatten().double(), dim=0)
            total += _kl(wanted, predicted)
    assert float(heatmap_kl(maps, targets, weights)) == pytest.approx(total / (2 * 4 * 5), rel=1e-4)


def test_a_small_difference_costs_what_the_squared_error_of_the_released_code_does() -> None:
    # Between near maps the divergence is J / cells times half the centred squared error.
    torch.manual_seed(0)
    maps = torch.rand(2, 3, 8, 8)
    difference = 0.01 * torch.randn(2, 3, 8, 8)
    centred = difference - difference.mean(dim=(2, 3), keepdim=True)
    half = 0.5 * centred.square().mean() * 3 / 64
    found = heatmap_kl(maps, maps + difference, torch.ones(2, 3))
    assert float(found) == pytest.approx(float(half), rel=0.1)


def test_a_temperature_softens_both_sides() -> None:
    torch.manual_seed(0)
    maps, targets, weights = torch.rand(1, 2, 3, 3), torch.rand(1, 2, 3, 3), torch.ones(1, 2)
    warm = heatmap_kl(maps, targets, weights, temperature=2.0)
    assert float(warm) == pytest.approx(4 * float(heatmap_kl(maps / 2, targets / 2, weights)))


def test_the_weight_rises_as_published() -> None:
    # 90 of 150 epochs: rampup(e) = exp(-5 (1 - e / 90)^2), and 1 from there on
    for epoch in (0, 1, 30, 89, 90, 149):
        wanted = math.exp(-5 * (1 - min(epoch, 90) / 90) ** 2)
        assert ramp_up(epoch / 150, 0.6) == pytest.approx(wanted)
    assert ramp_up(0.0, 0.0) == 1.0


@KINDS
def test_the_losses_are_sums_over_all_outputs(name: str) -> None:
    config = OnlineConfig(kd_weight=3.0, ensemble_weight=0.5, ramp=0.0)
    online = _online(name, config)
    online.eval()  # so that statistics of the batch are the same twice
    batch = _batch(online)
    with torch.no_grad():
        losses = online(batch, 0.0)
        seen = online.network(batch.images)
        outputs = [*seen.shared, *(output for branch in seen.branches for output in branch)]
        codec, supervised = online.network.specs[0].codec, config.supervised

        def label(output: tuple[Tensor, ...]) -> Tensor:
            return keypoint_loss(output, batch, codec=codec, config=supervised)

        torch.testing.assert_close(losses["keypoint"], sum(map(label, outputs)))
        torch.testing.assert_close(losses["ensemble"], 0.5 * label(seen.ensemble))
        soft = sum(
            online_kl(output, seen.ensemble, batch=batch, codec=codec, config=config)
            for output in outputs
        )
        torch.testing.assert_close(losses["distil"], 3 * torch.as_tensor(soft))
    assert len(outputs) == (4 if name == HOURGLASS else 3)
    assert float(losses["distil"]) > 0


@KINDS
def test_no_divergence_where_output_and_ensemble_agree(name: str) -> None:
    online = _online(name)
    batch = _batch(online)
    with torch.no_grad():
        output = online.network.model(0)(batch.images)
    codec = online.network.specs[0].codec
    found = online_kl(output, output, batch=batch, codec=codec, config=online.config)
    assert float(found) == pytest.approx(0, abs=1e-6)


@KINDS
def test_a_detached_target_learns_nothing_from_its_pupils(name: str) -> None:
    online = _online(name)
    assert online.network.unit is not None
    backward(online(_batch(online), 0.9)["distil"])
    assert all(parameter.grad is None for parameter in online.network.unit.parameters())
    for branch in online.network.branches:
        norms = [p.grad.norm() for p in branch.parameters() if p.grad is not None]
        assert len(norms) == len(list(branch.parameters()))
        assert float(sum(norms)) > 0


@KINDS
def test_a_target_that_is_not_detached_learns_too(name: str) -> None:
    online = _online(name, OnlineConfig(detach_target=False))
    assert online.network.unit is not None
    backward(online(_batch(online), 0.9)["distil"])
    norms = [p.grad.norm() for p in online.network.unit.parameters() if p.grad is not None]
    assert float(sum(norms)) > 0


@KINDS
def test_invisible_joints_are_left_out(name: str) -> None:
    online = _online(name)
    batch = _batch(online)
    hidden = batch._replace(weights=torch.zeros_like(batch.weights))
    losses = online(hidden, 0.9)
    assert [loss.item() for loss in losses.values()] == [0.0, 0.0, 0.0]


@KINDS
def test_a_batch_can_be_learnt_by_heart_by_every_branch(name: str) -> None:
    online = _online(name)
    batch = _batch(online, people=2)
    optimizer = torch.optim.Adam(online.parameters(), lr=2e-3)
    online.train()
    seen = []
    for _ in range(40):
        losses = online(batch, 1.0)
        backward(torch.stack(list(losses.values())).sum())
        optimizer.step()
        optimizer.zero_grad()
        seen.append({key: loss.item() for key, loss in losses.items()})
    for key in ("keypoint", "ensemble"):
        assert seen[-1][key] < 0.7 * seen[0][key]


def test_weights_of_zero_leave_a_loss_out() -> None:
    online = _online(SIMCC, OnlineConfig(kd_weight=0.0, ensemble_weight=0.0, unit="mean"))
    assert list(online(_batch(online), 0.0)) == ["keypoint"]


def test_a_unit_that_nothing_would_teach_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing teaches the aggregation unit 'published'"):
        _online(SIMCC, OnlineConfig(ensemble_weight=0.0))
    _online(SIMCC, OnlineConfig(ensemble_weight=0.0, detach_target=False))
    _online(SIMCC, OnlineConfig(ensemble_weight=0.0, unit="mean"))


def test_a_temperature_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="temperature is 0.0; expected more than 0"):
        _online(SIMCC, OnlineConfig(temperature=0.0))


def test_the_best_branch_is_what_is_deployed_and_is_kept_with_the_state() -> None:
    online = _online(HOURGLASS)
    assert list(online.candidates()) == ["branch 1", "branch 2", "branch 3"]
    online.choose("branch 3")
    again = _online(HOURGLASS)
    again.load_held_state(online.held_state())
    image = _batch(online).images
    online.eval()
    again.eval()
    torch.testing.assert_close(online.deployable()(image), online.network.model(2)(image))
    torch.testing.assert_close(again.deployable()(image), again.network.model(2)(image))


def test_of_unlike_branches_those_like_the_first_may_be_deployed() -> None:
    config = OnlineConfig(branches=("hourglass-2-narrow", "hourglass-3-narrow"), shared_stages=2)
    online = _online("hourglass-2-narrow", config)
    assert list(online.candidates()) == ["branch 1"]
    assert list(online.companions()) == ["branch 2", "ensemble"]


def test_branches_begin_with_weights_of_their_own() -> None:
    online = make_online(lambda name: build(name, "coco17", (64, 64)), SIMCC, config=OnlineConfig())
    heads = [branch.head for branch in online.network.branches]
    first, second = (torch.cat([p.flatten() for p in head.parameters()]) for head in heads[:2])  # type: ignore[union-attr]
    assert not torch.equal(first, second)
