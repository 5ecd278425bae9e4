"""What can be wrong with one labelled person, or one image, of an annotation file."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.halpe import LABELLED_SCORE
from posedistill.datasets.wholebody import FIELDS
from posedistill.skeleton import Skeleton

Row = dict[str, Any]  # Any: one JSON record of an annotation file
Points = NDArray[np.float64]
Flags = NDArray[np.bool_]

_SKELETONS = ("coco17", "halpe26", "wholebody133", "halpe136")
_BEYOND = 2.0  # pixels that a box or keypoint may lie outside the image
_FAR = 0.25  # of the longer side of the box that a keypoint may lie outside it
_NAMED = 3  # joints that a text names
_NUM_BODY = 17  # joints that num_keypoints counts


class Layout(NamedTuple):
    """Say which fields of a record hold the keypoints of which skeleton."""

    skeleton: Skeleton
    fields: tuple[str, ...]

    @property
    def is_halpe(self) -> bool:
        """Say whether the third value of a keypoint is a score, and objects are records too."""
        return self.skeleton.name.startswith("halpe")


class Image(NamedTuple):
    """Name an image and the size that the file claims."""

    image_id: int
    path: Path
    size_wh: tuple[int, int]


class Person(NamedTuple):
    """Hold one record as it stands, faults included.

    box_xyxy: (4,) and keypoints: (K, 2) pixels, maybe not finite. labelled: (K,) where a keypoint
    is labelled and finite; broken: (K,) where it is not finite. num_keypoints: as the record says,
    or None where it says nothing.
    """

    annotation_id: int
    image: Image
    box_xyxy: Points
    keypoints: Points
    labelled: Flags
    broken: Flags
    num_keypoints: int | None


def layout_of(rows: Sequence[object], annotations: Path) -> Layout:
    """Give the layout that most records have.

    Raises ValueError where no record has keypoints, or as many as none of the known layouts.

    >>> layout_of([{"keypoints": [0, 0, 0] * 17}], Path("val.json")).skeleton.name
    'coco17'
    """
    counts: Counter[tuple[bool, int]] = Counter()
    for row in rows:
        if isinstance(row, dict) and isinstance(row.get("keypoints"), list):
            counts[all(field in row for field in FIELDS), len(row["keypoints"]) // 3] += 1
    if not counts:
        raise ValueError(f"{annotations}: no annotation has keypoints")
    has_parts, length = counts.most_common(1)[0][0]
    if has_parts and length == len(Skeleton.get("coco17")):
        return Layout(Skeleton.get("wholebody133"), FIELDS)
    for name in _SKELETONS:
        if len(Skeleton.get(name)) == length:
            return Layout(Skeleton.get(name), ("keypoints",))
    known = ", ".join(f"{len(Skeleton.get(name))} ({name})" for name in _SKELETONS)
    raise ValueError(f"{annotations}: most people have {length} keypoints; known are {known}")


def read_person(row: Row, images: Mapping[int, Image], *, layout: Layout) -> Person:
    """Read one record.

    Raises KeyError, TypeError and ValueError where it cannot be read.

    >>> layout = layout_of([{"keypoints": [0, 0, 0] * 17}], Path("val.json"))
    >>> image = Image(1, Path("a.jpg"), (20, 30))
    >>> row = {"id": 5, "image_id": 1, "bbox": [0, 0, 9, 9], "keypoints": [4, 4, 2] * 17}
    >>> int(read_person(row, {1: image}, layout=layout).labelled.sum())
    17
    """
    triplets = [np.asarray(row[field], np.float64).reshape(-1, 3) for field in layout.fields]
    points = np.concatenate(triplets)
    if len(points) != len(layout.skeleton):
        raise ValueError(
            f"{len(points)} keypoints; {layout.skeleton.name} has {len(layout.skeleton)}"
        )
    x, y, w, h = (float(value) for value in row["bbox"])
    is_finite = np.asarray(np.isfinite(points).all(axis=1))
    has_label = points[:, 2] >= LABELLED_SCORE if layout.is_halpe else points[:, 2] > 0
    claimed = None if layout.is_halpe else row.get("num_keypoints")
    return Person(
        annotation_id=row["id"],
        image=images[row["image_id"]],
        box_xyxy=np.array([x, y, x + w, y + h]),
        keypoints=points[:, :2],
        labelled=is_finite & has_label,
        broken=np.logical_not(is_finite),
        num_keypoints=None if claimed is None else int(claimed),
    )


def faults_of(person: Person, skeleton: Skeleton) -> Iterator[tuple[str, str]]:
    """List what is wrong with a person, left and right aside, as kind and text.

    >>> row = {"id": 5, "image_id": 1, "bbox": [2, 2, 0, 9], "keypoints": [4, 4, 2] * 17}
    >>> image, layout = Image(1, Path("a.jpg"), (20, 30)), layout_of([row], Path("val.json"))
    >>> list(faults_of(read_person(row, {1: image}, layout=layout), layout.skeleton))
    [('box without area', 'box 2, 2 to 2, 11')]
    """
    if person.broken.any():
        yield "not finite", f"keypoints {_joints(person.broken, skeleton)}"
    num_labelled = int(person.labelled[:_NUM_BODY].sum())
    if person.num_keypoints not in (None, num_labelled):
        yield (
            "num_keypoints",
            f"num_keypoints is {person.num_keypoints}, labelled are {num_labelled}",
        )
    box, points = person.box_xyxy, person.keypoints
    if not np.isfinite(box).all():
        yield "not finite", f"box {_corners(box)}"
        return
    box_faults = list(_box_faults(box, person.image.size_wh))
    yield from box_faults
    w, h = person.image.size_wh
    beyond = _outside(points, np.array([0, 0, w - 1.0, h - 1.0]))
    is_beyond = person.labelled & (beyond > _BEYOND)
    if is_beyond.any():
        where = f"up to {beyond[is_beyond].max():.0f} pixels outside the {w}x{h} image"
        yield "keypoint beyond", f"{_joints(is_beyond, skeleton)}: {where}"
    if any(kind != "box beyond" for kind, _ in box_faults):
        return  # where keypoints lie says nothing beside such a box
    long_side = float((box[2:] - box[:2]).max())
    far = _outside(points, box)
    is_far = person.labelled & (far > _FAR * long_side)
    if is_far.any():
        where = f"up to {far[is_far].max():.0f} pixels outside a box of {long_side:.0f}"
        yield "keypoint far", f"{_joints(is_far, skeleton)}: {where}"


def _box_faults(box: Points, size_wh: tuple[int, int]) -> Iterator[tuple[str, str]]:
    text = f"box {_corners(box)}"
    if not (box[2:] > box[:2]).all():
        yield "box without area", text
        return
    limit = np.array(size_wh, np.float64)
    in_image = f"{text}, image {size_wh[0]}x{size_wh[1]}"
    # What is left after clipping to the last pixel must have an area, as the readers clip.
    if not (np.minimum(box[2:], limit - 1) > np.maximum(box[:2], 0)).all():
        yield "box outside", in_image
    elif max(float((-box[:2]).max()), float((box[2:] - limit).max())) > _BEYOND:
        yield "box beyond", in_image


def _outside(points: Points, box: Points) -> Points:
    """Give how far outside a box points lie along x or y, 0 inside; (K,) pixels."""
    beyond = np.maximum(box[:2] - points, points - box[2:]).max(axis=1)
    return np.asarray(np.maximum(np.nan_to_num(beyond), 0))


def _joints(chosen: Flags, skeleton: Skeleton) -> str:
    names = [skeleton.joints[joint].replace("_", " ") for joint in np.flatnonzero(chosen)]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _corners(box: Points) -> str:
    x1, y1, x2, y2 = (f"{value:.4g}" for value in box)
    return f"{x1}, {y1} to {x2}, {y2}"
