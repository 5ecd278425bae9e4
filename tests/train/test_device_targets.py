"""Targets on a device: the same as those of the codecs."""

import numpy as np
import pytest
import torch

from posedistill.codecs import Codec, Heatmap, SimCC
from posedistill.train.device_targets import encode

CODECS: list[Codec] = [
    SimCC((48, 64), (2.4, 2.8)),
    SimCC((48, 64), (2.0, 3.0), split_ratio=1.5),
    Heatmap((48, 64)),
    Heatmap((48, 64), center="rounded", window=True),
    Heatmap((48, 64), window=True, refine="dark_udp", grid="udp"),
]


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_targets_and_weights_are_those_of_the_codec(codec: Codec) -> None:
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(-30, 90, (4, 50, 2)).astype(np.float32)
    keypoints[0, :8] = np.arange(16).reshape(8, 2) * 2.5  # on bins and between two of them
    visible = rng.choice([0.0, 1.0], (4, 50)).astype(np.float32)
    *wanted, wanted_weights = codec.encode(keypoints, visible)
    targets, weights = encode(codec, torch.from_numpy(keypoints), torch.from_numpy(visible))
    assert 0 < wanted_weights.sum() < visible.sum()  # some are outside
    np.testing.assert_array_equal(weights.numpy(), wanted_weights)
    assert len(targets) == len(wanted)
    for target, want in zip(targets, wanted, strict=True):
        assert target.dtype == torch.float32
        np.testing.assert_allclose(target.numpy(), want, atol=2e-5)
