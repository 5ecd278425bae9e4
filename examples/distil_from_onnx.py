"""Distil a student of your own from photos without labels and a teacher in an `.onnx` file.

The teacher is any `.onnx` file that `posedistill predict --model` takes, or a name. The people are
found by the detector that comes with the package. A run that was stopped goes on when the same
command is given again:

    python examples/distil_from_onnx.py teacher.onnx photos --run runs/mine
    python examples/distil_from_onnx.py teacher.onnx crops --whole-image --run runs/mine

Photos of the people and places that the student will see make the best student; thousands are
better than hundreds. `--set` changes any value of the recipe, as `posedistill train` does.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from posedistill import recipes
from posedistill.runtime.detector import embedded_detectors
from posedistill.train.fit import fit
from posedistill.train.recipe import override


def main(words: Sequence[str] | None = None) -> None:
    """Train by the recipe `distil`, and tell what to do with the student."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("teacher", help="an .onnx file, or the name of a model")
    parser.add_argument("photos", type=Path, help="folder of photos, or a video")
    parser.add_argument("--run", type=Path, default=Path("runs/mine"), help="the run folder")
    parser.add_argument("--whole-image", action="store_true", help="each photo is one person")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="sets")
    given = parser.parse_args(words)

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    people = (
        "data.whole_image=true" if given.whole_image else f"data.detector={embedded_detectors()[0]}"
    )
    recipe = override(
        recipes.get("distil"),
        [f"teacher={given.teacher}", f"data={given.photos}", people, *given.sets],
    )
    fit(recipe, given.run)
    print(f"the student is in {given.run}; as a file, and beside its teacher:")
    print(f"  posedistill export {given.run} --out student.onnx")
    print(f"  python examples/compare_models.py {given.teacher} student.onnx {given.photos}")


if __name__ == "__main__":
    main()
