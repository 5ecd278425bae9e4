"""Plan: what a batch of composed scenes shows, as numbers, before anything is painted.

A scene has layers, painted one over the other: a background; one photo, or four side by side
(mosaic: YOLOv4, Bochkovskiy et al., 2020), or none; people cut out of theirs (copy-paste: Ghiasi
et al., 2021). Everything is drawn from one generator, for all scenes at once.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.detect.pool import Pool

_PHOTOS, _CUT_OUTS = 4, 6
LAYERS = 1 + _PHOTOS + _CUT_OUTS
_KINDS = {"photo": 0.4, "mosaic": 0.3, "composed": 0.3}
_LEAST_SIDE = 6.0  # pixels of a box; smaller people need not be found
_LEAST_PART = 0.15  # of a box that the frame leaves
_MOST_ENLARGED = 2.5

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


class Layers(NamedTuple):
    """Hold the layers of B scenes, each array (B, L, ...).

    Attributes:
        is_on: whether there is such a layer. picture: index in the pool. scale, shift: (B, L, 2)
            from pixels of the picture to those of the scene. is_flipped: left and right of the
            picture. clip_xyxy: (B, L, 4) pixels of the scene beyond which it does not reach.
            is_cut: whether only the person is shown.
    """

    is_on: NDArray[np.bool_]
    picture: Indices
    scale: Floats
    shift: Floats
    is_flipped: NDArray[np.bool_]
    clip_xyxy: Floats
    is_cut: NDArray[np.bool_]


class People(NamedTuple):
    """Hold the people of all scenes, one row each, before any hides another.

    Attributes:
        scene, layer: (N,) where each is. boxes_xyxy: (N, 4) pixels of the scene.
        is_unclear: (N,) whether too little of the person is within the frame.
    """

    scene: Indices
    layer: Indices
    boxes_xyxy: Floats
    is_unclear: NDArray[np.bool_]


def draw_layers(pool: Pool, count: int, *, side: int, rng: np.random.Generator) -> Layers:
    """Draw what scenes of side x side pixels show.

    >>> draw_layers(pool, 8, side=320, rng=np.random.default_rng(0)).scale.shape  # doctest: +SKIP
    (8, 11, 2)
    """
    kind = rng.choice(list(_KINDS), size=count, p=list(_KINDS.values()))
    frame = _frames(count, side, rng)
    has_cut_outs = pool.cut_outs.total > 0
    parts = [
        _background(pool, kind, frame, rng=rng),
        _photos(pool, kind, frame, rng=rng),
        *([_cut_outs(pool, kind, frame, rng=rng)] if has_cut_outs else []),
    ]
    return Layers(*(np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True)))


def _frames(count: int, side: int, rng: np.random.Generator) -> Floats:
    """Give (B, 4): the part of each scene that is not the grey of letterboxing."""
    frame = np.tile(np.array([0, 0, side, side], np.float32), (count, 1))
    part = np.round(side * rng.uniform(0.55, 1.0, count))
    axis = rng.choice([2, 3], size=count, p=[0.4, 0.6])
    is_cut = rng.random(count) < 0.6
    frame[is_cut, axis[is_cut]] = part[is_cut]
    return frame


def _background(
    pool: Pool, kind: NDArray[np.str_], frame: Floats, *, rng: np.random.Generator
) -> Layers:
    count = len(kind)
    picture = pool.backgrounds.draw(rng, (count, 1))
    clip = frame[:, None]
    size = pool.sizes_wh[picture]
    cover = (clip[..., 2:] / size).max(axis=2, keepdims=True)
    scale = cover * rng.uniform(1.0, 1.8, (count, 1, 1)) * np.ones((1, 1, 2))
    is_on = (kind != "photo")[:, None] | (rng.random((count, 1)) < 0.6)
    is_on &= pool.backgrounds.total > 0
    return _placed(pool, picture, scale, clip=clip, is_on=is_on, rng=rng)


def _photos(
    pool: Pool, kind: NDArray[np.str_], frame: Floats, *, rng: np.random.Generator
) -> Layers:
    count = len(kind)
    shape = (count, _PHOTOS)
    picture = pool.photos.draw(rng, shape)
    if pool.backgrounds.total > 0:
        is_empty = (rng.random(shape) < 0.15) & (kind == "mosaic")[:, None]
        picture = np.where(is_empty, pool.backgrounds.draw(rng, shape), picture)
    clip = np.where((kind == "mosaic")[:, None, None], _tiles(frame, rng), frame[:, None])
    size = pool.sizes_wh[picture]
    fit = ((clip[..., 2:] - clip[..., :2]) / size).min(axis=2, keepdims=True)
    zoom = np.exp(rng.uniform(np.log(0.3), np.log(1.8), (*shape, 1)))
    squeeze = np.exp(rng.uniform(-0.12, 0.12, (*shape, 1)))
    scale = fit * zoom * np.concatenate([squeeze, 1 / squeeze], axis=2)
    number = np.select([kind == "photo", kind == "mosaic"], [1, _PHOTOS], 0)
    is_on = np.arange(_PHOTOS) < number[:, None]
    return _placed(pool, picture, scale, clip=clip, is_on=is_on, rng=rng)


def _tiles(frame: Floats, rng: np.random.Generator) -> Floats:
    """Cut each frame in four about a point near its middle: (B, 4, 4)."""
    size = frame[:, 2:]
    middle = np.round(size * rng.uniform(0.3, 0.7, size.shape)).astype(np.float32)
    (x, y), (w, h), zero = middle.T, size.T, np.zeros(len(frame), np.float32)
    tiles = [(zero, zero, x, y), (x, zero, w, y), (zero, y, x, h), (x, y, w, h)]
    return np.stack([np.stack(tile, axis=1) for tile in tiles], axis=1)


def _cut_outs(
    pool: Pool, kind: NDArray[np.str_], frame: Floats, *, rng: np.random.Generator
) -> Layers:
    """Place people of about one size, the largest in front, often on one line."""
    count = len(kind)
    shape = (count, _CUT_OUTS)
    most = np.where(kind == "composed", _CUT_OUTS, np.where(rng.random(count) < 0.4, 2, 0))
    least = np.where(kind == "composed", 1, 0)
    is_on = np.arange(_CUT_OUTS) < rng.integers(least, most + 1)[:, None]
    picture = pool.cut_outs.draw(rng, shape)
    box = pool.cut_boxes_xyxy[picture]
    size = box[..., 2:] - box[..., :2]
    side = frame[:, 2:].max(axis=1)[:, None]
    height = np.exp(rng.uniform(np.log(0.1), np.log(1.6), (count, 1)))
    height = np.sort(side * height * np.exp(rng.normal(0, 0.35, shape)), axis=1)
    scale = np.minimum(height / np.sqrt(size.prod(axis=2)) * 0.7, _MOST_ENLARGED)[..., None]
    scale = scale * np.exp(rng.uniform(-0.1, 0.1, (*shape, 2)))
    middle = frame[:, None, 2:] * rng.uniform(-0.02, 1.02, (*shape, 2))
    is_row = rng.random((count, 1)) < 0.5
    level = (frame[:, None, 3] * rng.uniform(0.2, 0.9, (count, 1))) + rng.normal(
        0, 0.04, shape
    ) * side
    middle[..., 1] = np.where(is_row, level, middle[..., 1])
    is_flipped = rng.random(shape) < 0.5
    of_picture = (box[..., :2] + box[..., 2:]) / 2
    width = pool.sizes_wh[picture][..., 0]
    of_picture[..., 0] = np.where(is_flipped, width - of_picture[..., 0], of_picture[..., 0])
    clip = np.broadcast_to(frame[:, None], (*shape, 4))
    shift = (middle - of_picture * scale).astype(np.float32)
    is_cut = np.ones(shape, bool)
    return Layers(is_on, picture, scale.astype(np.float32), shift, is_flipped, clip, is_cut)


def _placed(  # house rule: the parts of one record
    pool: Pool,
    picture: Indices,
    scale: NDArray[np.float64],
    *,
    clip: Floats,
    is_on: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Layers:
    """Place whole pictures within their clips, or over all of them where they are larger."""
    shape = picture.shape
    room = clip[..., 2:] - clip[..., :2] - pool.sizes_wh[picture] * scale
    shift = clip[..., :2] + room * rng.random((*shape, 2))
    return Layers(
        is_on=is_on,
        picture=picture,
        scale=scale.astype(np.float32),
        shift=shift.astype(np.float32),
        is_flipped=rng.random(shape) < 0.5,
        clip_xyxy=np.broadcast_to(clip, (*shape, 4)),
        is_cut=np.zeros(shape, bool),
    )


def people_of(layers: Layers, pool: Pool) -> People:
    """Give the people of the layers, in pixels of the scenes, cut at the frames."""
    scene, layer = np.nonzero(layers.is_on)
    boxes = [
        pool.cut_boxes_xyxy[index][None] if is_cut else pool.boxes_xyxy[index]
        for index, is_cut in zip(
            layers.picture[scene, layer], layers.is_cut[scene, layer], strict=True
        )
    ]
    counts = [len(rows) for rows in boxes]
    scene, layer = np.repeat(scene, counts), np.repeat(layer, counts)
    of_picture = np.concatenate([np.zeros((0, 4), np.float32), *boxes])
    placed = _to_scene(of_picture, layers, at=(scene, layer), pool=pool)
    clip = layers.clip_xyxy[scene, layer]
    low = np.maximum(placed[:, :2], clip[:, :2])
    high = np.minimum(placed[:, 2:], clip[:, 2:])
    size = (high - low).clip(0)
    part = size.prod(axis=1) / (placed[:, 2:] - placed[:, :2]).prod(axis=1).clip(1e-6)
    is_there = size.min(axis=1) > 1
    is_unclear = (part < _LEAST_PART) | (size.min(axis=1) < _LEAST_SIDE)
    found = People(scene, layer, np.concatenate([low, high], axis=1), is_unclear)
    return People(*(column[is_there] for column in found))


def _to_scene(boxes: Floats, layers: Layers, *, at: tuple[Indices, Indices], pool: Pool) -> Floats:
    width = pool.sizes_wh[layers.picture[at], 0]
    x1, y1, x2, y2 = boxes.T
    is_flipped = layers.is_flipped[at]
    left, right = np.where(is_flipped, width - x2, x1), np.where(is_flipped, width - x1, x2)
    flipped = np.stack([left, y1, right, y2], axis=1)
    return np.asarray(flipped * np.tile(layers.scale[at], 2) + np.tile(layers.shift[at], 2))
