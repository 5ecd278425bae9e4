"""The pyramid head: shapes, and its top-down path beside one made of repeated cells."""

import pytest
import torch
from torch import Tensor, nn

from posedistill.models.pyramid_head import PyramidHead
from tests.weight_rule import fill, seeded

CHANNELS = (4, 6, 8, 10)


def _features(sizes_hw: list[tuple[int, int]]) -> tuple[Tensor, ...]:
    shapes = [(2, count, *size) for count, size in zip(CHANNELS, sizes_hw, strict=True)]
    return tuple(seeded(index, shape) for index, shape in enumerate(shapes))


def _head() -> PyramidHead:
    head = PyramidHead(CHANNELS, num_joints=5, width=8).eval()
    fill(head, 1.0)
    return head


@pytest.mark.parametrize(
    "sizes_hw",
    [[(16, 12), (8, 6), (4, 3), (2, 2)], [(9, 7), (5, 4), (3, 2), (2, 1)]],
    ids=["even", "odd"],
)
def test_heatmaps_have_the_size_of_the_first_map(sizes_hw: list[tuple[int, int]]) -> None:
    (heatmaps,) = _head()(_features(sizes_hw))
    assert tuple(heatmaps.shape) == (2, 5, *sizes_hw[0])


def test_coarse_maps_are_added_to_fine_ones_cell_by_cell() -> None:
    head, features = _head(), _features([(16, 24), (8, 12), (4, 6), (2, 3)])
    with torch.inference_mode():
        total = torch.zeros(2, 8, 16, 24)
        for index, (lateral, feature) in enumerate(zip(head.lateral, features, strict=True)):
            cells = torch.ones(2**index, 2**index)
            total += torch.kron(lateral(feature), cells)
        wanted = head.final_layer(head.smooth(total))
        torch.testing.assert_close(head(features)[0], wanted)


def test_an_untrained_head_starts_near_empty_maps() -> None:
    torch.manual_seed(0)
    head = PyramidHead(CHANNELS, num_joints=133)
    assert isinstance(head.final_layer, nn.Conv2d)
    assert float(head.final_layer.weight.detach().std()) == pytest.approx(0.001, rel=0.03)
    (heatmaps,) = head(_features([(16, 12), (8, 6), (4, 3), (2, 2)]))
    assert float(heatmaps.detach().abs().max()) < 0.1


def test_every_map_gets_a_gradient() -> None:
    features = _features([(16, 12), (8, 6), (4, 3), (2, 2)])
    for feature in features:
        feature.requires_grad_()
    _head()(features)[0].square().mean().backward()
    assert all(feature.grad is not None and feature.grad.abs().sum() > 0 for feature in features)
