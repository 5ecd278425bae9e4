"""Train on MPII with online distillation: branches of one network that teach each other (OKDHP).

Li et al., ICCV 2021. `data/mpii` holds `annot/train.json`, `annot/valid.json`,
`annot/gt_valid.mat` and `images`; docs/training.md tells where they come from:

    python examples/online_mpii.py --data data/mpii --run runs/okdhp
    python examples/online_mpii.py --recipe okdhp-resnet18 --set batch_size=8

The best branch is what is kept: an ordinary model. The same call again resumes.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from posedistill import recipes
from posedistill.models import load
from posedistill.train.fit import fit
from posedistill.train.recipe import override


def main(words: Sequence[str] | None = None) -> None:
    """Train, and tell what each branch scores, and the ensemble of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="data/mpii", help="folder of MPII")
    parser.add_argument("--recipe", default="okdhp-hourglass-2", help="see `posedistill recipes`")
    parser.add_argument("--run", type=Path, default=Path("runs/okdhp"), help="the run folder")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="sets")
    given = parser.parse_args(words)

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    recipe = override(recipes.get(given.recipe), [f"data={given.data}", *given.sets])
    fit(recipe, given.run)
    scores = json.loads((given.run / "best.json").read_text(encoding="utf-8"))["scores"]
    for name, score in scores.items():
        print(f"{name:9}  {score['PCKh@0.5']:5.1f} PCKh@0.5")
    print(f"kept: {load(given.run).spec.architecture} in {given.run}")


if __name__ == "__main__":
    main()
