"""A small UBody as it is published: videos whose frames show their number, and annotations."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

CELL, COLUMNS, ROWS = 16, 10, 6
SIZE_WH = (CELL * COLUMNS, CELL * ROWS)
NUM_FRAMES = COLUMNS * ROWS
PARTS = {
    "keypoints": 17,
    "foot_kpts": 6,
    "face_kpts": 68,
    "lefthand_kpts": 21,
    "righthand_kpts": 21,
}


def picture(index: int) -> NDArray[np.uint8]:
    """Give a dark picture (H, W, 3) with a bright square whose place says the index."""
    image = np.full((SIZE_WH[1], SIZE_WH[0], 3), 40, np.uint8)
    row, column = divmod(index % NUM_FRAMES, COLUMNS)
    image[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = (240, 230, 210)
    return image


def shown_index(image: NDArray[np.uint8]) -> int:
    """Tell the index from a picture."""
    cells = image.mean(axis=2).reshape(ROWS, CELL, COLUMNS, CELL).mean(axis=(1, 3))
    assert np.sort(cells.ravel())[-2] < 100 < cells.max(), "no single bright square"
    return int(cells.argmax())


def write_video(
    path: Path,
    *,
    rate: int | Fraction = 30,
    indices: Iterable[int] = range(NUM_FRAMES),
    **options: str,
) -> None:
    """Write a video of pictures; options: of the container, such as movflags."""
    path.parent.mkdir(parents=True, exist_ok=True)
    title = {"title": "A title in ASCII"}
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(title)
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height = SIZE_WH
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        for index in indices:
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def person(rng: np.random.Generator, *, image_id: int, annotation_id: int) -> dict[str, Any]:
    """Give an annotation as UBody publishes them, all 133 keypoints labelled."""
    row: dict[str, Any] = {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "num_keypoints": 17,
        "area": 5000.0,
        "bbox": [10.0, 8.0, 120.0, 80.0],
        "segmentation": [],
        "valid_label": 2,
    }
    for name, count in PARTS.items():
        points = rng.uniform((12, 10), (125, 85), (count, 2)).round(3)
        row[name] = np.column_stack([points, np.full(count, 2)]).ravel().tolist()
    for part in ("face", "lefthand", "righthand", "foot"):
        row[f"{part}_valid"] = True
        row[f"{part}_box"] = [10.0, 10.0, 20.0, 20.0]
    return row


@dataclass
class Tree:
    """Say where the parts of a published UBody are, and write them."""

    root: Path
    rows: dict[str, dict[str, list[Any]]] = field(default_factory=dict)

    @property
    def videos(self) -> Path:
        """Give the folder of the videos."""
        return self.root / "videos"

    @property
    def annotations(self) -> Path:
        """Give the folder of the annotations."""
        return self.root / "annotations"

    def annotate(self, scene: str, folder: str, *, numbers: Iterable[int], first_id: int) -> None:
        """Add an image with a person for each frame number; ids follow each other."""
        rows = self.rows.setdefault(scene, {"images": [], "annotations": []})
        rng = np.random.default_rng(first_id)
        for image_id, number in enumerate(numbers, first_id):
            w, h = SIZE_WH
            name = f"{folder}/{number:06d}.png"
            rows["images"].append({"id": image_id, "file_name": name, "width": w, "height": h})
            rows["annotations"].append(person(rng, image_id=image_id, annotation_id=image_id * 7))

    def save(self, test_videos: Sequence[str] = ()) -> None:
        """Write the annotation files, and the split list if there are test videos."""
        for scene, rows in self.rows.items():
            path = self.annotations / scene / "keypoint_annotation.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(rows), encoding="utf-8")
        if test_videos:
            splits = self.root / "splits"
            splits.mkdir(parents=True, exist_ok=True)
            np.save(splits / "intra_scene_test_list.npy", np.array(test_videos))


def write_good_tree(root: Path) -> Tree:
    """Write two scenes with nothing missing: spaces, umlauts, a Trim, a sub-folder, 25 a second.

    Image ids do not go with frame numbers, and both scenes use the same ones.
    """
    tree = Tree(root)
    write_video(tree.videos / "Magic_show" / "Küche mit Herd.mp4")
    write_video(tree.videos / "Magic_show" / "walk_Trim2.half.mp4")
    write_video(tree.videos / "TalkShow" / "sub folder" / "talk.mp4", rate=25)
    numbers = range(1, NUM_FRAMES + 1)
    tree.annotate("Magic_show", "Küche mit Herd", numbers=numbers, first_id=4)
    tree.annotate("Magic_show", "/walk_Trim2", numbers=numbers, first_id=1003)
    tree.annotate("TalkShow", "sub folder/talk", numbers=range(1, 73), first_id=4)
    tree.save(["walk", "other"])
    return tree
