"""Pipeline: images and videos in, the poses of all people in them out."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.media import check_image, read_image
from posedistill.poses import Poses
from posedistill.runtime.detector import Boxes, Detector, embedded_detectors
from posedistill.runtime.estimator import Estimator
from posedistill.runtime.session import Model, open_session
from posedistill.runtime.stages import Stage, Stages, groups
from posedistill.runtime.video_stages import FramePoses, VideoSettings, VideoStages
from posedistill.skeleton import Skeleton
from posedistill.video import Frame, open_video

Image = NDArray[np.uint8] | str | os.PathLike[str]
_DEFAULTS = VideoSettings()


class Pipeline:
    """Find the people in images and videos, and estimate their poses.

    model: whatever `posedistill.runtime.session.open_session` opens. detector: a file or the
    name of one as `Detector` takes it, a `Detector`, ``none`` to take the whole image as one
    person, or ``auto`` for the one that comes with the package. device, strict_device, threads: as
    `open_session` takes them, for both networks. flip_test: as `Estimator` takes it.
    Networks are loaded when they are first used, and freed by `close` or at the end of a ``with``
    block; a session or `Detector` that was given is left open.

    >>> with Pipeline("wholebody-t", detector="none") as pipeline:
    ...     poses = pipeline(np.zeros((256, 192, 3), np.uint8))
    >>> poses.keypoints.shape
    (1, 133, 2)
    """

    def __init__(
        self,
        model: Model = "wholebody-t",
        *,
        detector: Detector | str | os.PathLike[str] = "auto",
        device: str = "auto",
        strict_device: bool = False,
        threads: int | None = None,
        flip_test: bool = False,
    ) -> None:
        runs_on = _RunsOn(device, strict_device, threads)
        self._open_estimator = partial(_open_estimator, model, runs_on, flip_test=flip_test)
        self._open_detector = _detector_opener(detector, runs_on)
        self._owns_estimator = isinstance(model, str | os.PathLike)
        self._owns_detector = not isinstance(detector, Detector)
        self._estimator: Estimator | None = None
        self._detector: Detector | None = None
        self._is_closed = False

    @property
    def estimator(self) -> Estimator:
        """Give what estimates poses in boxes; its network is loaded at the first use."""
        self._check_open()
        if self._estimator is None:
            self._estimator = self._open_estimator()
        return self._estimator

    @property
    def detector(self) -> Detector | None:
        """Give what finds people, None where nothing does; its network is loaded at first use."""
        self._check_open()
        if self._detector is None and self._open_detector is not None:
            self._detector = self._open_detector()
        return self._detector

    @property
    def skeleton(self) -> Skeleton:
        """Give what the joints of all poses are."""
        return self.estimator.skeleton

    def __call__(self, image: Image) -> Poses:
        """Give the poses of the people in one image: (H, W, 3) uint8 RGB, or an image file.

        Raises ValueError for another shape or type, and what `posedistill.media.read_image` does.
        """
        return self._find_and_estimate([_read(image)])[0]

    def find(self, images_rgb: Sequence[NDArray[np.uint8]]) -> list[Boxes]:
        """Give where the people of each image are: what the detector says, or the whole image.

        images_rgb: (H, W, 3) uint8 each, of any sizes.

        >>> with Pipeline(detector="none") as pipeline:
        ...     pipeline.find([np.zeros((256, 192, 3), np.uint8)])[0].boxes_xyxy.tolist()
        [[0.0, 0.0, 192.0, 256.0]]
        """
        if self.detector is None:
            return [_whole(image) for image in images_rgb]
        return self.detector(images_rgb)

    def images(self, images: Iterable[Image], *, batch: int = 8) -> Iterator[Poses]:
        """Give the poses of each image, in order; several are estimated together.

        images: as for a call; they are iterated and read in a thread of their own, some ahead.
        batch: how many images are taken together. Errors are those of a call; poses of images
        before the one at fault may come first.

        >>> with Pipeline(detector="none") as pipeline:
        ...     [len(poses) for poses in pipeline.images([np.zeros((64, 48, 3), np.uint8)] * 3)]
        [1, 1, 1]
        """
        if batch < 1:
            raise ValueError(f"batch is {batch}; expected 1 or more")
        self._load()
        work = partial(self._in_groups, batch)
        with Stages(map(_read, images), [Stage("estimate", work)], queue_size=batch) as run:
            yield from run

    def video(
        self,
        source: Iterable[Frame] | int | str | os.PathLike[str],
        *,
        settings: VideoSettings = _DEFAULTS,
    ) -> Iterator[FramePoses]:
        """Give each frame of a video with the poses of the people in it, in order.

        source: a video file, the number of a webcam, the url of a stream, or frames that are open
        already, which are left open. Reading, detection and estimation overlap in threads; leaving
        the loop early stops them. Raises what `posedistill.video.open_video` does, and ValueError
        for settings that need a detector where there is none.

        >>> frames = [Frame(n, n / 25, np.zeros((256, 192, 3), np.uint8)) for n in range(3)]
        >>> with Pipeline(detector="none") as pipeline:
        ...     [len(done.poses) for done in pipeline.video(frames)]
        [1, 1, 1]
        """
        if isinstance(source, int | str | os.PathLike):
            with open_video(source) as frames:
                yield from self.video(frames, settings=settings)
            return
        settings = settings.of(source)
        stages, size = self.video_stages(settings), settings.queue_size
        with Stages(source, stages, source_name="decode", queue_size=size) as run:
            yield from run

    def video_stages(self, settings: VideoSettings) -> list[Stage]:
        """Give the stages from `Frame` to `FramePoses` of one video, with both networks loaded.

        For who joins more stages to them, as for drawing. Raises ValueError as `video` does.

        >>> with Pipeline(detector="none") as pipeline:
        ...     [stage.name for stage in pipeline.video_stages(VideoSettings())]
        ['estimate']
        """
        estimator, detector = self._load()
        work = VideoStages(self.find, detector is not None, self._estimate, estimator.skeleton)
        return work.all(settings)

    def close(self) -> None:
        """Free the memory of both networks; later calls raise ValueError."""
        if self._owns_estimator and self._estimator is not None:
            self._estimator.close()
        if self._owns_detector and self._detector is not None:
            self._detector.close()
        self._estimator = self._detector = None
        self._is_closed = True

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._is_closed:
            raise ValueError("this Pipeline is closed; make a new one")

    def _load(self) -> tuple[Estimator, Detector | None]:
        """Load both networks in the caller's thread, where errors are told at once."""
        return self.estimator, self.detector

    def _estimate(
        self, images_rgb: Sequence[NDArray[np.uint8]], found: Sequence[Boxes]
    ) -> list[Poses]:
        boxes, scores = [people.boxes_xyxy for people in found], [people.scores for people in found]
        return self.estimator.many(images_rgb, boxes, scores)

    def _find_and_estimate(self, images_rgb: Sequence[NDArray[np.uint8]]) -> list[Poses]:
        return self._estimate(images_rgb, self.find(images_rgb))

    def _in_groups(self, batch: int, images_rgb: Iterator[NDArray[np.uint8]]) -> Iterator[Poses]:
        for group in groups(images_rgb, batch):
            yield from self._find_and_estimate(group)


class _RunsOn(NamedTuple):
    """Hold what `open_session` and `Detector` take alike."""

    device: str
    strict_device: bool
    threads: int | None


def _open_estimator(model: Model, runs_on: _RunsOn, *, flip_test: bool) -> Estimator:
    device, strict_device, threads = runs_on
    session = open_session(model, device=device, strict_device=strict_device, threads=threads)
    return Estimator(session, flip_test=flip_test)


def _detector_opener(
    detector: Detector | str | os.PathLike[str], runs_on: _RunsOn
) -> Callable[[], Detector] | None:
    if isinstance(detector, Detector):
        return lambda: detector
    if detector == "none":
        return None
    file = embedded_detectors()[0] if detector == "auto" else detector
    device, strict_device, threads = runs_on
    return lambda: Detector(file, device=device, strict_device=strict_device, threads=threads)


def _read(image: Image) -> NDArray[np.uint8]:
    if isinstance(image, str | os.PathLike):
        return read_image(image)
    check_image(image)
    return image


def _whole(image_rgb: NDArray[np.uint8]) -> Boxes:
    h, w = image_rgb.shape[:2]
    return Boxes(np.array([[0, 0, w, h]], np.float32), np.ones(1, np.float32))
