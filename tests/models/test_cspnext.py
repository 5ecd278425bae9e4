"""CSPNeXt: its normalisation, its layers one by one, and its maps beside the reference's."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from posedistill.models.cspnext import Block, ChannelAttention, CSPLayer, CSPNeXt, SpatialPyramid
from tests.weight_rule import GAINS, fill, seeded

DEEPEN_WIDEN = {"t": (0.167, 0.375), "s": (0.33, 0.5), "m": (0.67, 0.75)}
TINY = {"deepen": 0.167, "widen": 0.125}


def _statistics(values: Tensor) -> list[float]:
    numbers = (values.mean(), values.std(correction=0), values.abs().mean())
    return [float(number) for number in (*numbers, values.min(), values.max())]


@pytest.mark.parametrize("size", DEEPEN_WIDEN)
def test_the_four_maps_have_the_statistics_of_the_reference(size: str, golden_dir: Path) -> None:
    deepen, widen = DEEPEN_WIDEN[size]
    backbone = CSPNeXt(deepen=deepen, widen=widen).eval()
    fill(backbone, GAINS[size], prefix="backbone.")
    with torch.inference_mode():
        maps = backbone(seeded(0, (1, 3, 256, 192)))
    seen = np.array([_statistics(values) for values in maps])
    # Float32 sums in another order; measured differences are below 1e-6 of the spread.
    wanted = np.load(golden_dir / "forward.npz")[f"{size}_stages"]
    np.testing.assert_allclose(seen, wanted, rtol=1e-4, atol=1e-5)


def test_every_batch_norm_has_the_constants_of_the_published_checkpoints() -> None:
    norms = [m for m in CSPNeXt(**TINY).modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-5, 0.1)}


def test_only_the_channel_attentions_have_convolutions_with_bias() -> None:
    backbone = CSPNeXt(**TINY)
    with_bias = {
        name
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Conv2d) and module.bias is not None
    }
    attentions = {
        f"{name}.fc"
        for name, module in backbone.named_modules()
        if isinstance(module, ChannelAttention)
    }
    assert with_bias == attentions
    assert len(attentions) == 4


@pytest.mark.parametrize("size_hw", [(64, 64), (128, 96), (36, 28), (33, 65)], ids=str)
def test_the_maps_have_strides_4_to_32_rounded_up(size_hw: tuple[int, int]) -> None:
    backbone = CSPNeXt(**TINY).eval()
    with torch.inference_mode():
        maps = backbone(torch.zeros(2, 3, *size_hw))
    h, w = size_hw
    wanted = [
        (2, channels, -(-h // stride), -(-w // stride))
        for channels, stride in zip(backbone.channels, (4, 8, 16, 32), strict=True)
    ]
    assert [tuple(values.shape) for values in maps] == wanted


@pytest.mark.parametrize(
    ("bias", "factor"), [(-3.0, 0.0), (0.0, 0.5), (1.5, 0.75), (3.0, 1.0)], ids=str
)
def test_channel_attention_gates_by_a_hard_sigmoid(bias: float, factor: float) -> None:
    attention = ChannelAttention(4)
    nn.init.zeros_(attention.fc.weight)
    assert attention.fc.bias is not None
    nn.init.constant_(attention.fc.bias, bias)
    x = seeded(1, (2, 4, 3, 5))
    torch.testing.assert_close(attention(x), x * factor)


def test_channel_attention_sees_the_average_of_each_channel() -> None:
    attention = ChannelAttention(2)
    assert attention.fc.bias is not None
    nn.init.zeros_(attention.fc.bias)
    with torch.no_grad():
        attention.fc.weight.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]])[..., None, None])
    x = torch.stack([torch.full((4, 4), 1.0), torch.full((4, 4), -2.0)])[None]
    gates = attention(x)[0, :, 0, 0] / x[0, :, 0, 0]
    torch.testing.assert_close(gates, torch.tensor([(-2.0 + 3) / 6, (1.0 + 3) / 6]))


def _window_maxima(plane: Tensor, radius: int) -> Tensor:
    h, w = plane.shape
    out = torch.empty_like(plane)
    for y in range(h):
        for x in range(w):
            rows = plane[max(y - radius, 0) : y + radius + 1]
            out[y, x] = rows[:, max(x - radius, 0) : x + radius + 1].max()
    return out


def test_the_spatial_pyramid_joins_maxima_over_5_9_and_13_cells() -> None:
    pyramid = SpatialPyramid(2).eval()
    x = seeded(2, (1, 2, 12, 9))
    with torch.inference_mode():
        plane = pyramid.conv1(x)[0, 0]
        maxima = [plane, *(_window_maxima(plane, radius) for radius in (2, 4, 6))]
        wanted = pyramid.conv2(torch.stack(maxima)[None])
        torch.testing.assert_close(pyramid(x), wanted)


@pytest.mark.parametrize("residual", [True, False], ids=["residual", "plain"])
def test_a_block_adds_its_input_only_where_it_is_residual(residual: bool) -> None:
    block = Block(4, residual=residual).eval()
    nn.init.zeros_(block.conv2.pointwise_conv.conv.weight)
    x = seeded(3, (1, 4, 6, 6))
    with torch.inference_mode():
        torch.testing.assert_close(block(x), x if residual else torch.zeros_like(x))


def test_only_the_last_stage_has_plain_blocks() -> None:
    backbone = CSPNeXt(deepen=0.67, widen=0.125)
    layers = [layer for layer in backbone.modules() if isinstance(layer, CSPLayer)]
    residual = [
        [block.residual for block in layer.modules() if isinstance(block, Block)]
        for layer in layers
    ]
    assert residual == [[True] * 2, [True] * 4, [True] * 4, [False] * 2]


def test_images_of_a_batch_do_not_touch_each_other_in_eval_mode() -> None:
    backbone = CSPNeXt(**TINY).eval()
    x = seeded(4, (3, 3, 64, 64))
    with torch.inference_mode():
        together, alone = backbone(x)[-1], backbone(x[1:2])[-1]
    torch.testing.assert_close(together[1:2], alone)
