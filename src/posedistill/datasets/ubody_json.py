"""COCO-WholeBody files of UBody: two for each scene, train and test, and two of all scenes."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, NamedTuple
from uuid import uuid4

from posedistill.datasets.ubody_frames import SizeWH, frame_name
from posedistill.datasets.ubody_report import SceneCounts
from posedistill.datasets.ubody_scene import Frame, Row, Scene, is_test_video
from posedistill.json_file import read_json
from posedistill.media import write_whole
from posedistill.skeleton import Skeleton

PARTS = ("train", "test")


def write_scene(
    scene: Scene,
    sizes_wh: Mapping[Frame, SizeWH],
    *,
    folder: Path,
    test_videos: Iterable[str],
) -> SceneCounts:
    """Write train.json and test.json of a scene: the images whose frames exist and their people.

    sizes_wh: of the frames that exist, pixels; written in place of the published sizes. Ids stay
    as published. Raises OSError when a file cannot be written.

    >>> import tempfile
    >>> scene = Scene("Movie", {}, {}, [], frozenset(), ())
    >>> write_scene(scene, {}, folder=Path(tempfile.mkdtemp()), test_videos=()).frames
    0
    """
    folder.mkdir(parents=True, exist_ok=True)
    listed = frozenset(test_videos)
    folders = {frame.folder for frame in scene.frames.values()}
    tested = {name for name in folders if is_test_video(name, listed)}
    counts = []
    for part in PARTS:
        chosen = {
            key: frame
            for key, frame in scene.frames.items()
            if frame in sizes_wh and (frame.folder in tested) == (part == "test")
        }
        images = [
            _image(scene.images[key], frame, scene=scene.name, size_wh=sizes_wh[frame])
            for key, frame in chosen.items()
        ]
        people = [row for row in scene.annotations if row["image_id"] in chosen]
        content = {"images": images, "annotations": people, "categories": [_category()]}
        write_whole(folder / f"{part}.json", json.dumps(content).encode())
        counts += [len(images), len(people)]
    wanted = set(scene.frames.values())
    return SceneCounts(
        scene.name, len(folders), len(wanted), len(wanted & sizes_wh.keys()), *counts
    )


def _image(row: Row, frame: Frame, *, scene: str, size_wh: SizeWH) -> Row:
    w, h = size_wh
    path = f"{scene}/{frame.folder}/{frame_name(frame.number)}"
    return row | {"file_name": path, "width": w, "height": h}


def _category() -> Row:
    """Give the COCO category of a person, whose links count joints from 1."""
    table = Skeleton.get("coco17")
    return {
        "supercategory": "person",
        "id": 1,
        "name": "person",
        "keypoints": list(table.joints),
        "skeleton": [[int(a) + 1, int(b) + 1] for a, b in table.links],
    }


def write_joint(folder: Path, scenes: Iterable[str]) -> None:
    """Write train.json and test.json of all scenes from those of each.

    folder: where the files go, and where each scene has a folder with its own. Ids are counted anew
    from 1 over both files; `scene`, `original_id` and `original_image_id` say what they were.
    Only one scene is held in memory. Raises OSError when a file cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_joint(folder, [])
    >>> sorted(json.loads((folder / "train.json").read_text()))
    ['annotations', 'categories', 'images']
    """
    scenes = list(scenes)
    numbers = _Numbers(count(1), count(1))
    for part in PARTS:
        with _whole(folder / f"{part}.json") as file:
            _join({scene: folder / scene / f"{part}.json" for scene in scenes}, file, ids=numbers)


class _Numbers(NamedTuple):
    """Give the ids that are not used yet."""

    images: Iterator[int]
    people: Iterator[int]


def _join(files_by_scene: Mapping[str, Path], joint: IO[str], *, ids: _Numbers) -> None:
    images: list[Row] = []
    separator = ""
    joint.write('{"annotations": [')
    for scene, path in files_by_scene.items():
        content = read_json(path, kind="annotation file of a scene")
        image_ids = {row["id"]: next(ids.images) for row in content["images"]}
        for row in content["images"]:
            key = row["id"]
            images.append(row | {"id": image_ids[key], "scene": scene, "original_id": key})
        for row in content["annotations"]:
            image_id = row["image_id"]
            renumbered = {"id": next(ids.people), "image_id": image_ids[image_id], "scene": scene}
            original = {"original_id": row["id"], "original_image_id": image_id}
            joint.write(f"{separator}{json.dumps(row | renumbered | original)}")
            separator = ", "
    tail = {"images": images, "categories": [_category()]}
    joint.write(f"], {json.dumps(tail)[1:]}")


@contextmanager
def _whole(path: Path) -> Iterator[IO[str]]:
    """Open a file for writing that appears whole or not at all."""
    partial = path.with_name(f".{uuid4().hex}.part")
    try:
        with partial.open("w", encoding="utf-8") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
