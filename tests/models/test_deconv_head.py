"""Deconvolution head: its layers, its first weights and its maps."""

import torch
from torch import nn

from posedistill.models.deconv_head import DeconvHead
from tests.weight_rule import seeded


def test_it_has_the_layers_of_simple_baselines() -> None:
    head = DeconvHead(512, num_joints=17)
    deconvs = [layer for layer in head.modules() if isinstance(layer, nn.ConvTranspose2d)]
    # Weights (inputs, outputs, 4, 4) without bias, two numbers a channel of three norms.
    wanted = (512 + 2 * 256) * 256 * 16 + 3 * 2 * 256 + 17 * 257
    assert sum(parameter.numel() for parameter in head.parameters()) == wanted
    assert [(layer.stride, layer.bias) for layer in deconvs] == [((2, 2), None)] * 3


def test_its_last_feature_map_is_enlarged_eight_times() -> None:
    head = DeconvHead(8, num_joints=5).eval()
    with torch.inference_mode():
        (maps,) = head((torch.zeros(1, 3, 9, 9), seeded(0, (2, 8, 3, 2))))
    assert maps.shape == (2, 5, 24, 16)


def test_first_weights_are_small_so_that_maps_start_near_zero() -> None:
    torch.manual_seed(0)
    head = DeconvHead(8, num_joints=5)
    spreads = [float(p.detach().std()) for p in head.parameters() if p.ndim == 4]
    assert all(0.0008 < spread < 0.0012 for spread in spreads)
    with torch.inference_mode():
        (maps,) = head((seeded(1, (2, 8, 4, 4)),))
    assert maps.abs().max() < 0.1
