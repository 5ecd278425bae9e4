"""Training augmentation: one affine and one warp per sample, then colour, blur and dropout.

The order, ranges and distributions are those of the training pipeline
of RTMPose and DWPose (MMPose, datasets/transforms).
Deliberate difference: the flip is part of the affine, so the image is warped once.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.crop import affine_matrix, box_to_center_scale, fix_aspect, transform_points, warp
from posedistill.datasets.instance import Instance, PoseDataset, read_reduced
from posedistill.skeleton import Skeleton

_HALF_BODY_MIN_VISIBLE = 9
_HALF_BODY_PADDING = 1.5
_REDUCTIONS = (8, 4, 2)
_KERNELS = (3, 5, 7)
_COARSEST = 0.2


@dataclass(frozen=True)
class AugmentConfig:
    """Say how samples are varied.

    Attributes:
        flip, half_body, blur, median_blur, dropout: probabilities.
        shift: largest shift as a part of the box, with probability shift_probability.
        scale: smallest and largest factor on the box. rotation: largest angle in degrees, with
            probability rotation_probability. All three are drawn from a normal distribution cut
            off at one sigma.
        hsv: largest change of hue, saturation and value.
        grey: probability of a grey picture. coarse: of one with as little detail as a crop of a
            person a fifth to the whole of the input's size has. Neither is of the reference.
        reduced: decode large JPEGs no finer than a crop needs. Faster for large photos; the crops
            are smoother than those that a deployed model sees.
    """

    flip: float = 0.5
    half_body: float = 0.3
    shift: float = 0.16
    shift_probability: float = 0.3
    scale: tuple[float, float] = (0.6, 1.4)
    rotation: float = 80.0
    rotation_probability: float = 0.6
    hsv: tuple[int, int, int] = (5, 30, 30)
    blur: float = 0.1
    median_blur: float = 0.1
    dropout: float = 1.0
    grey: float = 0.0
    coarse: float = 0.0
    reduced: bool = False


@dataclass(frozen=True, eq=False)
class Sample:
    """Hold one augmented crop.

    Attributes:
        image: (3, h, w) uint8 RGB, channels last in memory.
        keypoints: (K, 2) pixels of the image. visible: (K,).
    """

    image: NDArray[np.uint8]
    keypoints: NDArray[np.float64]
    visible: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Placement:
    """Hold the (2, 3) matrix from image to crop, and keypoints of the image, flipped alike."""

    matrix: NDArray[np.float64]
    keypoints: NDArray[np.float64]
    visible: NDArray[np.float32]


def augment(
    image_rgb: NDArray[np.uint8],
    instance: Instance,
    *,
    skeleton: Skeleton,
    size_wh: tuple[int, int],
    config: AugmentConfig,
    rng: np.random.Generator,
) -> Sample:
    """Cut a randomly varied crop of a person.

    image_rgb: (H, W, 3) uint8. The same rng state gives the same sample.
    """
    placement = _place(instance, skeleton, size_wh=size_wh, config=config, rng=rng)
    crop = warp(image_rgb, placement.matrix, size_wh)
    return _finish(crop, placement, config=config, rng=rng)


def augment_from(
    data: PoseDataset,
    instance: Instance,
    *,
    size_wh: tuple[int, int],
    config: AugmentConfig,
    rng: np.random.Generator,
) -> Sample:
    """Cut a randomly varied crop of a person, from an image decoded no finer than it needs.

    With `config.reduced`, where the crop shows the image at a half or less, an image that can be is
    decoded at a half, a quarter or an eighth of its size, never below the resolution of the crop.
    Keypoints are those of `augment` to the bit, and so are pixels where nothing was reduced.
    """
    placement = _place(instance, data.skeleton, size_wh=size_wh, config=config, rng=rng)
    wanted = _reduction(placement.matrix) if config.reduced else 1
    image, factor = read_reduced(data, instance.image_id, factor=wanted)
    crop = warp(image, _from_reduced(placement.matrix, factor), size_wh)
    return _finish(crop, placement, config=config, rng=rng)


def _reduction(matrix: NDArray[np.float64]) -> int:
    """Give by which factor an image may be reduced without enlarging it for its crop."""
    shown_at = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    return next((factor for factor in _REDUCTIONS if factor * shown_at <= 1), 1)


def _from_reduced(matrix: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Give the matrix to the crop from an image whose pixels each cover factor x factor."""
    linear, offset = matrix[:, :2], matrix[:, 2:]
    middle = (factor - 1) / 2  # of the pixels that the first one covers
    return np.hstack([linear * factor, offset + linear.sum(axis=1, keepdims=True) * middle])


def _place(
    instance: Instance,
    skeleton: Skeleton,
    *,
    size_wh: tuple[int, int],
    config: AugmentConfig,
    rng: np.random.Generator,
) -> _Placement:
    center, scale = box_to_center_scale(instance.box_xyxy)
    if rng.random() < config.half_body:
        center, scale = _half_body(instance, skeleton, center=center, scale=scale, rng=rng)
    is_flipped = rng.random() < config.flip
    center, scale, rotation = _vary_box(center, scale, config, rng)
    matrix = affine_matrix(center, fix_aspect(scale, size_wh), size_wh, rotation=rotation)
    keypoints, visible = instance.keypoints.astype(np.float64), instance.visible
    if is_flipped:
        # Mirroring image and box and then cropping comes to x' = w - x in the crop.
        matrix = np.array([[-1.0], [1.0]]) * matrix + np.array([[0, 0, size_wh[0]], [0, 0, 0]])
        keypoints = keypoints[skeleton.flip_permutation]
        visible = visible[skeleton.flip_permutation]
    return _Placement(matrix, keypoints, visible)


def _finish(
    crop: NDArray[np.uint8],
    placement: _Placement,
    *,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> Sample:
    crop = _blur(_shift_hsv(crop, config, rng), config, rng)
    crop = _drop_rectangle(_coarsen(_turn_grey(crop, config, rng), config, rng), config, rng)
    return Sample(
        image=crop.transpose(2, 0, 1),
        keypoints=transform_points(placement.keypoints, placement.matrix),
        visible=placement.visible,
    )


def _cut_normal(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Draw from the standard normal distribution cut off at -1 and 1."""
    values = rng.standard_normal(size)
    while (outside := np.abs(values) > 1).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return values


def half_body_boxes(
    instance: Instance, skeleton: Skeleton
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Give the boxes of the upper and the lower body of a person, centre and padded size each.

    Gives (4,) pixels each, or None for a half with too few labelled joints to go by: in all 9,
    above 2, below 3. The box of joints on one line has no area.

    >>> from posedistill.datasets.drawn import DrawnPeople
    >>> people = DrawnPeople(2, size=64)
    >>> upper, lower = half_body_boxes(people.instances[1], people.skeleton)
    >>> bool(upper[1] < lower[1])
    True
    """
    visible = instance.visible > 0
    upper = [index for index in skeleton.upper if visible[index]]
    lower = [index for index in skeleton.lower if visible[index]]
    if visible.sum() < _HALF_BODY_MIN_VISIBLE:
        return None, None
    return (
        _half_box(instance, upper) if len(upper) >= 2 else None,
        _half_box(instance, lower) if len(lower) >= 3 else None,
    )


def _half_box(instance: Instance, joints: list[int]) -> NDArray[np.float64]:
    points = instance.keypoints[joints].astype(np.float64)
    extent = points.max(axis=0) - points.min(axis=0)
    return np.concatenate([points.mean(axis=0), extent * _HALF_BODY_PADDING])


def _half_body(
    instance: Instance,
    skeleton: Skeleton,
    *,
    center: NDArray[np.floating],
    scale: NDArray[np.floating],
    rng: np.random.Generator,
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    upper, lower = half_body_boxes(instance, skeleton)
    prefers_upper = rng.random() < 0.7
    chosen = upper if upper is not None and (prefers_upper or lower is None) else lower
    if chosen is None or chosen[2:].min() <= 0:
        return center, scale
    return chosen[:2], chosen[2:]


def _vary_box(
    center: NDArray[np.floating],
    scale: NDArray[np.floating],
    config: AugmentConfig,
    rng: np.random.Generator,
) -> tuple[NDArray[np.floating], NDArray[np.floating], float]:
    draws = _cut_normal(rng, 4)
    does_shift, does_rotate = rng.random(2) < (
        config.shift_probability,
        config.rotation_probability,
    )
    low, high = config.scale
    if does_shift:
        center = center + draws[:2] * config.shift * scale
    scale = scale * (draws[2] * (high - low) / 2 + (high + low) / 2)
    return center, scale, float(draws[3] * config.rotation) if does_rotate else 0.0


def _shift_hsv(
    crop: NDArray[np.uint8], config: AugmentConfig, rng: np.random.Generator
) -> NDArray[np.uint8]:
    gains = rng.uniform(-1, 1, 3) * config.hsv * rng.integers(0, 2, 3)
    hue, saturation, value = changes = gains.astype(np.int16)
    if not changes.any():
        return crop
    levels = np.arange(256)
    tables = ((levels + hue) % 180, levels + saturation, levels + value)
    planes = [
        cv2.LUT(plane, np.clip(table, 0, 255).astype(np.uint8)) if change else plane
        for plane, table, change in zip(
            cv2.split(cv2.cvtColor(crop, cv2.COLOR_RGB2HSV)), tables, changes, strict=True
        )
    ]
    return np.asarray(cv2.cvtColor(cv2.merge(planes), cv2.COLOR_HSV2RGB), np.uint8)


def _blur(
    crop: NDArray[np.uint8], config: AugmentConfig, rng: np.random.Generator
) -> NDArray[np.uint8]:
    does_blur, does_median = rng.random(2) < (config.blur, config.median_blur)
    first, second = (_KERNELS[index] for index in rng.integers(0, len(_KERNELS), 2))
    if does_blur:
        crop = np.asarray(cv2.blur(crop, (first, first)), np.uint8)
    if does_median:
        crop = np.asarray(cv2.medianBlur(crop, second), np.uint8)
    return crop


def _turn_grey(
    crop: NDArray[np.uint8], config: AugmentConfig, rng: np.random.Generator
) -> NDArray[np.uint8]:
    if not config.grey or rng.random() >= config.grey:  # no draw where there is nothing to decide
        return crop
    return np.asarray(cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))


def _coarsen(
    crop: NDArray[np.uint8], config: AugmentConfig, rng: np.random.Generator
) -> NDArray[np.uint8]:
    if not config.coarse or rng.random() >= config.coarse:
        return crop
    h, w = crop.shape[:2]
    part = rng.uniform(_COARSEST, 1.0)
    small_wh = max(round(w * part), 1), max(round(h * part), 1)
    small = cv2.resize(crop, small_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR))


def _drop_rectangle(
    crop: NDArray[np.uint8], config: AugmentConfig, rng: np.random.Generator
) -> NDArray[np.uint8]:
    does_drop = rng.random() < config.dropout
    parts, corner = rng.uniform(0.2, 0.4, 2), rng.random(2)
    if does_drop:
        size = (parts * crop.shape[:2]).astype(int)
        top, left = (corner * (np.array(crop.shape[:2]) - size + 1)).astype(int)
        crop[top : top + size[0], left : left + size[1]] = 0
    return crop
