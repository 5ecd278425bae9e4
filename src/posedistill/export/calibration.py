"""Calibration: real crops of people, on which a changed file is fitted and compared."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.crop import box_matrices, crop_boxes
from posedistill.datasets.instance import PoseDataset
from posedistill.evaluate.boxes import annotated_boxes
from posedistill.evaluate.run import READERS
from posedistill.media import read_image
from posedistill.spec import Spec

Crops = NDArray[np.uint8]
ENOUGH = 256  # people; ranges of values hardly grow beyond
_DEMO = Path(__file__).parent.parent / "assets" / "demo"
_DEMO_SIZES = (0.8, 1.0, 1.25)  # boxes of the bundled photos, narrower and wider
_logger = logging.getLogger(__name__)


class LabelledPhotos(NamedTuple):
    """Say where annotated photos are: `posedistill.evaluate.run.evaluate` takes the same.

    >>> LabelledPhotos(Path("val.json"), Path("images")).images_dir.name
    'images'
    """

    annotations: Path
    images_dir: Path


def calibration_crops(spec: Spec, photos: LabelledPhotos | None = None) -> Crops:
    """Give crops of people, (N, 3, h, w) uint8 RGB, of the size that the spec asks for.

    photos: the people in the annotated boxes, up to `ENOUGH` of them, spread over the file; None
    takes the few of the bundled photos, each in several sizes and mirrored, and warns.
    Raises what the reader of the annotations does, and ValueError where it lists nobody.

    >>> calibration_crops(spec, LabelledPhotos(ann, images)).shape  # doctest: +SKIP
    (256, 3, 256, 192)
    """
    if photos is not None:
        return _labelled_crops(spec, photos)
    crops = demo_crops(spec)
    _logger.warning(
        "only the %d people of the bundled photos stand in for yours; give annotated photos by "
        "--data and --images, a few hundred people, for a file to be relied on",
        len(crops),
    )
    boxes = [crops, *(demo_crops(spec, size=size) for size in _DEMO_SIZES if size != 1)]
    everyone = np.concatenate(boxes)
    return np.concatenate([everyone, everyone[..., ::-1]])


def demo_crops(spec: Spec, *, size: float = 1.0) -> Crops:
    """Give the crops of the people in the bundled photos, (N, 3, h, w) uint8 RGB.

    size: of their boxes, as a factor of what is usual.
    """
    boxes_by_name = json.loads((_DEMO / "boxes.json").read_text(encoding="utf-8"))
    crops = [
        _crops(read_image(_DEMO / name), np.array(boxes, np.float64), spec=spec, size=size)
        for name, boxes in sorted(boxes_by_name.items())
    ]
    return np.concatenate(crops)


def _labelled_crops(spec: Spec, photos: LabelledPhotos) -> Crops:
    if spec.skeleton not in READERS:
        known = ", ".join(READERS)
        raise ValueError(f"the model gives {spec.skeleton}; annotations can be read for {known}")
    dataset = READERS[spec.skeleton](photos.annotations, photos.images_dir)
    people = list(_people(dataset))
    if not people:
        raise ValueError(f"{photos.annotations} lists no labelled person; calibration needs some")
    chosen = np.unique(np.linspace(0, len(people) - 1, ENOUGH).round().astype(int))
    crops = [
        _crops(dataset.image(image_id), box[None], spec=spec)
        for image_id, box in (people[index] for index in chosen)
    ]
    return np.concatenate(crops)


def _people(dataset: PoseDataset) -> Iterator[tuple[int, NDArray[np.float32]]]:
    for place in annotated_boxes(dataset):
        for box in place.boxes_xyxy:
            yield place.image_id, box


def _crops(
    image_rgb: NDArray[np.uint8],
    boxes_xyxy: NDArray[np.floating],
    *,
    spec: Spec,
    size: float = 1.0,
) -> Crops:
    matrices = box_matrices(boxes_xyxy, spec.input_size_wh, padding=spec.padding * size)
    return crop_boxes(image_rgb, list(matrices), spec.input_size_wh)


def network_input(crops: Crops, spec: Spec) -> NDArray[np.uint8 | np.float32]:
    """Give crops as the graph takes them: as they are, or normalised where the spec says so.

    >>> network_input(np.zeros((1, 3, 8, 6), np.uint8), spec).dtype  # doctest: +SKIP
    dtype('uint8')
    """
    if spec.mean is None or spec.std is None:
        return crops
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (spec.mean, spec.std))
    return np.asarray((crops - mean) / std, np.float32)
