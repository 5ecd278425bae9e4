"""Command line of training: `train`, `recipes`, `show-batch` and `overfit`."""

import argparse
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from posedistill.train.recipe import Recipe

_Parser = TypeVar("_Parser", bound=argparse.ArgumentParser)
_RECIPE = "a name that `posedistill recipes` lists"


def add_train(commands: "argparse._SubParsersAction[_Parser]") -> _Parser:
    """Add the sub-command `train`."""
    command = commands.add_parser("train", help="run a recipe; the same call again resumes it")
    # Under torchrun all processes would say the same.
    is_first = os.environ.get("RANK", "0") == "0"
    command.set_defaults(run=train, log_level=logging.INFO if is_first else logging.WARNING)
    _add_recipe(command)
    command.add_argument(
        "--run", required=True, type=Path, metavar="DIR", dest="run_dir", help="the run folder"
    )
    return command


def train(arguments: argparse.Namespace) -> int:
    """Run a recipe, or go on with it; give the exit code."""
    from tqdm.contrib.logging import logging_redirect_tqdm

    from posedistill.train.fit import fit

    logging.getLogger("faster_coco_eval").setLevel(logging.WARNING)  # a page an evaluation
    with logging_redirect_tqdm():
        fit(_recipe(arguments), arguments.run_dir)
    return 0


def add_recipes(commands: "argparse._SubParsersAction[_Parser]") -> _Parser:
    """Add the sub-command `recipes`."""
    command = commands.add_parser("recipes", help="list the recipes, or show one in full")
    command.set_defaults(run=recipes)
    command.add_argument("name", nargs="?", metavar="NAME", help="the recipe to show")
    return command


def recipes(arguments: argparse.Namespace) -> int:
    """Print all recipes, or one with what it says of itself and all its values."""
    from posedistill.recipes import RECIPES, get, launch_lines
    from posedistill.train.recipe import describe

    # Most are functools.partial of a size.
    texts = {name: getattr(made, "func", made).__doc__ or "" for name, made in RECIPES.items()}
    if arguments.name is not None:
        recipe = get(arguments.name)
        lines = texts[arguments.name].partition(">>>")[0].strip().splitlines()
        print("\n".join(line.removeprefix("    ") for line in lines), end="\n\n")
        print("\n".join(launch_lines(arguments.name)), end="\n\n")
        print(describe(recipe))
        return 0
    width = max(map(len, RECIPES))
    for name, text in texts.items():
        print(f"{name:{width}}  {text.strip().partition(chr(10))[0]}")
    return 0


def add_show_batch(commands: "argparse._SubParsersAction[_Parser]") -> _Parser:
    """Add the sub-command `show-batch`."""
    command = commands.add_parser("show-batch", help="draw augmented crops with their targets")
    command.set_defaults(run=show_batch, log_level=logging.INFO)
    _add_recipe(command)
    command.add_argument(
        "--out", required=True, type=Path, metavar="FILE.jpg", help="the picture to write"
    )
    return command


def show_batch(arguments: argparse.Namespace) -> int:
    """Draw the first samples of a recipe into a picture."""
    from posedistill.train import show

    show.show_batch(_recipe(arguments), arguments.out)
    print(f"picture is in {arguments.out}")
    return 0


def add_overfit(commands: "argparse._SubParsersAction[_Parser]") -> _Parser:
    """Add the sub-command `overfit`."""
    command = commands.add_parser(
        "overfit", help="see whether a recipe can learn one batch, before a long run"
    )
    command.set_defaults(run=overfit, log_level=logging.INFO)
    _add_recipe(command)
    command.add_argument(
        "--steps", type=int, default=200, metavar="N", help="of learning; default %(default)s"
    )
    return command


def overfit(arguments: argparse.Namespace) -> int:
    """Learn one batch by heart; 1 when that does not work."""
    from posedistill.train import overfit

    result = overfit.overfit(_recipe(arguments), steps=arguments.steps)
    print(result)
    if not result.is_learnt:
        print("not learnt: look at `posedistill show-batch`, the learning rate and the losses")
    return 0 if result.is_learnt else 1


def _add_recipe(command: argparse.ArgumentParser) -> None:
    command.add_argument("recipe", metavar="RECIPE", help=_RECIPE)
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="change one value of the recipe, such as lr=0.001; may be repeated",
    )


def _recipe(arguments: argparse.Namespace) -> "Recipe":
    from posedistill.recipes import get
    from posedistill.train.recipe import override

    return override(get(arguments.recipe), arguments.overrides)
