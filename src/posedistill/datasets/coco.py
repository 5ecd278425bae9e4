"""COCO-layout annotation files: people with keypoints, checked on reading."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.instance import Instance
from posedistill.json_file import read_json
from posedistill.media import read_image, read_reduced_image
from posedistill.skeleton import Skeleton

logger = logging.getLogger(__name__)
Row = dict[str, Any]  # Any: one JSON record of an annotation file


@dataclass(frozen=True, eq=False)
class CocoDataset:
    """Hold the people of one annotation file; images are read when asked for.

    The paths are of all images of the file, of those without people too.
    """

    skeleton: Skeleton
    instances: Sequence[Instance]
    image_paths: dict[int, Path]

    def image(self, image_id: int) -> NDArray[np.uint8]:
        """Give an image, (H, W, 3) RGB uint8."""
        return read_image(self.image_paths[image_id])

    def reduced_image(self, image_id: int, factor: int) -> tuple[NDArray[np.uint8], int]:
        """Give an image at 1 / factor of its size if it is a JPEG, and the factor it has."""
        return read_reduced_image(self.image_paths[image_id], factor=factor)


def read_coco(annotations: Path, images_dir: Path, *, skeleton: str = "coco17") -> CocoDataset:
    """Read people with 17 body keypoints.

    Raises FileNotFoundError and ValueError that name the file, annotation or image at fault.
    """
    return read_keypoint_file(annotations, images_dir, skeleton=skeleton, fields=("keypoints",))


def read_keypoint_file(
    annotations: Path, images_dir: Path, *, skeleton: str, fields: tuple[str, ...]
) -> CocoDataset:
    """Read an annotation file whose keypoints are the concatenation of `fields`.

    Left out, as by the reference (MMPose, base_coco_style_dataset.py): crowds, people without a
    labelled body keypoint, boxes without area inside the image, people whose coordinates are all 0.
    """
    content = _read_content(annotations)
    table = Skeleton.get(skeleton)
    images = {row["id"]: row for row in content["images"]}
    instances = []
    num_unusable = 0
    for index, row in enumerate(content["annotations"]):
        try:
            instance, has_nan = _instance(row, images, fields=fields)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{annotations}: annotation {index}: {error!r}") from error
        num_unusable += has_nan
        if instance is None:
            continue
        if len(instance.keypoints) != len(table):
            raise ValueError(
                f"{annotations}: annotation {index} has {len(instance.keypoints)} keypoints, "
                f"{skeleton} has {len(table)}"
            )
        instances.append(instance)
    if num_unusable:
        logger.warning(
            "%s: %d keypoints that are not finite count as unlabelled", annotations, num_unusable
        )
    if not instances:
        raise ValueError(f"{annotations} holds no person with labelled keypoints")
    unnamed = [key for key, image in images.items() if "file_name" not in image]
    if unnamed:
        raise ValueError(f"{annotations}: image {unnamed[0]} has no file_name")
    paths = {key: images_dir / image["file_name"] for key, image in images.items()}
    used = {instance.image_id for instance in instances}
    require_images((paths[key] for key in used), annotations)
    return CocoDataset(table, instances, paths)


def _read_content(path: Path) -> dict[str, list[Row]]:
    content = read_json(path, kind="annotation file")
    if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
        raise ValueError(
            f"{path} is not a COCO annotation file: it needs 'images' and 'annotations'"
        )
    return content


def _instance(
    row: Row, images: dict[int, Row], *, fields: tuple[str, ...]
) -> tuple[Instance | None, int]:
    if row["image_id"] not in images:
        raise ValueError(f"image_id {row['image_id']} is not among the images of the file")
    image = images[row["image_id"]]
    triplets = np.concatenate(
        [np.asarray(row[field], np.float64).reshape(-1, 3) for field in fields]
    )
    finite = np.isfinite(triplets).all(axis=1)
    triplets[~finite] = 0
    x, y, w, h = (float(value) for value in row["bbox"])
    limit_w, limit_h = image["width"] - 1, image["height"] - 1
    box = np.array([max(x, 0), max(y, 0), min(x + w, limit_w), min(y + h, limit_h)], np.float32)
    usable = (
        not row.get("iscrowd", 0)
        and row.get("num_keypoints", 1) > 0
        and box[2] > box[0]
        and box[3] > box[1]
        and triplets[:, :2].max() > 0
    )
    num_bad = int((~finite).sum())
    if not usable:
        return None, num_bad
    area = float(row.get("area") or w * h)
    instance = Instance(
        image_id=row["image_id"],
        annotation_id=row["id"],
        box_xyxy=box,
        keypoints=triplets[:, :2].astype(np.float32),
        visible=(triplets[:, 2] > 0).astype(np.float32),
        area=area,
    )
    return instance, num_bad


def require_images(paths: Iterable[Path], annotations: Path) -> None:
    """Raise FileNotFoundError unless all of these images exist.

    >>> require_images([], Path("val.json"))
    """
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{annotations} names {len(missing)} images that do not exist, "
            f"the first is {missing[0]}"
        )
