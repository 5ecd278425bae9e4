"""Paint: planned scenes as pixels, on the device, and who can be seen in them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from posedistill.detect.assign import Truth
from posedistill.detect.model import STRIDES
from posedistill.detect.plan import LAYERS, Layers, People, draw_layers, people_of
from posedistill.detect.pool import Pool

_GREY = 114.0  # of letterboxing
_CELL = 4  # pixels of the grid on which it is told who hides whom
_LEAST_SEEN = 0.25  # of a person; who is hidden more need not be found
_WELL_SEEN = 0.9  # of a person, whose box then stays as it is
_MOST_PEOPLE = 32  # in a scene

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scenes:
    """Hold painted scenes.

    Attributes:
        images_rgb: (B, 3, side, side) 0 to 255. truth: who is where.
    """

    images_rgb: Tensor
    truth: Truth


def draw_scenes(pool: Pool, count: int, *, side: int, seed: tuple[int, int]) -> Scenes:
    """Draw and paint scenes; the seed, of a run and a step, says which.

    >>> draw_scenes(pool, 8, side=320, seed=(0, 0)).images_rgb.shape  # doctest: +SKIP
    torch.Size([8, 3, 320, 320])
    """
    rng = np.random.default_rng(seed)
    layers = draw_layers(pool, count, side=side, rng=rng)
    people = people_of(layers, pool)
    canvas = torch.full((count, 4, side, side), _GREY, device=pool.device)
    canvas[:, 3] = 0
    size = side // _CELL
    covers = torch.zeros((count, LAYERS, size, size), device=pool.device)
    for layer in range(layers.is_on.shape[1]):
        _paint(canvas, covers[:, layer], layers=layers, layer=layer, pool=pool, rng=rng)
    boxes, is_unclear = _seen(people, covers)
    truth = _truth(people, boxes, is_unclear=is_unclear, doubt=canvas[:, 3:])
    images = _developed(canvas[:, :3], rng)
    # The clip of the background is the frame; outside it the grey stays as it is.
    frame = _area(layers.clip_xyxy[:, 0], side=side, device=pool.device)
    return Scenes(torch.where(frame, images, _GREY), truth)


def _paint(  # house rule: a layer, where it goes, and what it is taken from
    canvas: Tensor,
    cover: Tensor,
    *,
    layers: Layers,
    layer: int,
    pool: Pool,
    rng: np.random.Generator,
) -> None:
    """Paint one layer of all scenes, in place, and note what it covers."""
    side = canvas.shape[2]
    # Of the levels the one that is shrunk least: to between a half and all of its size.
    wanted = -np.log2(layers.scale[:, layer].max(axis=1) * 1.4)
    level = wanted.round().clip(0, len(pool.levels) - 1).astype(int)
    tint = np.exp(rng.normal(0, 0.15, (len(canvas), 4, 1, 1))).astype(np.float32)
    for number, planes in enumerate(pool.levels):
        chosen = np.flatnonzero(layers.is_on[:, layer] & (level == number))
        if not len(chosen):
            continue
        grid, area = _places(layers, (chosen, layer), pool=pool, side=side)
        rows = torch.from_numpy(chosen).to(canvas.device)
        source = planes[torch.from_numpy(layers.picture[chosen, layer]).to(canvas.device)]
        pixels = grid_sample(source.float(), grid, padding_mode="border", align_corners=False)
        is_cut = _on(layers.is_cut[chosen, layer], canvas)[:, None, None, None]
        alpha = area * torch.where(is_cut > 0, pixels[:, 3:] / 255, 1.0)
        gains = _on(tint[chosen], canvas)
        gains = torch.where(is_cut > 0, gains[:, :3] * gains[:, 3:], 1.0)
        is_unsure = _on(~pool.is_complete[layers.picture[chosen, layer]], canvas)
        pixels[:, :3] *= gains
        pixels[:, 3] = (1 - is_cut[:, 0]) * is_unsure[:, None, None]
        canvas[rows] = torch.lerp(canvas[rows], pixels, alpha)
        cover[rows] = avg_pool2d(alpha, _CELL)[:, 0]


def _places(
    layers: Layers, at: tuple[NDArray[np.int64], int], *, pool: Pool, side: int
) -> tuple[Tensor, Tensor]:
    """Give where each pixel comes from, (b, side, side, 2), and the area (b, 1, side, side)."""
    size_wh = pool.sizes_wh[layers.picture[at]]
    numbers = np.concatenate([size_wh, layers.scale[at], layers.shift[at]], axis=1)
    size, scale, shift = torch.from_numpy(numbers).to(pool.device)[..., None].chunk(3, dim=1)
    place = (torch.arange(side, device=pool.device) + 0.5 - shift) / scale
    is_in = (place >= 0) & (place <= size)
    is_flipped = torch.from_numpy(layers.is_flipped[at]).to(pool.device)[:, None]
    x = torch.where(is_flipped, size[:, 0] - place[:, 0], place[:, 0])
    spread = 2 * torch.stack([x, place[:, 1]], dim=1) / pool.side - 1
    columns = spread[:, 0, None].expand(-1, side, -1)
    rows = spread[:, 1, :, None].expand(-1, -1, side)
    area = _area(layers.clip_xyxy[at], side=side, device=pool.device)
    area = area & (is_in[:, 0, None] & is_in[:, 1, :, None])[:, None]
    return torch.stack([columns, rows], dim=3), area.float()


def _area(clip_xyxy: Floats, *, side: int, device: torch.device) -> Tensor:
    """Give (b, 1, side, side): which pixels are within a clip."""
    clip = torch.from_numpy(np.ascontiguousarray(clip_xyxy)).to(device)[..., None]
    pixel = torch.arange(side, device=device) + 0.5
    is_in = (pixel >= clip[:, :2]) & (pixel <= clip[:, 2:])
    return (is_in[:, 0, None] & is_in[:, 1, :, None])[:, None]


def _seen(people: People, covers: Tensor) -> tuple[Tensor, Tensor]:
    """Give the boxes (N, 4) of what is seen of each person, and (N,) who is hidden too much."""
    later = (1 - covers).flip(1).cumprod(dim=1).flip(1)
    free = torch.cat([later[:, 1:], torch.ones_like(later[:, :1])], dim=1)
    scene, layer = _on(people.scene, covers).long(), _on(people.layer, covers).long()
    own = covers[scene, layer] * _inside(people.boxes_xyxy, covers)
    shown = own * free[scene, layer]
    part = shown.sum(dim=(1, 2)) / own.sum(dim=(1, 2)).clamp(min=1e-3)
    boxes = _on(people.boxes_xyxy, covers)
    is_column, is_row = (shown > 0.5).any(dim=1), (shown > 0.5).any(dim=2)
    low = torch.stack([_first(is_column), _first(is_row)], dim=1) * _CELL
    end = torch.stack([_first(is_column.flip(1)), _first(is_row.flip(1))], dim=1) * _CELL
    high = covers.shape[2] * _CELL - end
    tight = torch.cat([torch.maximum(boxes[:, :2], low), torch.minimum(boxes[:, 2:], high)], dim=1)
    is_tight = (part < _WELL_SEEN) & (tight[:, 2:] > tight[:, :2]).all(dim=1)
    return torch.where(is_tight[:, None], tight, boxes), part < _LEAST_SEEN


def _inside(boxes_xyxy: Floats, covers: Tensor) -> Tensor:
    """Give (N, h, w) whether a cell is in a box, at least the one of the box's middle."""
    places = (np.arange(covers.shape[2], dtype=np.float32) + 0.5) * _CELL
    middle = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
    low = np.minimum(boxes_xyxy[:, :2], middle - _CELL / 2)[..., None]
    high = np.maximum(boxes_xyxy[:, 2:], middle + _CELL / 2)[..., None]
    is_in = _on((places >= low) & (places <= high), covers)
    return is_in[:, 1, :, None] * is_in[:, 0, None]


def _first(is_set: Tensor) -> Tensor:
    return is_set.float().argmax(dim=1).float()


def _truth(people: People, boxes: Tensor, *, is_unclear: Tensor, doubt: Tensor) -> Truth:
    """Give each scene's people in rows of one length, and the doubt of each cell."""
    count = len(doubt)
    starts = np.searchsorted(people.scene, np.arange(count))
    slot = np.arange(len(people.scene)) - starts[people.scene]
    kept = slot < _MOST_PEOPLE
    at = tuple(_on(index[kept], doubt).long() for index in (people.scene, slot))
    kept_rows = torch.from_numpy(np.flatnonzero(kept)).to(doubt.device)
    unclear = is_unclear | (_on(people.is_unclear, doubt) > 0)
    rows = doubt.new_zeros((count, _MOST_PEOPLE, 4))
    is_person = torch.zeros((count, _MOST_PEOPLE), dtype=torch.bool, device=doubt.device)
    is_hidden = is_person.clone()
    rows[at] = boxes[kept_rows]
    is_person[at] = ~unclear[kept_rows]
    is_hidden[at] = unclear[kept_rows]
    cells = torch.cat([avg_pool2d(doubt, stride).flatten(1) for stride in STRIDES], dim=1)
    return Truth(rows, is_person, is_hidden, cells)


def _developed(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Change light, contrast and colour, take the colour of some, blur some, add noise to some."""
    count = len(images)
    random = np.stack([rng.normal(0, 0.2, count), rng.normal(0, 0.2, count), rng.random(count)])
    gain, gamma, grey = _on(random.astype(np.float32), images)[..., None, None, None]
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = (images - mean) * gain.exp() + mean * (gain.clamp(max=0.3) * 0.5).exp()
    images = 255 * (images / 255).clamp(1e-3, 1) ** gamma.exp()
    weights = images.new_tensor([0.299, 0.587, 0.114])[:, None, None]
    images = torch.where(grey < 0.45, (images * weights).sum(dim=1, keepdim=True), images)
    blurred = np.flatnonzero(rng.random(count) < 0.15)
    if len(blurred):
        rows = torch.from_numpy(blurred).to(images.device)
        images[rows] = avg_pool2d(images[rows], 3, stride=1, padding=1, count_include_pad=False)
    spread = np.where(rng.random(count) < 0.3, rng.uniform(0, 14, count), 0).astype(np.float32)
    generator = torch.Generator(images.device).manual_seed(int(rng.integers(2**31)))
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    return (images + noise * _on(spread, images)[:, None, None, None]).clamp(0, 255)


def _on(values: NDArray[np.generic], like: Tensor) -> Tensor:
    """Give numbers as floats on a tensor's device."""
    return torch.from_numpy(np.ascontiguousarray(values)).to(like.device, torch.float32)
