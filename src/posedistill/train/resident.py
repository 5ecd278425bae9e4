"""Resident people: a wide crop of every person in the memory of a device, varied there.

For small networks on a fast device the loader's processes are what a step waits for. Where the
people fit into the device's memory (one MiB each at an input of 192x256), they need none.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from posedistill.crop import box_to_center_scale, fix_aspect, transform_points
from posedistill.datasets.instance import Instance, PoseDataset
from posedistill.train.augment import half_body_boxes

# Sides of the square that is kept, as a multiple of the height of a crop at scale 1. Variation
# enlarges a crop to 1.4 times that and turns it; what lies further out is black.
_KEPT = 1.75
_OVERSAMPLING = 1.25  # pixels of the wide crop for each of the input, at scale 1


class People(NamedTuple):
    """Hold what is kept of N people, all on one device, pixels of their wide crops.

    Attributes:
        images: (N, 3, S, S) uint8 RGB.
        keypoints: (N, K, 2). visible: (N, K).
        boxes: (N, 3, 4) centre and padded size of the whole, upper and lower body.
        has_half: (N, 2) whether there is an upper and a lower body to take.
        rows: (M,) int64, where each of the M instances of the data set stands among the N.
        mirror: (K,) int64, which keypoint each is in a mirrored picture.
    """

    images: Tensor
    keypoints: Tensor
    visible: Tensor
    boxes: Tensor
    has_half: Tensor
    rows: Tensor
    mirror: Tensor


class _Kept(NamedTuple):
    image: NDArray[np.uint8]
    keypoints: NDArray[np.float32]
    visible: NDArray[np.float32]
    boxes: NDArray[np.float32]
    has_half: NDArray[np.bool_]


def side_of(input_size_wh: tuple[int, int]) -> int:
    """Give the side of the wide crops for an input size, a multiple of 8.

    >>> side_of((192, 256))
    560
    """
    return 8 * round(_KEPT * _OVERSAMPLING * max(input_size_wh) / 8)


def read_people(
    data: PoseDataset, input_size_wh: tuple[int, int], *, device: torch.device
) -> People:
    """Cut a wide crop of every person of a data set and keep it on a device.

    >>> from posedistill.datasets.drawn import DrawnPeople
    >>> people = read_people(DrawnPeople(2, size=64), (48, 64), device=torch.device("cpu"))
    >>> tuple(people.images.shape)
    (2, 3, 144, 144)

    Instances that share image and box, as the copies of a source with a ratio above 1 do, are kept
    once. Raises ValueError where the device has not enough memory, before any image is read, and
    for an image that cannot be read.
    """
    rows, firsts = _distinct(data)
    side = side_of(input_size_wh)
    _check_memory(len(firsts) * 3 * side * side, device)
    images = torch.empty((len(firsts), 3, side, side), dtype=torch.uint8, device=device)
    kept: list[_Kept] = []
    for index, one in enumerate(_cut_all(data, firsts, input_size_wh)):
        images[index] = torch.from_numpy(one.image).permute(2, 0, 1).to(device)
        kept.append(one._replace(image=one.image[:0]))
    parts = (
        np.stack([one.keypoints for one in kept]),
        np.stack([one.visible for one in kept]),
        np.stack([one.boxes for one in kept]),
        np.stack([one.has_half for one in kept]),
        rows,
        np.array(data.skeleton.flip_permutation),
    )
    return People(images, *(torch.from_numpy(part).to(device) for part in parts))


def _distinct(data: PoseDataset) -> tuple[NDArray[np.int64], list[int]]:
    """Give the row of each instance, and the first instance of each row."""
    row_of: dict[tuple[int, bytes], int] = {}
    rows: list[int] = []
    firsts: list[int] = []
    for index, instance in enumerate(data.instances):
        key = instance.image_id, instance.box_xyxy.tobytes()
        if key not in row_of:
            row_of[key] = len(firsts)
            firsts.append(index)
        rows.append(row_of[key])
    return np.array(rows, np.int64), firsts


def _check_memory(wanted: int, device: torch.device) -> None:
    if device.type != "cuda":
        return
    free, _ = torch.cuda.mem_get_info(device)
    if wanted > 0.8 * free:
        raise ValueError(
            f"the people need {wanted / 2**30:.1f} GiB on {device}, {free / 2**30:.1f} GiB are "
            "free; --set resident=false reads them in the loader instead"
        )


def _cut_all(
    data: PoseDataset, firsts: list[int], input_size_wh: tuple[int, int]
) -> Iterator[_Kept]:
    def cut(index: int) -> _Kept:
        return _cut(data, data.instances[index], input_size_wh)

    threads = os.cpu_count() or 1
    block = 64 * threads  # so that no more wait than a few blocks hold
    with (
        _single_threaded_opencv(),
        ThreadPoolExecutor(threads) as pool,
        tqdm(total=len(firsts), desc="people to the device", unit="person") as bar,
    ):
        for start in range(0, len(firsts), block):
            for one in pool.map(cut, firsts[start : start + block]):
                yield one
                bar.update()


@contextmanager
def _single_threaded_opencv() -> Iterator[None]:
    """Keep OpenCV from starting threads of its own within each of ours."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _cut(data: PoseDataset, instance: Instance, input_size_wh: tuple[int, int]) -> _Kept:
    image = data.image(instance.image_id)
    center, scale = box_to_center_scale(instance.box_xyxy.astype(np.float64))
    side = side_of(input_size_wh)
    reach = float(fix_aspect(scale, input_size_wh).max()) * _KEPT
    factor = side / reach
    matrix = np.hstack([np.eye(2) * factor, (side / 2 - factor * center)[:, None]])
    boxes = half_body_boxes(instance, data.skeleton)
    whole = np.concatenate([center, scale])
    all_boxes = np.stack([whole, *(whole if box is None else box for box in boxes)])
    all_boxes[:, :2] = transform_points(all_boxes[:, :2], matrix)
    all_boxes[:, 2:] *= factor
    return _Kept(
        _shrink_and_warp(image, matrix, side),
        transform_points(instance.keypoints, matrix).astype(np.float32),
        instance.visible.astype(np.float32),
        all_boxes.astype(np.float32),
        np.array([box is not None for box in boxes]),
    )


def _shrink_and_warp(
    image: NDArray[np.uint8], matrix: NDArray[np.float64], side: int
) -> NDArray[np.uint8]:
    """Cut the wide crop; of a large image from a smaller one, so that nothing is skipped."""
    factor = matrix[0, 0]
    if factor < 0.5:
        h, w = image.shape[:2]
        small_wh = max(round(w * 2 * factor), 1), max(round(h * 2 * factor), 1)
        image = np.asarray(cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA), np.uint8)
        linear, offset = matrix[:, :2], matrix[:, 2]
        shrunk = np.array([w, h]) / small_wh
        middle = (shrunk - 1) / 2  # of the pixels that the first one covers
        matrix = np.column_stack([linear * shrunk, offset + linear @ middle])
    return np.asarray(cv2.warpAffine(image, matrix, (side, side)), np.uint8)
