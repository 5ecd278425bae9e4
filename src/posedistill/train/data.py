"""Data of a recipe: which people train and which validate."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from posedistill.datasets.drawn import DrawnPeople
from posedistill.datasets.instance import PoseDataset
from posedistill.datasets.wholebody import read_wholebody


class ValidationFiles(NamedTuple):
    """Name the annotation file and image folder to evaluate on."""

    annotations: Path
    images_dir: Path


@dataclass(frozen=True)
class WholeBodyData:
    """Name COCO-WholeBody files.

    Attributes:
        root: folder that the other paths are relative to.
        train, val: annotation files. train_images, val_images: image folders.
    """

    root: str = "data/coco"
    train: str = "annotations/coco_wholebody_train_v1.0.json"
    train_images: str = "train2017"
    val: str = "annotations/coco_wholebody_val_v1.0.json"
    val_images: str = "val2017"

    def training(self) -> PoseDataset:
        """Read the people to train on."""
        root = Path(self.root)
        return read_wholebody(root / self.train, root / self.train_images)

    def validation(self, run_dir: Path) -> ValidationFiles:
        """Name the people to evaluate on."""
        return ValidationFiles(Path(self.root) / self.val, Path(self.root) / self.val_images)


@dataclass(frozen=True)
class DrawnData:
    """Draw people with exact keypoints instead of reading them."""

    train_count: int = 2000
    val_count: int = 200
    seed: int = 0

    def training(self) -> PoseDataset:
        """Give the people to train on."""
        return DrawnPeople(self.train_count, seed=self.seed)

    def validation(self, run_dir: Path) -> ValidationFiles:
        """Write the people to evaluate on below the run folder, once, and name them."""
        folder = run_dir / "drawn-val"
        people = DrawnPeople(self.val_count, seed=self.seed + 1)
        annotations, images_dir = people.write(folder)
        return ValidationFiles(annotations, images_dir)
