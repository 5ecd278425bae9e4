"""Command line of very many files: `predict --shard`, and `bulk` on Ray."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from posedistill.cli_options import MODEL, add_following, add_max_pixels, add_network
from posedistill.cli_report import report, shown

if TYPE_CHECKING:
    from posedistill.bulk.ray_run import BulkSettings
    from posedistill.bulk.units import Report
    from posedistill.cli_predict_job import PredictJob

_Parser = TypeVar("_Parser", bound=argparse.ArgumentParser)
_SECONDS_BETWEEN = 30.0  # two lines of progress in a log
_MOST_SHOWN = 5  # failures


def add_bulk(commands: "argparse._SubParsersAction[_Parser]") -> _Parser:
    """Add the sub-command `bulk`."""
    command = commands.add_parser(
        "bulk", help="very many photos and videos in, files of poses out, on a cluster by Ray"
    )
    command.set_defaults(run=_bulk)
    add = command.add_argument
    add(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="folders with all below them, and files; also urls of them, such as s3://bucket/a",
    )
    add(
        "--out",
        required=True,
        metavar="DIR",
        help="where the parts of the results go, which all machines must see; also a url",
    )
    add(
        "--format",
        choices=["parquet", "jsonl"],
        default="parquet",
        help="of the parts; default %(default)s",
    )
    _add_network(command)
    _add_videos(command)
    _add_cluster(command)
    return command


def _add_network(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("what runs")
    add = group.add_argument
    add("--model", default="wholebody-t", help=f"{MODEL}; default %(default)s")
    people = group.add_mutually_exclusive_group()
    people.add_argument("--detector", metavar="NAME|FILE|none", help="as `predict` takes it")
    people.add_argument(
        "--whole-image",
        action="store_const",
        const="none",
        dest="detector",
        help="take each whole image as one person",
    )
    add("--det-score", type=float, metavar="S", help="take no box of the detector below")
    add_network(group)
    add_max_pixels(group)


def _add_videos(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("of videos alone")
    add_following(group)


def _add_cluster(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("where it runs")
    add = group.add_argument
    add(
        "--workers",
        type=int,
        metavar="N",
        help="networks that run at a time, each in a process of its own; as many as there is room "
        "for without it",
    )
    add("--cpus", type=int, default=1, metavar="N", help="of each worker; default %(default)s")
    add(
        "--gpus",
        type=float,
        default=0,
        metavar="N",
        help="of each worker, a part of one to share it, such as 0.25; default %(default)s",
    )
    add(
        "--address",
        metavar="ADDRESS",
        help="of a Ray cluster, or auto; RAY_ADDRESS, or one started on this machine, without it",
    )


def predict_shard(job: "PredictJob", shard: str) -> int:
    """Do the photos of a shard that are not done yet; give the exit code: 1 when some failed.

    shard: as "0/16". Raises ValueError for what a shard cannot do, and what stops the whole job.

    >>> from posedistill.cli_predict_job import PredictJob
    >>> predict_shard(PredictJob([], Path("out")), "16/16")
    Traceback (most recent call last):
    ValueError: shard is 16/16; 16 shards are 0/16 to 15/16
    """
    from posedistill.bulk.items import keep_settings, list_items
    from posedistill.bulk.places import open_place
    from posedistill.bulk.shards import Shard, ShardFiles
    from posedistill.bulk.units import Report
    from posedistill.cli_predict import open_pipeline
    from posedistill.media import IMAGE_SUFFIXES

    share = Shard.parse(shard)
    parquet = _shard_format(job) == "parquet"
    items = share.of(list_items(job.inputs, suffixes=IMAGE_SUFFIXES))
    keep_settings(open_place(str(job.out)), _settings(job) | {"shards": share.count})
    files = ShardFiles(job.out, share, parquet=parquet)
    left = files.left(items)
    told = _Told(f"shard {shard}", len(left), num_before=len(items) - len(left))
    with open_pipeline(job) as pipeline:
        outcomes = files.run(left, pipeline, max_pixels=job.max_pixels)
        told.follow([Report(item.name, error)] for item, _, error in outcomes)
    return told.summary(str(job.out), str(files.failures))


def _shard_format(job: "PredictJob") -> str:
    """Give the format; raises ValueError for what needs all photos at once, or each by itself."""
    if job.people.boxes_file is not None or job.people.mask is not None:
        raise ValueError("--boxes and --mask do not go with --shard; use a detector")
    if job.picture.kind == "controlnet":
        raise ValueError("--draw does not go with --shard, which writes poses alone")
    formats = list(job.formats)
    if len(formats) > 1 or formats[0] not in ("jsonl", "parquet"):
        raise ValueError(
            f"--format is {' and '.join(formats)}; with --shard expected one of jsonl and "
            "parquet, which `posedistill poses convert` turns into others"
        )
    return formats[0]


def _settings(job: "PredictJob") -> dict[str, Any]:  # Any: JSON
    network, people = job.network, job.people
    return {
        "model": network.model,
        "spec": network.spec,
        "flip_test": network.flip_test,
        "detector": people.detector,
        "det_score": people.det_score,
        "det_normalise": people.det_normalise,
    }


def _bulk(arguments: argparse.Namespace) -> int:
    from posedistill.bulk.items import keep_settings, list_items
    from posedistill.bulk.places import is_url, open_place
    from posedistill.bulk.ray_run import run_bulk
    from posedistill.bulk.units import done_names
    from posedistill.cli_predict import open_pipeline
    from posedistill.media import IMAGE_SUFFIXES
    from posedistill.video import VIDEO_SUFFIXES

    job, settings = _bulk_job(arguments)
    # Workers run in folders of their own.
    out = arguments.out if is_url(arguments.out) else str(Path(arguments.out).resolve())
    inputs = [name if is_url(name) else str(Path(name).resolve()) for name in job.inputs]
    items = list_items(inputs, suffixes=(*IMAGE_SUFFIXES, *VIDEO_SUFFIXES))
    place = open_place(out)
    # What is wrong is better told here than by a worker; a published model is fetched, too.
    network = replace(job.network, device="cpu", strict_device=False, threads=1)
    open_pipeline(replace(job, network=network)).close()
    keep_settings(place, _settings(job) | {"video": asdict(job.video)})
    done = done_names(place)
    left = [item for item in items if item.name not in done]
    told = _Told("bulk", len(left), num_before=len(items) - len(left))
    work = partial(open_pipeline, job)
    try:
        told.follow(run_bulk(left, out, open_pipeline=work, settings=settings))
    finally:
        failures = _write_failures(told, out)
    return told.summary(arguments.out, failures)


def _bulk_job(arguments: argparse.Namespace) -> "tuple[PredictJob, BulkSettings]":
    from posedistill.bulk.ray_run import BulkSettings
    from posedistill.bulk.units import UnitSettings
    from posedistill.cli_predict_job import Network, People, PredictJob
    from posedistill.media import MAX_PIXELS
    from posedistill.runtime.video_stages import VideoSettings

    track = not arguments.no_track
    job = PredictJob(
        inputs=arguments.inputs,
        out=Path(arguments.out),
        network=Network(
            model=_resolved(arguments.model),
            spec=arguments.spec,
            flip_test=arguments.flip_test,
            device=arguments.device,
            strict_device=arguments.strict_device,
            threads=arguments.cpus,
        ),
        people=People(
            detector=arguments.detector and _resolved(arguments.detector),
            det_score=arguments.det_score,
        ),
        video=VideoSettings(
            detect_every=arguments.detect_every,
            one_person=arguments.one_person,
            track=track,
            smooth="one-euro" if track else "none",
        ),
    )
    most = MAX_PIXELS if arguments.max_pixels is None else arguments.max_pixels
    settings = BulkSettings(
        workers=arguments.workers,
        cpus=arguments.cpus,
        gpus=arguments.gpus,
        address=arguments.address,
        unit=UnitSettings(format=arguments.format, max_pixels=most, video=job.video),
    )
    return job, settings


def _resolved(name: str) -> str:
    """Give the whole path of a file or folder; leave the name of a model as it is."""
    path = Path(name)
    is_path = path.is_file() or (path.is_dir() and path.parent != Path())
    return str(path.resolve()) if is_path else name


def _write_failures(told: "_Told", out: str) -> str:
    """Write what failed beside the parts; an older file is replaced, by none where none failed."""
    from posedistill.bulk.places import open_place, put_text
    from posedistill.bulk.shards import failure_line

    place, name = open_place(out), "failures.jsonl"
    if told.failed or name in place.files():
        lines = [failure_line(name, error).decode() for name, error in told.failed.items()]
        put_text(place, name, text="".join(lines))
    return f"{out}/{name}"


class _Told:
    """Count what is done, and tell it: on a terminal all the time, else a line now and then."""

    def __init__(self, title: str, num_items: int, *, num_before: int) -> None:
        self.failed: dict[str, str] = {}
        self._title, self._num_items, self._num_before = title, num_items, num_before
        self._num_done, self._start = 0, monotonic()

    def follow(self, reports: "Iterable[Sequence[Report]]") -> None:
        """Take all reports, and tell of them as they come."""
        if self._num_before:
            before = f"{self._num_before} were done before, {self._num_items} are left"
            report(f"{self._title}: {before}")
        self._start = due = monotonic()
        for some in shown(reports, lambda *_: self._line()):
            self._num_done += len(some)
            self.failed |= {name: error for name, error in some if error is not None}
            if not sys.stderr.isatty() and monotonic() >= due + _SECONDS_BETWEEN:
                due = monotonic()
                report(self._line())

    def _line(self) -> str:
        seconds = max(monotonic() - self._start, 1e-9)
        rate = self._num_done / seconds
        left = (self._num_items - self._num_done) / rate if rate else 0.0
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return (
            f"{self._title}: {self._num_done}/{self._num_items}{failed}, {rate:.1f} a second, "
            f"{duration(left)} left"
        )

    def summary(self, out: str, failures: str) -> int:
        """Print what was done; give the exit code."""
        num_good = self._num_done - len(self.failed)
        seconds = monotonic() - self._start
        print(f"{num_good} of {self._num_items} done in {duration(seconds)}", end="")
        print(f", {self._num_before} before; the parts are in {out}")
        for name, error in list(self.failed.items())[:_MOST_SHOWN]:
            print(f"  not done: {name}: {error}")
        if self.failed:
            print(f"all {len(self.failed)} that failed are in {failures}; ", end="")
            print("the same command tries them again")
        return 1 if self.failed else 0


def duration(seconds: float) -> str:
    """Give seconds as people say them.

    >>> duration(9.4), duration(75), duration(7500)
    ('9 s', '1 min 15 s', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
