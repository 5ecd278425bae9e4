"""Supervised training: the loss of each codec, its scale, and that it learns."""

import pytest
import torch
from torch import Tensor
from torch.autograd import backward

from posedistill.losses import heatmap_mse, simcc_kl
from posedistill.models import PoseModel, build
from posedistill.objectives.objective import Batch
from posedistill.objectives.supervised import Supervised, SupervisedConfig
from tests.random_batch import random_batch
from tests.weight_rule import fill

NAMES = {"simcc": "rtmpose-t", "heatmap": "cspnext-t-heatmap"}
every_codec = pytest.mark.parametrize("codec", NAMES)


def _model(codec: str) -> PoseModel:
    torch.manual_seed(0)
    return build(NAMES[codec], "coco17", (64, 96))


def _loss(objective: Supervised, batch: Batch, progress: float = 0.0) -> Tensor:
    losses = objective(batch, progress)
    assert list(losses) == ["keypoint"]
    loss: Tensor = losses["keypoint"]
    return loss


def _join(first: Batch, second: Batch) -> Batch:
    return Batch(
        torch.cat([first.images, second.images]),
        tuple(torch.cat(pair) for pair in zip(first.targets, second.targets, strict=True)),
        torch.cat([first.weights, second.weights]),
        torch.cat([first.indices, second.indices]),
        torch.cat([first.views, second.views]),
    )


def test_the_simcc_loss_is_the_published_one_at_64_people() -> None:
    model = _model("simcc").eval()
    fill(model, 1.6)
    batch = random_batch(model, 3)
    x, y = model(batch.images)
    published = simcc_kl(x, y, batch.targets[0], batch.targets[1], batch.weights)
    loss = _loss(Supervised(model, SupervisedConfig()), batch)
    torch.testing.assert_close(loss, published * 64 / 3)


def test_the_heatmap_loss_is_a_thousand_mean_squared_errors() -> None:
    model = _model("heatmap").eval()
    batch = random_batch(model, 3)
    wanted = 1000 * heatmap_mse(model(batch.images)[0], batch.targets[0], batch.weights)
    torch.testing.assert_close(_loss(Supervised(model, SupervisedConfig()), batch), wanted)


@every_codec
def test_the_loss_of_a_batch_is_the_mean_of_its_halves(codec: str) -> None:
    model = _model(codec).eval()  # in training, batch statistics would tie the people together
    objective = Supervised(model, SupervisedConfig())
    first, second = random_batch(model, 2, seed=1), random_batch(model, 2, seed=2)
    halves = (_loss(objective, first) + _loss(objective, second)) / 2
    torch.testing.assert_close(_loss(objective, _join(first, second)), halves)


@every_codec
def test_its_weights_scale_the_loss(codec: str) -> None:
    model = _model(codec).eval()
    batch = random_batch(model, 2)
    plain = _loss(Supervised(model, SupervisedConfig()), batch)
    weighted = Supervised(model, SupervisedConfig(people_scale=128.0, heatmap_weight=2000.0))
    torch.testing.assert_close(_loss(weighted, batch), 2 * plain)


@every_codec
def test_progress_does_not_change_the_loss(codec: str) -> None:
    model = _model(codec).eval()
    objective, batch = Supervised(model, SupervisedConfig()), random_batch(model, 2)
    assert torch.equal(_loss(objective, batch, 0.0), _loss(objective, batch, 0.9))


def test_the_deployable_model_is_the_one_that_trains() -> None:
    model = _model("simcc")
    objective = Supervised(model, SupervisedConfig())
    assert objective.deployable() is model
    assert {id(p) for p in objective.parameters()} == {id(p) for p in model.parameters()}


@every_codec
def test_one_batch_can_be_learnt_by_heart(codec: str) -> None:
    model = _model(codec)
    objective, batch = Supervised(model, SupervisedConfig()).train(), random_batch(model, 4)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-3)
    losses = []
    for _ in range(20):
        loss = _loss(objective, batch)
        optimizer.zero_grad()
        backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
