"""Stacked hourglasses: their published sizes and costs, their stages, and maps of any size."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d
from torch.utils.flop_counter import FlopCounterMode

from posedistill.codecs import Heatmap
from posedistill.models import PoseModel, build
from posedistill.models.hourglass import Bottleneck, Hourglass, HourglassBackbone, Stack
from posedistill.models.staged import Flow, StagedBackbone, run_stages, stages_of
from tests.weight_rule import fill, seeded

# Stacks: parameters for 16 joints, thousand millions of multiply-adds at 256x256 (OKDHP).
PUBLISHED = {2: (6_730_912, 8.99), 4: (13_018_816, 15.36), 8: (25_594_624, 28.09)}
every_published = pytest.mark.parametrize("num_stacks", PUBLISHED)


def _outline(name: str, size_wh: tuple[int, int]) -> PoseModel:
    """Build a model without memory for its weights."""
    with torch.device("meta"):
        return build(name, "mpii16", size_wh).eval()


def _tiny(num_stacks: int, *, num_joints: int = 3) -> HourglassBackbone:
    backbone = HourglassBackbone(num_stacks, num_joints, width=8).eval()
    fill(backbone, 1.5)
    return backbone


@every_published
def test_parameters_are_as_many_as_published(num_stacks: int) -> None:
    model = _outline(f"hourglass-{num_stacks}", (256, 256))
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == PUBLISHED[num_stacks][0]


@every_published
def test_multiply_adds_are_as_many_as_published(num_stacks: int) -> None:
    model = _outline(f"hourglass-{num_stacks}", (256, 256))
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, 256, 256, dtype=torch.uint8, device="meta"))
    # It counts a multiply-add of a convolution as two operations.
    assert round(counter.get_total_flops() / 2 / 1e9, 2) == PUBLISHED[num_stacks][1]


@pytest.mark.parametrize("num_stacks", [1, 3])
def test_a_plain_network_has_no_unused_weights(num_stacks: int) -> None:
    torch.manual_seed(0)
    model = build(f"hourglass-{num_stacks}-narrow", "mpii16", (64, 64))
    model(torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8))[0].square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("num_stacks", [1, 2, 4])
def test_the_stages_are_the_stem_and_the_stacks(num_stacks: int) -> None:
    backbone = _tiny(num_stacks)
    assert isinstance(backbone, StagedBackbone)
    stages = stages_of(backbone)
    assert [type(stage) for stage in stages[1:]] == [Stack] * num_stacks
    assert backbone.default_shared == 1 + num_stacks // 2
    with torch.inference_mode():
        x = seeded(0, (2, 3, 64, 64))
        features = run_stages(backbone, stages, Flow(x)).features
        maps = backbone(x)
    assert all(torch.equal(a, b) for a, b in zip(features[1:], maps, strict=True))
    assert [feature.shape[1] for feature in maps] == list(backbone.channels)


def test_a_stack_takes_what_the_one_before_took_and_what_it_made_of_it() -> None:
    backbone = _tiny(2)
    first, second = stages_of(backbone)[1:]
    assert isinstance(first, Stack)
    assert first.link is not None
    link = first.link
    with torch.inference_mode():
        x = seeded(1, (1, 3, 64, 64))
        taken = backbone.stem(x)
        feature = first(taken)
        heatmaps = link.score(feature)
        wanted = second(taken + link.from_feature(feature) + link.from_score(heatmaps))
        torch.testing.assert_close(backbone(x)[1], wanted)


def test_all_stacks_but_the_last_predict_by_themselves() -> None:
    backbone = _tiny(3, num_joints=5)
    stem, *stacks = stages_of(backbone)
    feature = torch.zeros(1, 8, 16, 16)
    outputs = [backbone.early_output(stage, feature) for stage in (stem, *stacks)]
    assert outputs[0] is None
    assert outputs[3] is None
    assert [out[0].shape for out in outputs[1:3] if out] == [(1, 5, 16, 16)] * 2


def test_an_early_prediction_teaches_its_stack_but_no_later_one() -> None:
    backbone = _tiny(3)
    features = backbone(seeded(2, (2, 3, 64, 64)))
    early = backbone.early_output(backbone.stacks[1], features[1])
    assert early is not None
    _, own, later = backbone.stacks
    weights = dict(own.named_parameters(prefix="own")) | dict(later.named_parameters())
    gradients = torch.autograd.grad(early[0].sum(), list(weights.values()), allow_unused=True)
    taught = {name for name, value in zip(weights, gradients, strict=True) if value is not None}
    leads_on = {name for name in weights if ".from_" in name}
    assert taught == {name for name in weights if name.startswith("own.")} - leads_on
    assert len(leads_on) == 4


def _bottleneck(unit: Bottleneck, x: Tensor) -> Tensor:
    bn1, _, conv1, bn2, _, conv2, bn3, _, conv3 = unit.units
    y = conv1(torch.relu(bn1(x)))
    y = conv2(torch.relu(bn2(y)))
    shortcut: Tensor = x if isinstance(unit.shortcut, nn.Identity) else unit.shortcut(x)
    out: Tensor = shortcut + conv3(torch.relu(bn3(y)))
    return out


def _plain_hourglass(unit: Hourglass, x: Tensor) -> Tensor:
    """Do what an hourglass does where every size can be halved, written out."""
    low = _bottleneck(unit.down, max_pool2d(x, 2, 2))
    inner = unit.inner
    low = _plain_hourglass(inner, low) if isinstance(inner, Hourglass) else _bottleneck(inner, low)
    return _bottleneck(unit.skip, x) + interpolate(_bottleneck(unit.up, low), scale_factor=2)


@pytest.mark.parametrize("size_hw", [(16, 16), (32, 16)], ids=str)
def test_of_sizes_that_halve_an_hourglass_is_the_published_one(size_hw: tuple[int, int]) -> None:
    unit = Hourglass(8, depth=4).eval()
    fill(unit, 1.5)
    x = seeded(3, (2, 8, *size_hw))
    with torch.inference_mode():
        assert torch.equal(unit(x), _plain_hourglass(unit, x))


@pytest.mark.parametrize("size_hw", [(9, 12), (5, 7), (1, 3)], ids=str)
def test_of_odd_sizes_every_cell_gets_the_maximum_of_its_own_square(
    size_hw: tuple[int, int],
) -> None:
    unit = Hourglass(2, depth=1)
    unit.skip = unit.down = unit.inner = unit.up = nn.Identity()  # type: ignore[assignment]
    x = seeded(4, (1, 2, *size_hw))
    wanted = x.clone()
    for y, column in torch.cartesian_prod(*map(torch.arange, size_hw)).tolist():
        top, left = y // 2 * 2, column // 2 * 2
        wanted[..., y, column] += x[..., top : top + 2, left : left + 2].amax(dim=(2, 3))
    torch.testing.assert_close(unit(x), wanted)


@pytest.mark.parametrize(
    "size_wh", [(256, 256), (192, 256), (288, 384), (100, 36), (32, 64)], ids=str
)
def test_maps_are_a_quarter_of_inputs_of_any_multiple_of_4(size_wh: tuple[int, int]) -> None:
    model = _outline("hourglass-2-narrow", size_wh)
    w, h = size_wh
    outputs = model(torch.zeros(1, 3, h, w, dtype=torch.uint8, device="meta"))
    assert [tuple(out.shape) for out in outputs] == [(1, 16, h // 4, w // 4)]


def test_other_sizes_are_refused_with_the_nearest_that_are_not() -> None:
    with pytest.raises(ValueError, match=r"\(90, 256\); expected multiples of 4.*\(88, 256\)"):
        build("hourglass-2", "mpii16", (90, 256))


@pytest.mark.parametrize(
    ("size_wh", "sigma"), [((256, 256), 2.0), ((192, 256), 2.0), ((288, 384), 3.0)], ids=str
)
def test_targets_are_those_of_the_paper(size_wh: tuple[int, int], sigma: float) -> None:
    codec = _outline("hourglass-2", size_wh).spec.codec
    assert codec == Heatmap(size_wh, sigma, center="rounded", window=True, refine="quarter")
