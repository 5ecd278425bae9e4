"""Rows of persons, as tables and bare lists hold them, joined into images."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from posedistill.formats.image_poses import ImagePoses, join_persons
from posedistill.formats.json_records import ImageEntries
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class PersonRow:
    """Hold one person and what its image is called.

    index: place among the persons of the image. person: None in the one row of an image without
    persons.
    """

    image_id: int
    entries: ImageEntries
    skeleton: Skeleton
    index: int
    person: Poses | None


def images_of_rows(rows: Iterable[PersonRow], *, where: str) -> list[ImagePoses]:
    """Join rows into images, in the order of their first rows; rows may come in any order.

    The persons of an image are in the order of their index. where: the file, for the errors.
    Raises ValueError for rows that contradict each other.

    >>> images_of_rows([], where="poses.csv")
    []
    """
    by_image: dict[int, list[PersonRow]] = {}
    try:
        for row in rows:
            by_image.setdefault(row.image_id, []).append(row)
            first = next(iter(by_image.values()))[0]
            if row.skeleton is not first.skeleton:
                raise ValueError(
                    f"it holds persons of {first.skeleton.name} and of {row.skeleton.name}; "
                    "expected one skeleton"
                )
        return [_image(found) for found in by_image.values()]
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _image(rows: list[PersonRow]) -> ImagePoses:
    first = rows[0]
    for row in rows:
        if row.entries != first.entries:
            raise ValueError(
                f"the rows of image {row.image_id} do not agree: {tuple(first.entries)} "
                f"and {tuple(row.entries)}"
            )
    rows = sorted((row for row in rows if row.person is not None), key=lambda row: row.index)
    for row, after in itertools.pairwise(rows):
        if row.index == after.index:
            raise ValueError(f"image {row.image_id} has two persons of index {row.index}")
    persons = join_persons([row.person for row in rows if row.person is not None], first.skeleton)
    return ImagePoses(first.image_id, persons, **first.entries._asdict())


def skeleton_of(name: str | None, num_joints: int) -> Skeleton:
    """Give the skeleton of that name or, without a name, the one with that many joints.

    Raises ValueError where there is none.

    >>> skeleton_of(None, 17).name
    'coco17'
    """
    if name is not None:
        return Skeleton.get(name)
    counts = {len(Skeleton.get(known)): known for known in Skeleton.names()}
    if num_joints not in counts:
        raise ValueError(
            f"persons have {num_joints} keypoints; without the name of a skeleton, "
            f"expected {', '.join(map(str, counts))}"
        )
    return Skeleton.get(counts[num_joints])
