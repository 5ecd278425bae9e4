"""Skeletons: joint names, links, left/right swap, OKS sigmas and groups."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_TABLE = Path(__file__).parent / "assets" / "skeletons.json"
_Number = TypeVar("_Number", np.int64, np.float64)
_GROUP_SKELETONS = {
    "body": "coco17",
    "face": "face68",
    "left_hand": "hand21",
    "right_hand": "hand21",
}
_MIDPOINTS = {
    "neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
}


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Name the joints of a person and how they belong together.

    Attributes:
        name: plain name, such as ``wholebody133``.
        joints: K joint names, in order.
        flip_permutation: (K,) index of the joint that takes joint k's place in a mirrored image.
        sigmas: (K,) OKS constants of COCO and COCO-WholeBody; those of Halpe for its joints.
        links: pairs of joint indices to draw.
        groups: indices by group name (``body``, ``foot``, ``face``, ``left_hand``, ``right_hand``).
        upper, lower: joint indices that may be chosen by half-body augmentation.

    >>> skeleton = Skeleton.get("wholebody133")
    >>> len(skeleton.joints), skeleton.joints[0], len(skeleton.groups["left_hand"])
    (133, 'nose', 21)
    """

    name: str
    joints: tuple[str, ...]
    flip_permutation: NDArray[np.int64]
    sigmas: NDArray[np.float64]
    links: tuple[tuple[int, int], ...]
    groups: Mapping[str, NDArray[np.int64]]
    upper: tuple[int, ...]
    lower: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.joints)

    @staticmethod
    def get(name: str) -> "Skeleton":
        """Give the skeleton of that name.

        Raises ValueError for an unknown name, listing the known ones.

        >>> Skeleton.get("coco17").joints[5]
        'left_shoulder'
        """
        return _get(name)

    @staticmethod
    def names() -> tuple[str, ...]:
        """Give the names that `get` knows.

        >>> print(*Skeleton.names())
        wholebody133 coco17 hand21 face68 mpii16 openpose18 openpose25 halpe136 halpe26
        """
        return tuple(_table())

    def index_map(self, target: "Skeleton") -> NDArray[np.int64]:
        """Give, for each joint of `target`, the index of the same-named joint here, or -1.

        >>> wholebody, coco = Skeleton.get("wholebody133"), Skeleton.get("coco17")
        >>> int(wholebody.index_map(coco)[16])
        16
        """
        here = {joint: index for index, joint in enumerate(self.joints)}
        return np.array([here.get(joint, -1) for joint in target.joints], dtype=np.int64)


@cache
def _table() -> dict[str, dict[str, Any]]:  # Any: each key of a row has a type of its own
    table: dict[str, dict[str, Any]] = json.loads(_TABLE.read_text(encoding="utf-8"))
    return table


@cache
def _get(name: str) -> Skeleton:
    table = _table()
    if name not in table:
        raise ValueError(f"unknown skeleton {name!r}; known are {', '.join(table)}")
    row = table[name]
    return Skeleton(
        name=name,
        joints=tuple(row["joints"]),
        flip_permutation=_frozen(np.array(row["flip_permutation"], np.int64)),
        sigmas=_frozen(np.array(row["sigmas"], np.float64)),
        links=tuple((first, second) for first, second in row["links"]),
        groups={
            key: _frozen(np.arange(start, stop, dtype=np.int64))
            for key, (start, stop) in row["groups"].items()
        },
        upper=tuple(row["upper"]),
        lower=tuple(row["lower"]),
    )


def _frozen(array: NDArray[_Number]) -> NDArray[_Number]:
    array.setflags(write=False)
    return array


def part_skeleton(group: str) -> Skeleton:
    """Give the skeleton that a group of ``wholebody133`` forms on its own.

    Raises ValueError for groups that have none (feet).

    >>> part_skeleton("left_hand").name
    'hand21'
    """
    if group not in _GROUP_SKELETONS:
        raise ValueError(
            f"group {group!r} has no skeleton of its own; these have: {', '.join(_GROUP_SKELETONS)}"
        )
    return Skeleton.get(_GROUP_SKELETONS[group])


def convert_keypoints(
    keypoints: NDArray[np.float32],
    scores: NDArray[np.float32],
    *,
    source: Skeleton,
    target: Skeleton,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rearrange keypoints of one skeleton into another, joint by name.

    keypoints: (N, K, 2) pixels, scores: (N, K). OpenPose's neck and mid hip, where the source lacks
    them, are the mean of the shoulders and of the hips with the lower of the two scores. Other
    joints that the source lacks get score 0 and coordinates 0; the score, not the coordinates,
    says that they are absent.

    >>> wholebody, openpose = Skeleton.get("wholebody133"), Skeleton.get("openpose18")
    >>> points, scores = np.ones((1, 133, 2), np.float32), np.ones((1, 133), np.float32)
    >>> convert_keypoints(points, scores, source=wholebody, target=openpose)[0].shape
    (1, 18, 2)
    """
    index = source.index_map(target)
    found = index >= 0
    out_points = np.where(found[None, :, None], keypoints[:, index], 0).astype(np.float32)
    out_scores = np.where(found[None, :], scores[:, index], 0).astype(np.float32)
    for middle, pair in _MIDPOINTS.items():
        has_pair = all(joint in source.joints for joint in pair)
        if middle in target.joints and middle not in source.joints and has_pair:
            place = target.joints.index(middle)
            ends = [source.joints.index(joint) for joint in pair]
            out_points[:, place] = keypoints[:, ends].mean(axis=1, dtype=np.float64)
            out_scores[:, place] = scores[:, ends].min(axis=1)
    return out_points, out_scores
