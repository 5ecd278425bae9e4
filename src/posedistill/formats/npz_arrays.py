"""NPZ: the persons of all images as numpy arrays, one after the other; write and read.

Arrays, of I images and P persons: ``image_id`` (I,), ``file_name`` (I,), empty where there is none,
``size_wh`` (I, 2), 0 where unknown, ``time_s`` (I,), NaN where there is none; ``image_index`` (P,),
which of the I images a person is in, ``keypoints`` (P, K, 2), ``scores`` (P, K), ``boxes_xyxy``
(P, 4), ``box_scores`` (P,), ``track_id`` (P,) and ``is_tracked`` (P,), which says where that holds;
``raw_keypoints`` (P, K, 2) only where there are any, NaN for persons without; ``joints`` (K,),
``skeleton`` and ``posedistill``, the version. Nothing is pickled.
"""

import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posedistill.formats.image_poses import ImagePoses, checked
from posedistill.media import whole_file
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

_Array = NDArray[Any]  # Any: numbers and text alike
_DAMAGE = (
    *(ValueError, KeyError, EOFError, OSError, zlib.error, zipfile.BadZipFile),
    *(NotImplementedError, RuntimeError),  # ways of packing that zipfile does not know
    MemoryError,  # a header that promises more numbers than there are
)
_KINDS = {  # of numpy types: i whole, f floating, b truth, U text
    **{"image_id": "i", "file_name": "U", "size_wh": "i", "time_s": "f", "image_index": "i"},
    **{"track_id": "i", "is_tracked": "b", "keypoints": "f", "raw_keypoints": "f"},
    **{"scores": "f", "boxes_xyxy": "f", "box_scores": "f"},
}


def write_npz(
    path: str | os.PathLike[str],
    images: Iterable[ImagePoses],
    *,
    skeleton: Skeleton,
    version: str,
) -> None:
    """Write arrays of all images and persons; they are held in memory until they are written.

    Raises ValueError as `formats.image_poses.checked` does.

    >>> from tempfile import TemporaryDirectory
    >>> hand = Skeleton.get("hand21")
    >>> with TemporaryDirectory() as folder:
    ...     images = [ImagePoses(1, Poses.empty(hand), "a.jpg")]
    ...     write_npz(f"{folder}/a.npz", images, skeleton=hand, version="0.1.0")
    ...     np.load(f"{folder}/a.npz")["keypoints"].shape
    (0, 21, 2)
    """
    known = list(checked(images, skeleton))
    arrays = {
        "posedistill": np.array(version),
        "skeleton": np.array(skeleton.name),
        "joints": np.array(skeleton.joints),
        **_image_arrays(known),
        **_person_arrays([image.poses for image in known], skeleton),
    }
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _image_arrays(images: list[ImagePoses]) -> dict[str, _Array]:
    times = [np.nan if image.time_s is None else image.time_s for image in images]
    sizes = [(0, 0) if image.size_wh is None else image.size_wh for image in images]
    return {
        "image_id": np.array([image.image_id for image in images], np.int64),
        "file_name": np.array([image.file_name or "" for image in images], np.str_),
        "size_wh": np.array(sizes, np.int64).reshape(-1, 2),
        "time_s": np.array(times, np.float64),
    }


def _person_arrays(poses: list[Poses], skeleton: Skeleton) -> dict[str, _Array]:
    groups = [Poses.empty(skeleton), *poses]  # the first for the shapes, where there is nobody
    counts = [len(group) for group in groups]
    ids = [np.zeros(len(group), np.int64) if group.ids is None else group.ids for group in groups]
    floats = {
        "keypoints": [group.keypoints for group in groups],
        "scores": [group.scores for group in groups],
        "boxes_xyxy": [group.boxes_xyxy for group in groups],
        "box_scores": [group.box_scores for group in groups],
    }
    if any(group.raw_keypoints is not None for group in groups if len(group)):
        floats["raw_keypoints"] = [
            np.full_like(group.keypoints, np.nan)
            if group.raw_keypoints is None
            else group.raw_keypoints
            for group in groups
        ]
    return {
        "image_index": np.repeat(np.arange(-1, len(poses)), counts),
        "track_id": np.concatenate(ids).astype(np.int64),
        "is_tracked": np.repeat([group.ids is not None for group in groups], counts),
        **{name: np.concatenate(parts).astype(np.float32) for name, parts in floats.items()},
    }


def read_npz(path: str | os.PathLike[str]) -> list[ImagePoses]:
    """Read what `write_npz` wrote; the persons may be in another order, or some left out.

    Raises FileNotFoundError when the file is missing and ValueError when it is another one.

    >>> read_npz("none.npz")
    Traceback (most recent call last):
    FileNotFoundError: no such NPZ file: none.npz
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such NPZ file: {path}")
    if not zipfile.is_zipfile(path):  # numpy would speak of pickles
        raise ValueError(f"{path} is no NPZ file, or the end of it is missing")
    try:
        with np.load(path, allow_pickle=False) as file:
            return _images({name: file[name] for name in file.files})
    except _DAMAGE as error:
        text = f"there is no array {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{path} is no NPZ file of poses, or damaged: {text}") from error


def _images(arrays: Mapping[str, _Array]) -> list[ImagePoses]:
    skeleton = Skeleton.get(str(arrays["skeleton"]))
    i, p, k = len(arrays["image_id"]), len(arrays["image_index"]), len(skeleton)
    shapes = {
        **{"image_id": (i,), "file_name": (i,), "size_wh": (i, 2), "time_s": (i,)},
        **{"image_index": (p,), "track_id": (p,), "is_tracked": (p,), "keypoints": (p, k, 2)},
        **{"scores": (p, k), "boxes_xyxy": (p, 4), "box_scores": (p,)},
    }
    if "raw_keypoints" in arrays:
        shapes["raw_keypoints"] = (p, k, 2)
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype.kind != _KINDS[name]:
            raise ValueError(f"{name} is {arrays[name].shape} of {arrays[name].dtype}")
    index = arrays["image_index"]
    if len(index) and not 0 <= index.min() <= index.max() < i:
        raise ValueError(f"image_index goes from {index.min()} to {index.max()}; there are {i}")
    order = np.argsort(index, kind="stable")
    bounds = np.searchsorted(index[order], np.arange(i + 1))
    images = [
        _image(arrays, row, order[bounds[row] : bounds[row + 1]], skeleton) for row in range(i)
    ]
    return list(checked(images, skeleton))


def _image(  # house rule: a row of the images and rows of the persons
    arrays: Mapping[str, _Array], row: int, persons: NDArray[np.intp], skeleton: Skeleton
) -> ImagePoses:
    is_tracked = arrays["is_tracked"][persons]
    raw = arrays["raw_keypoints"][persons] if "raw_keypoints" in arrays else None
    w, h = arrays["size_wh"][row].tolist()
    time_s = float(arrays["time_s"][row])
    return ImagePoses(
        image_id=int(arrays["image_id"][row]),
        poses=Poses(
            keypoints=arrays["keypoints"][persons],
            scores=arrays["scores"][persons],
            boxes_xyxy=arrays["boxes_xyxy"][persons],
            box_scores=arrays["box_scores"][persons],
            skeleton=skeleton,
            ids=arrays["track_id"][persons] if len(persons) and is_tracked.all() else None,
            raw_keypoints=None if raw is None or np.isnan(raw).all() else raw,
        ),
        file_name=str(arrays["file_name"][row]) or None,
        size_wh=None if (w, h) == (0, 0) else (w, h),
        time_s=None if np.isnan(time_s) else time_s,
    )
