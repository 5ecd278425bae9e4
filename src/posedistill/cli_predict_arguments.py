"""Command line of `predict`: its options, and the job that they ask for."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from posedistill.cli_options import MODEL, add_following, add_max_pixels, add_network
from posedistill.cli_poses import FORMAT_NAMES

if TYPE_CHECKING:
    from posedistill.cli_predict_job import PredictJob

_Parser = TypeVar("_Parser", bound=argparse.ArgumentParser)
_INPUT = (
    "image and video files, folders of them, webcams as webcam:0, and streams as rtsp://... or "
    "http://..."
)


def add_predict(commands: "argparse._SubParsersAction[_Parser]") -> _Parser:
    """Add the sub-command `predict`."""
    command = commands.add_parser(
        "predict", help="photos and videos in; pictures, videos and files of poses out"
    )
    command.set_defaults(run=_predict)
    add = command.add_argument
    add("inputs", nargs="+", metavar="INPUT", help=_INPUT)
    add("--model", default="wholebody-t", help=f"{MODEL}; default %(default)s")
    add("--out", required=True, type=Path, metavar="DIR", help="where the results go")
    _add_people(command)
    _add_network(command)
    _add_pictures(command)
    _add_files(command)
    _add_videos(command)
    _add_shard(command)
    return command


def _add_people(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("where the persons are")
    people = group.add_mutually_exclusive_group()
    people.add_argument(
        "--detector",
        metavar="NAME|FILE|none",
        help="find them by this .onnx file, or published detector; none: as --whole-image",
    )
    people.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE",
        help='take them from JSON: {"a.jpg": [[x1, y1, x2, y2], ...], ...}',
    )
    people.add_argument(
        "--mask",
        type=Path,
        metavar="FILE|DIR",
        help="take them from a mask, where each colour but black is a person; of several photos "
        "from a folder of files of the same names",
    )
    people.add_argument(
        "--whole-image",
        action="store_const",
        const="none",
        dest="detector",
        help="take each whole image as one person",
    )
    group.add_argument(
        "--det-score", type=float, metavar="S", help="take no box of the detector below"
    )
    group.add_argument(
        "--det-normalise",
        action="store_true",
        help="for exports of RTMDet: take their mean off the images before",
    )


def _add_network(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("what runs")
    add = group.add_argument
    add_network(group)
    add("--threads", type=int, metavar="N", help="of each network on the CPU")


def _add_pictures(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("pictures and videos")
    add = group.add_argument
    add(
        "--draw",
        choices=["overlay", "controlnet", "none"],
        default="overlay",
        help="overlay: on the photo; controlnet: on black, as ControlNet takes it; none: write "
        "the poses alone",
    )
    add("--min-score", type=float, metavar="S", help="overlay: draw no joint below; 0.3 without it")
    add("--draw-boxes", action="store_true", help="overlay: also draw the boxes of the persons")
    add(
        "--preset",
        default="photo",
        metavar="NAME",
        help="controlnet: size, width of lines and parts as a known ControlNet takes them: "
        "sd15-openpose, sdxl-openpose, sdxl-openpose-xinsir, flux-openpose; see docs/controlnet.md",
    )
    add("--no-hands", action="store_true", help="controlnet: leave out the hands")
    add("--no-face", action="store_true", help="controlnet: leave out the faces")
    add(
        "--resolution",
        type=int,
        metavar="N",
        help="controlnet: short side of the picture, or with some presets the root of its area, "
        "both sides rounded to 64s; as the preset or else the photo without it",
    )
    add_max_pixels(group)


def _add_files(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("files of poses")
    group.add_argument(
        "--format",
        action="append",
        choices=FORMAT_NAMES,
        dest="formats",
        help="may be given several times; default coco",
    )
    group.add_argument(
        "--openpose", action="store_true", help="also write NAME_keypoints.json as OpenPose does"
    )


def _add_videos(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("of videos alone")
    add = group.add_argument
    add_following(group)
    add(
        "--smooth",
        choices=["one-euro", "offline", "none"],
        help="one-euro: as the frames come, the default; offline: without lag, reads the file "
        "twice",
    )
    add("--no-audio", action="store_true", help="write the video without sound")


def _add_shard(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("of very many photos")
    group.add_argument(
        "--shard",
        metavar="I/N",
        help="do share I of N, 0/N to N-1/N, also of the folders below, but for what is done "
        "already; writes poses alone, as jsonl or parquet; see docs/bulk.md",
    )


def _predict(arguments: argparse.Namespace) -> int:
    if arguments.shard is not None:
        from posedistill.cli_bulk import predict_shard

        return predict_shard(_job(arguments), arguments.shard)
    from posedistill.cli_predict import predict

    return predict(_job(arguments))


def _job(arguments: argparse.Namespace) -> "PredictJob":
    from posedistill.cli_picture import MIN_SCORE, Picture
    from posedistill.cli_predict_job import Network, People, PredictJob
    from posedistill.media import MAX_PIXELS
    from posedistill.runtime.video_stages import VideoSettings

    smooth = arguments.smooth or ("none" if arguments.no_track else "one-euro")
    if smooth != "none" and arguments.no_track:
        raise ValueError(f"--smooth {smooth} goes by ids; leave out --no-track")
    default = "coco" if arguments.shard is None else "jsonl"
    formats = dict.fromkeys(arguments.formats or [default])
    return PredictJob(
        inputs=arguments.inputs,
        out=arguments.out,
        network=Network(
            model=arguments.model,
            spec=arguments.spec,
            flip_test=arguments.flip_test,
            device=arguments.device,
            strict_device=arguments.strict_device,
            threads=arguments.threads,
        ),
        people=People(
            detector=arguments.detector,
            det_score=arguments.det_score,
            det_normalise=arguments.det_normalise,
            boxes_file=arguments.boxes,
            mask=arguments.mask,
        ),
        picture=Picture(
            kind=arguments.draw,
            min_score=arguments.min_score,
            boxes=arguments.draw_boxes,
            hands=not arguments.no_hands,
            face=not arguments.no_face,
            resolution=arguments.resolution,
            preset=arguments.preset,
        ),
        formats=list(formats | dict.fromkeys(["openpose"] * arguments.openpose)),
        max_pixels=MAX_PIXELS if arguments.max_pixels is None else arguments.max_pixels,
        video=VideoSettings(
            detect_every=arguments.detect_every,
            one_person=arguments.one_person,
            track=not arguments.no_track,
            smooth="one-euro" if smooth == "one-euro" else "none",
            min_score=MIN_SCORE if arguments.min_score is None else arguments.min_score,
        ),
        offline=smooth == "offline",
        audio=not arguments.no_audio,
    )
