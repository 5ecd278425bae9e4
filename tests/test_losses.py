"""Losses beside the reference's numbers, slow loops in float64, and closed forms."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd import backward

from posedistill.codecs import SimCC
from posedistill.losses import feature_mse, heatmap_kl, heatmap_mse, logit_kl, simcc_kl
from tests.weight_rule import fill, seeded

Floats = NDArray[np.float64]
Golden = dict[str, Floats]
PEOPLE, JOINTS, BINS_XY = 3, 133, (384, 512)
loss_of = partial(pytest.approx, rel=1e-6)
# The reference's norms are float32 sums of some 10^5 squares, themselves up to 1.4e-5 off.
norms_of = partial(pytest.approx, rel=2e-5)


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> Golden:
    return dict(np.load(golden_dir / "losses.npz"))


def _logits(seeds_xy: tuple[int, int]) -> tuple[Tensor, Tensor]:
    x, y = (
        (0.3 * seeded(seed, (PEOPLE, JOINTS, bins))).requires_grad_()
        for seed, bins in zip(seeds_xy, BINS_XY, strict=True)
    )
    return x, y


def _targets(golden: Golden) -> tuple[Tensor, Tensor, Tensor]:
    codec = SimCC((192, 256), (4.9, 5.66))
    x, y, weights = codec.encode(golden["keypoints"], golden["visible"])
    return torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(weights)


def _norm(value: Tensor) -> float:
    assert value.grad is not None
    return float(value.grad.double().norm())


def _assert_gradient(value: Tensor, wanted: Floats) -> None:
    assert value.grad is not None
    steps = tuple(-(-seen // kept) for seen, kept in zip(value.shape, wanted.shape, strict=True))
    kept = value.grad[tuple(slice(None, None, step) for step in steps)].numpy()
    # Relative to the largest entry: the tiny ones, differences of close numbers, are rounding.
    np.testing.assert_allclose(kept, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def _weights(case: str, encoded: Tensor) -> Tensor:
    if case == "weighted":
        return encoded
    if case == "fractional":
        uniform = np.random.RandomState(403).uniform(size=(PEOPLE, JOINTS))
        return torch.from_numpy(uniform.astype(np.float32))
    return torch.ones(PEOPLE, JOINTS)  # "unweighted": the reference without target weights


# Losses of the reference computed in float64, its gradients in float32.
@pytest.mark.parametrize("case", ["weighted", "ones", "fractional", "unweighted"])
def test_the_supervised_loss_equals_the_reference(case: str, golden: Golden) -> None:
    (x, y), (target_x, target_y, weights) = _logits((401, 402)), _targets(golden)
    loss = simcc_kl(x, y, target_x, target_y, _weights(case, weights))
    backward(loss)
    assert loss.item() == loss_of(float(golden[f"simcc_{case}"]))
    assert [_norm(x), _norm(y)] == norms_of(golden[f"simcc_{case}_gradient_norms"])
    _assert_gradient(x, golden[f"simcc_{case}_gradient_x"])
    _assert_gradient(y, golden[f"simcc_{case}_gradient_y"])


@pytest.mark.parametrize("factor", ["0.1", "1"])
def test_the_logit_loss_equals_the_reference(factor: str, golden: Golden) -> None:
    (x, y), (teacher_x, teacher_y) = _logits((401, 402)), _logits((411, 412))
    loss = float(factor) * logit_kl(x, y, teacher_x.detach(), teacher_y.detach())
    backward(loss)
    assert loss.item() == loss_of(float(golden[f"logit_{factor}"]))
    assert [_norm(x), _norm(y)] == norms_of(golden[f"logit_{factor}_gradient_norms"])
    _assert_gradient(x, golden[f"logit_{factor}_gradient_x"])


def test_the_feature_loss_behind_a_convolution_equals_the_reference(golden: Golden) -> None:
    student, align = seeded(421, (3, 512, 8, 6)).requires_grad_(), nn.Conv2d(512, 1024, 1)
    fill(align, 1.0, prefix="align.")
    loss = feature_mse(align(student), seeded(422, (3, 1024, 8, 6)))
    backward(loss)
    assert align.bias is not None
    norms = [_norm(student), _norm(align.weight), _norm(align.bias)]
    assert loss.item() == loss_of(float(golden["feature_aligned"]))
    assert norms == norms_of(golden["feature_aligned_gradient_norms"])
    _assert_gradient(student, golden["feature_aligned_gradient"])


def test_the_feature_loss_of_equal_channels_equals_the_reference(golden: Golden) -> None:
    student = seeded(421, (3, 512, 8, 6)).requires_grad_()
    loss = feature_mse(student, seeded(423, (3, 512, 8, 6)))
    backward(loss)
    assert loss.item() == loss_of(float(golden["feature_same"]))
    assert [_norm(student)] == norms_of(golden["feature_same_gradient_norm"])


def _slow_softmax(row: Floats) -> Floats:
    powers = np.exp(row - row.max())
    return np.asarray(powers / powers.sum())


def _slow_kl(student: Floats, teacher: Floats, factor: float) -> float:
    p, t = _slow_softmax(factor * student), _slow_softmax(factor * teacher)
    return sum(float(b * np.log(b / a)) for a, b in zip(p, t, strict=True))


def _small(seed: int, bins: int) -> Tensor:
    return 0.3 * seeded(seed, (2, 4, bins))


def test_the_supervised_loss_equals_a_slow_loop(rng: np.random.Generator) -> None:
    x, y, target_x, target_y = _small(1, 6), _small(2, 9), _small(3, 6).abs(), _small(4, 9).abs()
    weights = rng.random((2, 4))
    total = 0.0
    for n in range(2):
        for k in range(4):
            pairs = ((x[n, k], target_x[n, k], 6), (y[n, k], target_y[n, k], 9))
            for logits, target, bins in pairs:
                divergence = _slow_kl(logits.double().numpy(), target.double().numpy(), 10)
                total += weights[n, k] * divergence / bins
    seen = simcc_kl(x, y, target_x, target_y, torch.from_numpy(weights).float())
    assert seen.item() == pytest.approx(total / 4, rel=1e-6)


def test_the_logit_loss_equals_a_slow_loop() -> None:
    x, y, teacher_x, teacher_y = _small(1, 6), _small(2, 9), _small(3, 6), _small(4, 9)
    total = 0.0
    for n in range(2):
        for k in range(4):
            for student, teacher in ((x, teacher_x), (y, teacher_y)):
                total += _slow_kl(
                    student[n, k].double().numpy(), teacher[n, k].double().numpy(), 10
                )
    assert logit_kl(x, y, teacher_x, teacher_y).item() == pytest.approx(total / (2 * 4), rel=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_heatmap_divergence_equals_a_slow_loop(temperature: float) -> None:
    student, teacher = seeded(5, (2, 3, 4, 5)), seeded(6, (2, 3, 4, 5))
    rows = zip(student.double().view(6, 20), teacher.double().view(6, 20), strict=True)
    total = sum(_slow_kl(s.numpy(), t.numpy(), 1 / temperature) for s, t in rows)
    seen = heatmap_kl(student, teacher, torch.ones(2, 3), temperature=temperature).item()
    assert seen == pytest.approx(total / (2 * 20) * temperature**2, rel=1e-6)


def test_the_heatmap_error_equals_a_slow_loop(rng: np.random.Generator) -> None:
    maps, targets, weights = rng.random((2, 3, 4, 5)), rng.random((2, 3, 4, 5)), rng.random((2, 3))
    total = 0.0
    for n, k, y, x in np.ndindex(maps.shape):
        total += float(weights[n, k] * (maps[n, k, y, x] - targets[n, k, y, x]) ** 2)
    seen = heatmap_mse(*(torch.from_numpy(a).float() for a in (maps, targets, weights)))
    assert seen.item() == pytest.approx(total / maps.size, rel=1e-6)


def test_the_feature_loss_is_the_sum_of_squares_per_person_times_alpha() -> None:
    student, teacher = torch.zeros(4, 3, 2, 5), torch.full((4, 3, 2, 5), 2.0)
    assert feature_mse(student, teacher, alpha=0.5).item() == pytest.approx(0.5 * 2**2 * 3 * 2 * 5)
    assert feature_mse(student, teacher).item() == pytest.approx(7e-5 * 2**2 * 3 * 2 * 5)


def test_the_divergence_of_two_bins_has_its_closed_form() -> None:
    gap = 0.13  # between the logits of a teacher that is sigmoid(10 * gap) sure; the student is not
    sure = 1 / (1 + np.exp(-10 * gap))
    divergence = sure * np.log(2 * sure) + (1 - sure) * np.log(2 * (1 - sure))
    even, teacher = torch.zeros(1, 1, 2), torch.tensor([[[gap, 0.0]]])
    assert logit_kl(even, even, teacher, even).item() == pytest.approx(divergence, rel=1e-6)
    both = simcc_kl(even, even, teacher, teacher, torch.ones(1, 1)).item()
    assert both == pytest.approx(2 * divergence / 2, rel=1e-6)  # two axes, mean over two bins


def test_the_supervised_loss_grows_with_the_people_and_the_others_do_not() -> None:
    x, y, tx, ty = (*_logits((1, 2)), *_logits((3, 4)))
    xx, yy, txx, tyy = (torch.cat([value, value]) for value in (x, y, tx, ty))
    weights = torch.ones(2 * PEOPLE, JOINTS)
    once = simcc_kl(x, y, tx, ty, weights[:PEOPLE]).item()
    assert simcc_kl(xx, yy, txx, tyy, weights).item() == pytest.approx(2 * once, rel=1e-6)
    once = logit_kl(x, y, tx, ty).item()
    assert logit_kl(xx, yy, txx, tyy).item() == pytest.approx(once, rel=1e-6)
    once = feature_mse(x, tx).item()
    assert feature_mse(xx, txx).item() == pytest.approx(once, rel=1e-6)


def test_joints_without_weight_get_no_gradient() -> None:
    (x, y), (tx, ty) = _logits((1, 2)), _logits((3, 4))
    weights = torch.ones(PEOPLE, JOINTS)
    weights[1, 7] = 0
    backward(simcc_kl(x, y, tx.detach(), ty.detach(), weights))
    for value in (x, y):
        assert value.grad is not None
        silent = value.grad.abs().sum(dim=-1) == 0
        assert silent.nonzero().tolist() == [[1, 7]]


def test_heatmaps_without_weight_get_no_gradient() -> None:
    maps = seeded(1, (2, 3, 4, 4)).requires_grad_()
    weights = torch.tensor([[1.0, 0, 1], [0, 1, 1]])
    backward(heatmap_mse(maps, torch.zeros(2, 3, 4, 4), weights))
    assert maps.grad is not None
    assert (maps.grad.abs().sum(dim=(2, 3)) == 0).nonzero().tolist() == [[0, 1], [1, 0]]


Divergence = Callable[[Tensor, Tensor], Tensor]
divergences = pytest.mark.parametrize(
    "divergence",
    [
        lambda s, t: logit_kl(s, s, t, t),
        lambda s, t: simcc_kl(s, s, t, t, torch.ones(s.shape[:2])),
        lambda s, t: heatmap_kl(s[..., None], t[..., None], torch.ones(s.shape[:2])),
    ],
    ids=["logit_kl", "simcc_kl", "heatmap_kl"],
)


@divergences
def test_divergences_ignore_a_constant_on_all_logits(divergence: Divergence) -> None:
    student, teacher = _small(1, 7), _small(2, 7)
    shifted = divergence(student + 3, teacher - 2).item()
    assert shifted == pytest.approx(divergence(student, teacher).item(), rel=1e-4)


@divergences
def test_divergences_are_positive_and_zero_only_for_the_teacher_itself(
    divergence: Divergence,
) -> None:
    student, teacher = _small(1, 7), _small(2, 7)
    assert divergence(teacher, teacher).item() == pytest.approx(0, abs=1e-6)
    assert divergence(student, teacher).item() > 0.01


@divergences
def test_divergences_are_summed_in_float32_whatever_comes_in(divergence: Divergence) -> None:
    student, teacher = _small(1, 7).bfloat16(), _small(2, 7).bfloat16()
    seen = divergence(student, teacher)
    assert seen.dtype == torch.float32
    torch.testing.assert_close(seen, divergence(student.float(), teacher.float()))


@divergences
def test_divergences_stay_finite_at_extreme_logits(divergence: Divergence) -> None:
    student = torch.tensor([[[1e4, -1e4, 0.0]]]).requires_grad_()
    loss = divergence(student, torch.tensor([[[-1e4, 1e4, 0.0]]]))
    backward(loss)
    assert student.grad is not None
    assert bool(torch.isfinite(loss))
    assert bool(torch.isfinite(student.grad).all())
