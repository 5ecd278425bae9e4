"""COCO results: a bare list of persons, as the evaluation tools of COCO read it; write and read.

The list has no place for what is the same for all, so each person says of which skeleton and
version it is, and what its image is called; the tools pass over entries that they do not know.
An image without persons leaves nothing in the list.
"""

import os
from collections.abc import Iterable, Iterator

import numpy as np

from posedistill.formats.coco_json import box_xywh, read_xywh
from posedistill.formats.image_poses import ImagePoses, checked
from posedistill.formats.json_records import (
    Record,
    image_record,
    read_image_record,
    read_person,
    tracked_record,
    write_array,
)
from posedistill.formats.person_rows import PersonRow, images_of_rows, skeleton_of
from posedistill.json_file import entry, number, numbers, optional_entry, read_json, shortest
from posedistill.media import whole_file
from posedistill.poses import Poses, person_score
from posedistill.skeleton import Skeleton


def write_results(
    path: str | os.PathLike[str],
    images: Iterable[ImagePoses],
    *,
    skeleton: Skeleton,
    version: str,
) -> None:
    """Write the persons as a COCO results list; images without persons are not in it.

    images: may be a generator, which is taken one by one. Keypoints are triplets x, y and score;
    ``score`` is what ranks the persons, see `person_score`, and ``box_score`` that of the box.
    Raises ValueError as `formats.image_poses.checked` does.

    >>> from tempfile import TemporaryDirectory
    >>> hand = Skeleton.get("hand21")
    >>> with TemporaryDirectory() as folder:
    ...     images = [ImagePoses(1, Poses.empty(hand), "a.jpg")]
    ...     write_results(f"{folder}/poses.json", images, skeleton=hand, version="0.1.0")
    ...     read_results(f"{folder}/poses.json")
    []
    """
    about = {"skeleton": skeleton.name, "posedistill": version}
    with whole_file(path) as partial, partial.open("w", encoding="utf-8") as file:
        write_array(file, _records(checked(images, skeleton), about))
        file.write("\n")


def _records(images: Iterable[ImagePoses], about: Record) -> Iterator[Record]:
    for image in images:
        for person in image.poses:
            yield _person_record(image, person) | about


def _person_record(image: ImagePoses, person: Poses) -> Record:
    triplets = np.concatenate([person.keypoints[0], person.scores[0, :, None]], axis=-1)
    box_score = shortest(person.box_scores)[0]
    return {
        "image_id": int(image.image_id),
        "category_id": 1,
        "bbox": box_xywh(person),
        "score": person_score(person.scores[0], box_score),
        "keypoints": shortest(triplets.ravel()),
        "box_score": box_score,
        **tracked_record(person),
        **image_record(image),
    }


def read_results(path: str | os.PathLike[str]) -> list[ImagePoses]:
    """Read a results list, ours or another's: images in the order of their first persons.

    Where no skeleton is named, the number of keypoints tells it (17 are ``coco17``, 133
    ``wholebody133``, ...); without a ``box_score``, the box has the ``score``. Raises
    FileNotFoundError when the file is missing and ValueError, with the number of the person, when
    it is another one.

    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "poses.json")
    ...     person = '{"image_id": 7, "bbox": [0, 0, 9, 9], "score": 1, "keypoints": %s}'
    ...     _ = file.write_text(f"[{person}]" % ([0.5] * 51))
    ...     read_results(file)[0].poses.skeleton.name
    'coco17'
    """
    records = read_json(path, kind="results file")
    if not isinstance(records, list):
        raise ValueError(f"{path} is no list of COCO results; is it an annotation file?")
    rows = []
    for index, record in enumerate(records):
        try:
            rows.append(_row(record, index))
        except ValueError as error:
            raise ValueError(f"{path}, person {index}: {error}") from error
    return images_of_rows(rows, where=str(path))


def _row(record: object, index: int) -> PersonRow:
    values = entry(record, "keypoints", kind=list)
    skeleton = skeleton_of(optional_entry(record, "skeleton", kind=str), len(values) // 3)
    k = len(skeleton)
    score = "box_score" if isinstance(record, dict) and "box_score" in record else "score"
    return PersonRow(
        image_id=entry(record, "image_id", kind=int),
        entries=read_image_record(record),
        skeleton=skeleton,
        index=index,
        person=read_person(
            record,
            numbers(values, (3 * k,)).reshape(k, 3),
            box=np.append(read_xywh(record), number(record, score)),
            skeleton=skeleton,
        ),
    )
