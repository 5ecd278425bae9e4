"""Resident batches: people that a device holds, varied and encoded there, a whole batch at once.

The variation is that of `posedistill.train.augment`, drawn on the device. Deliberate differences:
pictures are sampled twice, the second time exactly, not in 32nds of a pixel, and are black beyond
the wide crops; the median blur is always 3 wide; coarse pictures are of one of five sizes; pictures
are rounded to whole grey levels once, at the end.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from posedistill.codecs import Codec
from posedistill.objectives.objective import Batch, Key
from posedistill.train.augment import AugmentConfig
from posedistill.train.device_targets import encode
from posedistill.train.resident import People
from posedistill.train.resident_colour import turn_grey, vary_hsv
from posedistill.train.resident_detail import blur, coarsen, drop_rectangle, median

_PREFERS_UPPER = 0.7


class Variation(NamedTuple):
    """Say how batches are varied; `late` from an epoch on."""

    early: AugmentConfig
    late: AugmentConfig
    late_epoch: int
    seed: int


class ResidentBatches:
    """Make the batches of keys out of resident people.

    A batch depends on the seed and its keys alone. All chance is drawn on the CPU, and nothing
    here makes the host wait for the device.

    >>> ResidentBatches(people, codec, variation, keys)  # doctest: +SKIP
    """

    def __init__(  # house rule: of what, for what, how, which
        self, people: People, codec: Codec, variation: Variation, keys: Iterable[list[Key]]
    ) -> None:
        self._people, self._codec = people, codec
        self._variation, self._keys = variation, keys
        self._generator = torch.Generator()

    def __iter__(self) -> Iterator[Batch]:
        for keys in self._keys:
            yield self._make(keys)

    def _make(self, keys: list[Key]) -> Batch:
        how, first = self._variation, keys[0]
        config = how.late if first.epoch >= how.late_epoch else how.early
        # any mixing does that gives each (seed, epoch, first person) a state of its own
        self._generator.manual_seed(hash((how.seed, first.epoch, first.person)) % 2**63)
        persons = torch.tensor([key.person for key in keys])
        rows = self._people.rows[persons.to(self._people.rows.device, non_blocking=True)]
        crops, keypoints, visible = vary(
            self._people,
            rows,
            size_wh=self._codec.input_size_wh,
            config=config,
            generator=self._generator,
        )
        targets, weights = encode(self._codec, keypoints, visible)
        views = torch.tensor([key.view for key in keys])
        return Batch(crops, targets, weights, persons, views)


def vary(  # house rule: of whom
    people: People,
    rows: Tensor,
    *,
    size_wh: tuple[int, int],
    config: AugmentConfig,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Cut a randomly varied crop of each person.

    rows: (B,) int64 on the people's device; generator: of the CPU. Gives crops (B, 3, h, w) uint8
    in channels-last memory, keypoints (B, K, 2) in their pixels and visible (B, K).
    """
    matrices, is_flipped = place(people, rows, size_wh=size_wh, config=config, generator=generator)
    crops = cut(people.images[rows], matrices, size_wh)
    crops = vary_hsv(crops, config.hsv, generator)
    crops = blur(crops, config.blur, generator)
    crops = median(crops, config.median_blur, generator)
    crops = turn_grey(crops, config.grey, generator)
    crops = coarsen(crops, config.coarse, generator)
    crops = drop_rectangle(crops, config.dropout, generator)
    crops = crops.round_().clamp_(0, 255).to(torch.uint8)
    keypoints, visible = people.keypoints[rows], people.visible[rows]
    mirror = people.mirror
    keypoints = torch.where(is_flipped[:, None, None], keypoints[:, mirror], keypoints)
    visible = torch.where(is_flipped[:, None], visible[:, mirror], visible)
    moved = keypoints @ matrices[:, :, :2].mT + matrices[:, None, :, 2]
    return crops.contiguous(memory_format=torch.channels_last), moved, visible


def place(  # house rule: of whom
    people: People,
    rows: Tensor,
    *,
    size_wh: tuple[int, int],
    config: AugmentConfig,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Draw matrices (B, 2, 3) from wide crops to varied crops, and (B,) whether they mirror."""
    draws = torch.rand(len(rows), 9, generator=generator).to(rows.device, non_blocking=True)
    boxes = _choose_halves(people, rows, draws[:, :2], config.half_body)
    center, scale = boxes[:, :2], boxes[:, 2:]
    spread = _cut_normal(draws[:, 2:6])
    does_shift = draws[:, 6] < config.shift_probability
    does_rotate = draws[:, 7] < config.rotation_probability
    is_flipped = draws[:, 8] < config.flip
    center = center + spread[:, :2] * config.shift * scale * does_shift[:, None]
    low, high = config.scale
    scale = scale * (spread[:, 2:3] * (high - low) / 2 + (high + low) / 2)
    angle = torch.deg2rad(spread[:, 3] * config.rotation) * does_rotate
    matrices = _similarity(center, scale, angle, size_wh)
    mirrored = torch.stack([-matrices[:, 0], matrices[:, 1]], dim=1)
    mirrored[:, 0, 2] += size_wh[0]
    return torch.where(is_flipped[:, None, None], mirrored, matrices), is_flipped


def _similarity(  # house rule: in the order of `posedistill.crop.affine_matrix`
    center: Tensor, scale: Tensor, angle: Tensor, size_wh: tuple[int, int]
) -> Tensor:
    """Give the matrices (B, 2, 3) that `posedistill.crop.affine_matrix` gives one by one."""
    w, h = size_wh
    width = torch.maximum(scale[:, 0], scale[:, 1] * w / h)
    cos, sin = torch.cos(angle) * w / width, torch.sin(angle) * w / width
    x = w / 2 - cos * center[:, 0] - sin * center[:, 1]
    y = h / 2 + sin * center[:, 0] - cos * center[:, 1]
    return torch.stack([cos, sin, x, -sin, cos, y], dim=-1).view(-1, 2, 3)


def _choose_halves(people: People, rows: Tensor, draws: Tensor, probability: float) -> Tensor:
    """Give (B, 4) boxes: of the whole body, or with a probability of its upper or lower half."""
    boxes, has_half = people.boxes[rows], people.has_half[rows]
    takes_half = (draws[:, 0] < probability) & has_half.any(dim=1)
    prefers_upper = draws[:, 1] < _PREFERS_UPPER
    is_upper = has_half[:, 0] & (prefers_upper | ~has_half[:, 1])
    half = torch.where(is_upper[:, None], boxes[:, 1], boxes[:, 2])
    takes_half &= half[:, 2:].amin(dim=1) > 0
    return torch.where(takes_half[:, None], half, boxes[:, 0])


def _cut_normal(uniform: Tensor) -> Tensor:
    """Turn uniform draws into those of a normal distribution cut off at one sigma."""
    most = math.erf(1 / math.sqrt(2))
    return torch.erfinv((2 * uniform - 1) * most) * math.sqrt(2)


def cut(  # house rule: as `posedistill.crop.warp` takes them
    images: Tensor, matrices: Tensor, size_wh: tuple[int, int]
) -> Tensor:
    """Cut one crop out of each image: bilinear, black outside.

    images: (B, 3, S, S) uint8, square; matrices: (B, 2, 3) from image to crop. Gives (B, 3, h, w)
    float32 in [0, 255].
    """
    w, h = size_wh
    # inv() would wait for the device, to raise for a matrix that has no inverse
    back = torch.linalg.inv_ex(matrices[:, :, :2]).inverse
    ys, xs = torch.meshgrid(
        torch.arange(h, device=images.device, dtype=torch.float32),
        torch.arange(w, device=images.device, dtype=torch.float32),
        indexing="ij",
    )
    pixels = torch.stack([xs, ys], dim=-1).view(1, h * w, 2) - matrices[:, None, :, 2]
    sources = (pixels @ back.mT).view(-1, h, w, 2)
    grid = (2 * sources + 1) / images.shape[-1] - 1
    return functional.grid_sample(images.float(), grid, align_corners=False)
