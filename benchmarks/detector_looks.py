"""Print what a second look and the mean of two runs bring to the person detector.

    python benchmarks/detector_looks.py --runs runs --val val.npz

The runs are `person-n` and `person-n2`, and the pack that of docs/embedded-models.md.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.people_scores import markdown
from posedistill.detect.fit import load_detector
from posedistill.detect.model import PersonDetector, TwoLooks
from posedistill.detect.pack import Picture, decode, load_pack
from posedistill.detect.score import score_boxes
from posedistill.runtime.detector import Boxes
from posedistill.runtime.letterbox import letterbox
from posedistill.runtime.suppression import suppress

_SIDE, _LEAST_SCORE, _MOST_OVERLAP = 320, 0.01, 0.45
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


@torch.no_grad()
def _average_precision(looks: PersonDetector | TwoLooks, pictures: list[Picture]) -> float:
    found = []
    plane = np.empty((1, 3, _SIDE, _SIDE), np.uint8)
    for picture in pictures:
        ratio = np.float32(letterbox(decode(picture), plane[0]))
        boxes, logits = looks(torch.from_numpy(plane))
        scores = logits[0].sigmoid().numpy()
        kept = scores > _LEAST_SCORE
        boxes_xyxy, scores = boxes[0].numpy()[kept] / ratio, scores[kept]
        order = suppress(boxes_xyxy, scores, threshold=_MOST_OVERLAP)
        found.append(Boxes(boxes_xyxy[order], scores[order]))
    people = [picture.boxes_xyxy for picture in pictures]
    return score_boxes(found, people).average_precision


if __name__ == "__main__":
    main()
