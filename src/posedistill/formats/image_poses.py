"""Images with their poses: what every format writes and reads."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

_LARGEST_ID = 2**63 - 1  # int64


@dataclass(frozen=True, eq=False)
class ImagePoses:
    """Hold the poses of one image, or of one frame of a video, with what names it in a file.

    Attributes:
        image_id: whole number, the index of the frame for a video.
        poses: of the persons in it.
        file_name: of the image, or of the video; None where nobody said.
        size_wh: pixels; None where nobody said.
        time_s: seconds into the video; None for a photo.

    Raises ValueError for an image_id, file name, size or time that is none.

    >>> ImagePoses(1, Poses.empty(Skeleton.get("hand21")), "a.jpg", (640, 480)).time_s is None
    True
    """

    image_id: int
    poses: Poses
    file_name: str | None = None
    size_wh: tuple[int, int] | None = None
    time_s: float | None = None

    def __post_init__(self) -> None:
        if not _is_whole(self.image_id) or abs(self.image_id) > _LARGEST_ID:
            raise ValueError(f"image_id is {self.image_id!r}; expected a whole number of 64 bits")
        if self.file_name is not None and (not self.file_name or "\0" in self.file_name):
            raise ValueError(f"file_name is {self.file_name!r}; expected a name, or None")
        if self.size_wh is not None and not _is_size(self.size_wh):
            raise ValueError(
                f"size_wh is {self.size_wh!r}; expected whole (width, height) of at least 1"
            )
        if self.time_s is not None and not math.isfinite(self.time_s):
            raise ValueError(f"time_s is {self.time_s!r}; expected finite seconds, or None")

    @property
    def name(self) -> str:
        """Give what to call the image in a message.

        >>> ImagePoses(7, Poses.empty(Skeleton.get("hand21"))).name
        'image 7'
        """
        return f"image {self.image_id if self.file_name is None else self.file_name}"


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_size(size_wh: object) -> bool:
    return (
        isinstance(size_wh, tuple)
        and len(size_wh) == 2
        and all(_is_whole(side) and 0 < side <= _LARGEST_ID for side in size_wh)
    )


def checked(images: Iterable[ImagePoses], skeleton: Skeleton) -> Iterator[ImagePoses]:
    """Give the images on, one by one, each checked to be fit for a file of that skeleton.

    Raises ValueError for an image_id that comes twice, for poses of another skeleton, and for
    numbers that are not finite as float32.

    >>> hand = Skeleton.get("hand21")
    >>> image = ImagePoses(1, Poses.empty(hand))
    >>> list(checked([image, image], hand))
    Traceback (most recent call last):
    ValueError: image 1 comes twice: image_id 1 is that of an earlier image
    """
    seen: set[int] = set()
    for image in images:
        if image.image_id in seen:
            raise ValueError(
                f"{image.name} comes twice: image_id {image.image_id} is that of an earlier image"
            )
        seen.add(int(image.image_id))
        check_poses(image, skeleton)
        yield image


def check_poses(image: ImagePoses, skeleton: Skeleton) -> None:
    """Raise ValueError for poses of another skeleton, or not finite as float32.

    >>> hand = Skeleton.get("hand21")
    >>> check_poses(ImagePoses(1, Poses.empty(Skeleton.get("coco17"))), hand)
    Traceback (most recent call last):
    ValueError: image 1: poses are of coco17, the file is of hand21; convert them by Poses.to
    """
    poses = image.poses
    if poses.skeleton.name != skeleton.name:
        raise ValueError(
            f"{image.name}: poses are of {poses.skeleton.name}, the file is of {skeleton.name}; "
            "convert them by Poses.to"
        )
    arrays = [poses.keypoints, poses.scores, poses.boxes_xyxy, poses.box_scores]
    arrays += [] if poses.raw_keypoints is None else [poses.raw_keypoints]
    with np.errstate(over="ignore"):
        if not all(np.isfinite(np.asarray(array, np.float32)).all() for array in arrays):
            raise ValueError(f"{image.name}: a pose is not finite; leave that person out")


def join_persons(persons: Sequence[Poses], skeleton: Skeleton) -> Poses:
    """Give poses of one person each as the poses of all.

    Raises ValueError where some of them have a track id, or raw keypoints, and others have not.

    >>> len(join_persons([], Skeleton.get("hand21")))
    0
    """
    if not persons:
        return Poses.empty(skeleton)
    ids = [person.ids for person in persons if person.ids is not None]
    raw = [person.raw_keypoints for person in persons if person.raw_keypoints is not None]
    for name, found in (("a track id", ids), ("raw keypoints", raw)):
        if len(found) not in (0, len(persons)):
            raise ValueError(
                f"{len(found)} of the {len(persons)} persons of an image have {name}; "
                "expected all of them, or none"
            )
    return Poses(
        keypoints=np.concatenate([person.keypoints for person in persons]),
        scores=np.concatenate([person.scores for person in persons]),
        boxes_xyxy=np.concatenate([person.boxes_xyxy for person in persons]),
        box_scores=np.concatenate([person.box_scores for person in persons]),
        skeleton=skeleton,
        ids=np.concatenate(ids) if ids else None,
        raw_keypoints=np.concatenate(raw) if raw else None,
    )
