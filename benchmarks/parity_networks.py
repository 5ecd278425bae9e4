"""Parity of networks and training: weights, outputs, losses, distillers, optimisation."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd import backward

from benchmarks.parity_table import (
    GOLDEN,
    Row,
    arrays,
    gap,
    gap_of_largest,
    num_unequal,
    relative_gap,
)
from posedistill.codecs import SimCC
from posedistill.losses import feature_mse, logit_kl, simcc_kl
from posedistill.models import PoseModel, build
from posedistill.models.rtmpose import simcc_codec
from posedistill.models.simcc_head import GatedAttention
from posedistill.objectives.dwpose import StageOne, StageOneConfig, StageTwo, StageTwoConfig
from posedistill.objectives.objective import Batch
from posedistill.teachers import Frozen
from posedistill.train.optim import Ema, OptimConfig, learning_rate, parameter_groups
from tests.random_batch import random_batch
from tests.weight_rule import GAINS, fill, seeded

Golden = dict[str, Any]  # Any: JSON values, or arrays of several types
_INPUTS = {"256": (192, 256), "384": (288, 384)}
_ALIGN = "distill_losses.loss_fea.align."
_PEOPLE, _JOINTS, _BINS_XY = 3, 133, (384, 512)
_OF_LARGEST, _RELATIVE = "of the largest", "relative"


def weight_rows() -> Iterator[Row]:
    """Compare names, shapes and order of the weights of the published models."""
    golden: Golden = json.loads(gzip.decompress((GOLDEN / "state_shapes.json.gz").read_bytes()))
    wrong = 0
    for key, wanted in golden.items():
        with torch.device("meta"):
            model = build(f"rtmpose-{key[0]}", input_size_wh=_INPUTS[key[1:]])
        seen = [(name, list(value.shape)) for name, value in model.state_dict().items()]
        pairs = list(wanted.items())
        wrong += abs(len(seen) - len(pairs))
        wrong += sum(a != b for a, b in zip(seen, pairs, strict=False))
    entries = sum(map(len, golden.values()))
    cases = f"{len(golden)} models, {entries} entries"
    yield Row("weights: names, shapes, order", cases, wrong, unit="differ")


def forward_rows() -> Iterator[Row]:
    """Compare logits, keypoints and scores of seeded t, s and m, and the gated attention unit."""
    golden = arrays("forward.npz")
    points, scores = [], []
    for size in GAINS:
        x, y = seeded_outputs(size)
        logits = (x[::7], y[::7])
        pairs = zip(logits, (golden[f"{size}_logits_{axis}"] for axis in "xy"), strict=True)
        largest = max(gap_of_largest(seen, wanted) for seen, wanted in pairs)
        cases = f"{sum(values.size for values in logits)} logits"
        yield Row(f"RTMPose-{size}: logits", cases, largest, 1e-5, _OF_LARGEST)
        keypoints, score = simcc_codec((192, 256)).decode(x, y)
        points.append(num_unequal(keypoints, golden[f"{size}_keypoints"]))
        scores.append(gap(score, golden[f"{size}_scores"]))
    yield Row("RTMPose t, s, m: points (argmax)", "399 keypoints", sum(points), unit="differ")
    yield Row("RTMPose t, s, m: scores", "399 keypoints", max(scores), 1e-4)
    yield from _attention_rows()


def seeded_outputs(size: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the logits (133, bins) of the seeded model on the seeded input."""
    model = build(f"rtmpose-{size}").eval()
    fill(model, GAINS[size])
    with torch.inference_mode():
        x, y = model.head(model.backbone(seeded(0, (1, 3, 256, 192))))
    return x[0].numpy(), y[0].numpy()


def _attention_rows() -> Iterator[Row]:
    golden, unit = arrays("gated_attention.npz"), GatedAttention()
    fill(unit, 1.5)
    tokens = seeded(700, (2, 133, 256)).requires_grad_()
    out = unit(tokens)
    backward(out.square().mean())
    outputs = gap(out.detach()[:, ::7].numpy(), golden["tokens"])
    yield Row("gated attention: tokens", "38 tokens x 256", outputs, 1e-4)
    gradient = gap_of_largest(_gradient(tokens)[:, ::7].numpy(), golden["gradient"])
    norms = [float(_gradient(parameter).norm()) for parameter in unit.parameters()]
    norm_gap = relative_gap(norms, golden["gradient_norms"])
    yield Row("gated attention: gradient", "38 tokens x 256", gradient, 1e-4, _OF_LARGEST)
    yield Row("gated attention: gradient norms", f"{len(norms)} weights", norm_gap, 1e-4, _RELATIVE)


def loss_rows() -> Iterator[Row]:
    """Compare each loss and its gradients."""
    golden = arrays("losses.npz")
    yield from _simcc_loss_rows(golden)
    yield from _logit_loss_rows(golden)
    yield from _feature_loss_rows(golden)


def golden_targets() -> tuple[Tensor, Tensor, Tensor]:
    """Give labels and weights of the three people that the golden losses are of."""
    golden = arrays("losses.npz")
    codec = SimCC((192, 256), (4.9, 5.66))
    x, y, weights = codec.encode(golden["keypoints"], golden["visible"])
    return torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(weights)


def golden_logits(seeds_xy: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Give logits of these people, by the seeds of both axes."""
    x, y = (
        (0.3 * seeded(seed, (_PEOPLE, _JOINTS, bins))).requires_grad_()
        for seed, bins in zip(seeds_xy, _BINS_XY, strict=True)
    )
    return x, y


def _simcc_loss_rows(golden: Golden) -> Iterator[Row]:
    target_x, target_y, encoded = golden_targets()
    uniform = np.random.RandomState(403).uniform(size=(_PEOPLE, _JOINTS)).astype(np.float32)
    weights = {
        "weighted": encoded,
        "ones": torch.ones_like(encoded),
        "fractional": torch.from_numpy(uniform),
        "unweighted": torch.ones_like(encoded),  # the reference without target weights
    }
    values, gradients, norms = [], [], []
    for case, weight in weights.items():
        x, y = golden_logits((401, 402))
        loss = simcc_kl(x, y, target_x, target_y, weight)
        backward(loss)
        values.append(relative_gap(loss.item(), golden[f"simcc_{case}"]))
        gradients += [
            _gradient_gap(x, golden[f"simcc_{case}_gradient_x"]),
            _gradient_gap(y, golden[f"simcc_{case}_gradient_y"]),
        ]
        norms.append(_norms_gap([x, y], golden[f"simcc_{case}_gradient_norms"]))
    yield from _loss_rows("simcc_kl", values, gradients, norms=norms)


def _logit_loss_rows(golden: Golden) -> Iterator[Row]:
    values, gradients, norms = [], [], []
    for factor in ("0.1", "1"):
        (x, y), (teacher_x, teacher_y) = golden_logits((401, 402)), golden_logits((411, 412))
        loss = float(factor) * logit_kl(x, y, teacher_x.detach(), teacher_y.detach())
        backward(loss)
        values.append(relative_gap(loss.item(), golden[f"logit_{factor}"]))
        gradients.append(_gradient_gap(x, golden[f"logit_{factor}_gradient_x"]))
        norms.append(_norms_gap([x, y], golden[f"logit_{factor}_gradient_norms"]))
    yield from _loss_rows("logit_kl", values, gradients, norms=norms)


def _feature_loss_rows(golden: Golden) -> Iterator[Row]:
    student, align = seeded(421, (3, 512, 8, 6)).requires_grad_(), nn.Conv2d(512, 1024, 1)
    fill(align, 1.0, prefix="align.")
    aligned = feature_mse(align(student), seeded(422, (3, 1024, 8, 6)))
    backward(aligned)
    twin = seeded(421, (3, 512, 8, 6)).requires_grad_()
    same = feature_mse(twin, seeded(423, (3, 512, 8, 6)))
    backward(same)
    values = [
        relative_gap(aligned.item(), golden["feature_aligned"]),
        relative_gap(same.item(), golden["feature_same"]),
    ]
    leaves = [student, *align.parameters()]
    norms = [
        _norms_gap(leaves, golden["feature_aligned_gradient_norms"]),
        _norms_gap([twin], golden["feature_same_gradient_norm"]),
    ]
    gradients = [_gradient_gap(student, golden["feature_aligned_gradient"])]
    yield from _loss_rows("feature_mse", values, gradients, norms=norms)


def _loss_rows(
    name: str, values: list[float], gradients: list[float], *, norms: list[float]
) -> Iterator[Row]:
    yield Row(f"{name}: values", f"{len(values)} losses", max(values), 1e-6, _RELATIVE)
    yield Row(
        f"{name}: gradients", f"{len(gradients)} of inputs", max(gradients), 1e-5, _OF_LARGEST
    )
    # The reference's norms are float32 sums of some 10^5 squares, themselves up to 1.4e-5 off.
    yield Row(f"{name}: gradient norms", f"{len(norms)} losses", max(norms), 2e-5, _RELATIVE)


def _gradient(value: Tensor) -> Tensor:
    assert value.grad is not None
    return value.grad


def _gradient_gap(value: Tensor, wanted: NDArray[np.float32]) -> float:
    steps = tuple(-(-seen // kept) for seen, kept in zip(value.shape, wanted.shape, strict=True))
    kept = _gradient(value)[tuple(slice(None, None, step) for step in steps)]
    return gap_of_largest(kept.numpy(), wanted)


def _norms_gap(values: list[Tensor], wanted: NDArray[np.float32]) -> float:
    return relative_gap([float(_gradient(value).double().norm()) for value in values], wanted)


def distiller_rows() -> Iterator[Row]:
    """Compare whole distillers: l teaches s in stage one, s its own new head in stage two."""
    golden: Golden = json.loads((GOLDEN / "distill.json").read_text(encoding="utf-8"))
    yield from _stage_one_rows(golden["stage_one"])
    wanted = golden["stage_one"]["teacher_training"]
    objective = golden_stage_one(golden_teacher(batch_statistics=True)).train()
    losses = objective(golden_batch(objective.model), 0.0)
    seen = [losses["feature"].item(), losses["logit"].item()]
    largest = relative_gap(seen, [wanted["feature"], wanted["logit"]])
    name = "stage one, teacher in train mode"
    yield Row(f"{name}: losses", "2 losses", largest, 1e-4, _RELATIVE)
    yield _norms_row(name, losses["feature"], objective.align, wanted["align_gradient_norms"])
    for name, batch_statistics in (("stage two", False), ("stage two, as released", True)):
        wanted = golden["stage_two"]
        if batch_statistics:
            wanted = wanted["teacher_training"]
        yield from _stage_two_rows(name, wanted, batch_statistics=batch_statistics)


def golden_batch(model: PoseModel) -> Batch:
    """Give the reference's input, normalised there, as the images that come to it."""
    images = seeded(430, (2, 3, 256, 192)) * model.std + model.mean
    targets = (torch.zeros(2, _JOINTS, _BINS_XY[0]), torch.zeros(2, _JOINTS, _BINS_XY[1]))
    blank = random_batch(model, 2)
    return blank._replace(images=images, targets=targets, weights=torch.zeros(2, _JOINTS))


def golden_teacher(*, batch_statistics: bool) -> Frozen:
    """Give the teacher of the golden stage one: a seeded l."""
    teacher = build("rtmpose-l")
    fill(teacher, 1.5, prefix="teacher.")
    return Frozen(teacher, batch_statistics=batch_statistics)


def golden_stage_one(teacher: Frozen) -> StageOne:
    """Give stage one of the golden numbers: the teacher teaches a seeded s."""
    student = build("rtmpose-s")
    fill(student, 1.6, prefix="student.")
    objective = StageOne(student, teacher, StageOneConfig())
    fill(objective.align, 1.0, prefix=_ALIGN)
    return objective


def golden_stage_two(*, batch_statistics: bool) -> StageTwo:
    """Give stage two of the golden numbers: a seeded s with a fresh seeded head."""
    teacher, student = build("rtmpose-s"), build("rtmpose-s")
    fill(teacher, 1.6, prefix="teacher.")
    fill(student, 1.6, prefix="student.")
    frozen = Frozen(teacher, batch_statistics=batch_statistics)
    return StageTwo(student.head, frozen, StageTwoConfig())


def _stage_one_rows(golden: Golden) -> Iterator[Row]:
    objective = golden_stage_one(golden_teacher(batch_statistics=False))
    batch = golden_batch(objective.model)
    names, wanted = ("feature", "logit"), golden["student_eval"]
    factors, losses_by_epoch = [], {}
    for epoch in wanted["feature"]:
        with torch.inference_mode():
            losses = objective.eval()(batch, int(epoch) / golden["epochs"])
        losses_by_epoch[epoch] = [losses[name].item() for name in names]
        now, start = losses_by_epoch[epoch], losses_by_epoch["0"]
        fade = [wanted[name][epoch] / wanted[name]["0"] for name in names]
        factors.append(relative_gap(np.divide(now, start), fade))
    largest = relative_gap(
        list(losses_by_epoch.values()),
        [[wanted[name][epoch] for name in names] for epoch in losses_by_epoch],
    )
    cases = f"2 losses at {len(losses_by_epoch)} epochs"
    yield Row("stage one, eval: losses", cases, largest, 1e-4, _RELATIVE)
    yield Row("stage one: decay", cases, max(factors), 1e-6, _RELATIVE)
    for mode in ("eval", "training"):
        wanted = golden[f"student_{mode}"]
        losses = objective.train(mode == "training")(batch, 0.0)
        if mode == "training":
            seen = [losses[name].item() for name in names]
            largest = relative_gap(seen, [wanted[name]["0"] for name in names])
            yield Row("stage one, training: losses", "2 losses", largest, 1e-4, _RELATIVE)
        norms = wanted["align_gradient_norms"]
        yield _norms_row(f"stage one, {mode}", losses["feature"], objective.align, norms)


def _stage_two_rows(name: str, wanted: Golden, *, batch_statistics: bool) -> Iterator[Row]:
    objective = golden_stage_two(batch_statistics=batch_statistics).train()
    teacher = objective.teacher.model
    before = running_means(teacher)
    loss = objective(golden_batch(teacher), 0.5)["logit"]
    yield Row(
        f"{name}: loss", "1 loss", relative_gap(loss.item(), wanted["logit"]), 1e-4, _RELATIVE
    )
    yield _norms_row(name, loss, objective.head, wanted["gradient_norms"])
    if batch_statistics:
        missed = abs(num_moved(before, teacher) - wanted["running_means_moved"][0])
        yield Row(f"{name}: running means moved", f"{len(before)} means", missed, unit="differ")


def running_means(model: nn.Module) -> dict[str, Tensor]:
    """Give copies of the running means of all BatchNorms, by name."""
    state = model.state_dict().items()
    return {name: value.clone() for name, value in state if name.endswith("running_mean")}


def num_moved(before: dict[str, Tensor], model: nn.Module) -> int:
    """Count the running means that are not what they were."""
    after = model.state_dict()
    return sum(not torch.equal(value, after[name]) for name, value in before.items())


def _norms_row(  # house rule: what, of what, by what, expected what
    name: str, loss: Tensor, module: nn.Module, wanted: dict[str, float]
) -> Row:
    module.zero_grad()
    backward(loss)
    norms = {key: float(_gradient(value).norm()) for key, value in module.named_parameters()}
    largest = relative_gap([norms[key] for key in wanted], list(wanted.values()))
    return Row(f"{name}: gradient norms", f"{len(wanted)} weights", largest, 1e-3, _RELATIVE)


def optimiser_rows() -> Iterator[Row]:
    """Compare parameter groups, learning rates and moving averages."""
    golden: Golden = json.loads((GOLDEN / "optim.json").read_text(encoding="utf-8"))
    with torch.device("meta"):
        model = build("rtmpose-s")
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups: list[dict[str, Any]] = parameter_groups(model, 0.05)
    wrong = 0
    for group, key in zip(groups, ("decayed", "plain"), strict=True):
        wrong += len({names[id(parameter)] for parameter in group["params"]} ^ set(golden[key]))
    yield Row("parameter groups", f"{len(names)} parameters", wrong, unit="differ")
    rates = golden["learning_rates"]
    seen = [learning_rate(int(step), 27_000, config=OptimConfig()) for step in rates]
    largest = relative_gap(seen, list(rates.values()))
    yield Row("learning rate", f"{len(rates)} of 27000 steps", largest, 1e-9, _RELATIVE)
    averages = golden["averages"]
    found = _averages()
    largest = relative_gap([found[int(count)] for count in averages], [*averages.values()])
    yield Row("moving average", f"{len(averages)} of 5000 updates", largest, 1e-6, _RELATIVE)


def _averages() -> dict[int, float]:
    """Give the moving average after each update, where the weight is i at update i."""
    module, averages = nn.Linear(1, 1, bias=False), {}
    ema = Ema(module, OptimConfig())
    for count in range(1, 5001):
        nn.init.constant_(module.weight, count)
        ema.update(module)
        averages[count] = float(ema.average["weight"])
    return averages
