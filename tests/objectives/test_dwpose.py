"""Two-stage distillation: losses beside the reference's, and what moves and what does not."""

import copy
import json
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.autograd import backward

from posedistill.losses import feature_mse, heatmap_mse, logit_kl
from posedistill.models import PoseModel, build, load, save
from posedistill.objectives.dwpose import StageOne, StageOneConfig, StageTwo, StageTwoConfig
from posedistill.objectives.objective import Batch, Objective
from posedistill.objectives.supervised import keypoint_loss
from posedistill.runtime.estimator import Estimator
from posedistill.teachers import Frozen
from tests.random_batch import random_batch
from tests.weight_rule import fill, seeded

Golden = dict[str, Any]  # Any: numbers and records of them, as JSON holds them
ALIGN = "distill_losses.loss_fea.align."
# float32 through two networks
loss_of, norms_of = partial(pytest.approx, rel=1e-4), partial(pytest.approx, rel=1e-3)


@cache
def _filled(name: str, prefix: str) -> PoseModel:
    model = build(name, "coco17", (64, 96))
    fill(model, 1.6, prefix=prefix)
    return model


def _model(name: str, prefix: str) -> PoseModel:
    return copy.deepcopy(_filled(name, prefix))


def _stage_one(
    config: StageOneConfig | None = None, *, student: str = "rtmpose-t", teacher: str = "rtmpose-s"
) -> StageOne:
    torch.manual_seed(0)
    frozen = Frozen(_model(teacher, "teacher."))
    return StageOne(_model(student, "student."), frozen, config or StageOneConfig())


def _teacher(objective: StageOne) -> Frozen:
    assert isinstance(objective.teacher, Frozen)
    return objective.teacher


def _stage_two(config: StageTwoConfig | None = None) -> StageTwo:
    torch.manual_seed(0)
    fresh = _model("rtmpose-t", "student.")
    frozen = Frozen(_model("rtmpose-t", "teacher."))
    return StageTwo(fresh.head, frozen, config or StageTwoConfig())


def _losses(objective: Objective, batch: Batch, progress: float = 0.0) -> dict[str, float]:
    losses: dict[str, Tensor] = objective(batch, progress)
    return {name: loss.item() for name, loss in losses.items()}


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def _changed(before: dict[str, Tensor], module: nn.Module) -> set[str]:
    after = module.state_dict()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def _take_steps(objective: Objective, batch: Batch, count: int = 3) -> None:
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-3)
    for step in range(count):
        objective.train()
        losses = objective(batch, step / count)
        optimizer.zero_grad()
        backward(torch.stack(list(losses.values())).sum())
        optimizer.step()


def _gradient_norms(module: nn.Module) -> dict[str, float]:
    gradients = {name: parameter.grad for name, parameter in module.named_parameters()}
    return {name: float(value.norm()) for name, value in gradients.items() if value is not None}


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> Golden:
    content: Golden = json.loads((golden_dir / "distill.json").read_text(encoding="utf-8"))
    return content


def _golden_batch(model: PoseModel) -> Batch:
    """Give the reference's input, normalised there, as the images that come to it."""
    images = seeded(430, (2, 3, 256, 192)) * model.std + model.mean
    targets = (torch.zeros(2, 133, 384), torch.zeros(2, 133, 512))
    people = torch.arange(2)
    return Batch(images, targets, torch.zeros(2, 133), people, torch.zeros_like(people))


@pytest.fixture(scope="module")
def golden_stage_one() -> StageOne:
    teacher, student = build("rtmpose-l"), build("rtmpose-s")
    fill(teacher, 1.5, prefix="teacher.")
    objective = StageOne(student, Frozen(teacher), StageOneConfig())
    fill(objective.align, 1.0, prefix=ALIGN)
    return objective


@pytest.mark.parametrize("mode", ["student_eval", "student_training"])
def test_stage_one_equals_the_reference(
    mode: str, golden: Golden, golden_stage_one: StageOne
) -> None:
    objective, wanted = golden_stage_one, golden["stage_one"][mode]
    fill(objective.model, 1.6, prefix="student.")
    objective.zero_grad()
    objective.train(mode == "student_training")
    losses = objective(_golden_batch(objective.model), 0.0)
    backward(losses["feature"])
    assert losses["feature"].item() == loss_of(wanted["feature"]["0"])
    assert losses["logit"].item() == loss_of(wanted["logit"]["0"])
    assert _gradient_norms(objective.align) == norms_of(wanted["align_gradient_norms"])


def test_stage_one_fades_as_the_reference(golden: Golden, golden_stage_one: StageOne) -> None:
    objective, record = golden_stage_one, golden["stage_one"]
    fill(objective.model, 1.6, prefix="student.")
    batch, wanted = _golden_batch(objective.model), record["student_eval"]
    with torch.inference_mode():
        for epoch in ("67", "269"):
            losses = _losses(objective.eval(), batch, int(epoch) / record["epochs"])
            assert losses["feature"] == loss_of(wanted["feature"][epoch])
            assert losses["logit"] == loss_of(wanted["logit"][epoch])


def test_stage_two_equals_the_reference(golden: Golden) -> None:
    teacher, student = build("rtmpose-s"), build("rtmpose-s")
    fill(teacher, 1.6, prefix="teacher.")
    fill(student, 1.6, prefix="student.")
    objective = StageTwo(student.head, Frozen(teacher), StageTwoConfig()).train()
    losses = objective(_golden_batch(teacher), 0.5)
    backward(losses["logit"])
    assert list(losses) == ["logit"]
    assert losses["logit"].item() == loss_of(golden["stage_two"]["logit"])
    wanted = golden["stage_two"]["gradient_norms"]
    assert _gradient_norms(objective.head) == norms_of(wanted)


def test_stage_one_with_the_teacher_in_train_mode_equals_the_reference(golden: Golden) -> None:
    teacher, student = build("rtmpose-l"), build("rtmpose-s")
    fill(teacher, 1.5, prefix="teacher.")
    fill(student, 1.6, prefix="student.")
    objective = StageOne(student, Frozen(teacher, batch_statistics=True), StageOneConfig()).train()
    fill(objective.align, 1.0, prefix=ALIGN)
    losses = objective(_golden_batch(student), 0.0)
    backward(losses["feature"])
    wanted = golden["stage_one"]["teacher_training"]
    assert losses["feature"].item() == loss_of(wanted["feature"])
    assert losses["logit"].item() == loss_of(wanted["logit"])
    assert _gradient_norms(objective.align) == norms_of(wanted["align_gradient_norms"])


def test_stage_two_with_the_teacher_in_train_mode_equals_the_reference(golden: Golden) -> None:
    teacher, student = build("rtmpose-s"), build("rtmpose-s")
    fill(teacher, 1.6, prefix="teacher.")
    fill(student, 1.6, prefix="student.")
    frozen = Frozen(teacher, batch_statistics=True)
    objective, before = StageTwo(student.head, frozen, StageTwoConfig()).train(), _state(teacher)
    losses = objective(_golden_batch(teacher), 0.5)
    backward(losses["logit"])
    wanted = golden["stage_two"]["teacher_training"]
    assert losses["logit"].item() == loss_of(wanted["logit"])
    assert _gradient_norms(objective.head) == norms_of(wanted["gradient_norms"])
    moved = {name for name in _changed(before, teacher) if name.endswith("running_mean")}
    assert len(moved) == wanted["running_means_moved"][0]
    deployed = objective.deployable().state_dict()
    assert all(torch.equal(deployed[name], teacher.state_dict()[name]) for name in moved)


def test_stage_one_gives_its_three_losses_at_their_weights() -> None:
    objective = _stage_one(StageOneConfig(alpha=0.25, beta=0.5)).eval()
    batch = random_batch(objective.model, 2)
    with torch.inference_mode():
        features = objective.model.features(batch.images)
        outputs = objective.model.head(features)
        seen_by_teacher = _teacher(objective).features(batch.images)
        wanted_logits = _teacher(objective).head(seen_by_teacher)
        aligned = objective.align(features[-1])
        config = objective.config.supervised
        wanted = {
            "keypoint": keypoint_loss(
                outputs, batch, codec=objective.model.spec.codec, config=config
            ).item(),
            "feature": feature_mse(aligned, seen_by_teacher[-1], alpha=0.25).item(),
            "logit": 0.5 * logit_kl(*outputs, *wanted_logits).item(),
        }
    assert _losses(objective, batch) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("progress", [0.25, 0.9])
def test_what_the_teacher_says_fades_with_progress(progress: float) -> None:
    objective = _stage_one().eval()
    batch = random_batch(objective.model, 2)
    start, later = _losses(objective, batch, 0.0), _losses(objective, batch, progress)
    wanted = {name: value * (1 - progress) for name, value in start.items()}
    wanted["keypoint"] = start["keypoint"]
    assert later == pytest.approx(wanted, rel=1e-5)


def test_without_decay_nothing_fades() -> None:
    objective = _stage_one(StageOneConfig(decay=False)).eval()
    batch = random_batch(objective.model, 2)
    assert _losses(objective, batch, 0.9) == pytest.approx(_losses(objective, batch, 0.0))


without_some = pytest.mark.parametrize(
    ("alpha", "beta", "names"),
    [
        (0.0, 0.1, ["keypoint", "logit"]),
        (7e-5, 0.0, ["keypoint", "feature"]),
        (0.0, 0.0, ["keypoint"]),
    ],
    ids=["no feature", "no logit", "neither"],
)


@without_some
def test_a_loss_of_weight_zero_is_left_out(alpha: float, beta: float, names: list[str]) -> None:
    objective = _stage_one(StageOneConfig(alpha=alpha, beta=beta)).eval()
    assert list(objective(random_batch(objective.model, 2), 0.0)) == names


@without_some
def test_no_parameter_is_left_without_gradient(alpha: float, beta: float, names: list[str]) -> None:
    objective = _stage_one(StageOneConfig(alpha=alpha, beta=beta))
    losses = objective(random_batch(objective.model, 2), 0.0)
    backward(torch.stack([losses[name] for name in names]).sum())
    # Processes that train together wait for the gradient of each parameter.
    assert {name for name, p in objective.named_parameters() if p.grad is None} == set()


def test_channels_are_aligned_only_where_they_differ() -> None:
    assert list(_stage_one(teacher="rtmpose-t").align.parameters()) == []
    align = _stage_one().align
    assert isinstance(align, nn.Conv2d)
    assert tuple(align.weight.shape) == (512, 384, 1, 1)


def test_stage_one_moves_all_of_the_student_and_nothing_of_the_teacher() -> None:
    objective = _stage_one()
    student, teacher = _state(objective.model), _state(_teacher(objective).model)
    align = _state(objective.align)
    _take_steps(objective, random_batch(objective.model, 3))
    assert _changed(student, objective.model) == set(student)
    assert _changed(align, objective.align) == {"weight", "bias"}
    assert _changed(teacher, _teacher(objective).model) == set()
    assert _gradient_norms(_teacher(objective).model) == {}


def test_the_teacher_is_no_part_of_what_stage_one_trains_and_saves() -> None:
    objective = _stage_one()
    prefixes = {name.split(".")[0] for name in objective.state_dict()}
    assert prefixes == {"model", "align"}
    assert objective.deployable() is objective.model


def test_heatmap_models_are_distilled_by_the_squared_error_of_their_maps() -> None:
    objective = _stage_one(student="cspnext-t-heatmap", teacher="cspnext-s-heatmap").eval()
    batch = random_batch(objective.model, 2)
    with torch.inference_mode():
        maps = objective.model(batch.images)[0], _teacher(objective).answer(batch.images).logits[0]
        wanted = 0.1 * 1000 * heatmap_mse(*maps, torch.ones(2, len(maps[0][0])))
        assert _losses(objective, batch)["logit"] == pytest.approx(wanted.item())


@pytest.mark.parametrize(
    ("name", "skeleton", "size_wh", "words"),
    [
        ("rtmpose-s", "coco17", (96, 128), "crops of 96x128, the student of 64x96"),
        ("rtmpose-s", "hand21", (64, 96), "hand21 shares no joint with the student's coco17"),
    ],
    ids=["aspect", "skeleton"],
)
def test_a_teacher_that_does_not_fit_is_refused(
    name: str, skeleton: str, size_wh: tuple[int, int], words: str
) -> None:
    student, teacher = _model("rtmpose-t", ""), build(name, skeleton, size_wh)
    with pytest.raises(ValueError, match=words):
        StageOne(student, Frozen(teacher), StageOneConfig())


def test_a_heatmap_teacher_teaches_rows_and_features() -> None:
    objective = _stage_one(student="rtmpose-t", teacher="cspnext-s-heatmap")
    losses = _losses(objective, random_batch(objective.model, 2))
    assert set(losses) == {"keypoint", "feature", "logit"}
    assert losses["logit"] > 0


def test_stage_two_moves_the_new_head_alone() -> None:
    objective = _stage_two()
    head, teacher = _state(objective.head), _state(objective.teacher.model)
    _take_steps(objective, random_batch(objective.teacher.model, 3))
    assert _changed(head, objective.head) == set(head)
    assert _changed(teacher, objective.teacher.model) == set()  # its statistics are part of it
    assert {name.split(".")[0] for name in objective.state_dict()} == {"head"}
    assert len(list(objective.parameters())) == 12


def test_stage_two_lowers_its_loss() -> None:
    objective = _stage_two()
    batch = random_batch(objective.teacher.model, 3)
    before = _losses(objective, batch)["logit"]
    _take_steps(objective, batch)
    assert _losses(objective, batch)["logit"] < before


def test_stage_two_needs_neither_labels_nor_progress() -> None:
    objective = _stage_two()
    batch = random_batch(objective.teacher.model, 2)
    unlabelled = batch._replace(
        targets=tuple(torch.zeros_like(target) for target in batch.targets),
        weights=torch.zeros_like(batch.weights),
    )
    assert _losses(objective, unlabelled, 0.9) == _losses(objective, batch, 0.0)


def test_a_head_that_equals_the_old_one_has_nothing_to_learn() -> None:
    objective = _stage_two()
    batch = random_batch(objective.teacher.model, 2)
    assert _losses(objective, batch)["logit"] > 0.1
    objective.head.load_state_dict(objective.teacher.model.head.state_dict())
    assert _losses(objective, batch)["logit"] == pytest.approx(0, abs=1e-6)


def test_gamma_scales_stage_two() -> None:
    once, thrice = _stage_two(), _stage_two(StageTwoConfig(gamma=3.0))
    batch = random_batch(once.teacher.model, 2)
    assert _losses(thrice, batch)["logit"] == pytest.approx(3 * _losses(once, batch)["logit"])


def test_stage_two_deploys_the_old_backbone_with_the_new_head() -> None:
    objective = _stage_two()
    deployed = objective.deployable()
    assert _changed(_state(objective.teacher.model.backbone), deployed.backbone) == set()
    assert _changed(_state(objective.head), deployed.head) == set()
    assert deployed.spec == objective.teacher.spec


def test_what_stage_two_deploys_is_an_ordinary_model_file(tmp_path: Path) -> None:
    objective = _stage_two()
    _take_steps(objective, random_batch(objective.teacher.model, 3), count=1)
    deployed = objective.deployable().eval()
    save(deployed, tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    assert _changed(_state(deployed), loaded) == set()
    image = np.random.default_rng(0).integers(0, 256, (60, 50, 3), np.uint8)
    poses = Estimator(loaded)(image, [[5, 5, 40, 55], [0, 0, 20, 20]])
    wanted = Estimator(deployed)(image, [[5, 5, 40, 55], [0, 0, 20, 20]])
    assert poses.keypoints.shape == (2, 17, 2)
    np.testing.assert_array_equal(poses.keypoints, wanted.keypoints)


def _train(deployed: PoseModel) -> None:
    deployed.train()


def _train_and_forward(deployed: PoseModel) -> None:
    deployed.train()(random_batch(deployed, 2).images)


def _run_session(deployed: PoseModel) -> None:
    deployed.session()(random_batch(deployed, 2).images.numpy())


@pytest.mark.parametrize("use", [_train, _train_and_forward, _run_session])
def test_what_is_deployed_cannot_reach_the_teacher(use: Any) -> None:  # Any: one of the above
    objective = _stage_two().train()
    teacher = _state(objective.teacher.model)
    use(objective.deployable())
    assert not any(module.training for module in objective.teacher.model.modules())
    assert _changed(teacher, objective.teacher.model) == set()


@pytest.mark.parametrize("after_a_step", [True, False])
def test_what_stage_two_deploys_is_on_the_device_that_trains(after_a_step: bool) -> None:
    objective = _stage_two()
    batch = random_batch(objective.teacher.model, 2)
    objective.to("meta")
    if after_a_step:  # the teacher follows
        objective(batch._replace(images=batch.images.to("meta")), 0.0)
    deployed = objective.deployable()
    values = (*deployed.parameters(), *deployed.buffers(), *objective.head.parameters())
    assert {value.device.type for value in values} == {"meta"}
