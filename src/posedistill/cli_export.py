"""Command line of making models smaller: `export` and `prune`."""

import argparse
import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from posedistill.export.calibration import LabelledPhotos
    from posedistill.models import PoseModel
    from posedistill.runtime.session import OnnxSession
    from posedistill.spec import Spec

_Parser = TypeVar("_Parser", bound=argparse.ArgumentParser)
_logger = logging.getLogger("posedistill.export")


def add_export(commands: "argparse._SubParsersAction[_Parser]") -> _Parser:
    """Add the sub-command `export`."""
    command = commands.add_parser(
        "export", help="write an .onnx file of a trained model, or a smaller one of an .onnx file"
    )
    command.set_defaults(run=export)
    add = command.add_argument
    add(
        "model",
        metavar="MODEL",
        help="run folder or .safetensors file; to make smaller also an .onnx file, or the name "
        "of an embedded or published model",
    )
    add("--out", required=True, type=Path, metavar="FILE.onnx", help="the file to write")
    add(
        "--mean",
        action="append",
        default=[],
        metavar="RUN",
        help="take the mean of the weights with this run's, which comes from the same model; may "
        "be given several times",
    )
    add(
        "--calibrate",
        action="store_true",
        help="scale the scores so that half of the body joints that score 0.3 are right, on the "
        "people of --data; moves no keypoint",
    )
    smaller = command.add_argument_group("a smaller file, with a report of what it loses beside it")
    kinds = smaller.add_mutually_exclusive_group()
    kinds.add_argument("--quantize", choices=["int8"], help="layers in 8 bits: smaller and faster")
    kinds.add_argument(
        "--precision", choices=["fp16", "bf16"], help="weights stored in 16 bits: half the size"
    )
    _add_photos(smaller)
    smaller.add_argument(
        "--max-loss",
        type=_points,
        metavar="AP",
        help="write no file that loses more than this on any part, in points of AP; 1.0 without "
        "it (without --data: joints that move by more than half a per cent of the crop's height)",
    )
    smaller.add_argument("--force", action="store_true", help="write the file whatever it loses")
    add("--licence", metavar="TEXT", help="licence of the weights, to stand in the file")
    add("--data-card", metavar="TEXT", help="what the model was trained on, to stand in the file")
    return command


def add_prune(commands: "argparse._SubParsersAction[_Parser]") -> _Parser:
    """Add the sub-command `prune`."""
    command = commands.add_parser(
        "prune", help="take the least of the channels out of a model, to be trained on"
    )
    command.set_defaults(run=prune)
    add = command.add_argument
    add("model", type=Path, metavar="MODEL", help="run folder or .safetensors file")
    add(
        "--ratio",
        type=float,
        default=0.3,
        metavar="R",
        help="part of the backbone's channels to take out; default %(default)s",
    )
    add("--out", required=True, type=Path, metavar="FILE.safetensors", help="the file to write")
    _add_photos(command)
    add(
        "--max-loss",
        type=_points,
        metavar="AP",
        help="write no file that loses more than this on any part, before it is trained on; "
        "whatever is left is written without it",
    )
    return command


def _points(text: str) -> float:
    try:
        points = float(text)
    except ValueError:
        points = -1.0
    if not 0 <= points <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of points from 0 to 100")
    return points


def _add_photos(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--data",
        type=Path,
        metavar="ANN.json",
        help="annotated people to compare on, and to find ranges of values on: COCO(-WholeBody) "
        "or MPII; the bundled photos stand in, without scores",
    )
    group.add_argument("--images", type=Path, metavar="DIR", help="folder of the images of --data")


def export(arguments: argparse.Namespace) -> int:
    """Write an `.onnx` file, and print how far it is from what it was made of."""
    kind = arguments.quantize or arguments.precision
    if kind is None:
        return _export_plainly(arguments)
    if arguments.calibrate or arguments.mean:
        raise ValueError(
            "--calibrate and --mean go with a plain export; make the smaller file of what that "
            "gives"
        )
    from posedistill.export.compress import check_out, compress

    photos = _photos(arguments)
    _logger.setLevel(logging.INFO)
    with _as_onnx(arguments.model) as session, _reported():
        check_out(arguments.out, session.path)
        print(
            compress(
                session.path,
                arguments.out,
                kind=kind,
                spec=_with_card(session.spec, arguments),
                photos=photos,
                force=arguments.force,
                **({} if arguments.max_loss is None else {"max_loss": arguments.max_loss}),
            )
        )
    print(f"model is in {arguments.out}, what it loses in {arguments.out}.report.json")
    return 0


def _export_plainly(arguments: argparse.Namespace) -> int:
    from posedistill.export.onnx import export_onnx

    photos = _photos(arguments)
    for name in ("max_loss", "force", *(() if arguments.calibrate else ("data", "images"))):
        if getattr(arguments, name):
            option, also = name.replace("_", "-"), name in ("data", "images")
            more = ", or with --calibrate" if also else ""
            raise ValueError(f"--{option} goes with --quantize or --precision{more}")
    if arguments.calibrate and photos is None:
        raise ValueError("--calibrate needs annotated photos: --data ANN.json --images DIR")
    model = _load([arguments.model, *arguments.mean])
    if photos is not None:
        from posedistill.export.scores import with_meaning

        model, factor = with_meaning(model, photos)
        print(f"scores are {factor:.3g} times what they were")
    model.spec = _with_card(model.spec, arguments)
    print(export_onnx(model, arguments.out))
    print(f"model is in {arguments.out}")
    return 0


def _load(models: list[str]) -> "PoseModel":
    from posedistill.models import load_mean

    for model in models:
        if Path(model).suffix == ".onnx":
            raise ValueError(
                f"{model} is an .onnx file already; a smaller one is made of it with --quantize "
                "int8, --precision fp16 or --precision bf16"
            )
    return load_mean(models)


def _with_card(spec: "Spec", arguments: argparse.Namespace) -> "Spec":
    said = {"licence": arguments.licence, "data_card": arguments.data_card}
    return replace(spec, **{key: text for key, text in said.items() if text})


def _photos(arguments: argparse.Namespace) -> "LabelledPhotos | None":
    from posedistill.export.calibration import LabelledPhotos

    if (arguments.data is None) != (arguments.images is None):
        raise ValueError("--data and --images go together: annotations, and where the images are")
    return None if arguments.data is None else LabelledPhotos(arguments.data, arguments.images)


@contextmanager
def _as_onnx(model: str) -> "Iterator[OnnxSession]":
    """Give a model as an open `.onnx` file, which is written for the while where there is none."""
    from posedistill.cli_open import open_any_session
    from posedistill.runtime.session import OnnxSession

    path = Path(model)
    if path.suffix != ".safetensors" and not path.is_dir():
        session = open_any_session(model)
        if isinstance(session, OnnxSession):
            yield session
            return
        from posedistill.models.published import published_model

        path = published_model(model)  # it is in the cache by now
    from posedistill.export.onnx import export_onnx
    from posedistill.models import load

    with TemporaryDirectory() as folder:
        file = Path(folder, "model.onnx")
        export_onnx(load(path), file)
        yield OnnxSession(file)


@contextmanager
def _reported() -> Iterator[None]:
    """Print what was measured of a file that is not written."""
    from posedistill.export.compress import RefusedError

    try:
        yield
    except RefusedError as error:
        print(error.report)
        raise


def prune(arguments: argparse.Namespace) -> int:
    """Write a pruned model, and print what is left of it and how to train it on."""
    from posedistill.export.calibration import calibration_crops
    from posedistill.export.compress import refuse, write_report
    from posedistill.export.prune import measure_pruned
    from posedistill.export.prune import prune as prune_model
    from posedistill.models import load, save

    out = arguments.out
    if out.suffix != ".safetensors" or out.is_dir():
        raise ValueError(f"expected the name of a file ending in .safetensors, got {out}")
    if out.resolve() == arguments.model.resolve():
        raise ValueError(f"{out} is the model itself; it is needed as the teacher")
    photos = _photos(arguments)
    model = load(arguments.model)
    pruned = prune_model(model, arguments.ratio)
    crops = calibration_crops(model.spec, photos)
    report = measure_pruned(model, pruned, crops=crops, photos=photos)
    if arguments.max_loss is not None:
        with _reported():
            refuse(report.effect, out, report=report, max_loss=arguments.max_loss, force=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    save(pruned, out)
    write_report(out, {"kind": "pruned", "ratio": arguments.ratio} | report.as_dict())
    print(report)
    print(f"model is in {out}, what it lost in {out}.report.json")
    print("it is to be trained on, taught by the model that it was, such as by:")
    print(f"  {_launch(model.spec, arguments)}")
    return 0


def _launch(spec: "Spec", arguments: argparse.Namespace) -> str:
    from posedistill.models.widths import unpruned

    w, h = spec.input_size_wh
    recipe = "pruned-body" if spec.skeleton == "coco17" else "pruned"
    settings = {
        "teacher": arguments.model,
        "model.start": arguments.out,
        "model.name": unpruned(spec.architecture),
        "model.skeleton": spec.skeleton,
        "model.input_size_wh": f"({w}, {h})",
    }
    words = [f"--set {shlex.quote(f'{key}={value}')}" for key, value in settings.items()]
    run = shlex.quote(str(arguments.out.with_suffix("")))
    return f"posedistill train {recipe} --run {run} {' '.join(words)}"
