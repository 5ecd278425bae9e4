"""Estimator: images and boxes in, the poses of all their persons out."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posedistill.crop import box_matrices, crop_boxes, invert_affine, transform_points
from posedistill.media import check_image
from posedistill.poses import Poses
from posedistill.runtime.graph import output_shapes
from posedistill.runtime.session import Floats, Model, Session, open_session
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec

_LONGEST_SIDE = 32766  # crop.warp holds pixel positions in 16 bits
_MEMORY = 2**30  # bytes that one call of the session may take, by default
# What the layers of a network hold at once, in float inputs: by measure 7 of RTMPose-t and 13 of
# -m; the widest, -x, has nearly twice the channels of -m.
_LAYERS = 24


class _People(NamedTuple):
    """Hold the persons to be estimated in one image."""

    image_rgb: NDArray[np.uint8]
    boxes_xyxy: NDArray[np.float64]
    box_scores: NDArray[np.float32]
    matrices: NDArray[np.float64]


class Estimator:
    """Estimate the poses of the persons in given boxes, until it is closed.

    model: whatever `posedistill.runtime.session.open_session` opens. flip_test: also run each
    crop mirrored and take the mean; slower, a little better. batch_size: most crops in one call of
    the session; by default as many as a GiB holds, see `crops_per_call`.
    `close`, or the end of a ``with`` block, closes the session, also one that was given.

    >>> with Estimator("wholebody-t") as estimator:
    ...     estimator(np.zeros((320, 240, 3), np.uint8), [[10, 20, 110, 320]]).keypoints.shape
    (1, 133, 2)
    """

    def __init__(
        self, model: Model, *, flip_test: bool = False, batch_size: int | None = None
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; expected 1 or more, or None")
        self._session: Session | None = open_session(model)
        self.skeleton = Skeleton.get(self._session.spec.skeleton)
        self._flip_test = flip_test
        self._batch_size = batch_size or crops_per_call(self._session.spec)

    @property
    def session(self) -> Session:
        """Give the network; ValueError when the estimator is closed."""
        if self._session is None:
            raise ValueError("this Estimator is closed; make a new one")
        return self._session

    def __call__(
        self,
        image_rgb: NDArray[np.uint8],
        boxes_xyxy: ArrayLike,
        box_scores: ArrayLike | None = None,
    ) -> Poses:
        """Give the poses of the persons in the boxes, in their order.

        image_rgb: (H, W, 3) uint8; boxes_xyxy: (N, 4) pixels, they may reach outside the image;
        box_scores: (N,), ones when None. No boxes give empty poses. Raises ValueError for
        another shape or type, for a box that is not finite or has no area, and for a network
        whose outputs are not finite.
        """
        return self._estimate([self._people(image_rgb, boxes_xyxy, box_scores)])[0]

    def many(  # house rule: as a call takes them, one a image
        self,
        images_rgb: Sequence[NDArray[np.uint8]],
        boxes_xyxy: Sequence[ArrayLike],
        box_scores: Sequence[ArrayLike] | None = None,
    ) -> list[Poses]:
        """Give the poses of the persons of several images, all in as few calls as memory lets.

        images_rgb: (H, W, 3) uint8 each, of any sizes; boxes_xyxy: (N, 4) pixels for each image;
        box_scores: (N,) for each, ones when None. Gives and raises what calls with single images
        do; an error says which image.

        >>> with Estimator("wholebody-t") as estimator:
        ...     images = [np.zeros((64, 48, 3), np.uint8), np.zeros((320, 240, 3), np.uint8)]
        ...     [len(poses) for poses in estimator.many(images, [[], [[10, 20, 110, 320]]])]
        [0, 1]
        """
        scores = [None] * len(images_rgb) if box_scores is None else box_scores
        if not len(images_rgb) == len(boxes_xyxy) == len(scores):
            raise ValueError(
                f"{len(images_rgb)} images, boxes for {len(boxes_xyxy)} and scores for "
                f"{len(scores)}; expected as many of each"
            )
        people = []
        for index, one in enumerate(zip(images_rgb, boxes_xyxy, scores, strict=True)):
            try:
                people.append(self._people(*one))
            except ValueError as error:
                raise ValueError(f"image {index}: {error}") from error
        return self._estimate(people)

    def close(self) -> None:
        """Free the memory of the network; later calls raise ValueError."""
        if self._session is not None:
            self._session.close()
        self._session = None

    def __enter__(self) -> "Estimator":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _people(  # house rule: as a call takes them
        self, image_rgb: NDArray[np.uint8], boxes_xyxy: ArrayLike, box_scores: ArrayLike | None
    ) -> _People:
        check_image(image_rgb)
        if max(image_rgb.shape[:2]) > _LONGEST_SIDE:
            raise ValueError(
                f"image has shape {image_rgb.shape}; sides go up to {_LONGEST_SIDE} pixels"
            )
        boxes, scores = _check_boxes(boxes_xyxy, box_scores)
        spec = self.session.spec
        matrices = box_matrices(boxes, spec.input_size_wh, padding=spec.padding)
        return _People(image_rgb, boxes, scores, matrices)

    def _estimate(self, people: Sequence[_People]) -> list[Poses]:
        matrices = np.concatenate([np.zeros((0, 2, 3)), *(one.matrices for one in people)])
        n, k = len(matrices), len(self.skeleton)
        points, scores = np.empty((n, k, 2), np.float32), np.empty((n, k), np.float32)
        for start in range(0, n, self._batch_size):
            rows = range(start, min(start + self._batch_size, n))
            inside = slice(rows.start, rows.stop)
            points[inside], scores[inside] = self._decode(self._crops(people, rows))
        self._check_finite(scores, people)
        keypoints = transform_points(points, invert_affine(matrices)).astype(np.float32)
        return [
            Poses(
                keypoints=keypoints[inside],
                scores=scores[inside],
                boxes_xyxy=one.boxes_xyxy.astype(np.float32),
                box_scores=one.box_scores,
                skeleton=self.skeleton,
            )
            for one, inside in _with_rows(people)
        ]

    def _crops(self, people: Sequence[_People], rows: range) -> NDArray[np.uint8]:
        """Cut the crops of some rows of all persons, each straight into its place."""
        w, h = size_wh = self.session.spec.input_size_wh
        crops = np.empty((len(rows), 3, h, w), np.uint8)
        for one, inside in _with_rows(people):
            first, last = max(inside.start, rows.start), min(inside.stop, rows.stop)
            if first < last:
                matrices = one.matrices[first - inside.start : last - inside.start]
                out = crops[first - rows.start : last - rows.start]
                crop_boxes(one.image_rgb, matrices, size_wh, out=out)
        return crops

    def _decode(self, crops: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        session, codec = self.session, self.session.spec.codec
        outputs = session(crops)
        if self._flip_test:
            mirrored = session(np.ascontiguousarray(crops[..., ::-1]))
            back = codec.flip_back(mirrored, self.skeleton.flip_permutation)
            pairs = zip(outputs, back, strict=True)
            outputs = tuple(np.asarray((a + b) / 2, np.float32) for a, b in pairs)
        return codec.decode(*outputs)

    def _check_finite(self, scores: Floats, people: Sequence[_People]) -> None:
        is_broken = np.asarray(~np.isfinite(scores).all(axis=1))
        if not is_broken.any():
            return
        first = int(is_broken.argmax())
        index, inside = next(
            (index, inside)
            for index, (_, inside) in enumerate(_with_rows(people))
            if first < inside.stop
        )
        where = f"box {first - inside.start}" + (f" of image {index}" if len(people) > 1 else "")
        name = getattr(self.session, "path", self.session.spec.architecture)
        raise ValueError(
            f"{name} gives outputs that are NaN or infinite for {is_broken.sum()} of "
            f"{len(is_broken)} persons, the first in {where}; the network is broken: its weights "
            "hold NaN, or its precision is too low for its numbers"
        )


def crops_per_call(spec: Spec) -> int:
    """Give how many crops a call of a session may take so that it stays within a GiB.

    A crop is reckoned as 24 float inputs, for what the layers hold at once, and twice its outputs.

    >>> from posedistill.codecs import SimCC
    >>> crops_per_call(Spec("rtmpose-t", "wholebody133", SimCC((192, 256), (4.9, 5.66))))
    71
    """
    w, h = spec.input_size_wh
    outputs = sum(math.prod(shape) for shape in output_shapes(spec))
    return max(_MEMORY // (4 * (_LAYERS * 3 * h * w + 2 * outputs)), 1)


def _with_rows(people: Sequence[_People]) -> Iterator[tuple[_People, slice]]:
    """Give the people of each image with their rows among the persons of all images."""
    start = 0
    for one in people:
        yield one, slice(start, start + len(one.matrices))
        start += len(one.matrices)


def _check_boxes(
    boxes_xyxy: ArrayLike, box_scores: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    boxes = np.asarray(boxes_xyxy, dtype=np.float64)
    if boxes.size == 0:
        boxes = boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(
            f"boxes_xyxy has shape {boxes.shape}; expected (N, 4), one x1, y1, x2, y2 a person"
        )
    scores = np.ones(len(boxes)) if box_scores is None else box_scores
    scores_array = np.asarray(scores, dtype=np.float32)
    if scores_array.shape != (len(boxes),):
        raise ValueError(f"box_scores has shape {scores_array.shape}; expected ({len(boxes)},)")
    return boxes, scores_array
