"""Estimator: an image and boxes in, the poses of all its persons out."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posedistill.crop import box_matrices, crop_boxes, invert_affine, transform_points
from posedistill.media import check_image
from posedistill.poses import Poses
from posedistill.runtime.session import Floats, Model, open_session
from posedistill.skeleton import Skeleton

_LONGEST_SIDE = 32766  # crop.warp holds pixel positions in 16 bits


class Estimator:
    """Estimate the poses of the persons in given boxes.

    model: whatever `posedistill.runtime.session.open_session` opens. flip_test: also run each
    crop mirrored and take the mean; slower, a little better. batch_size: most crops in one call.

    >>> estimator = Estimator("wholebody-t")  # doctest: +SKIP
    >>> estimator(image_rgb, [[10, 20, 110, 320]]).keypoints.shape  # doctest: +SKIP
    (1, 133, 2)
    """

    def __init__(self, model: Model, *, flip_test: bool = False, batch_size: int = 64) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; expected 1 or more")
        self.session = open_session(model)
        self.skeleton = Skeleton.get(self.session.spec.skeleton)
        self._flip_test = flip_test
        self._batch_size = batch_size

    def __call__(
        self,
        image_rgb: NDArray[np.uint8],
        boxes_xyxy: ArrayLike,
        box_scores: ArrayLike | None = None,
    ) -> Poses:
        """Give the poses of the persons in the boxes, in their order.

        image_rgb: (H, W, 3) uint8; boxes_xyxy: (N, 4) pixels, they may reach outside the image;
        box_scores: (N,), ones when None. No boxes give empty poses. Raises ValueError for
        another shape or type, and for a box that is not finite or has no area.
        """
        check_image(image_rgb)
        if max(image_rgb.shape[:2]) > _LONGEST_SIDE:
            raise ValueError(
                f"image has shape {image_rgb.shape}; sides go up to {_LONGEST_SIDE} pixels"
            )
        boxes, given_scores = _check_boxes(boxes_xyxy, box_scores)
        if not len(boxes):
            return Poses.empty(self.skeleton)
        spec = self.session.spec
        matrices = box_matrices(boxes, spec.input_size_wh, padding=spec.padding)
        starts = range(0, len(boxes), self._batch_size)
        decoded = [
            self._decode(image_rgb, matrices[start : start + self._batch_size]) for start in starts
        ]
        points = np.concatenate([keypoints for keypoints, _ in decoded])
        return Poses(
            keypoints=transform_points(points, invert_affine(matrices)).astype(np.float32),
            scores=np.concatenate([scores for _, scores in decoded]),
            boxes_xyxy=boxes.astype(np.float32),
            box_scores=given_scores,
            skeleton=self.skeleton,
        )

    def _decode(
        self, image_rgb: NDArray[np.uint8], matrices: NDArray[np.float64]
    ) -> tuple[Floats, Floats]:
        spec = self.session.spec
        crops = crop_boxes(image_rgb, list(matrices), spec.input_size_wh)
        outputs = self.session(crops)
        if self._flip_test:
            mirrored = self.session(np.ascontiguousarray(crops[..., ::-1]))
            back = spec.codec.flip_back(mirrored, self.skeleton.flip_permutation)
            pairs = zip(outputs, back, strict=True)
            outputs = tuple(np.asarray((a + b) / 2, np.float32) for a, b in pairs)
        return spec.codec.decode(*outputs)


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
