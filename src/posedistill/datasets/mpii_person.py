"""MPII people as MPII's own files have them: pixels that count from 1, a centre and a scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill.json_file import read_json

Row = dict[str, Any]  # Any: one JSON record of an annotation file
Floats = NDArray[np.float64]

NUM_JOINTS = 16
_FIELDS = ("image", "center", "scale", "joints", "joints_vis")
_SIDE = 200.0  # pixels of a person's height that a scale of 1 stands for
_DOWN = 15.0  # pixels, at scale 1, from the labelled centre down to that of the box


@dataclass(frozen=True, eq=False)
class MpiiPerson:
    """Hold one person; all pixels count from 1.

    Attributes:
        image: name of the file. center: (2,) pixels. scale: height in units of 200 pixels.
        joints: (16, 2) pixels, finite where labelled: (16,), seen or hidden.
        head_box_xyxy: (4,) pixels, or None where a file does not tell.

    Raises ValueError for other shapes, a centre that is not finite and a scale that is no size.

    >>> center, joints = np.array([101.0, 86.0]), np.zeros((16, 2))
    >>> MpiiPerson("a.jpg", center, 1.0, joints, joints[:, 0] == 0).box_xyxy.tolist()
    [0.0, 0.0, 200.0, 200.0]
    """

    image: str
    center: Floats
    scale: float
    joints: Floats
    labelled: NDArray[np.bool_]
    head_box_xyxy: Floats | None = None

    def __post_init__(self) -> None:
        if self.joints.shape != (NUM_JOINTS, 2) or self.labelled.shape != (NUM_JOINTS,):
            raise ValueError(
                f"joints of shape {self.joints.shape} and joints_vis of {self.labelled.shape}; "
                f"expected ({NUM_JOINTS}, 2) and ({NUM_JOINTS},)"
            )
        is_place = self.center.shape == (2,) and np.isfinite(self.center).all()
        if not is_place or not 0 < self.scale < np.inf:
            raise ValueError(
                f"center {self.center.tolist()} and scale {self.scale}; "
                "expected finite pixels and a scale"
            )
        head = self.head_box_xyxy
        if head is not None and (head.shape != (4,) or not np.isfinite(head).all()):
            raise ValueError(f"head box {head.tolist()}; expected finite x1, y1, x2, y2")

    @property
    def box_xyxy(self) -> Floats:
        """Give the published box (4,), in pixels that count from 0.

        A square of 200 x scale pixels, 15 x scale below the labelled centre so that feet stay
        inside (OKDHP, mpii.py, as HRNet's). The published padding of 1.25 is that of every crop
        here.
        """
        middle = self.center + [0, _DOWN * self.scale] - 1
        half = _SIDE / 2 * self.scale
        return np.concatenate([middle - half, middle + half])

    @property
    def keypoints(self) -> Floats:
        """Give the joints (16, 2) in pixels that count from 0; 0 where they are not labelled."""
        return np.where(self.labelled[:, None], self.joints - 1, 0)


def read_list(annotations: Path) -> list[MpiiPerson]:
    """Read people from a list in JSON, as HRNet and OKDHP have it.

    The records are {image, center, scale, joints, joints_vis}; `head_box`, x1, y1, x2, y2 in
    pixels that count from 1, may be added to them.
    Raises FileNotFoundError and ValueError that name the file or record at fault.

    >>> read_list(Path("valid.json"))
    Traceback (most recent call last):
    FileNotFoundError: no such annotation file: valid.json
    """
    content = read_json(annotations, kind="annotation file")
    if not isinstance(content, list):
        raise ValueError(
            f"{annotations} is not an MPII list: expected a list of records with "
            f"{', '.join(_FIELDS)}, found {type(content).__name__}"
        )
    people = []
    for index, row in enumerate(content):
        missing = [key for key in _FIELDS if not isinstance(row, dict) or key not in row]
        if missing:
            raise ValueError(f"{annotations}: record {index} lacks {', '.join(missing)}")
        try:
            people.append(_person(row))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{annotations}: record {index}: {error}") from error
    return people


def _person(row: Row) -> MpiiPerson:
    joints = np.asarray(row["joints"], np.float64)
    labelled = np.asarray(row["joints_vis"], np.float64) > 0
    if joints.shape == (NUM_JOINTS, 2) == (*labelled.shape, 2):
        labelled &= np.isfinite(joints).all(axis=1)
    head_box = row.get("head_box")
    return MpiiPerson(
        image=str(row["image"]),
        center=np.asarray(row["center"], np.float64),
        scale=float(row["scale"]),
        joints=joints,
        labelled=labelled,
        head_box_xyxy=None if head_box is None else np.asarray(head_box, np.float64),
    )


def number_images(people: Sequence[MpiiPerson]) -> dict[str, int]:
    """Give the images a number each, from 1, in the order in which people name them.

    >>> number_images([])
    {}
    """
    names = dict.fromkeys(person.image for person in people)
    return {name: number for number, name in enumerate(names, start=1)}
