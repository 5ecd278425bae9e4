"""The SimCC head: its parts beside slow formulas and the reference's numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from posedistill.models.simcc_head import GatedAttention, ScaleNorm, SimCCHead
from tests.weight_rule import fill, seeded

GAIN = 1.5  # of the golden attention unit


def _head() -> SimCCHead:
    return SimCCHead(8, num_joints=5, map_size_wh=(3, 4), bins_xy=(24, 32))


def test_scale_norm_divides_by_the_root_mean_square() -> None:
    norm, x = ScaleNorm(48), seeded(1, (2, 5, 48)).double()
    nn.init.constant_(norm.g, 1.7)
    wanted = x / x.square().mean(dim=-1, keepdim=True).sqrt() * 1.7
    torch.testing.assert_close(norm.double()(x), wanted, rtol=1e-6, atol=0)  # 1.7 was float32


@pytest.mark.parametrize("size", [48, 108, 256])
def test_scale_norm_equals_the_reference_also_on_rows_near_zero(
    size: int, golden_dir: Path
) -> None:
    golden = np.load(golden_dir / "gated_attention.npz")
    norm = ScaleNorm(size)
    fill(norm, 1.0, prefix="ln.")
    nn.init.constant_(norm.g, 0.9820193)
    x = seeded(701, (2, 5, size))
    x[0, 0] = 0
    x[0, 1] *= 1e-7
    x.requires_grad_()
    out = norm(x)
    out.sum().backward()
    wanted, gradient = golden[f"scale_norm_{size}"], golden[f"scale_norm_{size}_gradient"]
    np.testing.assert_allclose(out.detach().numpy(), wanted, rtol=1e-6, atol=1e-6)
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), gradient, rtol=1e-4, atol=1e-4)


def test_gated_attention_equals_the_reference(golden_dir: Path) -> None:
    golden = np.load(golden_dir / "gated_attention.npz")
    unit = GatedAttention()
    fill(unit, GAIN)
    x = seeded(700, (2, 133, 256)).requires_grad_()
    out = unit(x)
    out.square().mean().backward()
    # The reference's own float32 is 2e-5 from its float64; values are up to 60.
    np.testing.assert_allclose(out.detach()[:, ::7].numpy(), golden["tokens"], atol=1e-4)
    assert x.grad is not None
    gradient = golden["gradient"]
    np.testing.assert_allclose(
        x.grad[:, ::7].numpy(), gradient, rtol=1e-4, atol=1e-4 * abs(gradient).max()
    )
    norms = [float(p.grad.norm()) for p in unit.parameters() if p.grad is not None]
    np.testing.assert_allclose(norms, golden["gradient_norms"], rtol=1e-4)


def _slow_attention(unit: GatedAttention, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute one set of tokens joint by joint, in float64."""
    p = {name: value.detach().double().numpy() for name, value in unit.named_parameters()}
    gates = []
    for token in x:
        normed = token / max(np.sqrt(np.mean(token**2)), 1e-5) * p["ln.g"]
        projected = p["uv.weight"] @ normed
        gates.append(projected / (1 + np.exp(-projected)))
    out = np.empty_like(x)
    for row, token in enumerate(x):
        gathered = np.zeros(512)
        query = gates[row][1024:] * p["gamma"][0] + p["beta"][0]
        for other in gates:
            key = other[1024:] * p["gamma"][1] + p["beta"][1]
            gathered += max(query @ key / np.sqrt(128), 0) ** 2 * other[512:1024]
        out[row] = token * p["res_scale.scale"] + p["o.weight"] @ (gates[row][:512] * gathered)
    return out


def test_gated_attention_equals_a_slow_loop() -> None:
    unit = GatedAttention().double()
    fill(unit, GAIN)
    x = seeded(2, (1, 7, 256)).double()
    wanted = _slow_attention(unit, x[0].numpy())
    np.testing.assert_allclose(unit(x)[0].detach().numpy(), wanted, rtol=1e-9, atol=1e-9)


def test_gated_attention_knows_no_order_of_joints() -> None:
    unit, x = GatedAttention().double(), seeded(3, (2, 9, 256)).double()
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(unit(x[:, order]), unit(x)[:, order])


def test_the_head_looks_at_the_last_map_alone() -> None:
    head, last = _head(), seeded(4, (2, 8, 4, 3))
    alone = head((last,))
    behind_others = head((torch.full((2, 4, 8, 6), torch.nan), last))
    assert [tuple(logits.shape) for logits in alone] == [(2, 5, 24), (2, 5, 32)]
    assert all(torch.equal(a, b) for a, b in zip(alone, behind_others, strict=True))


def test_the_head_reads_cells_row_by_row() -> None:
    head = _head()
    fill(head, 1.5)
    last = seeded(5, (1, 8, 4, 3))
    maps = head.final_layer(last)
    joined = torch.cat([maps[:, :, y] for y in range(4)], dim=2)
    torch.testing.assert_close(head((last,))[0], head.cls_x(head.gau(head.mlp(joined))))


def test_an_untrained_head_starts_with_the_spreads_of_the_reference() -> None:
    torch.manual_seed(0)
    head = SimCCHead(64, num_joints=133, map_size_wh=(6, 8), bins_xy=(384, 512))
    spreads = {name: float(p.detach().std()) for name, p in head.named_parameters() if p.ndim >= 2}
    # A spread estimated from n weights is off by 1 / sqrt(2 n); the fewest are 12288.
    assert spreads.pop("final_layer.weight") == pytest.approx(0.001, rel=0.03)
    assert spreads.pop("gau.gamma") == pytest.approx(12**-0.5, rel=0.1)
    assert spreads.pop("gau.beta") == pytest.approx(12**-0.5, rel=0.1)
    assert all(spread == pytest.approx(0.01, rel=0.03) for spread in spreads.values())
    assert len(spreads) == 5


def test_an_untrained_head_starts_without_bias_and_with_gains_of_one() -> None:
    parameters = dict(_head().named_parameters())
    assert parameters["final_layer.bias"].count_nonzero() == 0
    gains = ("mlp.0.g", "gau.ln.g", "gau.res_scale.scale")
    assert all(bool((parameters[name] == 1).all()) for name in gains)
    uniform = torch.cat([parameters["gau.gamma"], parameters["gau.beta"]])
    assert 0 <= float(uniform.detach().min()) < 0.1
    assert 0.9 < float(uniform.detach().max()) < 1
