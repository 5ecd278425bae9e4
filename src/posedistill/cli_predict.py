"""The work behind `posedistill predict`: photos and videos in; pictures, poses and tables out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from posedistill.cli_models import fetch_with_progress
from posedistill.cli_open import open_any_session
from posedistill.cli_photos import PhotosDone, photos_table, predict_photos
from posedistill.cli_predict_job import PredictJob
from posedistill.cli_predict_plan import RESULTS, Plan, Video, make_plan, results_file
from posedistill.cli_report import report
from posedistill.cli_video import VideoDone, predict_video, video_report
from posedistill.formats.table import FORMATS
from posedistill.runtime.detector import Detector, embedded_detectors
from posedistill.runtime.pipeline import Pipeline

_ERRORS = (ValueError, FileNotFoundError, PermissionError)  # of a video, not of the whole job


def predict(job: PredictJob) -> int:
    """Do the job; give the exit code: 0, 1 when some inputs failed, 2 when all did.

    Raises ValueError and FileNotFoundError for what stops the whole job, before the first input,
    and KeyboardInterrupt when all that was done is written.

    >>> predict(PredictJob(["none.jpg"], Path("out")))
    Traceback (most recent call last):
    FileNotFoundError: no such file or folder: none.jpg
    """
    plan = make_plan(job)
    _check_videos(plan.videos, job)
    with open_pipeline(job) as pipeline:
        job.check_skeleton(pipeline.skeleton)
        photos = PhotosDone()
        if plan.photos:
            photos = predict_photos(plan.photos, job, pipeline=pipeline)
            _tell_photos(photos, plan, job, pipeline)
        videos = _predict_videos(plan.videos, job, pipeline)
        if plan.videos:
            _tell_videos(videos, plan, job, pipeline)
    if any(video.is_interrupted for video in videos.done):
        raise KeyboardInterrupt
    failed = photos.failed | videos.failed
    if not photos.done and not videos.done:
        report(f"error: none of the {len(failed)} {_kind(plan)} could be done")
        return 2
    return 1 if failed else 0


@dataclass(frozen=True, eq=False)
class _VideosDone:
    """Hold what became of all videos, those that stopped early among both; failed: the reasons."""

    done: list[VideoDone] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def _check_videos(videos: Sequence[Video], job: PredictJob) -> None:
    if videos and (job.people.boxes_file is not None or job.people.mask is not None):
        raise ValueError(f"--boxes and --mask are for photos; {videos[0].name} is a video")


def open_pipeline(job: PredictJob) -> Pipeline:
    """Open the networks of a job; raises what `open_any_session` and `Detector` do.

    >>> from posedistill.cli_predict_job import People
    >>> job = PredictJob(["a.jpg"], Path("out"), people=People("none"))
    >>> open_pipeline(job).skeleton.name
    'wholebody133'
    """
    network = job.network
    detector = _open_detector(job)
    session = open_any_session(
        network.model,
        spec=network.spec,
        device=network.device,
        strict_device=network.strict_device,
        threads=network.threads,
    )
    return Pipeline(session, detector=detector, flip_test=network.flip_test)


def _open_detector(job: PredictJob) -> Detector | str:
    """Give the detector, or "none" where boxes come from elsewhere."""
    people, network = job.people, job.network
    name = people.detector
    has_boxes = people.boxes_file is not None or people.mask is not None
    if name == "none" or has_boxes or (name is None and job.video.one_person):
        return "none"
    make = partial(
        Detector,
        _detector_file(name or embedded_detectors()[0]),
        normalise=people.det_normalise,
        device=network.device,
        strict_device=network.strict_device,
        threads=network.threads,
    )
    return make() if people.det_score is None else make(score_threshold=people.det_score)


def _detector_file(name: str) -> str | Path:
    """Give a detector's name or file; a published one is fetched first, with progress."""
    if Path(name).suffix == ".onnx" or Path(name).is_file() or name in embedded_detectors():
        return name
    return fetch_with_progress(name, file_format="onnx")


def _predict_videos(videos: Sequence[Video], job: PredictJob, pipeline: Pipeline) -> _VideosDone:
    outcome = _VideosDone()
    for video in videos:
        try:
            done = predict_video(video, job, pipeline=pipeline)
        except _ERRORS as error:
            outcome.failed[video.name] = reason = str(error).removeprefix(f"{video.source}: ")
            report(f"skipped {video.name}: {reason}")
            continue
        outcome.done.append(done)
        print(f"{video_report(done)}\n")
        if done.is_interrupted:
            break
        if done.stopped is not None:
            outcome.failed[video.name] = f"ends after {len(done.images)} frames: {done.stopped}"
            report(f"{video.name} {outcome.failed[video.name]}")
    return outcome


def _tell_photos(photos: PhotosDone, plan: Plan, job: PredictJob, pipeline: Pipeline) -> None:
    if not photos.done:
        return
    print(f"{photos_table(photos.done)}\n")
    _tell_failed(photos.failed)
    print(f"{len(photos.done)} of {len(plan.photos)} photos done by ", end="")
    print(f"{_networks(job, pipeline)}; {_results(job, RESULTS, 'pictures')} in {job.out}")


def _tell_videos(videos: _VideosDone, plan: Plan, job: PredictJob, pipeline: Pipeline) -> None:
    if not videos.done:
        return
    _tell_failed(videos.failed)
    count = sum(done.stopped is None for done in videos.done)
    print(f"{count} of {len(plan.videos)} videos done by ", end="")
    print(f"{_networks(job, pipeline)}; {_results(job, 'NAME', 'videos')} in {job.out}")


def _tell_failed(failed: Mapping[str, str]) -> None:
    if failed:
        print("not done:")
        print("".join(f"  {name}: {reason}\n" for name, reason in failed.items()))


def _networks(job: PredictJob, pipeline: Pipeline) -> str:
    said = f"{job.network.model} on {pipeline.estimator.session.provider}"
    if pipeline.detector is None:
        return said
    return f"{said}, people found by {pipeline.detector.path.stem} on {pipeline.detector.provider}"


def _results(job: PredictJob, stem: str, pictures: str) -> str:
    """Say which files there are, such as "pictures and poses.json are"."""
    names = [] if job.picture.kind == "none" else [pictures]
    names += [_result_name(job, stem, name) for name in job.formats]
    verb = "is" if len(names) == 1 and names != [pictures] else "are"
    *others, last = names
    return f"{', '.join(others)} and {last} {verb}" if others else f"{last} {verb}"


def _result_name(job: PredictJob, stem: str, name: str) -> str:
    if FORMATS[name].is_folder:
        return "NAME_keypoints.json" if stem == RESULTS else "NAME/*_keypoints.json"
    return results_file(job, stem, name=name).name


def _kind(plan: Plan) -> str:
    if not plan.videos:
        return "photos"
    return "inputs" if plan.photos else "videos"
