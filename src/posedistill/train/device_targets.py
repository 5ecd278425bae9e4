"""Targets on a device: what the codecs encode, for whole batches of torch tensors.

The rules are those of `posedistill.codecs`, which a test holds them to.
"""

import torch
from torch import Tensor

from posedistill.codecs import Codec, Heatmap, SimCC


def encode(  # house rule: as the codecs take them
    codec: Codec, keypoints: Tensor, visible: Tensor
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Give the target arrays and weights of a codec.

    keypoints: (B, K, 2) network-input pixels; visible: (B, K). Gives what `codec.encode` gives, as
    float32 tensors on the device of the keypoints.

    >>> codec = SimCC((48, 64), (2.4, 2.8))
    >>> targets, weights = encode(codec, torch.zeros(2, 17, 2), torch.ones(2, 17))
    >>> [tuple(rows.shape) for rows in targets], tuple(weights.shape)
    ([(2, 17, 96), (2, 17, 128)], (2, 17))
    """
    if isinstance(codec, SimCC):
        return _rows(codec, keypoints, visible)
    return _maps(codec, keypoints, visible)


def _rows(codec: SimCC, keypoints: Tensor, visible: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
    centers = (keypoints.double() * codec.split_ratio).round()
    bins, sigmas = codec.bins_xy, codec.sigma_xy
    outside = _beyond(centers, bins, sigmas)
    shown = visible >= 0.5
    drawn = (shown & ~outside).unsqueeze(-1)
    rows = [
        _gaussian(centers[..., axis], bins[axis], sigmas[axis]).where(drawn, 0) for axis in (0, 1)
    ]
    return (rows[0], rows[1]), visible.where(~(shown & outside), 0).float()


def _maps(codec: Heatmap, keypoints: Tensor, visible: Tensor) -> tuple[tuple[Tensor], Tensor]:
    exact = torch.stack(
        [keypoints[..., axis].float() / codec.cell_size_xy[axis] for axis in (0, 1)], dim=-1
    ).double()
    nearest = (exact + 0.5).trunc()
    is_exact = codec.center == "exact"
    centers = exact if is_exact else nearest
    seen_from = exact if is_exact and not codec.window else nearest
    outside = _beyond(seen_from, codec.map_size_wh, (codec.sigma, codec.sigma))
    shown = visible >= 0.5
    rows = []
    for axis, cells in enumerate(codec.map_size_wh):
        row = _gaussian(centers[..., axis], cells, codec.sigma)
        if codec.window:
            places = torch.arange(cells, device=row.device, dtype=torch.float64)
            distance = (places - nearest[..., axis, None]).abs()
            row = row.where(distance <= 3 * codec.sigma, 0)
        rows.append(row)
    rows[0] = rows[0].where((shown & ~outside).unsqueeze(-1), 0)
    maps = rows[1].unsqueeze(-1) * rows[0].unsqueeze(-2)
    return (maps,), visible.where(~(shown & outside), 0).float()


def _beyond(centers: Tensor, sides: tuple[int, int], sigmas: tuple[float, float]) -> Tensor:
    """Tell of which centres (..., 2) the 3-sigma window misses the grid.

    Numbers, not tensors, are compared with: to bring a tensor to a device makes the host wait.
    """
    beyond = torch.zeros_like(centers[..., 0], dtype=torch.bool)
    for axis in (0, 1):
        place, radius = centers[..., axis], 3 * sigmas[axis]
        beyond |= (place - radius >= sides[axis]) | (place + radius + 1 < 0)
    return beyond


def _gaussian(centers: Tensor, count: int, sigma: float) -> Tensor:
    """Give (..., count) float32 curves of height 1 about centres (...)."""
    places = torch.arange(count, device=centers.device, dtype=torch.float32)
    distance = places - centers.float().unsqueeze(-1)
    return torch.exp(-distance.square() / (2 * sigma**2))
