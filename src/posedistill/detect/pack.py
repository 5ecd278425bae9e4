"""Pack: pictures, boxes and cut-outs of people in one compact file, from which training starts."""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.detect.closeup import box_of_face, cut, upper_body
from posedistill.detect.cutout import cut_out
from posedistill.json_file import read_json
from posedistill.media import list_images, read_image, whole_file

_QUALITY = 72  # of WebP
_LEAST_SIDE = 4  # pixels of a box, in the packed picture
_NO_BOX = np.zeros((0, 4), np.float32)
_BACKGROUNDS = "backgrounds"
_JOINTS = 17  # of COCO's people


@dataclass(frozen=True, eq=False)
class Picture:
    """Hold one packed picture.

    Attributes:
        encoded: the picture as the bytes of a file. mask: the bytes of a PNG that is 255 where the
            one person is, of any size; empty without. boxes_xyxy: (n, 4) of the people, pixels of
            the picture. source: the name of what it was taken from. is_complete: whether all
            people in it have boxes.
    """

    encoded: bytes
    boxes_xyxy: NDArray[np.float32]
    source: str
    is_complete: bool
    mask: bytes = b""


class PackPlan(NamedTuple):
    """Say how large and how many packed pictures are.

    side: pixels of the longest side, at most. most: pictures of a source, by its name.
    has_masks: whether people are cut out, which takes a tenth of a second each. has_close_ups:
    whether photos of one whole person give a close-up too, see `posedistill.detect.closeup`.
    """

    side: int = 320
    most: Mapping[str, int] = {}
    has_masks: bool = True
    has_close_ups: bool = False


class Photo(NamedTuple):
    """Say where a photo is and who is in it.

    boxes_xyxy: (n, 4) pixels. keypoints: (17, 3) of each person, in the order of COCO.
    """

    path: Path
    boxes_xyxy: NDArray[np.float32]
    keypoints: list[NDArray[np.float32]]


def read_photos(
    annotations: Path, images_dir: Path, *, is_complete: bool = False
) -> dict[str, list[Photo]]:
    """Read the photos of a COCO file, by source: the name of the folder that they are in.

    Unless all people have true boxes, a box that is the whole picture is that of a close-up in
    which nobody has drawn one: it is reckoned from the face, and without a labelled face the photo
    is left out. Raises FileNotFoundError without the
    file, ValueError for another one.

    >>> read_photos(Path("none.json"), Path("."))
    Traceback (most recent call last):
    FileNotFoundError: no such annotation file: none.json
    """
    record = read_json(annotations, kind="annotation file")
    if not isinstance(record, dict) or not {"images", "annotations"} <= record.keys():
        raise ValueError(f"{annotations} has no images and annotations; expected labels as COCO's")
    try:
        return _photos_by_source(record, images_dir, is_complete=is_complete)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{annotations}: expected labels as COCO's: {error!r}") from error


def _photos_by_source(
    record: dict[str, Any],
    images_dir: Path,
    *,
    is_complete: bool,  # Any: JSON
) -> dict[str, list[Photo]]:
    people_by_image: dict[int, list[dict[str, Any]]] = defaultdict(list)  # Any: JSON
    for person in record["annotations"]:
        people_by_image[person["image_id"]].append(person)
    photos_by_source: dict[str, list[Photo]] = defaultdict(list)
    for image in record["images"]:
        people = [person for person in people_by_image[image["id"]] if not person.get("iscrowd")]
        photo = Photo(
            images_dir / image["file_name"],
            np.array([_box_xyxy(*person["bbox"]) for person in people], np.float32).reshape(-1, 4),
            [np.array(p.get("keypoints", []), np.float32).reshape(-1, 3)[:_JOINTS] for p in people],
        )
        if not is_complete:
            _reckon_boxes(photo, people, image=image)
        if is_complete or not any(_is_whole(box, image) for box in photo.boxes_xyxy):
            photos_by_source[photo.path.parent.name].append(photo)
    return dict(photos_by_source)


def people_pictures(
    annotations: Path, images_dir: Path, *, plan: PackPlan, is_complete: bool = False
) -> Iterator[Picture]:
    """Give the pictures of a COCO file, with the boxes of the people in them.

    Of a source with more pictures than the plan wants, some are taken, evenly. is_complete:
    whether all people have true boxes. Raises what `read_photos` does, and FileNotFoundError for
    missing images.

    >>> list(people_pictures(Path("none.json"), Path("."), plan=PackPlan()))
    Traceback (most recent call last):
    FileNotFoundError: no such annotation file: none.json
    """
    for source, photos in read_photos(annotations, images_dir, is_complete=is_complete).items():
        for photo in _evenly(photos, plan.most.get(source)):
            yield _packed(photo, source=source, plan=plan, is_complete=is_complete)
            yield from _close_up(photo, source=source, plan=plan)


def background_pictures(folder: Path, *, plan: PackPlan) -> Iterator[Picture]:
    """Give the pictures of a folder in which there are no people.

    Raises FileNotFoundError for a missing folder, ValueError for one without pictures.

    >>> list(background_pictures(Path("none"), plan=PackPlan()))
    Traceback (most recent call last):
    FileNotFoundError: no such file or folder: none
    """
    for file in _evenly(list_images([folder]), plan.most.get(_BACKGROUNDS)):
        photo = Photo(file, _NO_BOX, [])
        yield _packed(photo, source=_BACKGROUNDS, plan=plan, is_complete=True)


def save_pack(path: Path, pictures: Iterable[Picture]) -> int:
    """Write pictures into one `.npz` file, which appears whole; give how many there are.

    Raises ValueError where there are none.
    """
    rows = list(pictures)
    if not rows:
        raise ValueError("no pictures to pack; is the annotation file empty?")
    arrays: dict[str, Any] = {  # Any: stubs differ on savez
        "encoded": np.frombuffer(b"".join(row.encoded for row in rows), np.uint8),
        "encoded_ends": np.cumsum([len(row.encoded) for row in rows]),
        "masks": np.frombuffer(b"".join(row.mask for row in rows), np.uint8),
        "mask_ends": np.cumsum([len(row.mask) for row in rows]),
        "boxes": np.concatenate([row.boxes_xyxy for row in rows]).astype(np.float32),
        "box_ends": np.cumsum([len(row.boxes_xyxy) for row in rows]),
        "sources": np.array([row.source for row in rows]),
        "is_complete": np.array([row.is_complete for row in rows]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)
    return len(rows)


def load_pack(path: Path) -> list[Picture]:
    """Read what `save_pack` wrote.

    Raises FileNotFoundError without the file, ValueError for one that is no pack.

    >>> load_pack(Path("none.npz"))
    Traceback (most recent call last):
    FileNotFoundError: no such pack: none.npz; write one with `posedistill detect pack`
    """
    if not path.is_file():
        raise FileNotFoundError(f"no such pack: {path}; write one with `posedistill detect pack`")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        files = _split(arrays["encoded"], arrays["encoded_ends"])
        masks = _split(arrays["masks"], arrays["mask_ends"])
        boxes = _split(arrays["boxes"], arrays["box_ends"])
        flags = zip(arrays["sources"], arrays["is_complete"], strict=True)
    except (KeyError, ValueError, EOFError, BadZipFile) as error:
        raise ValueError(f"{path} is no pack of pictures ({error!r})") from error
    return [
        Picture(data.tobytes(), box, str(source), bool(is_complete), mask.tobytes())
        for data, mask, box, (source, is_complete) in zip(files, masks, boxes, flags, strict=True)
    ]


def decode(picture: Picture) -> NDArray[np.uint8]:
    """Give a packed picture as (H, W, 3) uint8 RGB.

    >>> decode(load_pack(Path("people.npz"))[0]).shape  # doctest: +SKIP
    (180, 320, 3)
    """
    image = cv2.imdecode(np.frombuffer(picture.encoded, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None, "a pack holds pictures that OpenCV wrote"
    return np.ascontiguousarray(image[..., ::-1]).astype(np.uint8, copy=False)


def _split(values: NDArray[Any], ends: NDArray[np.int64]) -> list[NDArray[Any]]:
    return np.split(values, ends[:-1])


def _evenly(items: list[Any], most: int | None) -> list[Any]:
    """Give at most so many of the items, from first to last."""
    if most is None or most >= len(items):
        return items
    return [items[index] for index in np.linspace(0, len(items) - 1, most).astype(int)]


def _box_xyxy(x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
    return x, y, x + w, y + h


def _reckon_boxes(
    photo: Photo,
    people: list[dict[str, Any]],
    *,
    image: dict[str, Any],  # Any: JSON
) -> None:
    """Put boxes reckoned from faces in the place of those that are the whole picture."""
    for index, person in enumerate(people):
        face = np.array(person.get("face_kpts", []), np.float32).reshape(-1, 3)
        if _is_whole(photo.boxes_xyxy[index], image) and len(face) and (face[:, 2] > 0).all():
            size_wh = image["width"], image["height"]
            photo.boxes_xyxy[index] = box_of_face(face[:, :2], size_wh)


def _is_whole(box_xyxy: NDArray[np.float32], image: dict[str, Any]) -> bool:  # Any: JSON
    x1, y1, x2, y2 = box_xyxy
    return bool(max(x1, y1) <= 1 and x2 >= image["width"] - 1 and y2 >= image["height"] - 1)


def _packed(photo: Photo, *, source: str, plan: PackPlan, is_complete: bool) -> Picture:
    small, scale = _shrunk(read_image(photo.path), plan.side)
    boxes = np.clip(photo.boxes_xyxy * scale, 0, small.shape[1::-1] * 2).astype(np.float32)
    kept = boxes[(boxes[:, 2:] - boxes[:, :2]).min(axis=1) >= _LEAST_SIDE]
    mask = b""
    if plan.has_masks and len(boxes) == len(kept) == 1 and len(photo.keypoints[0]) == _JOINTS:
        keypoints = photo.keypoints[0] * np.array([scale, scale, 1], np.float32)
        found = cut_out(small, keypoints, box_xyxy=kept[0])
        mask = b"" if found is None else _encode(found.astype(np.uint8) * 255, ".png")
    data = _encode(small[..., ::-1], ".webp")
    return Picture(data, kept, source, is_complete, mask)


def _shrunk(image: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], float]:
    """Give the image with no side above that many pixels, and the factor."""
    scale = min(1.0, side / max(image.shape[:2]))
    resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return resized.astype(np.uint8, copy=False), scale


def _close_up(photo: Photo, *, source: str, plan: PackPlan) -> Iterator[Picture]:
    """Give a close-up of a person who is alone and whole, if the plan wants one."""
    if not plan.has_close_ups or len(photo.keypoints) != 1 or len(photo.keypoints[0]) != _JOINTS:
        return
    image = read_image(photo.path)
    found = upper_body(
        (image.shape[1], image.shape[0]),
        box_xyxy=photo.boxes_xyxy[0],
        keypoints=photo.keypoints[0],
        rng=np.random.default_rng(zlib.crc32(photo.path.name.encode())),
    )
    if found is not None:
        window, box = found
        small, scale = _shrunk(cut(image, window), plan.side)
        data = _encode(small[..., ::-1], ".webp")
        yield Picture(data, box[None] * np.float32(scale), f"{source}-close", is_complete=False)


def _encode(image: NDArray[np.uint8], suffix: str) -> bytes:
    options = [cv2.IMWRITE_WEBP_QUALITY, _QUALITY] if suffix == ".webp" else []
    done, data = cv2.imencode(suffix, image, options)
    assert done, "OpenCV encodes WebP and PNG"
    return bytes(data.tobytes())
