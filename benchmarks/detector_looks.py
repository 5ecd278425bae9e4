"""Print what a second look and the mean of two runs bring to the person detector.

    python benchmarks/detector_looks.py --runs runs --val val.npz

The runs are `person-n` and `person-n2`, and the pack that of docs/embedded-models.md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.people_scores import markdown
from posedistill.detect.fit import load_detector
from posedistill.detect.model import PersonDetector, TwoLooks
from posedistill.detect.pack import Picture, decode, load_pack
from posedistill.detect.predict import find_people
from posedistill.detect.score import score_boxes

_SIDE = 320  # pixels, of the input
RUNS = {
    "person-n": ["person-n"],
    "person-n2": ["person-n2"],
    "their mean": ["person-n", "person-n2"],
}


def main() -> None:
    """Score each network with one look and with two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True, help="folder of the run folders")
    parser.add_argument("--val", type=Path, required=True, help="the pack of validation photos")
    arguments = parser.parse_args()
    pictures = load_pack(arguments.val)
    rows = [["network", "one look", "two looks"]]
    for label, names in RUNS.items():
        model = load_detector(*(arguments.runs / name for name in names))
        scores = [_average_precision(looks, pictures) for looks in (model, TwoLooks(model))]
        rows.append([label, *(f"{100 * score:.1f}" for score in scores)])
    print(markdown(rows))


def _average_precision(looks: PersonDetector | TwoLooks, pictures: list[Picture]) -> float:
    found = find_people(looks, [decode(picture) for picture in pictures], side=_SIDE)
    return score_boxes(found, [picture.boxes_xyxy for picture in pictures]).average_precision


if __name__ == "__main__":
    main()
