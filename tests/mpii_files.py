"""MPII files for tests: lists in JSON, the release and `gt_valid.mat`, quirks included."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill.media import write_image

Row = dict[str, Any]  # Any: one record, of JSON or of MATLAB
EMPTY = np.zeros((0, 0))
NAMES: tuple[str, ...] = (
    "rank",
    "rkne",
    "rhip",
    "lhip",
    "lkne",
    "lank",
    "pelv",
    "thor",
    "neck",
    "head",
)
NAMES += ("rwri", "relb", "rsho", "lsho", "lelb", "lwri")


def row(number: int = 0, **changes: object) -> Row:
    """Give a person of a list, each number another one: joint k at (k + 1, 2k + 1) + number."""
    joints = [[k + 1.25 + number, 2 * k + 1.0 + number] for k in range(16)]
    record: Row = {"image": "015601864.png", "center": [120.0 + number, 90.0], "scale": 1.5}
    return record | {"joints": joints, "joints_vis": [1] * 16} | changes


def write_list(path: Path, rows: Sequence[object], *, with_images: bool = True) -> Path:
    """Write a list in JSON, and the images it names into `images` beside it."""
    path.write_text(json.dumps(rows), encoding="utf-8")
    (path.parent / "images").mkdir(exist_ok=True)
    for record in rows if with_images else ():
        assert isinstance(record, dict)
        write_image(path.parent / "images" / record["image"], np.zeros((30, 40, 3), np.uint8))
    return path


def structs(*records: Row) -> NDArray[np.void]:
    """Give a MATLAB struct array; fields that a record lacks are empty."""
    fields = dict.fromkeys(field for record in records for field in record)
    array = np.empty((1, len(records)), [(field, object) for field in fields])
    for index, record in enumerate(records):
        for field in fields:
            array[field][0, index] = record.get(field, EMPTY)
    return array


def points(person: Row, *, is_visible: Sequence[object] = (1,)) -> NDArray[np.void]:
    """Give annopoints: the labelled joints, from the last to the first, visibilities in turn."""
    labelled = [k for k in reversed(range(16)) if person["joints_vis"][k]]
    records = []
    for k in labelled:
        x, y = person["joints"][k]
        records.append({"x": x, "y": y, "id": k, "is_visible": is_visible[k % len(is_visible)]})
    return structs({"point": structs(*records)})


def rect(person: Row, **changes: object) -> Row:
    """Give the same person as a record of the release; the head is as `head_box` says."""
    x, y = person["center"]
    record: Row = {"scale": person["scale"], "objpos": structs({"x": x, "y": y})}
    record["annopoints"] = points(person)
    record |= dict(zip(("x1", "y1", "x2", "y2"), person.get("head_box", ()), strict=False))
    return record | changes


def write_release(path: Path, images: Sequence[tuple[str, int, Sequence[Row]]]) -> Path:
    """Write the release: of each image the name, whether it trains, and records of `rect`."""
    from scipy.io import savemat

    annolist = structs(
        *(
            {
                "image": structs({"name": name}),
                "annorect": structs(*records) if records else EMPTY,
                "vididx": EMPTY,
            }
            for name, _, records in images
        )
    )
    alone = np.empty((len(images), 1), object)
    alone[:, 0] = [np.arange(1, len(records) + 1) for _, _, records in images]
    release = {
        "annolist": annolist,
        "img_train": np.array([[is_train for _, is_train, _ in images]], np.uint8),
        "version": "12",
        "single_person": alone,
    }
    savemat(path, {"RELEASE": release})
    return path


def write_ground_truth(path: Path, rows: Sequence[Row], **changes: object) -> Path:
    """Write labels and head boxes of people of a list; a head is as `head_box` of a record says."""
    from scipy.io import savemat

    heads = np.array([record.get("head_box", [1, 1, 31, 41]) for record in rows], np.float64)
    content: Row = {
        "dataset_joints": np.array([NAMES], object),
        "jnt_missing": 1 - np.array([record["joints_vis"] for record in rows], np.uint8).T,
        "pos_gt_src": np.moveaxis(np.array([record["joints"] for record in rows], float), 0, -1),
        "headboxes_src": np.moveaxis(heads.reshape(-1, 2, 2), 0, -1),
    }
    savemat(path, content | changes)
    return path
