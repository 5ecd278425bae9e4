"""Command line: `posedistill SUB-COMMAND`; each imports its work when it is called."""

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from posedistill.cli_bulk import add_bulk
from posedistill.cli_data import add_data
from posedistill.cli_detect import add_detect
from posedistill.cli_doctor import add_doctor
from posedistill.cli_export import add_export, add_prune
from posedistill.cli_options import MODEL
from posedistill.cli_poses import add_poses
from posedistill.cli_predict_arguments import add_predict
from posedistill.cli_train import add_overfit, add_recipes, add_show_batch, add_train
from posedistill.cli_web import add_web

_EXTRAS = {
    "anny": "synth",
    "numba": "synth",
    "roma": "synth",
    "torch": "train",
    "lightning_fabric": "train",
    "safetensors": "train",
    "matplotlib": "train",
    "onnx": "train",
    "onnxscript": "train",
    "tqdm": "evaluate",
    "faster_coco_eval": "evaluate",
    "scipy": "evaluate",
    "av": "video",
    "pyarrow": "parquet",
    "supervision": "supervision",
    "openvino": "openvino",
    "torch_pruning": "compress",
    "ray": "bulk",
    "fsspec": "bulk",
    "fastapi": "web",
    "starlette": "web",
    "uvicorn": "web",
    "prometheus_client": "web",
    "python_multipart": "web",
}
_DESCRIPTION = "Whole-body pose from small, fast models, and the making of them by distillation."

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction["_Parser"]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; give its exit code.

    0: done, 1: done in part, 2: an error, told in one line on stderr, 130: interrupted,
    141: nobody reads the output any more.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        arguments = build_parser().parse_args(words)
        logging.basicConfig(format="posedistill: %(message)s", level=arguments.log_level)
        code = int(arguments.run(arguments))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # who reads the output, such as `head`, has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("posedistill: interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        if _is_own_fault(error):
            raise
        if "--traceback" in words:
            traceback.print_exc()
        print(f"posedistill: error: {_message(error)}", file=sys.stderr)
        return 2


def _is_own_fault(error: Exception) -> bool:
    return isinstance(error, ImportError) and (error.name or "").split(".")[0] == "posedistill"


def _message(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.split(".")[0]
        if package in _EXTRAS:
            extra = _EXTRAS[package]
            return f"this needs {package}; install it with `pip install posedistill[{extra}]`"
    lines = [" ".join(line.split()) for line in str(error).splitlines()]
    # One line, but for the list of problems that a RecipeError is.
    joint = "\n  " if hasattr(error, "problems") else " "
    return joint.join(line for line in lines if line) or type(error).__name__


def build_parser() -> argparse.ArgumentParser:
    """Give the parser of all sub-commands."""
    parser = _Parser(prog="posedistill", description=_DESCRIPTION, allow_abbrev=False)
    _add_traceback(parser)
    parser.set_defaults(log_level=logging.WARNING)
    commands = parser.add_subparsers(metavar="SUB-COMMAND", required=True)
    for add in _COMMANDS:
        _add_traceback(add(commands))
    return parser


def _add_traceback(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--traceback", action="store_true", help="show where an error came from")


def _add_evaluate(commands: "_Commands") -> argparse.ArgumentParser:
    command = commands.add_parser("evaluate", help="predict annotated photos and score that")
    command.set_defaults(run=_evaluate)
    add = command.add_argument
    add("model", metavar="MODEL", help=MODEL)
    _add_data(command)
    add("--images", required=True, type=Path, metavar="DIR", help="folder of the images")
    add(
        "--boxes",
        required=True,
        metavar="gt|FILE",
        help="gt: the annotated boxes; FILE: COCO detection results, as the published tables use "
        "(not those of MPII)",
    )
    add("--out", required=True, type=Path, metavar="PRED.json", help="file for the predictions")
    _add_spec(command)
    _add_flip_test(command)
    return command


def _evaluate(arguments: argparse.Namespace) -> int:
    from posedistill.cli_open import open_any_session
    from posedistill.evaluate.run import evaluate

    out, data = arguments.out, arguments.data
    boxes = None if arguments.boxes == "gt" else Path(arguments.boxes)
    read = [data, Path(arguments.model), *([boxes] if boxes else [])]
    if out.is_dir() or out.resolve() in [file.resolve() for file in read]:
        raise ValueError(f"--out {out} would overwrite a folder, MODEL, --data or --boxes")
    report = evaluate(
        open_any_session(arguments.model, spec=arguments.spec),
        annotations=data,
        images_dir=arguments.images,
        boxes=boxes,
        out=out,
        flip_test=arguments.flip_test,
    )
    print(report)
    print(f"\npredictions are in {out}")
    return 0


def _add_score(commands: "_Commands") -> argparse.ArgumentParser:
    command = commands.add_parser("score", help="score a file that `evaluate` wrote")
    command.set_defaults(run=_score)
    command.add_argument("predictions", type=Path, metavar="PRED.json")
    _add_data(command)
    return command


def _score(arguments: argparse.Namespace) -> int:
    from posedistill.evaluate.report import score_file

    print(score_file(arguments.predictions, arguments.data))
    return 0


def _add_convert(commands: "_Commands") -> argparse.ArgumentParser:
    command = commands.add_parser(
        "convert", help="turn a published .pth checkpoint into a .safetensors file"
    )
    command.set_defaults(run=_convert)
    add = command.add_argument
    add("checkpoint", type=Path, metavar="FILE.pth", help="an MMPose or DWPose checkpoint")
    add("--out", required=True, type=Path, metavar="FILE.safetensors", help="the file to write")
    add(
        "--stage",
        choices=["one", "two"],
        help="of a distillation checkpoint; told from its shapes without it",
    )
    _add_card(command)
    return command


def _convert(arguments: argparse.Namespace) -> int:
    if arguments.out.is_dir():
        raise ValueError(f"--out {arguments.out} is a folder; expected a name for the file")
    from posedistill.models.convert import convert

    converted = convert(
        arguments.checkpoint,
        arguments.out,
        stage=arguments.stage,
        licence=arguments.licence or "",
        data_card=arguments.data_card or "",
    )
    print(converted)
    print(f"model is in {arguments.out}")
    return 0


def _add_models(commands: "_Commands") -> argparse.ArgumentParser:
    command = commands.add_parser("models", help="published models: list, show, fetch")
    actions = command.add_subparsers(metavar="list|show|fetch", required=True)
    _add_traceback(listing := actions.add_parser("list", help="all, with published scores"))
    listing.set_defaults(run=_models_list)
    _add_traceback(showing := actions.add_parser("show", help="all that is known of one"))
    showing.set_defaults(run=_models_show)
    _add_traceback(fetching := actions.add_parser("fetch", help="download one, checked"))
    fetching.set_defaults(run=_models_fetch)
    for action in (showing, fetching):
        action.add_argument("name", metavar="NAME", help="name or original file name")
    fetching.add_argument(
        "--format", choices=["pth", "onnx"], help="onnx where there is one by default"
    )
    fetching.add_argument(
        "--offline", action="store_true", help="do not use the network, only what is at hand"
    )
    return command


def _models_list(arguments: argparse.Namespace) -> int:
    from posedistill.cli_models import list_models

    print(list_models())
    return 0


def _models_show(arguments: argparse.Namespace) -> int:
    from posedistill.cli_models import show_model

    print(show_model(arguments.name))
    return 0


def _models_fetch(arguments: argparse.Namespace) -> int:
    from posedistill.cli_models import fetch_model

    fetch_model(arguments.name, file_format=arguments.format, offline=arguments.offline or None)
    return 0


def _add_card(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--licence", metavar="TEXT", help="licence of the weights, to stand in the file")
    add("--data-card", metavar="TEXT", help="what the model was trained on, to stand in the file")


def _add_spec(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--spec",
        metavar="NAME",
        help="for an .onnx file without a description of its own: the published model it is",
    )


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data",
        required=True,
        type=Path,
        metavar="ANN.json",
        help="COCO(-WholeBody) annotations; for MPII its list, with gt_valid.mat beside it",
    )


def _add_flip_test(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--flip-test", action="store_true", help="also run each crop mirrored and take the mean"
    )


_COMMANDS = (
    add_predict,
    add_bulk,
    add_poses,
    add_web,
    add_train,
    add_recipes,
    add_show_batch,
    add_overfit,
    _add_evaluate,
    _add_score,
    add_export,
    add_prune,
    _add_convert,
    _add_models,
    add_data,
    add_detect,
    add_doctor,
)
