"""Detail of resident batches: blur, coarse pictures and hidden rectangles."""

import torch
from torch import Tensor
from torch.nn import functional

_KERNELS = (3, 5, 7)
_COARSENESS = (0.2, 0.28, 0.4, 0.55, 0.75)  # of the input's size, in place of any in between
_HIDDEN = (0.2, 0.4)  # smallest and largest side of a hidden rectangle, as a part of the picture


def blur(  # house rule: what, how often, drawn by whom
    pictures: Tensor, probability: float, generator: torch.Generator
) -> Tensor:
    """Blur pictures (B, 3, h, w) with a probability, by a box 3, 5 or 7 wide.

    >>> blur(torch.ones(1, 3, 8, 8), 1.0, torch.Generator()).shape
    torch.Size([1, 3, 8, 8])
    """
    chosen = _choice(len(pictures), probability, kinds=len(_KERNELS), generator=generator)
    for kind, width in enumerate(_KERNELS):
        picked = (chosen == kind).nonzero().flatten()
        if len(picked):
            few = functional.pad(pictures[picked], (width // 2,) * 4, mode="reflect")
            pictures = pictures.index_copy(0, picked, functional.avg_pool2d(few, width, 1))
    return pictures


def median(  # house rule: what, how often, drawn by whom
    pictures: Tensor, probability: float, generator: torch.Generator
) -> Tensor:
    """Give pictures (B, 3, h, w) a median of 3 by 3 pixels with a probability.

    >>> dot = functional.pad(torch.ones(1, 3, 1, 1), (3, 3, 3, 3))
    >>> float(median(dot, 1.0, torch.Generator()).max())
    0.0
    """
    picked = (_choice(len(pictures), probability, kinds=1, generator=generator) == 0).nonzero()
    if not len(picked):
        return pictures
    picked = picked.flatten()
    few = functional.pad(pictures[picked], (1, 1, 1, 1), mode="replicate")
    around = few.unfold(2, 3, 1).unfold(3, 3, 1).flatten(4)
    return pictures.index_copy(0, picked, around.median(dim=-1).values)


def coarsen(  # house rule: what, how often, drawn by whom
    pictures: Tensor, probability: float, generator: torch.Generator
) -> Tensor:
    """Take detail off pictures (B, 3, h, w) with a probability: shrink and enlarge them.

    >>> coarsen(torch.ones(1, 3, 10, 10), 1.0, torch.Generator()).shape
    torch.Size([1, 3, 10, 10])
    """
    if not probability:
        return pictures
    chosen = _choice(len(pictures), probability, kinds=len(_COARSENESS), generator=generator)
    h, w = pictures.shape[-2:]
    for kind, part in enumerate(_COARSENESS):
        picked = (chosen == kind).nonzero().flatten()
        if len(picked):
            size = max(round(h * part), 1), max(round(w * part), 1)
            small = functional.interpolate(pictures[picked], size, mode="area")
            full = functional.interpolate(small, (h, w), mode="bilinear", align_corners=False)
            pictures = pictures.index_copy(0, picked, full)
    return pictures


def drop_rectangle(  # house rule: what, how often, drawn by whom
    pictures: Tensor, probability: float, generator: torch.Generator
) -> Tensor:
    """Black out a rectangle of pictures (B, 3, h, w) with a probability.

    >>> float(drop_rectangle(torch.ones(1, 3, 10, 10), 1.0, torch.Generator()).min())
    0.0
    """
    count, device = len(pictures), pictures.device
    sides = torch.tensor(pictures.shape[-2:], device=device)
    draws = torch.rand(count, 5, generator=generator, device=device)
    low, high = _HIDDEN
    size = ((low + draws[:, :2] * (high - low)) * sides).long()
    corner = (draws[:, 2:4] * (sides - size + 1)).long()
    inside = []
    for axis in (0, 1):
        places = torch.arange(int(pictures.shape[2 + axis]), device=device)
        offset = places - corner[:, axis, None]
        inside.append((offset >= 0) & (offset < size[:, axis, None]))
    hidden = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    hidden &= (draws[:, 4] < probability).view(-1, 1, 1, 1)
    return pictures.masked_fill(hidden, 0)


def _choice(count: int, probability: float, *, kinds: int, generator: torch.Generator) -> Tensor:
    """Give (count,) which kind each gets, -1 where none."""
    draws = torch.rand(count, 2, generator=generator, device=generator.device)
    kind = (draws[:, 1] * kinds).long()
    return kind.where(draws[:, 0] < probability, -1)
