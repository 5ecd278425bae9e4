"""Colours of resident batches: hue, saturation and value, and grey pictures."""

import torch
from torch import Tensor

from posedistill.train.resident_detail import picks

_HUES = 180.0  # as OpenCV counts them in bytes
_LUMA = (0.299, 0.587, 0.114)


def vary_hsv(  # house rule: what, by how much, drawn by whom
    pictures: Tensor, largest: tuple[int, int, int], generator: torch.Generator
) -> Tensor:
    """Change hue, saturation and value of each picture by up to `largest`, each half the time.

    pictures: (B, 3, h, w) RGB in [0, 255]; hue in half degrees, as OpenCV has it. Gives the same.

    >>> grey = torch.full((1, 3, 2, 2), 100.0)
    >>> vary_hsv(grey, (0, 0, 0), torch.Generator()).equal(grey)
    True
    """
    if not any(largest):
        return pictures
    draws = torch.rand(len(pictures), 6, generator=generator)
    changes = ((2 * draws[:, :3] - 1) * (draws[:, 3:] < 0.5) * torch.tensor(largest)).trunc()
    changes = changes.to(pictures.device, non_blocking=True)
    hue, saturation, value = to_hsv(pictures)
    hue = (hue + changes[:, 0, None, None]) % _HUES
    saturation = (saturation + changes[:, 1, None, None]).clamp(0, 255)
    value = (value + changes[:, 2, None, None]).clamp(0, 255)
    return from_hsv(hue, saturation, value)


def to_hsv(pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give hue in [0, 180), saturation and value in [0, 255], (B, h, w) each.

    >>> red = torch.tensor([200.0, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> [float(part) for part in to_hsv(red)]
    [0.0, 255.0, 200.0]
    """
    red, green, blue = pictures.unbind(1)
    value, strongest = pictures.max(dim=1)
    spread = value - pictures.amin(dim=1)
    safe = spread.clamp(min=1e-6)
    sector = torch.stack(
        [(green - blue) / safe, (blue - red) / safe + 2, (red - green) / safe + 4], dim=1
    )
    hue = sector.gather(1, strongest.unsqueeze(1)).squeeze(1) % 6 * (_HUES / 6)
    hue = hue.where(spread > 0, 0)
    return hue, 255 * spread / value.clamp(min=1e-6), value


def from_hsv(  # house rule: in the order of the name
    hue: Tensor, saturation: Tensor, value: Tensor
) -> Tensor:
    """Give pictures (B, 3, h, w) of what `to_hsv` gives.

    >>> pictures = torch.rand(1, 3, 4, 4) * 255
    >>> bool(torch.allclose(from_hsv(*to_hsv(pictures)), pictures, atol=0.01))
    True
    """
    turns = hue * (6 / _HUES)
    channels = []
    for start in (5.0, 3.0, 1.0):
        place = (start + turns) % 6
        part = torch.minimum(place, 4 - place).clamp(0, 1)
        channels.append(value * (1 - saturation / 255 * part))
    return torch.stack(channels, dim=1)


def turn_grey(  # house rule: what, how often, drawn by whom
    pictures: Tensor, probability: float, generator: torch.Generator
) -> Tensor:
    """Turn pictures (B, 3, h, w) grey with a probability.

    >>> picture = torch.rand(1, 3, 2, 2)
    >>> grey = turn_grey(picture, 1.0, torch.Generator())
    >>> bool((grey[:, 0] == grey[:, 2]).all())
    True
    """
    for _, who in picks(len(pictures), probability, kinds=1, generator=generator):
        there = who.to(pictures.device, non_blocking=True)
        red, green, blue = pictures[there].unbind(1)
        luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
        pictures.index_copy_(0, there, luma.unsqueeze(1).expand(-1, 3, -1, -1))
    return pictures
