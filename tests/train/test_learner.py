"""The learner: what one step changes, and what a step that is not finite leaves alone."""

import copy

import pytest
import torch
from torch import Tensor

from posedistill.models import PoseModel, build
from posedistill.objectives.objective import Batch, Objective
from posedistill.objectives.supervised import Supervised, SupervisedConfig
from posedistill.train.launch import World, launch, world
from posedistill.train.learner import Learner
from posedistill.train.recipe import Recipe, override
from tests.random_batch import random_batch
from tests.train.tiny import largest_difference


def _learner(*assignments: str) -> Learner:
    recipe = override(Recipe("example", objective=SupervisedConfig()), ["lr=0.001", *assignments])
    torch.manual_seed(0)
    objective = Supervised(build("rtmpose-n", "coco17", (64, 64)), SupervisedConfig())
    return Learner(objective, recipe, launch("32-true"))


def _poisoned(learner: Learner) -> Batch:
    batch = _good(learner)
    batch.targets[0][1, 3] = float("nan")
    return batch._replace(weights=torch.ones_like(batch.weights))


def _good(learner: Learner) -> Batch:
    return learner.to_device(random_batch(learner.objective.deployable(), 4))


def _everything(learner: Learner) -> dict[str, Tensor]:
    state = copy.deepcopy(learner.state())
    moments = state["optimizer"]["state"]
    values: dict[str, Tensor] = {f"now.{key}": value for key, value in state["objective"].items()}
    values |= {f"mean.{key}": value for key, value in state["ema"]["average"].items()}
    for index, entry in moments.items():
        values |= {f"{index}.{key}": value for key, value in entry.items()}
    return values


def test_a_step_moves_weights_statistics_and_average() -> None:
    learner = _learner()
    before = _everything(learner)
    taken = learner.step(_good(learner), 0.0, lr=1e-3)
    assert taken.is_finite
    after = _everything(learner)
    for key in ("model.head.mlp.1.weight", "model.backbone.stem.0.bn.running_mean"):
        assert not torch.equal(before[f"now.{key}"], after[f"now.{key}"])
        assert torch.equal(after[f"now.{key}"], after[f"mean.{key}"])  # the first is copied


def test_a_step_that_is_not_finite_changes_nothing() -> None:
    learner = _learner("max_bad_steps=1")
    learner.step(_good(learner), 0.0, lr=1e-3)
    before = _everything(learner)
    taken = learner.step(_poisoned(learner), 0.0, lr=1e-3)
    assert not taken.is_finite
    assert largest_difference(before, _everything(learner)) == 0
    assert learner.step(_good(learner), 0.0, lr=1e-3).is_finite


def test_a_gradient_that_is_not_finite_changes_nothing_either() -> None:
    learner = _learner("max_bad_steps=1")
    learner.step(_good(learner), 0.0, lr=1e-3)
    before = _everything(learner)
    weight = learner.objective.get_parameter("model.head.mlp.1.weight")
    hook = weight.register_hook(lambda gradient: gradient * float("inf"))  # type: ignore[no-untyped-call]  # untyped in torch
    taken = learner.step(_good(learner), 0.0, lr=1e-3)
    hook.remove()
    assert torch.isfinite(taken.losses["keypoint"])
    assert not taken.is_finite
    assert largest_difference(before, _everything(learner)) == 0


def test_clipping_bounds_what_the_first_step_gets() -> None:
    free, clipped = _learner(), _learner("optim.clip_norm=0.001")
    for learner in (free, clipped):
        learner.step(_good(learner), 0.0, lr=1e-3)
    moments = [learner.state()["optimizer"]["state"] for learner in (free, clipped)]
    norms = [
        torch.stack([entry["exp_avg"].norm() for entry in state.values()]).norm()
        for state in moments
    ]
    assert float(norms[1]) == pytest.approx(0.1 * 0.001, rel=1e-3)  # AdamW takes in a tenth
    assert norms[0] > norms[1]


class _Seeing(Objective):
    """Look at what type a batch has when it arrives."""

    def __init__(self, model: PoseModel) -> None:
        super().__init__()
        self.model = model
        self.seen: list[torch.dtype] = []

    def forward(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        outputs = self.model(batch.images)
        self.seen = [batch.targets[0].dtype, batch.weights.dtype, outputs[0].dtype]
        return {"sum": outputs[0].sum()}

    def deployable(self) -> PoseModel:
        return self.model


def test_mixed_precision_is_of_the_network_not_of_its_targets() -> None:
    objective = _Seeing(build("rtmpose-n", "coco17", (64, 64)))
    learner = Learner(objective, Recipe("example"), launch("bf16-mixed"))
    learner.step(_good(learner), 0.0, lr=1e-3)
    assert objective.seen == [torch.float32, torch.float32, torch.bfloat16]


def test_a_state_of_another_network_is_refused() -> None:
    state = _learner().state()
    del state["objective"]["model.head.mlp.1.weight"]
    with pytest.raises(ValueError, match="saved state does not fit the recipe"):
        _learner().load(state)


def test_a_process_knows_its_place_from_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "5", "WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8"}.items():
        monkeypatch.setenv(name, value)
    assert world() == World(rank=5, size=16, local_size=8)
