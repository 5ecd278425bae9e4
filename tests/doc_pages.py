"""The pages of documentation as tests see them, and a folder with what their commands work on."""

import json
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from posedistill import __version__
from posedistill.datasets.drawn import DrawnPeople
from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.table import FORMATS
from posedistill.media import read_image
from posedistill.poses import Poses
from posedistill.skeleton import Skeleton

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SHELL = ("", "bash", "sh")
_DEMO = ROOT / "src" / "posedistill" / "assets" / "demo"


class Block(NamedTuple):
    """Hold a block of code, and what the page says that it prints; None where it does not."""

    code: str
    printed: str | None


def python_blocks(page: Path) -> list[Block]:
    """Give the blocks of Python of a page; a block of text right after one is what it prints."""
    text = page.read_text(encoding="utf-8")
    found = _BLOCK.findall(text)
    return [
        Block(code, after if kind_after == "text" else None)
        for (kind, code), (kind_after, after) in zip(found, [*found, ("", "")][1:], strict=True)
        if kind == "python"
    ]


def commands(page: Path) -> list[str]:
    """Give the commands of a page that start with posedistill, also those within torchrun's."""
    lines = []
    for language, block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if language in _SHELL:
            lines += block.replace("\\\n", " ").splitlines()
    plain = [
        re.sub(r"^(\w+=\S+ )*torchrun .* -m posedistill", "posedistill", line) for line in lines
    ]
    return [line.partition("  #")[0].rstrip() for line in plain if line.startswith("posedistill ")]


def lay_out(folder: Path) -> None:
    """Put into a folder what the pages speak of, small: photos, a video, files of poses."""
    shutil.copy(_DEMO / "astronaut.jpg", folder / "photo.jpg")
    for name in ("holiday", "openpose", "poses"):
        (folder / name).mkdir()
    for name in ("camera.jpg", "grace_hopper.jpg"):
        shutil.copy(_DEMO / name, folder / "holiday" / name)
    boxes = json.loads((_DEMO / "boxes.json").read_text(encoding="utf-8"))
    boxes["photo.jpg"] = boxes.pop("astronaut.jpg")
    (folder / "boxes.json").write_text(json.dumps(boxes), encoding="utf-8")
    _write_poses(folder)
    _write_results(folder)


def write_video(path: Path, count: int = 6) -> None:
    """Write the bundled photo as a short video."""
    from posedistill.video import Frame, VideoWriter

    image = cv2.resize(read_image(_DEMO / "astronaut.jpg"), (256, 256))
    with VideoWriter(path, size_wh=(256, 256), fps=25) as writer:
        for index in range(count):
            writer.write(Frame(index, index / 25, np.asarray(image, np.uint8)))


def _two_people(skeleton: Skeleton) -> Poses:
    k = len(skeleton)
    return Poses(
        keypoints=np.full((2, k, 2), 50, np.float32),
        scores=np.full((2, k), 0.9, np.float32),
        boxes_xyxy=np.array([[0, 0, 90, 90]] * 2, np.float32),
        box_scores=np.ones(2, np.float32),
        skeleton=skeleton,
    )


def _write_poses(folder: Path) -> None:
    skeleton = Skeleton.get("coco17")
    images = [
        ImagePoses(1, _two_people(skeleton), "a.jpg"),
        ImagePoses(2, Poses.empty(skeleton), "b/c.jpg"),
    ]
    for index, image in enumerate(images):
        for form in ("jsonl", "parquet"):
            path = folder / "poses" / f"part-{index}.{form}"
            FORMATS[form].write(path, [image], skeleton=skeleton, version=__version__)
    whole = Skeleton.get("wholebody133")
    file = [ImagePoses(1, _two_people(whole), "photo.jpg", (512, 512))]
    for form, name in (("coco", "poses.json"), ("jsonl", "poses.jsonl"), ("mmpose", "mmpose.json")):
        FORMATS[form].write(folder / name, file, skeleton=whole, version=__version__)


def _write_results(folder: Path) -> None:
    """Write what other tools leave: MMPose's results, in five parts, and a file of OpenPose."""
    DrawnPeople(1, seed=1, size=128).write(folder / "val")
    person = json.loads((folder / "val" / "annotations.json").read_text())["annotations"][0]
    (folder / "theirs.keypoints.json").write_text(json.dumps([person | {"score": 1.0}]))
    points = [50.0, 60.0, 0.9] * 25
    record = {"version": 1.3, "people": [{"pose_keypoints_2d": points}]}
    (folder / "openpose" / "000000000139_keypoints.json").write_text(json.dumps(record))
