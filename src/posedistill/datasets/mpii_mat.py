"""MPII's files in MATLAB format: the release with all people, and what PCKh is measured by.

Layouts: the description that comes with the release (Andriluka et al., CVPR 2014); for the other
file the names and shapes that HRNet's and OKDHP's mpii.py read. Fields of the release that a person
does not have are missing or empty.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.datasets.mpii_person import NUM_JOINTS, Floats, MpiiPerson
from posedistill.skeleton import Skeleton

Struct = Any  # a struct as scipy gives it: an object with the fields as attributes

# What the file calls the joints by which the published protocol looks them up.
_JOINT_NAMES = {
    "rank": "right_ankle",
    "rkne": "right_knee",
    "rhip": "right_hip",
    "lhip": "left_hip",
    "lkne": "left_knee",
    "lank": "left_ankle",
    "head": "head_top",
    "rwri": "right_wrist",
    "relb": "right_elbow",
    "rsho": "right_shoulder",
    "lsho": "left_shoulder",
    "lelb": "left_elbow",
    "lwri": "left_wrist",
}


class GroundTruth(NamedTuple):
    """Hold what PCKh is measured by, in the order of the validation list; pixels count from 1.

    joints: (N, 16, 2) pixels; labelled: (N, 16); head_boxes_xyxy: (N, 4) pixels.
    """

    joints: Floats
    labelled: NDArray[np.bool_]
    head_boxes_xyxy: Floats


def read_release(path: Path) -> list[MpiiPerson]:
    """Read the labelled people of the training images of `mpii_human_pose_v1_u12_1.mat`.

    A joint counts as labelled wherever it has a place, whether ``is_visible`` calls it hidden or
    says nothing. People without scale, ``objpos`` or joints are left out, as they are of the lists
    made from this file. ``single_person`` is not consulted.
    Raises FileNotFoundError and ValueError that name the file, image and person at fault, and
    ImportError without scipy.

    >>> read_release(Path("mpii_human_pose_v1_u12_1.mat"))
    Traceback (most recent call last):
    FileNotFoundError: no such annotation file: mpii_human_pose_v1_u12_1.mat
    """
    (release,) = _load(path, "RELEASE", squeeze_me=True, struct_as_record=False)
    images = _structs(_field(release, "annolist"))
    is_train = np.ravel(np.asarray(_field(release, "img_train")))
    if not images or len(images) != len(is_train):
        raise ValueError(
            f"{path} is not MPII's release: RELEASE.annolist has {len(images)} images, "
            f"RELEASE.img_train {is_train.size} values; expected as many, and one at least"
        )
    people = []
    for number in np.flatnonzero(is_train == 1).tolist():
        where = f"{path}: annolist({number + 1})"
        people += list(_people_of(images[number], where))
    return people


def read_ground_truth(path: Path) -> GroundTruth:
    """Read `gt_valid.mat`: labels and head boxes of the people of the validation list.

    Raises FileNotFoundError and ValueError that name the file and what of it is not as expected,
    and ImportError without scipy.

    >>> read_ground_truth(Path("gt_valid.mat"))
    Traceback (most recent call last):
    FileNotFoundError: no such annotation file: gt_valid.mat
    """
    keys = ("dataset_joints", "jnt_missing", "pos_gt_src", "headboxes_src")
    names, missing, joints, head_boxes = _load(path, *keys)
    _check_names([str(np.ravel(cell)[0]).strip() for cell in np.ravel(names)], path)
    joints = _people_last(joints, (NUM_JOINTS, 2), f"{path}: pos_gt_src")
    missing = _people_last(missing, (NUM_JOINTS,), f"{path}: jnt_missing")
    head_boxes = _people_last(head_boxes, (2, 2), f"{path}: headboxes_src")
    counts = {len(array) for array in (joints, missing, head_boxes)}
    if len(counts) > 1:
        raise ValueError(
            f"{path}: pos_gt_src, jnt_missing and headboxes_src are of {len(joints)}, "
            f"{len(missing)} and {len(head_boxes)} people; expected as many"
        )
    if not np.isfinite(head_boxes).all():
        raise ValueError(f"{path}: headboxes_src holds values that are not finite")
    labelled = (missing == 0) & np.isfinite(joints).all(axis=2)
    return GroundTruth(joints, labelled, head_boxes.reshape(-1, 4))


def _load(path: Path, *names: str, **options: bool) -> list[Struct]:
    """Give variables of a MATLAB file."""
    if not path.is_file():
        raise FileNotFoundError(f"no such annotation file: {path}")
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError as error:
        raise ImportError(
            f"{path} is a MATLAB file, which needs scipy: pip install posedistill[evaluate]"
        ) from error
    try:
        content = loadmat(path, **options)
    except (MatReadError, NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a MATLAB file: {error}") from error
    missing = [name for name in names if name not in content]
    if missing:
        found = ", ".join(name for name in content if not name.startswith("__"))
        raise ValueError(f"{path} has no {', '.join(missing)}; it has {found or 'nothing'}")
    return [content[name] for name in names]


def _people_of(image: Struct, where: str) -> Iterator[MpiiPerson]:
    for place, record in enumerate(_structs(_field(image, "annorect")), start=1):
        try:
            person = _person(record, _name(image))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}.annorect({place}): {error}") from error
        if person is not None:
            yield person


def _name(image: Struct) -> str:
    name = _field(_field(image, "image"), "name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"image.name is {name!r}, expected the name of a file")
    return name


def _person(record: Struct, image: str) -> MpiiPerson | None:
    scale = _number(_field(record, "scale"))
    middles = _structs(_field(record, "objpos"))
    center = _numbers(middles[0], "x", "y") if middles else None
    places = list(_places(record))
    if scale is None or scale <= 0 or center is None or not places:
        return None
    joints, labelled = np.zeros((NUM_JOINTS, 2)), np.zeros(NUM_JOINTS, np.bool_)
    for joint, *place in places:
        if joint not in range(NUM_JOINTS):
            raise ValueError(f"a point has id {joint:g}; expected 0 to {NUM_JOINTS - 1}")
        joints[int(joint)], labelled[int(joint)] = place, True
    head_box = _numbers(record, "x1", "y1", "x2", "y2")
    return MpiiPerson(
        image=image,
        center=np.array(center),
        scale=scale,
        joints=joints,
        labelled=labelled,
        head_box_xyxy=None if head_box is None else np.array(head_box),
    )


def _places(record: Struct) -> Iterator[list[float]]:
    """Give joint, x and y of the points that have all three."""
    for holder in _structs(_field(record, "annopoints")):
        for point in _structs(_field(holder, "point")):
            values = _numbers(point, "id", "x", "y")
            if values is not None:
                yield values


def _field(struct: Struct, name: str) -> Struct:
    return getattr(struct, name, None)


def _structs(value: Struct) -> list[Struct]:
    """Give the structs of an array of them, of one, or of an empty field."""
    items = value.ravel() if isinstance(value, np.ndarray) else [value]
    return [item for item in items if hasattr(item, "_fieldnames")]


def _numbers(struct: Struct, *names: str) -> list[float] | None:
    values = [_number(_field(struct, name)) for name in names]
    return None if None in values else [value for value in values if value is not None]


def _number(value: Struct) -> float | None:
    """Give a number, or None for an empty or missing field; raises ValueError for other things."""
    items = np.ravel(value)
    if value is None or not items.size or not str(items[0]).strip():
        return None
    number = float(items[0])
    return number if np.isfinite(number) else None


def _people_last(array: Struct, shape: tuple[int, ...], name: str) -> Floats:
    # MATLAB drops a last dimension of 1, that of a single person.
    if array.shape[: len(shape)] != shape or array.ndim > len(shape) + 1:
        wanted = ", ".join(map(str, shape))
        raise ValueError(f"{name} has shape {array.shape}, expected ({wanted}, N) for N people")
    people_last = np.asarray(array, np.float64).reshape(*shape, -1)
    return np.moveaxis(people_last, -1, 0)


def _check_names(names: list[str], path: Path) -> None:
    joints = Skeleton.get("mpii16").joints
    for name, joint in _JOINT_NAMES.items():
        place = joints.index(joint)
        if place >= len(names) or names[place] != name:
            raise ValueError(
                f"{path}: dataset_joints is {', '.join(names)}; expected {name} at place "
                f"{place + 1}, as in MPII's order"
            )
