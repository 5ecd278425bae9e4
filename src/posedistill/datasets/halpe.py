"""Halpe-FullBody annotation files: 136 keypoints a person (Li et al., CVPR 2020).

Order of the joints and file layout: README of Fang-Haoshu/Halpe-FullBody. Images are those of
HICO-DET for training and of COCO val2017 for validation.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.coco import CocoDataset, require_images
from posedistill.datasets.instance import Instance
from posedistill.json_file import read_json
from posedistill.skeleton import Skeleton

logger = logging.getLogger(__name__)
Row = dict[str, Any]  # Any: one JSON record of an annotation file

SKELETONS = ("halpe136", "wholebody133")
# The third value is a score; from this on the authors train on it (AlphaPose, halpe_136.py).
LABELLED_SCORE = 0.35


def read_halpe(annotations: Path, images_dir: Path, *, skeleton: str = "halpe136") -> CocoDataset:
    """Read people with 136 keypoints, or those of them that the 133 of the whole body name.

    As ``wholebody133``, head, neck and middle of the hips are dropped and the feet re-ordered.
    Left out: records without keypoints (objects that people handle), crowds, people without a
    labelled keypoint, boxes without area inside the image.
    Raises FileNotFoundError and ValueError that name the file, annotation or image at fault.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file, image = Path(folder, "halpe.json"), Path(folder, "a.jpg")
    ...     image.touch()
    ...     person = '{"id": 7, "image_id": 1, "bbox": [1, 1, 8, 8], "keypoints": %s}'
    ...     images = '[{"id": 1, "file_name": "a.jpg", "width": 10, "height": 10}]'
    ...     person %= [5, 5, 1] * 136
    ...     _ = file.write_text(f'{{"images": {images}, "annotations": [{person}]}}')
    ...     read_halpe(file, Path(folder), skeleton="wholebody133").instances[0].keypoints.shape
    (133, 2)
    """
    if skeleton not in SKELETONS:
        raise ValueError(f"skeleton {skeleton!r}; Halpe is read as one of {', '.join(SKELETONS)}")
    content = read_json(annotations, kind="annotation file")
    if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
        raise ValueError(f"{annotations} is not a Halpe file: it needs 'images' and 'annotations'")
    images = {row["id"]: row for row in content["images"]}
    unnamed = [key for key, image in images.items() if "file_name" not in image]
    if unnamed:
        raise ValueError(f"{annotations}: image {unnamed[0]} has no file_name")
    instances = []
    num_bad = 0
    for index, row in enumerate(content["annotations"]):
        try:
            instance, bad = _instance(row, images, skeleton=skeleton)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{annotations}: annotation {index}: {error!r}") from error
        num_bad += bad
        if instance is not None:
            instances.append(instance)
    if num_bad:
        logger.warning(
            "%s: %d keypoints that are not finite count as unlabelled", annotations, num_bad
        )
    if not instances:
        raise ValueError(f"{annotations} holds no person with labelled keypoints")
    paths = {key: images_dir / image["file_name"] for key, image in images.items()}
    require_images((paths[key] for key in {i.image_id for i in instances}), annotations)
    return CocoDataset(Skeleton.get(skeleton), instances, paths)


def _instance(row: Row, images: dict[int, Row], *, skeleton: str) -> tuple[Instance | None, int]:
    """Give the person, if the record is a usable one, and how many keypoints are not finite."""
    if not isinstance(row.get("keypoints"), list) or row.get("iscrowd", 0):
        return None, 0
    if row["image_id"] not in images:
        raise ValueError(f"image_id {row['image_id']} is not among the images of the file")
    triplets = np.asarray(row["keypoints"], np.float64).reshape(-1, 3)
    if len(triplets) != len(Skeleton.get("halpe136")):
        raise ValueError(f"{len(triplets)} keypoints, Halpe has 136")
    finite = np.isfinite(triplets).all(axis=1)
    triplets[~finite] = 0
    box = _clipped(row["bbox"], images[row["image_id"]])
    keypoints = triplets[:, :2].astype(np.float32)
    visible = (triplets[:, 2] >= LABELLED_SCORE).astype(np.float32)
    if skeleton != "halpe136":
        order = Skeleton.get("halpe136").index_map(Skeleton.get(skeleton))
        keypoints, visible = keypoints[order], visible[order]
    num_bad = int((~finite).sum())
    if not visible.any() or not (box[2:] > box[:2]).all():
        return None, num_bad
    area = float(row.get("area") or row["bbox"][2] * row["bbox"][3])
    return Instance(row["image_id"], row["id"], box, keypoints, visible, area), num_bad


def _clipped(box_xywh: list[float], image: Row) -> NDArray[np.float32]:
    x, y, w, h = (float(value) for value in box_xywh)
    limit = [image["width"] - 1, image["height"] - 1]
    corners = np.array([[x, y], [x + w, y + h]])
    return np.asarray(np.clip(corners, 0, limit), np.float32).reshape(4)
