"""Parquet: a table with a row a person, its joints in lists; write and read.

Columns: ``image_id``, ``file_name``, ``width``, ``height``, ``time_s``, ``person_index``,
``track_id``, ``box_xyxy`` (4 numbers), ``box_score``, ``keypoints`` (x and y of each joint, 2K
numbers), ``scores`` (K) and ``raw_keypoints`` (2K). An image without persons is a row with nulls
from ``person_index`` on. Skeleton, joints and version are in the metadata of the file.
"""

import json
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posedistill.formats.image_poses import ImagePoses, checked
from posedistill.formats.json_records import (
    Record,
    image_record,
    read_image_record,
    read_person,
)
from posedistill.formats.person_rows import PersonRow, images_of_rows
from posedistill.json_file import entry, number, numbers, optional_entry
from posedistill.media import whole_file
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 4096  # in a group; of 133 joints, seven megabytes


def write_parquet(
    path: str | os.PathLike[str],
    images: Iterable[ImagePoses],
    *,
    skeleton: Skeleton,
    version: str,
) -> None:
    """Write a row a person; needs the extra ``parquet``.

    images: may be a generator; no more than a few thousand persons are held in memory. Raises
    ValueError as `formats.image_poses.checked` does, and ModuleNotFoundError without pyarrow.

    >>> hand = Skeleton.get("hand21")
    >>> images = [ImagePoses(1, Poses.empty(hand), "a.jpg")]
    >>> write_parquet("a.parquet", images, skeleton=hand, version="0.1.0")  # doctest: +SKIP
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = _schema(skeleton, version)
    rows = (row for image in checked(images, skeleton) for row in _rows(image))
    with whole_file(path) as partial, parquet.ParquetWriter(partial, schema) as writer:
        while group := list(islice(rows, _ROWS)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


def _schema(skeleton: Skeleton, version: str) -> "pa.Schema":
    import pyarrow as pa

    floats = pa.list_(pa.float32())
    columns = {
        **{"image_id": pa.int64(), "file_name": pa.string(), "width": pa.int64()},
        **{"height": pa.int64(), "time_s": pa.float64(), "person_index": pa.int32()},
        **{"track_id": pa.int64(), "box_xyxy": floats, "box_score": pa.float32()},
        **{"keypoints": floats, "scores": floats, "raw_keypoints": floats},
    }
    metadata = {
        "skeleton": skeleton.name,
        "joints": json.dumps(skeleton.joints),
        "posedistill": version,
    }
    return pa.schema(list(columns.items()), metadata=metadata)


def _rows(image: ImagePoses) -> Iterator[Record]:
    head = {"image_id": int(image.image_id), **image_record(image)}
    for index, person in enumerate(image.poses):
        raw = person.raw_keypoints
        yield {
            **head,
            "person_index": index,
            "track_id": None if person.ids is None else int(person.ids[0]),
            "box_xyxy": person.boxes_xyxy[0].astype(np.float32),
            "box_score": np.float32(person.box_scores[0]),
            "keypoints": person.keypoints.ravel().astype(np.float32),
            "scores": person.scores[0].astype(np.float32),
            "raw_keypoints": None if raw is None else raw.ravel().astype(np.float32),
        }
    if not len(image.poses):
        yield head


def read_parquet(path: str | os.PathLike[str]) -> list[ImagePoses]:
    """Read what `write_parquet` wrote, also with rows in another order and with columns added.

    Images come in the order of their first rows, persons in the order of ``person_index``. Raises
    FileNotFoundError when the file is missing, ValueError when it is another one, and
    ModuleNotFoundError without pyarrow.

    >>> read_parquet("none.parquet")
    Traceback (most recent call last):
    FileNotFoundError: no such Parquet file: none.parquet
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such Parquet file: {path}")
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            metadata = file.schema_arrow.metadata or {}
            if b"skeleton" not in metadata:
                raise ValueError("its metadata name no skeleton")
            skeleton = Skeleton.get(metadata[b"skeleton"].decode())
            return images_of_rows(_person_rows(file, skeleton), where=str(path))
    except (ValueError, OSError) as error:  # errors of pyarrow are of these kinds
        raise ValueError(f"{path} is no Parquet file of poses, or damaged: {error}") from error


def _person_rows(file: Any, skeleton: Skeleton) -> Iterator[PersonRow]:  # Any: a ParquetFile
    for batch in file.iter_batches(batch_size=_ROWS):
        for record in batch.to_pylist():
            yield _row(record, skeleton)


def _row(record: Record, skeleton: Skeleton) -> PersonRow:
    index = optional_entry(record, "person_index", kind=int)
    return PersonRow(
        image_id=entry(record, "image_id", kind=int),
        entries=read_image_record(record),
        skeleton=skeleton,
        index=index or 0,
        person=None if index is None else _person(record, skeleton),
    )


def _person(record: Record, skeleton: Skeleton) -> Poses:
    k = len(skeleton)
    points = numbers(entry(record, "keypoints", kind=list), (2 * k,)).reshape(k, 2)
    scores = numbers(entry(record, "scores", kind=list), (k,))
    corners = numbers(entry(record, "box_xyxy", kind=list), (4,))
    raw = optional_entry(record, "raw_keypoints", kind=list)
    if raw is not None:
        record = record | {"raw_keypoints": numbers(raw, (2 * k,)).reshape(k, 2).tolist()}
    return read_person(
        record,
        np.concatenate([points, scores[:, None]], axis=1),
        box=np.append(corners, number(record, "box_score")),
        skeleton=skeleton,
    )
