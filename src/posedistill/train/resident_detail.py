"""Detail of resident batches: blur, coarse pictures and hidden rectangles, each in place."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

_KERNELS = (3, 5, 7)
_COARSENESS = (0.2, 0.28, 0.4, 0.55, 0.75)  # of the input's size, in place of any in between
_HIDDEN = (0.2, 0.4)  # smallest and largest side of a hidden rectangle, as a part of the picture


def picks(
    count: int, probability: float, *, kinds: int, generator: torch.Generator
) -> Iterator[tuple[int, Tensor]]:
    """Draw who gets which kind of a change; give each kind that somebody gets, and who.

    Each of count is picked with a probability, for one of the kinds. The generator is of the CPU,
    as what is given is, so that no one waits for a device.

    >>> [(kind, who.tolist()) for kind, who in picks(2, 1.0, kinds=1, generator=torch.Generator())]
    [(0, [0, 1])]
    """
    if not probability:
        return
    draws = torch.rand(count, 2, generator=generator)
    chosen = (draws[:, 1] * kinds).long().where(draws[:, 0] < probability, -1)
    for kind in range(kinds):
        picked = (chosen == kind).nonzero().flatten()
        if len(picked):
            yield kind, picked


def blur(  # house rule: what, how often, drawn by whom
    pictures: Tensor, probability: float, generator: torch.Generator
) -> Tensor:
    """Blur pictures (B, 3, h, w) with a probability, by a box 3, 5 or 7 wide.

    >>> blur(torch.ones(1, 3, 8, 8), 1.0, torch.Generator()).shape
    torch.Size([1, 3, 8, 8])
    """
    for kind, who in picks(len(pictures), probability, kinds=len(_KERNELS), generator=generator):
        width = _KERNELS[kind]
        there = who.to(pictures.device, non_blocking=True)
        few = functional.pad(pictures[there], (width // 2,) * 4, mode="reflect")
        pictures.index_copy_(0, there, functional.avg_pool2d(few, width, 1))
    return pictures


def median(  # house rule: what, how often, drawn by whom
    pictures: Tensor, probability: float, generator: torch.Generator
) -> Tensor:
    """Give pictures (B, 3, h, w) a median of 3 by 3 pixels with a probability.

    >>> dot = functional.pad(torch.ones(1, 3, 1, 1), (3, 3, 3, 3))
    >>> float(median(dot, 1.0, torch.Generator()).max())
    0.0
    """
    for _, who in picks(len(pictures), probability, kinds=1, generator=generator):
        there = who.to(pictures.device, non_blocking=True)
        few = functional.pad(pictures[there], (1, 1, 1, 1), mode="replicate")
        around = few.unfold(2, 3, 1).unfold(3, 3, 1).flatten(4)
        pictures.index_copy_(0, there, around.median(dim=-1).values)
    return pictures


def coarsen(  # house rule: what, how often, drawn by whom
    pictures: Tensor, probability: float, generator: torch.Generator
) -> Tensor:
    """Take detail off pictures (B, 3, h, w) with a probability: shrink and enlarge them.

    >>> coarsen(torch.ones(1, 3, 10, 10), 1.0, torch.Generator()).shape
    torch.Size([1, 3, 10, 10])
    """
    h, w = pictures.shape[-2:]
    kinds = len(_COARSENESS)
    for kind, who in picks(len(pictures), probability, kinds=kinds, generator=generator):
        there = who.to(pictures.device, non_blocking=True)
        part = _COARSENESS[kind]
        size = max(round(h * part), 1), max(round(w * part), 1)
        small = functional.interpolate(pictures[there], size, mode="area")
        full = functional.interpolate(small, (h, w), mode="bilinear", align_corners=False)
        pictures.index_copy_(0, there, full)
    return pictures


def drop_rectangle(  # house rule: what, how often, drawn by whom
    pictures: Tensor, probability: float, generator: torch.Generator
) -> Tensor:
    """Black out a rectangle of pictures (B, 3, h, w) with a probability.

    >>> float(drop_rectangle(torch.ones(1, 3, 10, 10), 1.0, torch.Generator()).min())
    0.0
    """
    sides = torch.tensor(pictures.shape[-2:])
    draws = torch.rand(len(pictures), 5, generator=generator)
    low, high = _HIDDEN
    size = ((low + draws[:, :2] * (high - low)) * sides).long()
    size[draws[:, 4] >= probability] = 0
    first = (draws[:, 2:4] * (sides - size + 1)).long()
    corners = torch.stack([first, first + size], dim=-1).to(pictures.device, non_blocking=True)
    inside = []
    for axis in (0, 1):
        places = torch.arange(int(sides[axis]), device=pictures.device)
        start, end = corners[:, axis, 0, None], corners[:, axis, 1, None]
        inside.append((places >= start) & (places < end))
    hidden = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return pictures.masked_fill_(hidden, 0)
