"""Drawn people with exact keypoints: a data set made of code, for tests and for watching training.

Simple figures seen from the front, so that a person's own left is on the right of the image. Some
samples show the whole person, others the upper body, the hands beside the face or the face alone.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.drawn_figure import Figure, sample_figure
from posedistill.datasets.drawn_picture import paint
from posedistill.datasets.instance import Instance
from posedistill.datasets.wholebody import FIELDS
from posedistill.media import write_image, write_whole
from posedistill.skeleton import Skeleton

_AREA_OF_BOX = 0.53  # what people cover of their box on average, in COCO
_MARGIN = 0.16  # from a joint to the outline of the person, in heads


class DrawnPeople:
    """Draw people, one an image of `size` x `size` pixels, with 133 exact keypoints each.

    Sample i depends on (seed, i) alone, whatever the count. Ids start at 1. Keypoints outside the
    image have visible 0; those that another part of the body hides are labelled.
    Raises ValueError for a count below 1 or a size below 32.

    >>> people = DrawnPeople(2, seed=7)
    >>> people.image(1).shape, people.instances[0].keypoints.shape
    ((256, 256, 3), (133, 2))
    """

    def __init__(self, count: int, *, seed: int = 0, size: int = 256) -> None:
        if count < 1 or size < 32:
            raise ValueError(f"expected count >= 1 and size >= 32 pixels, got {count} and {size}")
        self.skeleton = Skeleton.get("wholebody133")
        self._count, self._seed, self._size = count, seed, size

    @cached_property
    def instances(self) -> Sequence[Instance]:
        """Give all people, in the order of their image ids."""
        return tuple(self._instance(image_id) for image_id in range(1, self._count + 1))

    def image(self, image_id: int) -> NDArray[np.uint8]:
        """Draw an image, (size, size, 3) RGB uint8.

        Raises ValueError for an id outside 1 to count.
        """
        if not 1 <= image_id <= self._count:
            raise ValueError(f"image {image_id} of drawn people; ids are 1 to {self._count}")
        brush = np.random.default_rng([self._seed, image_id, 1])
        return paint(brush, self._figure(image_id), size=self._size)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write the images as PNG and the labels in the COCO-WholeBody layout.

        Gives the paths of the annotation file and of the folder of the images.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     annotations, images = DrawnPeople(1, size=64).write(Path(folder))
        ...     annotations.name, [path.name for path in images.iterdir()]
        ('annotations.json', ['000001.png'])
        """
        annotations, images_dir = folder / "annotations.json", folder / "images"
        images_dir.mkdir(parents=True, exist_ok=True)
        for instance in self.instances:
            write_image(images_dir / _file_name(instance.image_id), self.image(instance.image_id))
        content = {
            "images": [
                {"id": i.image_id, "file_name": _file_name(i.image_id)}
                | {"width": self._size, "height": self._size}
                for i in self.instances
            ],
            "annotations": [_annotation(instance, self.skeleton) for instance in self.instances],
            "categories": [{"id": 1, "name": "person"}],
        }
        write_whole(annotations, json.dumps(content).encode())
        return annotations, images_dir

    def _figure(self, image_id: int) -> Figure:
        return sample_figure(np.random.default_rng([self._seed, image_id]), self._size)

    def _instance(self, image_id: int) -> Instance:
        figure = self._figure(image_id)
        inside = _is_inside(figure.keypoints, self._size)
        box = _box(figure, self.skeleton, self._size)
        return Instance(
            image_id=image_id,
            annotation_id=image_id,
            box_xyxy=box.astype(np.float32),
            keypoints=figure.keypoints.astype(np.float32),
            visible=inside.astype(np.float32),
            area=float(_AREA_OF_BOX * np.prod(box[2:] - box[:2])),
        )


def _is_inside(points: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    return np.asarray(((points >= 0) & (points <= size - 1)).all(axis=-1))


def _box(figure: Figure, skeleton: Skeleton, size: int) -> NDArray[np.float64]:
    """Give the box of what the image shows of a person, also of limbs that leave it."""
    links = np.array([link for link in skeleton.links if max(link) < 23])
    first, second = figure.keypoints[links[:, 0], None], figure.keypoints[links[:, 1], None]
    limbs = first + np.linspace(0, 1, 9)[:, None] * (second - first)
    points = np.concatenate([figure.keypoints, figure.crown[None], limbs.reshape(-1, 2)])
    shown = points[_is_inside(points, size)]
    margin = _MARGIN * figure.head
    corners = np.concatenate([shown.min(axis=0) - margin, shown.max(axis=0) + margin])
    return np.asarray(np.clip(corners, 0, size - 1))


def _file_name(image_id: int) -> str:
    return f"{image_id:06d}.png"


def _annotation(instance: Instance, skeleton: Skeleton) -> dict[str, object]:
    labelled = instance.visible[:, None] > 0
    triplets = np.where(labelled, np.c_[instance.keypoints, 2 * instance.visible], 0)
    x, y, right, bottom = instance.box_xyxy.tolist()
    record: dict[str, object] = {
        "id": instance.annotation_id,
        "image_id": instance.image_id,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [x, y, right - x, bottom - y],
        "area": instance.area,
        "num_keypoints": int(labelled[skeleton.groups["body"]].sum()),
    }
    for field, group in zip(FIELDS, skeleton.groups.values(), strict=True):
        record[field] = triplets[group].ravel().tolist()
        if group[0] > 0:
            record[field.replace("_kpts", "_valid")] = bool(labelled[group].any())
    return record
