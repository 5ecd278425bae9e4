"""Parity on photos: pixels of crops, and keypoints from front to back.

Photos and the numbers for them are no part of the project: a folder is to be given.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.parity_table import Row, gap
from posedistill import Estimator
from posedistill.crop import box_matrices, warp
from posedistill.export.onnx import export_onnx
from posedistill.media import read_image
from posedistill.models import PoseModel, build
from posedistill.runtime.session import Model
from tests.raw_export import export_raw
from tests.weight_rule import GAINS, fill

Floats = NDArray[np.float32]
Found = tuple[Floats, Floats]  # keypoints (12, 133, 2) pixels and scores (12, 133)
_SIZES = ((192, 256), (288, 384))
_FORMS = {"torch": "torch", "onnx": "ONNX", "raw": "raw ONNX as published"}
_MAX_PIXELS, _MAX_SCORE = 0.05, 1e-4
_CASES = "1596 keypoints"


class _People(NamedTuple):
    """Hold whom the reference looked at: (12,) numbers of photos and (12, 4) boxes in pixels."""

    image_ids: NDArray[np.int64]
    boxes_xyxy: Floats


def photo_rows(folder: Path | None) -> Iterator[Row]:
    """Compare crops and keypoints of 12 people in 4 photos; without the folder, name the rows."""
    pixels = None if folder is None else max(_crop_gap(folder, size_wh) for size_wh in _SIZES)
    yield Row("crops: pixels", "24 crops", pixels, 1, "grey level")
    with tempfile.TemporaryDirectory() as place:
        models = {} if folder is None else _models(Path(place))
        for form in _FORMS:
            for flip_test in (False, True):
                name = f"end to end, {_FORMS[form]}{', flip test' if flip_test else ''}"
                if folder is None:
                    yield Row(f"{name}: keypoints", _CASES, None, _MAX_PIXELS, "px")
                    yield Row(f"{name}: scores", _CASES, None, _MAX_SCORE)
                    continue
                seen = predict_people(Estimator(models[form], flip_test=flip_test), folder)
                yield from _end_to_end_rows(name, seen, golden_poses(folder, flip_test=flip_test))


def _end_to_end_rows(  # house rule: name, seen, wanted
    name: str, seen: Found, wanted: Found
) -> Iterator[Row]:
    moves = np.abs(seen[0] - wanted[0]).max(axis=-1)
    num_other = int((moves > _MAX_PIXELS).sum())  # another bin wins; rounding is far below that
    cases = f"{_CASES}, {num_other} in another bin"
    yield Row(f"{name}: keypoints", cases, gap(seen[0], wanted[0]), _MAX_PIXELS, "px")
    yield Row(f"{name}: scores", _CASES, gap(seen[1], wanted[1]), _MAX_SCORE)


def golden_poses(folder: Path, *, flip_test: bool) -> Found:
    """Give what the reference found."""
    with np.load(folder / "endtoend_s-256x192.npz") as file:
        return file[f"kpts_flip{flip_test:d}"], file[f"scores_flip{flip_test:d}"]


def seeded_model() -> PoseModel:
    """Give the seeded s model that it found it with."""
    model = build("rtmpose-s").eval()
    fill(model, GAINS["s"])
    return model


def predict_people(estimator: Estimator, folder: Path, *, swaps_colours: bool = False) -> Found:
    """Give what an estimator finds, from photos in RGB or, swapped, in BGR."""
    image_ids, boxes = _people(folder)
    keypoints, scores = np.zeros((12, 133, 2), np.float32), np.zeros((12, 133), np.float32)
    for image_id in np.unique(image_ids):
        image = read_image(_photo(folder, image_id))
        rows = image_ids == image_id
        image = np.ascontiguousarray(image[..., ::-1]) if swaps_colours else image
        poses = estimator(image, boxes[rows])
        keypoints[rows], scores[rows] = poses.keypoints, poses.scores
    return keypoints, scores


def _people(folder: Path) -> _People:
    with np.load(folder / "valpipe_192x256.npz") as file:
        return _People(file["img_id"], file["bbox_xyxy"])


def _photo(folder: Path, image_id: np.int64) -> Path:
    return folder / "inputs" / f"{image_id:012d}.jpg"


def _models(place: Path) -> dict[str, Model]:
    """Give the seeded model in all forms: torch, as we export it, and as published files are."""
    model = seeded_model()
    export_onnx(model, place / "s.onnx")
    export_raw(model, place / "raw.onnx")
    return {"torch": model, "onnx": place / "s.onnx", "raw": place / "raw.onnx"}


def _crop_gap(folder: Path, size_wh: tuple[int, int]) -> float:
    with np.load(folder / f"valpipe_{size_wh[0]}x{size_wh[1]}.npz") as file:
        boxes, crops_bgr, image_ids = file["bbox_xyxy"], file["crop_u8"], file["img_id"]
    gaps = []
    matrices = box_matrices(boxes, size_wh)
    for matrix, wanted_bgr, image_id in zip(matrices, crops_bgr, image_ids, strict=True):
        crop = warp(read_image(_photo(folder, image_id)), matrix, size_wh)
        step = size_wh[1] // len(wanted_bgr)  # the larger crops are kept in part
        gaps.append(gap(crop[::step, ::step, ::-1], wanted_bgr))
    return max(gaps)
