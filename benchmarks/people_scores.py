"""Scores on the shared set of people, by the source of the photos: what the goals are about.

A source is the first folder of an image's file name. PCK is by the longer side of the labelled box,
for hands by the longer side of the tight box of the hand's own labels, over both hands; the error
of a face is by the distance of its outer eye corners.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.evaluate.pck import pck_scores
from posedistill.evaluate.truth import Truth

MEASURES = ("body @0.1", "body @0.05", "feet @0.05", "face error", "hands @0.2")
_NAMES = {
    "body @0.1": "body/PCK@0.1",
    "body @0.05": "body/PCK@0.05",
    "feet @0.05": "foot/PCK@0.05",
    "face error": "face/NME",
}
_HANDS = ("left_hand", "right_hand")


class Goal(NamedTuple):
    """Hold what a measure shall be, in per cent, at least or (the face's error) at most."""

    measure: str
    source: str | None  # None: all of them
    wanted: float

    def is_met(self, value: float) -> bool:
        """Tell whether a value is as good as wanted."""
        return value <= self.wanted if self.measure == "face error" else value >= self.wanted


GOALS = (
    Goal("body @0.1", "coco_grey", 75),
    Goal("body @0.1", "lspet", 70),
    Goal("body @0.1", "ccp", 97),
    Goal("body @0.1", "free_exercise", 85),
    Goal("feet @0.05", "ccp", 80),
    Goal("face error", "afw", 6),
    Goal("hands @0.2", None, 70),
)


def measures(
    truth: Truth, distances: NDArray[np.float64], *, source: str | None = None
) -> dict[str, float]:
    """Give the measures in per cent; one that nobody is labelled for has no key.

    distances: (N, 133) pixels as of `posedistill.evaluate.pck.keypoint_distances`; source: of the
    people that count, None for all.
    """
    folders = np.array(truth.folders)
    chosen = np.ones(len(truth), np.bool_) if source is None else folders == source
    scores = pck_scores(truth, distances, chosen=chosen)
    values = {ours: scores[name] for ours, name in _NAMES.items() if name in scores}
    counts = chosen & ~truth.is_crowd
    points = [int(truth.visible[counts][:, truth.skeleton.groups[hand]].sum()) for hand in _HANDS]
    if sum(points):
        found = [scores.get(f"{hand}/PCK@0.2", 0.0) for hand in _HANDS]
        values["hands @0.2"] = float(np.average(found, weights=points))
    return values


def sources(truth: Truth) -> list[str]:
    """Give the names of the sources."""
    return sorted(set(truth.folders))


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Give a Markdown table, the first row its heading, the first column to the left."""
    heading, *body = rows
    rule = ["---"] + ["---:"] * (len(heading) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in [heading, rule, *body])


def cells(values: Mapping[str, float]) -> list[str]:
    """Give the cells of a row of `MEASURES`."""
    return [f"{values[name]:.1f}" if name in values else "-" for name in MEASURES]
