"""Data of a recipe: which people train and which validate; joint sources are in `sources`."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from posedistill.datasets.coco import read_coco
from posedistill.datasets.drawn import DrawnPeople
from posedistill.datasets.halpe import read_halpe
from posedistill.datasets.instance import PoseDataset
from posedistill.datasets.joint import JointDataset, Source
from posedistill.datasets.mpii import image_names, is_release, read_mpii
from posedistill.datasets.unlabelled import (
    BoxesByName,
    UnlabelledPeople,
    boxes_from_file,
    extract_frames,
    find_boxes,
    list_photos,
    whole_images,
)
from posedistill.datasets.wholebody import read_wholebody
from posedistill.runtime.detector import Detector

_CACHE = ".posedistill"
_THREE_WAYS = (
    "Say where the people are: --set data.detector=NAME_OR_FILE.onnx finds them, "
    "--set data.boxes=FILE.json reads them, --set data.whole_image=true takes each image as one"
)


class ValidationFiles(NamedTuple):
    """Name the annotation file and image folder to evaluate on."""

    annotations: Path
    images_dir: Path


def files_if_both(val: str, val_images: str) -> ValidationFiles | None:
    """Give the files to evaluate on, or None where neither is named.

    Raises ValueError where one of the two is missing.

    >>> files_if_both("", "") is None
    True
    """
    if not val and not val_images:
        return None
    if not val or not val_images:
        raise ValueError(
            f"data.val is {val!r} and data.val_images {val_images!r}; "
            "set both to evaluate, none to do without"
        )
    return ValidationFiles(Path(val), Path(val_images))


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
class CocoUBodyData(WholeBodyData):
    """Name COCO-WholeBody and UBody files, to train on both (DWPose trains so).

    Attributes:
        ubody: folder that `posedistill data ubody` made; ubody_train: annotations in it.
        ubody_ratio: how much of UBody an epoch shows; 1 is all of it once, as published.
    """

    ubody: str = "data/ubody"
    ubody_train: str = "annotations/train.json"
    ubody_ratio: float = 1.0

    def training(self) -> PoseDataset:
        """Read the people of both to train on."""
        ubody = Path(self.ubody)
        people = read_wholebody(ubody / self.ubody_train, ubody / "images")
        return JointDataset(
            [
                Source(super().training(), name="coco"),
                Source(people, ratio=self.ubody_ratio, name="ubody"),
            ]
        )


@dataclass(frozen=True)
class CocoData(WholeBodyData):
    """Name COCO files with 17 body keypoints; attributes as of `WholeBodyData`."""

    train: str = "annotations/person_keypoints_train2017.json"
    val: str = "annotations/person_keypoints_val2017.json"

    def training(self) -> PoseDataset:
        """Read the people to train on."""
        root = Path(self.root)
        return read_coco(root / self.train, root / self.train_images)


@dataclass(frozen=True)
class MpiiData:
    """Name MPII files, 16 keypoints a person.

    Attributes:
        root: folder that the other paths are relative to.
        train: a list in JSON, or the release (``annot/mpii_human_pose_v1_u12_1.mat``), of which
            the training images that `val` does not have are taken.
        val: a list in JSON. What PCKh needs besides, ``gt_valid.mat`` or the release, lies in the
            same folder, see `posedistill.evaluate.mpii.people_to_score`.
        images: folder of all images.
    """

    root: str = "data/mpii"
    train: str = "annot/train.json"
    val: str = "annot/valid.json"
    images: str = "images"

    def training(self) -> PoseDataset:
        """Read the people to train on."""
        root = Path(self.root)
        train = root / self.train
        without = image_names(root / self.val) if is_release(train) else ()
        return read_mpii(train, root / self.images, without=without)

    def validation(self, run_dir: Path) -> ValidationFiles:
        """Name the people to evaluate on."""
        return ValidationFiles(Path(self.root) / self.val, Path(self.root) / self.images)


@dataclass(frozen=True)
class HalpeData:
    """Name Halpe-FullBody files.

    Attributes:
        root: folder that `train` and `train_images` are relative to.
        skeleton: ``wholebody133``, or ``halpe136``, which nothing here scores.
        val, val_images: annotation file and image folder to evaluate on, COCO-WholeBody's; without
            them, nothing is evaluated.
    """

    root: str = "data/halpe"
    train: str = "annotations/halpe_train_v1.json"
    train_images: str = "images/train2015"
    skeleton: str = "wholebody133"
    val: str = ""
    val_images: str = ""

    def training(self) -> PoseDataset:
        """Read the people to train on."""
        root = Path(self.root)
        return read_halpe(root / self.train, root / self.train_images, skeleton=self.skeleton)

    def validation(self, run_dir: Path) -> ValidationFiles | None:
        """Name the people to evaluate on, or give None where there are none.

        Raises ValueError where one of the two paths is missing.
        """
        return files_if_both(self.val, self.val_images)


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


@dataclass(frozen=True)
class SynthData:
    """Render people with exact keypoints as they are wanted; needs the extra ``synth``.

    Rendering takes far longer than reading a file: `posedistill data synth` writes them once.

    Attributes:
        count: images, each with one person to learn from. seed, size: as `SynthPeople` takes them.
        backgrounds: folder of photos without people; without it they are made.
        val, val_images: annotation file and image folder to evaluate on; without them, nothing
            is evaluated.
    """

    count: int = 20000
    seed: int = 0
    size: int = 256
    backgrounds: str = ""
    val: str = ""
    val_images: str = ""

    def training(self) -> PoseDataset:
        """Give the people to train on.

        Raises ValueError and FileNotFoundError as `SynthPeople` does.
        """
        from posedistill.synth.dataset import SynthPeople

        backgrounds = Path(self.backgrounds) if self.backgrounds else None
        return SynthPeople(self.count, seed=self.seed, size=self.size, backgrounds=backgrounds)

    def validation(self, run_dir: Path) -> ValidationFiles | None:
        """Name the people to evaluate on, or give None where there are none.

        Raises ValueError where one of the two paths is missing.
        """
        return files_if_both(self.val, self.val_images)


@dataclass(frozen=True)
class UnlabelledData:
    """Name photos or a video to learn from without labels, by a teacher alone.

    Attributes:
        source: folder of photos, those in folders within it included, or a video file.
        boxes, whole_image, detector: where the people are: in a boxes file (a JSON object from
            image file name to a list of x1, y1, x2, y2); each image is one; or as a detector finds
            them, an `.onnx` file or the name of a published one. The first that is set counts.
        normalise: for the detector, as `posedistill.runtime.detector.Detector` takes it.
        every: of a video, take one of so many frames.
        cache: folder for frames and found boxes, which are made once; of this source alone. By
            default `.posedistill/` and the name of the source, beside the source.
        skeleton: that the teacher and the student share.
        val, val_images: annotation file and image folder to evaluate on; without them, nothing
            is evaluated.
    """

    source: str = ""
    boxes: str = ""
    whole_image: bool = False
    detector: str = ""
    normalise: bool = False
    every: int = 10
    cache: str = ""
    skeleton: str = "wholebody133"
    val: str = ""
    val_images: str = ""

    def training(self) -> PoseDataset:
        """Find the people to train on, or take them from the cache.

        Raises ValueError and FileNotFoundError for settings that are missing or wrong, and what
        `posedistill.weights.fetch` does for a published detector.
        """
        if not self.source:
            raise ValueError("no photos to learn from: --set data.source=FOLDER_OR_VIDEO")
        if not (self.boxes or self.whole_image or self.detector):
            raise ValueError(_THREE_WAYS)
        source = Path(self.source).resolve()
        if not source.exists():
            raise FileNotFoundError(f"no such folder or video: {self.source}")
        cache = Path(self.cache) if self.cache else source.parent / _CACHE / source.name
        photos = list_photos(source if source.is_dir() else self._frames(source, cache))
        return UnlabelledPeople(photos, self._find(photos, cache), skeleton=self.skeleton)

    def validation(self, run_dir: Path) -> ValidationFiles | None:
        """Name the people to evaluate on, or give None where there are none.

        Raises ValueError where one of the two paths is missing.
        """
        return files_if_both(self.val, self.val_images)

    def _frames(self, video: Path, cache: Path) -> Path:
        folder = cache / f"every{self.every}-{_fingerprint(video)}"
        extract_frames(video, folder, every=self.every)
        return folder

    def _find(self, photos: Mapping[str, Path], cache: Path) -> BoxesByName:
        if self.boxes:
            return boxes_from_file(Path(self.boxes), photos)
        if self.whole_image:
            return find_boxes(photos, whole_images, cache=cache / "boxes-whole.json")
        detector = _open_detector(self.detector, normalise=self.normalise)
        words = ["boxes", detector.path.stem, _fingerprint(detector.path)]
        words += ["normalised"] if self.normalise else []
        return find_boxes(
            photos,
            lambda images: [boxes.boxes_xyxy for boxes in detector(images)],
            cache=cache / f"{'-'.join(words)}.json",
        )


def _open_detector(name: str, *, normalise: bool) -> Detector:
    try:
        return Detector(name, normalise=normalise)
    except (ConnectionError, FileNotFoundError) as error:
        raise type(error)(f"{error}\nOr do without this detector. {_THREE_WAYS}") from error


def _fingerprint(path: Path) -> str:
    """Give 8 digits that tell a file from another or later one of its name."""
    state = path.stat()
    return f"{zlib.crc32(f'{path.name} {state.st_size} {state.st_mtime_ns}'.encode()):08x}"
