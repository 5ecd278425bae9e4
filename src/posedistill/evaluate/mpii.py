"""MPII's protocol: which labels and head boxes the people of a list are scored by.

A list in JSON has no head boxes. The published protocol takes labels and head boxes from
``gt_valid.mat``, which comes with ``valid.json`` and has its people in the same order (OKDHP and
HRNet, mpii.py). The release has the head boxes too; there people are found by image and centre.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from posedistill.datasets.mpii import read_people
from posedistill.datasets.mpii_mat import read_ground_truth, read_release
from posedistill.datasets.mpii_person import MpiiPerson

RELEASE = "mpii_human_pose_v1_u12_1.mat"
_OTHER_NAMES = {"mpii_val": "mpii_gt_val.mat"}  # MMPose's, by the name of its list
_SAME_PLACE = 1.0  # pixels that a centre may differ between list and release
_MOST_STRANGERS = 0.1  # of the people that may be labelled elsewhere by the two files


def people_to_score(annotations: Path) -> list[MpiiPerson]:
    """Read the people of a list, or of the release, each with the head box to measure by.

    Head boxes are those of the file itself where all records have one. Else they, and the labels
    with them, come from `gt_NAME.mat` beside `NAME.json`, or else the head boxes alone from the
    release beside it. Pixels count from 1.
    Raises FileNotFoundError that says where head boxes were looked for, ValueError for files that
    do not belong together, and what the readers raise.

    >>> people_to_score(Path("valid.json"))
    Traceback (most recent call last):
    FileNotFoundError: no such annotation file: valid.json
    """
    people = read_people(annotations)
    without = [index for index, person in enumerate(people) if person.head_box_xyxy is None]
    source = annotations
    if without:
        source = _find_source(annotations, first=without[0], count=len(without))
        is_release = source.name == RELEASE
        people = (_of_release if is_release else _of_ground_truth)(people, annotations, source)
    for index, person in enumerate(people):
        assert person.head_box_xyxy is not None
        if not (person.head_box_xyxy[2:] != person.head_box_xyxy[:2]).any():
            raise ValueError(
                f"{source}: the head box of record {index} of {annotations.name}, "
                f"{person.head_box_xyxy.tolist()}, has no size to measure by"
            )
    return people


def _find_source(annotations: Path, *, first: int, count: int) -> Path:
    names = [f"gt_{annotations.stem}.mat", _OTHER_NAMES.get(annotations.stem), RELEASE]
    paths = [annotations.with_name(name) for name in names if name is not None]
    found = [path for path in paths if path.is_file()]
    if not found:
        looked = " and ".join(path.name for path in paths)
        raise FileNotFoundError(
            f"PCKh needs head sizes, and {annotations} has none: {count} records, the first is "
            f"{first}, lack head_box. There is no {looked} in {annotations.parent} either; put "
            "one of them there"
        )
    return found[0]


def _of_ground_truth(  # house rule: what, by which files
    people: Sequence[MpiiPerson], annotations: Path, source: Path
) -> list[MpiiPerson]:
    truth = read_ground_truth(source)
    if len(truth.joints) != len(people):
        raise ValueError(
            f"{annotations} has {len(people)} people, {source} {len(truth.joints)}; "
            "PCKh needs the two files of one validation set"
        )
    scored = [
        replace(person, joints=joints, labelled=labelled, head_box_xyxy=head_box)
        for person, joints, labelled, head_box in zip(people, *truth, strict=True)
    ]
    strangers = [
        index
        for index, (person, other) in enumerate(zip(people, scored, strict=True))
        if not _is_same(person, other)
    ]
    if len(strangers) > _MOST_STRANGERS * len(people):
        raise ValueError(
            f"{annotations} and {source} do not have the same people in the same order: "
            f"{len(strangers)} of {len(people)} are labelled elsewhere, the first is record "
            f"{strangers[0]}"
        )
    return scored


def _is_same(person: MpiiPerson, other: MpiiPerson) -> bool:
    """Say whether half of the joints that both label are less than a head apart."""
    both = person.labelled & other.labelled
    if not both.any():
        return True
    assert other.head_box_xyxy is not None
    head = np.linalg.norm(other.head_box_xyxy[2:] - other.head_box_xyxy[:2])
    apart = np.linalg.norm(person.joints[both] - other.joints[both], axis=1)
    return bool(np.median(apart) <= head)


def _of_release(  # house rule: what, by which files
    people: Sequence[MpiiPerson], annotations: Path, source: Path
) -> list[MpiiPerson]:
    by_image: dict[str, list[MpiiPerson]] = {}
    for person in read_release(source):
        by_image.setdefault(person.image, []).append(person)
    scored = []
    for index, person in enumerate(people):
        others = by_image.get(person.image, [])
        apart = [float(np.abs(other.center - person.center).max()) for other in others]
        nearest = int(np.argmin(apart)) if apart else -1
        if not apart or apart[nearest] > _SAME_PLACE or others[nearest].head_box_xyxy is None:
            raise ValueError(
                f"{source} has no head box for record {index} of {annotations}, a person of "
                f"{person.image} at {person.center.tolist()}"
            )
        scored.append(replace(person, head_box_xyxy=others[nearest].head_box_xyxy))
    return scored
