"""Video stages: from the frames of one video to the poses of the people in them, over time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from posedistill.poses import Poses
from posedistill.runtime.detector import Boxes
from posedistill.runtime.smoother import Smoother
from posedistill.runtime.stages import Stage, groups
from posedistill.runtime.tracker import Tracker
from posedistill.skeleton import Skeleton
from posedistill.video import Camera, Frame

Images = Sequence[NDArray[np.uint8]]
Find = Callable[[Images], Sequence[Boxes]]
Estimate = Callable[[Images, Sequence[Boxes]], Sequence[Poses]]
Smoothing = Literal["one-euro", "none"]


@dataclass(frozen=True)
class VideoSettings:
    """Say how a video is taken.

    Attributes:
        detect_every: the detector looks at one frame of so many; between them the people are
            looked for where the `Tracker` expects them, and keep the scores of their boxes.
        one_person: follow the surest person alone; the detector, or the whole image where there
            is none, is taken only while that person is lost.
        track: give persons ids.
        smooth: ``one-euro`` smooths the keypoints of each id over time, ``none`` does not.
        min_score: of the joints that a person is followed by.
        batch: frames that are estimated together, where none needs the one before it.

    Raises ValueError for what cannot be.

    >>> VideoSettings(detect_every=5).one_person
    False
    """

    detect_every: int = 1
    one_person: bool = False
    track: bool = True
    smooth: Smoothing = "one-euro"
    min_score: float = 0.3
    batch: int = 4

    def __post_init__(self) -> None:
        for name in ("detect_every", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 1 or more")
        if self.smooth not in get_args(Smoothing):
            known = ", ".join(get_args(Smoothing))
            raise ValueError(f"smooth is {self.smooth!r}; expected one of {known}")
        if self.smooth != "none" and not self.track:
            raise ValueError("people are smoothed by their ids; without track, give smooth='none'")

    @property
    def queue_size(self) -> int:
        """Give how many frames may wait between two stages: a batch comes at once.

        >>> VideoSettings(batch=8).queue_size
        8
        """
        return max(self.batch, 2)

    def of(self, frames: Iterable[Frame]) -> "VideoSettings":
        """Give the settings for a source: of a `Camera`, no frame waits for others.

        >>> VideoSettings().of([]).batch
        4
        """
        return replace(self, batch=1) if isinstance(frames, Camera) else self


@dataclass(frozen=True, eq=False)
class FramePoses:
    """Hold a frame of a video and the poses of the people in it."""

    frame: Frame
    poses: Poses


@dataclass(frozen=True, eq=False)
class VideoStages:
    """Make the stages that take `Frame` and give `FramePoses`.

    Attributes:
        find: from images to where people are in each. has_detector: whether that is work.
        estimate: from images and boxes to poses. skeleton: of those poses.

    >>> skeleton = Skeleton.get("coco17")
    >>> stages = VideoStages(lambda images: [], True, lambda images, boxes: [], skeleton)
    >>> [stage.name for stage in stages.all(VideoSettings())]
    ['detect', 'estimate']
    """

    find: Find
    has_detector: bool
    estimate: Estimate
    skeleton: Skeleton

    def all(self, settings: VideoSettings) -> list[Stage]:
        """Give the stages of one video; each video needs its own.

        Raises ValueError for settings that need a detector where there is none.
        """
        video = _OneVideo(self, settings)
        if settings.detect_every > 1 and not self.has_detector:
            raise ValueError(
                f"detect_every is {settings.detect_every}, but there is no detector; "
                "one_person=True follows a person without"
            )
        if settings.one_person:
            return [Stage("estimate", video.follow_one)]
        if settings.detect_every > 1:
            return [Stage("detect", video.look_now_and_then), Stage("estimate", video.follow_all)]
        if self.has_detector:
            return [Stage("detect", video.look), Stage("estimate", video.estimate_groups)]
        return [Stage("estimate", lambda frames: video.estimate_groups(video.look(frames)))]


class _OneVideo:
    """Hold what is known of the people of one video from frame to frame."""

    def __init__(self, work: VideoStages, settings: VideoSettings) -> None:
        self._work, self._settings = work, settings
        self._tracker = Tracker(min_score=settings.min_score)
        self._smoother = Smoother(work.skeleton) if settings.smooth == "one-euro" else None
        self._score_by_id: dict[int, float] = {}  # of the last box that was found

    def look(self, frames: Iterator[Frame]) -> Iterator[tuple[Frame, Boxes]]:
        """Look for people in all frames, several together."""
        for group in groups(frames, self._settings.batch):
            found = self._work.find([frame.image_rgb for frame in group])
            yield from zip(group, found, strict=True)

    def look_now_and_then(self, frames: Iterator[Frame]) -> Iterator[tuple[Frame, Boxes | None]]:
        """Look for people in one frame of so many; give None for the others."""
        for count, frame in enumerate(frames):
            is_due = count % self._settings.detect_every == 0
            yield frame, self._work.find([frame.image_rgb])[0] if is_due else None

    def estimate_groups(self, looked: Iterator[tuple[Frame, Boxes]]) -> Iterator[FramePoses]:
        """Estimate several frames together."""
        for group in groups(looked, self._settings.batch):
            images, boxes = [frame.image_rgb for frame, _ in group], [found for _, found in group]
            for (frame, _), poses in zip(group, self._work.estimate(images, boxes), strict=True):
                yield self._finish(frame, self._tracker(poses, frame.time_s))

    def follow_all(self, looked: Iterator[tuple[Frame, Boxes | None]]) -> Iterator[FramePoses]:
        """Estimate each frame where people were found or, between, where they should be."""
        for frame, found in looked:
            yield self._estimate_next(frame, found)

    def follow_one(self, frames: Iterator[Frame]) -> Iterator[FramePoses]:
        """Estimate one person where they should be, else found anew."""
        for frame in frames:
            is_lost = not len(self._tracker.predict_boxes())
            found = _surest(self._work.find([frame.image_rgb])[0]) if is_lost else None
            yield self._estimate_next(frame, found)

    def _estimate_next(self, frame: Frame, found: Boxes | None) -> FramePoses:
        """Estimate a frame that needs the one before; None follows the people of that one."""
        boxes = self._expected(frame) if found is None else found
        (poses,) = self._work.estimate([frame.image_rgb], [boxes])
        poses = self._tracker(poses, frame.time_s)
        ids = [] if poses.ids is None else poses.ids.tolist()
        if found is None:
            scores = [self._score_by_id.get(person, 1.0) for person in ids]
            poses = replace(poses, box_scores=np.array(scores, np.float32))
        else:
            self._score_by_id = dict(zip(ids, poses.box_scores.tolist(), strict=True))
        return self._finish(frame, poses)

    def _expected(self, frame: Frame) -> Boxes:
        """Give where people should be, as far as it is in the picture."""
        h, w = frame.image_rgb.shape[:2]
        boxes = np.clip(self._tracker.predict_boxes(), 0, (w, h, w, h)).astype(np.float32)
        boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
        return Boxes(boxes, np.ones(len(boxes), np.float32))

    def _finish(self, frame: Frame, poses: Poses) -> FramePoses:
        if self._smoother is not None:
            poses = self._smoother(poses, frame.time_s)
        return FramePoses(frame, poses if self._settings.track else replace(poses, ids=None))


def _surest(boxes: Boxes) -> Boxes:
    return Boxes(boxes.boxes_xyxy[:1], boxes.scores[:1])  # they come in that order
