"""Optimisation beside the reference's groups, learning rates and moving averages."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.autograd import backward

from posedistill.models import build
from posedistill.objectives.supervised import Supervised, SupervisedConfig
from posedistill.train.launch import launch
from posedistill.train.learner import Learner
from posedistill.train.optim import Ema, OptimConfig, learning_rate, parameter_groups
from posedistill.train.recipe import Recipe
from tests.random_batch import random_batch

Golden = dict[str, Any]  # Any: numbers and records of them, as JSON holds them


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> Golden:
    content: Golden = json.loads((golden_dir / "optim.json").read_text(encoding="utf-8"))
    return content


def _names(module: nn.Module, group: dict[str, Any]) -> set[str]:  # Any: as torch takes groups
    members = {id(parameter) for parameter in group["params"]}
    return {name for name, parameter in module.named_parameters() if id(parameter) in members}


def test_the_groups_are_those_of_the_reference(golden: Golden) -> None:
    with torch.device("meta"):
        model = build("rtmpose-s")
    decayed, plain = parameter_groups(model, 0.05)
    assert _names(model, decayed) == set(golden["decayed"])
    assert _names(model, plain) == set(golden["plain"])
    assert [decayed["weight_decay"], plain["weight_decay"]] == [0.05, 0.0]


def test_every_parameter_is_in_one_group_once() -> None:
    with torch.device("meta"):
        model = build("cspnext-t-heatmap")
    decayed, plain = (list(_names(model, group)) for group in parameter_groups(model, 0.05))
    assert sorted(decayed + plain) == sorted(name for name, _ in model.named_parameters())


def test_frozen_parameters_are_in_no_group() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    module[0].requires_grad_(False)
    decayed, plain = parameter_groups(module, 0.05)
    assert _names(module, decayed) == {"1.weight"}
    assert _names(module, plain) == {"1.bias"}


def test_learning_rates_are_those_of_the_reference(golden: Golden) -> None:
    wanted = {int(step): rate for step, rate in golden["learning_rates"].items()}
    seen = {step: learning_rate(step, 27_000, config=OptimConfig()) for step in wanted}
    assert seen == pytest.approx(wanted, rel=1e-9)


def test_learning_rates_rise_stay_and_fall() -> None:
    config = OptimConfig(lr=1.0, warmup_steps=10, flat_fraction=0.5, final_factor=0.1)
    rates = [learning_rate(step, 100, config=config) for step in range(101)]
    assert rates[0] == pytest.approx(1e-5)
    assert all(later > earlier for earlier, later in zip(rates[:10], rates[1:10], strict=False))
    assert rates[9:51] == [pytest.approx(1.0)] * 42
    assert all(later < earlier for earlier, later in zip(rates[50:], rates[51:], strict=False))
    assert rates[75] == pytest.approx(0.1 + 0.9 / 2)
    assert rates[100] == pytest.approx(0.1)


# OKDHP: 150 epochs, lr 2.5e-4, times 0.1 after epochs 90 and 120
STEPS = OptimConfig(lr=2.5e-4, warmup_steps=0, milestones=(90 / 150, 120 / 150))


@pytest.mark.parametrize("per_epoch", [1, 7, 1390])
def test_learning_rates_fall_in_steps_as_torch_lets_them(per_epoch: int) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.5e-4)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[90, 120], gamma=0.1)
    for epoch in range(150):
        (wanted,) = schedule.get_last_lr()
        for step in (epoch * per_epoch, (epoch + 1) * per_epoch - 1):
            seen = learning_rate(step, 150 * per_epoch, config=STEPS)
            assert seen == pytest.approx(wanted, rel=1e-9), (epoch, step)
        optimizer.step()
        schedule.step()


def test_each_side_of_a_milestone_has_its_own_learning_rate() -> None:
    config = OptimConfig(lr=1.0, warmup_steps=4, milestones=(0.25, 0.5), milestone_factor=0.5)
    rates = [learning_rate(step, 40, config=config) for step in (3, 9, 10, 19, 20, 39)]
    assert rates == pytest.approx([1.0, 1.0, 0.5, 0.5, 0.25, 0.25])
    assert learning_rate(0, 40, config=config) == pytest.approx(1e-5)


@pytest.mark.parametrize("milestone", [90.0, 1.0, 0.0, -0.5])
def test_a_milestone_that_is_no_part_of_the_run_is_refused(milestone: float) -> None:
    with pytest.raises(ValueError, match="expected parts of the run between 0 and 1"):
        OptimConfig(milestones=(0.5, milestone))


def test_without_decay_the_optimiser_is_adam() -> None:
    torch.manual_seed(0)
    start, inputs = nn.Linear(3, 2), torch.randn(5, 4, 3)
    ends = []
    for kind in (torch.optim.AdamW, torch.optim.Adam):
        module = copy.deepcopy(start)
        optimizer = kind(parameter_groups(module, 0.0), lr=0.1)
        for batch in inputs:
            optimizer.zero_grad()
            backward(module(batch).square().mean())
            optimizer.step()
        ends.append(module.weight.detach())
    assert torch.equal(*ends)
    assert not torch.equal(ends[0], start.weight)


@pytest.mark.parametrize("warmup_steps", [0, 1])
def test_a_run_without_warm_up_starts_no_lower_than_it_must(warmup_steps: int) -> None:
    config = OptimConfig(lr=1.0, warmup_steps=warmup_steps)
    assert learning_rate(warmup_steps, 100, config=config) == 1.0


def test_averages_are_those_of_the_reference(golden: Golden) -> None:
    wanted = {int(count): value for count, value in golden["averages"].items()}
    module = nn.Linear(1, 1, bias=False)
    ema, seen = Ema(module, OptimConfig()), {}
    for count in range(1, max(wanted) + 1):
        nn.init.constant_(module.weight, count)
        ema.update(module)
        if count in wanted:
            seen[count] = float(ema.average["weight"])
    assert seen == pytest.approx(wanted, rel=1e-6)


def test_averages_follow_their_formula() -> None:
    config, module = OptimConfig(ema_momentum=0.1, ema_gamma=5.0), nn.Linear(1, 1, bias=False)
    ema, wanted = Ema(module, config), 0.0
    for update, value in enumerate([3.0, -1.0, 4.0, 1.0]):
        rate = 0.9 * math.exp(-(1 + update) / 5) + 0.1
        wanted = value if update == 0 else (1 - rate) * wanted + rate * value
        nn.init.constant_(module.weight, value)
        ema.update(module)
    assert float(ema.average["weight"]) == pytest.approx(wanted, rel=1e-6)


def test_averages_take_in_statistics_and_copy_counts() -> None:
    module = nn.BatchNorm1d(1)
    ema = Ema(module, OptimConfig(ema_momentum=0.5, ema_gamma=1e-9))
    for mean, count in ((2.0, 1), (4.0, 2)):
        assert module.running_mean is not None
        assert module.num_batches_tracked is not None
        module.running_mean.fill_(mean)
        module.num_batches_tracked.fill_(count)
        ema.update(module)
    assert float(ema.average["running_mean"]) == pytest.approx(3.0)
    assert int(ema.average["num_batches_tracked"]) == 2


def _two_updates() -> tuple[nn.Linear, Ema]:
    module = nn.Linear(2, 2)
    ema = Ema(module, OptimConfig(ema_momentum=0.5))
    for value in (1.0, 3.0):
        nn.init.constant_(module.weight, value)
        nn.init.constant_(module.bias, value)
        ema.update(module)
    return module, ema


def test_a_module_has_the_averages_only_while_they_are_swapped_in() -> None:
    module, ema = _two_updates()
    average = ema.average["weight"].clone()
    assert not torch.equal(average, module.weight)
    with ema.swapped_in(module):
        assert torch.equal(module.weight, average)
    assert bool((module.weight == 3).all())
    assert torch.equal(ema.average["weight"], average)


def test_weights_come_back_after_an_error() -> None:
    module, ema = _two_updates()
    with pytest.raises(ZeroDivisionError), ema.swapped_in(module):
        raise ZeroDivisionError
    assert bool((module.weight == 3).all())


def test_training_goes_on_from_a_saved_average_as_if_unbroken() -> None:
    module, ema = _two_updates()
    resumed = Ema(nn.Linear(2, 2), OptimConfig(ema_momentum=0.5))
    resumed.load(ema.num_updates, {name: value.clone() for name, value in ema.average.items()})
    nn.init.constant_(module.weight, 7.0)
    ema.update(module)
    resumed.update(module)
    assert all(torch.equal(value, resumed.average[name]) for name, value in ema.average.items())
    assert resumed.state()["num_updates"] == 3


def _learner(optim: OptimConfig) -> Learner:
    torch.manual_seed(0)
    objective = Supervised(build("rtmpose-n", "coco17", (64, 64)), SupervisedConfig())
    return Learner(objective, Recipe("example", optim=optim), launch("32-true"))


def _take(learner: Learner, steps: range) -> None:
    model = learner.objective.deployable()
    for step in steps:
        learner.step(learner.to_device(random_batch(model, 4, seed=step)), 0.0, lr=1e-3)


@pytest.mark.parametrize("ema", [False, True])
def test_the_weights_of_now_are_evaluated_where_none_are_averaged(ema: bool) -> None:
    learner = _learner(OptimConfig(ema=ema))
    _take(learner, range(3))
    now = learner.objective.deployable().state_dict()
    evaluated = learner.averaged()
    assert not evaluated.training
    seen = evaluated.state_dict()
    for key in ("head.mlp.1.weight", "backbone.stem.0.bn.running_mean"):
        assert torch.equal(seen[key], now[key]) != ema, key
    assert ema or all(torch.equal(value, now[key]) for key, value in seen.items())
    before = seen["head.mlp.1.weight"].clone()
    _take(learner, range(3, 4))
    assert torch.equal(evaluated.state_dict()["head.mlp.1.weight"], before)  # it is a copy


def test_without_an_average_training_goes_on_as_if_unbroken() -> None:
    config = OptimConfig(ema=False)
    whole, resumed = _learner(config), _learner(config)
    _take(whole, range(2))
    state = copy.deepcopy(whole.state())
    assert state["ema"] == {}
    _take(resumed, range(7, 8))
    resumed.load(state)
    for learner in (whole, resumed):
        _take(learner, range(2, 4))
    one, other = (learner.averaged().state_dict() for learner in (whole, resumed))
    assert all(torch.equal(value, other[key]) for key, value in one.items())
