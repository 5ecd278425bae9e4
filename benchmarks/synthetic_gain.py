"""Print what synthetic people add: one student, the same steps, with and without them.

    python benchmarks/synthetic_gain.py --runs runs --data people

The runs are `labels-real` and `labels-synth`, made with the commands of docs/embedded-models.md
from the run `stage1-t`, which is scored beside them.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.embedded_goals import People, estimate
from benchmarks.people_scores import MEASURES, cells, markdown, measures, sources
from posedistill.cli_open import open_any_session
from posedistill.evaluate.truth import read_truth
from posedistill.runtime.estimator import Estimator

RUNS = {
    "before": "stage1-t",
    "real photos": "labels-real",
    "half synthetic": "labels-synth",
}


def main() -> None:
    """Score the runs on the validation people, by what photos they are of."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of the run folders")
    parser.add_argument("--data", type=Path, required=True, help="folder of the people data")
    arguments = parser.parse_args()
    people = People(arguments.data)
    truth = read_truth(people.annotations)
    distances = {
        label: estimate(
            Estimator(open_any_session(str(arguments.runs / name))), people, truth=truth
        )
        for label, name in RUNS.items()
    }
    rows = [["people of", "trained on", *MEASURES]]
    for source in [*sources(truth), None]:
        for label, found in distances.items():
            values = cells(measures(truth, found, source=source))
            rows.append([source or "all", label, *values])
    print(markdown(rows))


if __name__ == "__main__":
    main()
