"""Command line of the person detector's making: `detect pack`, `train`, `evaluate`, `export`."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from posedistill.detect.fit import DetectorRun
    from posedistill.runtime.detector import Boxes

_Parser = TypeVar("_Parser", bound=argparse.ArgumentParser)


def add_detect(commands: "argparse._SubParsersAction[_Parser]") -> _Parser:
    """Add the sub-command `detect` with its actions."""
    command = commands.add_parser("detect", help="train, score and export a person detector")
    actions = command.add_subparsers(metavar="pack|train|evaluate|export", required=True)
    for add, name, text in (
        (_add_pack, "pack", "put photos of people and backgrounds into one small file"),
        (_add_train, "train", "train from such files, on the GPU where there is one"),
        (_add_evaluate, "evaluate", "find the people of annotated photos and score that"),
        (_add_export, "export", "write a trained detector as an .onnx file"),
    ):
        action = actions.add_parser(name, help=text)
        add(action)
        action.add_argument("--traceback", action="store_true", help="show where an error is from")
    return command


def _add_pack(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_pack)
    add = command.add_argument
    add("--data", action="append", default=[], type=Path, metavar="ANN.json", help=_DATA)
    add("--images", action="append", default=[], type=Path, metavar="DIR", help=_IMAGES)
    add("--backgrounds", type=Path, metavar="DIR", help="photos without people")
    add("--out", required=True, type=Path, metavar="FILE.npz", help="the pack to write")
    add("--side", type=int, default=320, metavar="PX", help="longest of a picture; %(default)s")
    add("--most", action="append", default=[], metavar="FOLDER=N", help=_MOST)
    add("--complete", action="store_true", help="all people in the photos have boxes")
    add("--close-ups", action="store_true", help="add a close-up of each upright person")
    add("--no-masks", action="store_true", help="do not cut people out, which takes most time")


_DATA = "COCO annotations of people; may be given several times"
_IMAGES = "folder of the images, one for each --data"
_MOST = "take at most N pictures of a folder of images; may be given several times"


def _pack(arguments: argparse.Namespace) -> int:
    from posedistill.detect.pack import PackPlan, background_pictures, people_pictures, save_pack

    if len(arguments.data) != len(arguments.images):
        raise ValueError(
            f"--data is given {len(arguments.data)} times and --images {len(arguments.images)} "
            "times; each file of labels needs its folder"
        )
    most = dict(_counted(word) for word in arguments.most)
    plan = PackPlan(arguments.side, most, not arguments.no_masks, arguments.close_ups)
    rows = [
        picture
        for pair in zip(arguments.data, arguments.images, strict=True)
        for picture in people_pictures(*pair, plan=plan, is_complete=arguments.complete)
    ]
    if arguments.backgrounds is not None:
        rows += background_pictures(arguments.backgrounds, plan=plan)
    save_pack(arguments.out, rows)
    people = sum(len(row.boxes_xyxy) for row in rows)
    cut_out = sum(bool(row.mask) for row in rows)
    size = arguments.out.stat().st_size / 1e6
    print(f"{len(rows)} pictures, {people} people, {cut_out} of them cut out; {size:.1f} MB")
    print(f"pack is in {arguments.out}")
    return 0


def _counted(word: str) -> tuple[str, int]:
    name, _, number = word.partition("=")
    if not name or not number.isdecimal():
        raise ValueError(f"--most is {word!r}; expected FOLDER=N, such as lspet=2000")
    return name, int(number)


def _add_train(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_train)
    add = command.add_argument
    add("packs", nargs="+", type=Path, metavar="PACK.npz", help="what `detect pack` wrote")
    add("--run", dest="folder", required=True, type=Path, metavar="DIR", help=_RUN)
    length = command.add_mutually_exclusive_group(required=True)
    length.add_argument("--steps", type=int, metavar="N", help="of the run")
    length.add_argument("--minutes", type=float, metavar="M", help="of the run, in place of steps")
    add("--batch", type=int, default=32, metavar="N", help="scenes of a step; %(default)s")
    add("--side", type=int, default=320, metavar="PX", help="of the scenes; %(default)s")
    add("--lr", type=float, default=2e-3, metavar="RATE", help="learning rate; %(default)s")
    add("--start", default="", metavar="RUN", help="start from the network of another run")
    add("--weight", action="append", default=[], metavar="SOURCE=W", help=_WEIGHT)
    add("--device", metavar="NAME", help=_DEVICE)
    add("--val", type=Path, metavar="PACK.npz", help="a pack to be scored now and then")


_RUN = "the run folder; one that is there goes on"
_WEIGHT = "draw a source's pictures W times as often as others; may be given several times"
_DEVICE = "cpu, cuda, cuda:1, mps; without it cuda, or cpu where there is none"
_SCORE_EVERY = 0.1  # of a run


def _weighted(word: str) -> tuple[str, float]:
    name, _, number = word.partition("=")
    try:
        return name, float(number)
    except ValueError:
        raise ValueError(f"--weight is {word!r}; expected SOURCE=W, such as lspet=0.5") from None


def _train(arguments: argparse.Namespace) -> int:
    import torch

    from posedistill.detect.fit import DetectorPlan, DetectorRun
    from posedistill.detect.pack import load_pack
    from posedistill.detect.pool import Pool

    name = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"--device is {name!r}; expected cpu, cuda, cuda:1 or mps") from error
    pictures = [picture for pack in arguments.packs for picture in load_pack(pack)]
    weights = dict(_weighted(word) for word in arguments.weight)
    pool = Pool(pictures, side=arguments.side, device=device, weights=weights)
    names = ("steps", "minutes", "side", "batch", "lr", "start")
    plan = DetectorPlan(**{name: getattr(arguments, name) for name in names})
    run = DetectorRun(arguments.folder, plan, pool=pool)
    scored = 0.0
    for progress in run.fit():
        means = ", ".join(f"{name} {mean:.4f}" for name, mean in progress.losses.items())
        print(f"{progress.part:6.1%} step {progress.step} {progress.seconds:.0f} s: {means}")
        if arguments.val and (progress.part >= min(scored + _SCORE_EVERY, 1)):
            scored = progress.part
            print(_score_pack(run, arguments.val))
    print(f"the run is in {arguments.folder}")
    return 0


def _score_pack(run: "DetectorRun", pack: Path) -> str:
    from posedistill.detect.model import TwoLooks
    from posedistill.detect.pack import decode, load_pack
    from posedistill.detect.predict import find_people
    from posedistill.detect.score import score_boxes

    pictures = load_pack(pack)
    images = [decode(picture) for picture in pictures]
    found = find_people(TwoLooks(run.averaged()), images, side=run.plan.side)
    return str(score_boxes(found, [picture.boxes_xyxy for picture in pictures]))


def _add_evaluate(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_evaluate)
    add = command.add_argument
    add("detector", metavar="FILE|RUN", help="an .onnx detector, or the folder of a run")
    add("--data", required=True, type=Path, metavar="ANN.json", help="COCO annotations of people")
    add("--images", required=True, type=Path, metavar="DIR", help="folder of the images")
    add("--side", type=int, metavar="PX", help="of a run's input; that of its scenes")


def _evaluate(arguments: argparse.Namespace) -> int:
    from posedistill.detect.pack import read_photos
    from posedistill.detect.score import score_boxes
    from posedistill.media import read_image

    find = _finder(arguments.detector, side=arguments.side)
    for source, photos in read_photos(arguments.data, arguments.images).items():
        found = [find(read_image(photo.path)) for photo in photos]
        print(f"{source}: {score_boxes(found, [photo.boxes_xyxy for photo in photos])}")
    return 0


def _finder(detector: str, *, side: int | None) -> "Callable[[NDArray[np.uint8]], Boxes]":
    if Path(detector).is_dir():
        from posedistill.detect.fit import load_detector, side_of
        from posedistill.detect.model import TwoLooks
        from posedistill.detect.predict import find_people

        model, side = load_detector(Path(detector)), side or side_of(Path(detector))
        return lambda image: find_people(TwoLooks(model), [image], side=side)[0]
    from posedistill.runtime.detector import Detector

    opened = Detector(detector, score_threshold=_LEAST_SCORE)
    return lambda image: opened([image])[0]


_LEAST_SCORE = 0.01  # of boxes that are scored


def _add_export(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_export)
    add = command.add_argument
    add("folders", nargs="+", type=Path, metavar="RUN", help=_RUNS)
    add("--out", required=True, type=Path, metavar="FILE.onnx", help="the file to write")
    add("--side", type=int, metavar="PX", help="of its input; that of the run's scenes")
    add("--at-score", type=float, default=0.3, metavar="S", help=_AT_SCORE)
    add("--licence", default="", metavar="TEXT", help="of the weights, to stand in the file")
    add("--data-card", default="", metavar="TEXT", help="what it was trained on, likewise")


_RUNS = "the folder of a run; of several, each from the one before, the mean network is taken"


_AT_SCORE = "what the network scores where the file is to score 0.3, from which on boxes are taken"


def _export(arguments: argparse.Namespace) -> int:
    from posedistill.detect.fit import load_detector, side_of
    from posedistill.export.detector import export_detector
    from posedistill.runtime.detector_spec import DetectorSpec

    model, side = (
        load_detector(*arguments.folders),
        arguments.side or side_of(arguments.folders[-1]),
    )
    spec = DetectorSpec((side, side), arguments.licence, arguments.data_card)
    print(export_detector(model, arguments.out, spec=spec, at_score=arguments.at_score))
    print(f"detector is in {arguments.out}")
    return 0
