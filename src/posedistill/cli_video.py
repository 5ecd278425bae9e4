"""The videos of `posedistill predict`: a drawn video and the poses of its frames out.

Decoding, estimation, drawing and encoding overlap in threads. Ctrl-C and errors leave a video
that plays, and results that are complete, up to the frame they came at. Offline smoothing needs
all poses before the first frame is drawn, so it reads the video twice.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from posedistill import __version__
from posedistill.cli_picture import Picture
from posedistill.cli_predict_job import PredictJob
from posedistill.cli_predict_plan import Video, results_file
from posedistill.cli_report import report, shown, table
from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.table import FORMATS
from posedistill.runtime.pipeline import Pipeline
from posedistill.runtime.smoother import smooth_track_offline
from posedistill.runtime.stages import Stage, Stages, Timing, each
from posedistill.runtime.video_stages import FramePoses
from posedistill.video import Camera, Frame, VideoReader, VideoWriter, open_video

_ERRORS = (ValueError, FileNotFoundError, PermissionError)  # of a video, not of the whole job


@dataclass(frozen=True, eq=False)
class VideoDone:
    """Hold what became of a video.

    Attributes:
        video: which one. images: poses by frame. seconds: that it took.
        timings: of the stages. stopped: why it ended early, None where it did not.
        is_interrupted: whether Ctrl-C ended it.
    """

    video: Video
    images: list[ImagePoses]
    seconds: float
    timings: Sequence[Timing]
    stopped: str | None = None
    is_interrupted: bool = False


def predict_video(video: Video, job: PredictJob, *, pipeline: Pipeline) -> VideoDone:
    """Predict a video; write it drawn and its poses, up to where it ends or is stopped.

    Raises what `open_video` does, ValueError where no frame can be done or a live source is to be
    smoothed offline, and OSError where results cannot be written.
    """
    with open_video(video.source) as frames:
        if job.offline and not isinstance(frames, VideoReader):
            raise ValueError("--smooth offline needs a video file, which it reads twice")
        work = _Work(video, job, frames=frames)
        done = work.smoothed(pipeline) if job.offline else work.drawn(pipeline)
    if not done.images and not done.is_interrupted:
        raise ValueError(done.stopped or "it has no frames")
    if done.images:
        _write_poses(done, job)
    return done


def video_report(done: VideoDone) -> str:
    """Give what was done, and a row a stage: frames, seconds busy, frames a second when busy.

    >>> video = Video(0, "webcam:0", Path("out", "webcam-0.mp4"))
    >>> print(video_report(VideoDone(video, [], 0.0, [Timing("decode", 50, 0.5)])))
    webcam:0: 0 frames in 0.0 s
    stage   frames  busy s  frames/s
    decode      50     0.5     100.0
    """
    count = len(done.images)
    head = f"{done.video.name}: {count} frames in {done.seconds:.1f} s"
    if count and done.seconds > 0:
        head += f", {count / done.seconds:.1f} frames/s"
    rows = [
        [timing.name, str(timing.items), f"{timing.busy_s:.1f}", _rate(timing)]
        for timing in done.timings
    ]
    return f"{head}\n{table([['stage', 'frames', 'busy s', 'frames/s'], *rows])}"


def _rate(timing: Timing) -> str:
    return "-" if timing.per_second is None else f"{timing.per_second:.1f}"


def _write_poses(done: VideoDone, job: PredictJob) -> None:
    job.out.mkdir(parents=True, exist_ok=True)
    skeleton = done.images[0].poses.skeleton
    for name in job.formats:
        file = results_file(job, done.video.picture.stem, name=name)
        FORMATS[name].write(file, done.images, skeleton=skeleton, version=__version__)


class _Ending(NamedTuple):
    """Say how a run ended: why too early, and whether by Ctrl-C."""

    stopped: str | None
    is_interrupted: bool


class _Work:
    """Do one video."""

    def __init__(self, video: Video, job: PredictJob, *, frames: VideoReader | Camera) -> None:
        self._video, self._job, self._frames = video, job, frames
        self._images: list[ImagePoses] = []
        self._timings: list[Timing] = []
        self._start = perf_counter()

    def drawn(self, pipeline: Pipeline) -> VideoDone:
        """Estimate, draw and write frame after frame."""
        stages = pipeline.video_stages(self._job.video.of(self._frames))
        if self._job.picture.kind == "none":
            return self._done(self._estimate(stages))
        with self._writer() as writer:
            drawing = _Drawing(self._job.picture, writer, keep=self._keep)
            ending = self._run(self._frames, [*stages, *drawing.stages])
            writer.close(cut_audio=ending.stopped is not None)
        return self._done(ending)

    def smoothed(self, pipeline: Pipeline) -> VideoDone:
        """Estimate all frames, smooth, then read and draw them once more."""
        ending = self._estimate(pipeline.video_stages(replace(self._job.video, smooth="none")))
        if ending.is_interrupted:
            report(f"interrupted; writing {len(self._images)} frames, Ctrl-C again to leave it")
        self._smooth()
        if self._images and self._job.picture.kind != "none":
            second = self._draw_again(is_cut=ending.stopped is not None)
            ending = second if ending.stopped is None else ending
        return self._done(ending)

    def _done(self, ending: _Ending) -> VideoDone:
        seconds = perf_counter() - self._start
        return VideoDone(self._video, self._images, seconds, self._timings, *ending)

    def _estimate(self, stages: Sequence[Stage]) -> _Ending:
        *others, last = stages
        kept = Stage(last.name, lambda items: map(self._keep, last.work(items)))
        return self._run(self._frames, [*others, kept])

    def _smooth(self) -> None:
        times_s = [image.time_s or 0.0 for image in self._images]
        smooth = smooth_track_offline([image.poses for image in self._images], times_s)
        pairs = zip(self._images, smooth, strict=True)
        self._images = [replace(image, poses=poses) for image, poses in pairs]

    def _draw_again(self, *, is_cut: bool) -> _Ending:
        with open_video(self._video.source) as frames, self._writer() as writer:
            drawing = _Drawing(self._job.picture, writer, keep=lambda done: done)
            pairs = zip(frames, self._images, strict=False)
            source = (FramePoses(frame, image.poses) for frame, image in pairs)
            ending = self._run(source, drawing.stages)
            writer.close(cut_audio=is_cut or ending.stopped is not None)
        return ending

    def _keep(self, done: FramePoses) -> FramePoses:
        frame, (h, w) = done.frame, done.frame.image_rgb.shape[:2]
        row = ImagePoses(frame.index, done.poses, self._video.name, (w, h), frame.time_s)
        self._images.append(row)
        return done

    def _writer(self) -> VideoWriter:
        self._job.out.mkdir(parents=True, exist_ok=True)
        source = self._video.source
        has_audio = self._job.audio and self._frames.has_audio
        return VideoWriter(
            self._video.picture,
            size_wh=self._job.picture.size_wh(self._frames.size_wh),
            fps=self._frames.fps,
            audio_from=source if has_audio and isinstance(source, Path) else None,
        )

    def _run(self, source: Iterable[object], stages: Sequence[Stage]) -> _Ending:
        """Run stages to their end, or to where they are stopped."""
        name = "decode again" if self._timings else "decode"
        run = Stages(source, stages, source_name=name, queue_size=self._job.video.queue_size)
        self._timings += run.timings
        try:
            with run:
                for _ in shown(run, lambda count, _: self._line(count, run.timings)):
                    pass
        except KeyboardInterrupt:
            return _Ending("interrupted", is_interrupted=True)
        except _ERRORS as error:
            return _Ending(str(error), is_interrupted=False)
        return _Ending(None, is_interrupted=False)

    def _line(self, count: int, timings: Sequence[Timing]) -> str:
        rates = ", ".join(f"{timing.name} {_rate(timing)}" for timing in timings)
        overall = count / (perf_counter() - self._start)
        total = "" if self._frames.num_frames is None else f"/{self._frames.num_frames}"
        return f"{self._video.name}: {count}{total} frames, {overall:.1f} frames/s ({rates})"


class _Drawing:
    """Draw frames and write them into a video; hand on each as soon as it is written.

    Not where the stages end: a frame that is stopped on its way there is in the video already.
    """

    def __init__(
        self, picture: Picture, writer: VideoWriter, *, keep: Callable[[FramePoses], FramePoses]
    ) -> None:
        self._picture, self._writer, self._keep = picture, writer, keep

    @property
    def stages(self) -> list[Stage]:
        """Give the stages from `FramePoses` to the same, when it is written."""
        return [Stage("draw", each(self._draw)), Stage("encode", each(self._encode))]

    def _draw(self, done: FramePoses) -> tuple[FramePoses, Frame]:
        frame = done.frame
        picture = self._picture.draw(frame.image_rgb, done.poses)
        return done, Frame(frame.index, frame.time_s, picture)

    def _encode(self, drawn: tuple[FramePoses, Frame]) -> FramePoses:
        done, frame = drawn
        self._writer.write(frame)
        return self._keep(done)
