"""The job of `posedistill predict`: all that its options ask for, checked to belong together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from posedistill.cli_picture import Picture
from posedistill.draw import controlnet
from posedistill.media import MAX_PIXELS
from posedistill.poses import Poses
from posedistill.runtime.video_stages import VideoSettings
from posedistill.skeleton import Skeleton


@dataclass(frozen=True)
class Network:
    """Say which model to run and on what; fields are as `open_any_session` takes them."""

    model: str = "wholebody-t"
    spec: str | None = None
    flip_test: bool = False
    device: str = "auto"
    strict_device: bool = False
    threads: int | None = None


@dataclass(frozen=True)
class People:
    """Say where the persons are: by one of a detector, a boxes file and masks.

    detector: name, file, ``none`` for the whole image or None for the one that comes with the
    package. det_score: least score of a detector's boxes, its own when None.
    det_normalise: as `Detector` takes it. boxes_file: JSON
    object from image file name to a list of x1, y1, x2, y2. mask: image file, or folder of files
    named as the photos.
    """

    detector: str | None = None
    det_score: float | None = None
    det_normalise: bool = False
    boxes_file: Path | None = None
    mask: Path | None = None

    def __post_init__(self) -> None:
        by_other = self.detector == "none" or self.boxes_file is not None or self.mask is not None
        if self.det_score is not None and by_other:
            raise ValueError("--det-score is for a detector; none is asked for")
        if self.det_score is not None and not 0 <= self.det_score < 1:
            raise ValueError(f"--det-score is {self.det_score}; expected 0 or more and below 1")


@dataclass(frozen=True)
class PredictJob:
    """Say what to predict.

    inputs: image and video files, folders of them, ``webcam:0``, urls of streams. out: folder for
    the results. formats: names of `posedistill.formats.table.FORMATS`. max_pixels: of an image;
    larger ones are refused. video, offline, audio: of videos; offline smooths by what
    comes later, too. Raises ValueError for options that do not belong together.
    """

    inputs: Sequence[str]
    out: Path
    network: Network = field(default_factory=Network)
    people: People = field(default_factory=People)
    picture: Picture = field(default_factory=Picture)
    formats: Sequence[str] = ("coco",)
    max_pixels: int = MAX_PIXELS
    video: VideoSettings = field(default_factory=VideoSettings)
    offline: bool = False
    audio: bool = True

    def check_skeleton(self, skeleton: Skeleton) -> None:
        """Raise ValueError when poses of a skeleton cannot be drawn or written as asked."""
        if self.picture.kind == "controlnet":
            controlnet(Poses.empty(skeleton), (1, 1))
        has_body = bool(set(skeleton.joints) & set(Skeleton.get("openpose25").joints))
        if "openpose" in self.formats and not has_body:
            raise ValueError(
                f"--openpose is for models of bodies; {self.network.model} gives {skeleton.name}"
            )
