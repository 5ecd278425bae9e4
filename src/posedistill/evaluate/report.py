"""Report: the scores of a set of predictions, as a table, a dict and Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from posedistill.evaluate.oks import PARTS, evaluate_coco17, evaluate_wholebody
from posedistill.evaluate.pck import THRESHOLDS, keypoint_distances, pck_scores
from posedistill.evaluate.pckh import COLUMNS, PCKH_ROWS, pckh_scores
from posedistill.evaluate.predictions import SCORED, Prediction, read_predictions
from posedistill.evaluate.truth import Truth, read_truth

_STATISTICS = ("AP", "AP50", "AP75", "AR")
# What the published tables of 17 keypoints show.
_BODY_STATISTICS = ("AP", "AP50", "AP75", "APM", "APL", "AR")
_BODY_PARTS = ("body",)
_HEAD_PARTS = tuple(PCKH_ROWS)  # the rows of MPII, which has thresholds for parts
_ABSENT = "-"


@dataclass(frozen=True)
class Report:
    """Hold scores, and print as a table of them.

    Attributes:
        scores: per cent by name, such as ``whole/AP``, ``body/PCK@0.1``, ``face/NME``, and of
            MPII ``PCKh@0.5`` and ``PCKh@0.5/wrist``. What has no value, because nobody is labelled
            for it, has no key.
        num_persons: how many persons are labelled, by part.
        folders: PCK by the first folder of the image, where there is more than one.
        parts: the rows of the table; the body alone for models of 17 keypoints, the thresholds
            of PCKh for those of MPII's 16.

    >>> print(Report({"body/AP": 71.25}, {"body": 2}))
    part          AP  AP50  AP75  AR  PCK  persons
    body        71.2     -     -   -    -        2
    foot           -     -     -   -    -        0
    face           -     -     -   -    -        0
    left hand      -     -     -   -    -        0
    right hand     -     -     -   -    -        0
    whole          -     -     -   -    -        0
    """

    scores: Mapping[str, float]
    num_persons: Mapping[str, int]
    folders: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    parts: tuple[str, ...] = PARTS

    def as_dict(self) -> dict[str, float]:
        """Give the scores in per cent by name."""
        return dict(self.scores)

    def as_markdown(self) -> str:
        """Give the table in Markdown."""
        return "\n\n".join(
            _markdown(table) if len(table) > 1 else table[0][0] for table in self._tables()
        )

    def __str__(self) -> str:
        return "\n\n".join(_aligned(table) for table in self._tables())

    def _tables(self) -> list[list[list[str]]]:
        tables = [self._head_table() if self.parts == _HEAD_PARTS else self._main_table()]
        if "face/NME" in self.scores:
            tables.append([[f"face NME {self.scores['face/NME']:.1f} % of the eyes' distance"]])
        if self.folders:
            tables.append(self._folder_table())
        return tables

    def _main_table(self) -> list[list[str]]:
        statistics = _BODY_STATISTICS if self.parts == _BODY_PARTS else _STATISTICS
        table = [["part", *statistics, "PCK", "persons"]]
        for part in self.parts:
            cells = [_cell(self.scores, f"{part}/{name}") for name in statistics]
            count = str(self.num_persons.get(part, 0))
            table.append([part.replace("_", " "), *cells, self._pck_cell(part), count])
        return table

    def _head_table(self) -> list[list[str]]:
        table = [["score", *COLUMNS, "mean", "persons"]]
        for row in self.parts:
            cells = [_cell(self.scores, f"{row}/{name}") for name in COLUMNS]
            count = str(self.num_persons.get(row, 0))
            table.append([row, *cells, _cell(self.scores, row), count])
        return table

    def _pck_cell(self, part: str) -> str:
        if part not in THRESHOLDS:
            return _ABSENT
        threshold = THRESHOLDS[part][0]
        cell = _cell(self.scores, f"{part}/PCK@{threshold}")
        return cell if cell == _ABSENT else f"{cell} @{threshold}"

    def _folder_table(self) -> list[list[str]]:
        names = [f"{part}/PCK@{THRESHOLDS[part][0]}" for part in self.parts if part in THRESHOLDS]
        rows = [
            [folder, *(_cell(scores, name) for name in names)]
            for folder, scores in self.folders.items()
        ]
        return [["images", *names], *rows]


def score_file(predictions: Path, annotations: Path) -> Report:
    """Score a prediction file.

    annotations: a COCO-WholeBody file, or a COCO file where the predictions are of 17 keypoints,
    or a file of MPII where they are of 16, see `people_to_score`. Where images of COCO are in
    several folders, PCK is also given by the first of each.
    Raises FileNotFoundError and ValueError as `read_predictions` and `read_truth` do.

    >>> score_file(Path("predictions.json"), Path("val.json"))
    Traceback (most recent call last):
    FileNotFoundError: no such prediction file: predictions.json
    """
    rows = read_predictions(predictions)
    skeleton = SCORED[len(rows[0].keypoints)] if rows else "wholebody133"
    return score(rows, read_truth(annotations, skeleton=skeleton))


def score(predictions: Sequence[Prediction], truth: Truth) -> Report:
    """Score predictions of the truth's keypoints: 133, the 17 of the body, or MPII's 16.

    >>> score([], read_truth({"images": [], "annotations": []})).as_dict()
    {}
    """
    if truth.skeleton.name == "mpii16":
        count = int(truth.visible.any(axis=1).sum())
        heads = dict.fromkeys(_HEAD_PARTS, count)
        return Report(pckh_scores(truth, predictions), heads, parts=_HEAD_PARTS)
    if truth.skeleton.name == "coco17":
        statistics = {"body": evaluate_coco17(truth, predictions)}
    else:
        statistics = evaluate_wholebody(truth, predictions)
    parts = tuple(statistics)
    scores = {
        f"{part}/{name}": 100 * value
        for part, values in statistics.items()
        for name, value in values.items()
    }
    distances = keypoint_distances(truth, predictions)
    everyone = np.ones(len(truth), np.bool_)
    folders = np.array(truth.folders)
    names = sorted(set(truth.folders)) if len(set(truth.folders)) > 1 else []
    return Report(
        scores=scores | pck_scores(truth, distances, chosen=everyone),
        num_persons=_num_persons(truth, parts),
        folders={
            folder: pck_scores(truth, distances, chosen=folders == folder) for folder in names
        },
        parts=parts,
    )


def _num_persons(truth: Truth, parts: tuple[str, ...]) -> dict[str, int]:
    joints = {**truth.skeleton.groups, "whole": np.arange(len(truth.skeleton))}
    return {
        part: int((truth.visible[:, joints[part]].any(axis=1) & ~truth.is_crowd).sum())
        for part in parts
    }


def _cell(scores: Mapping[str, float], name: str) -> str:
    return f"{scores[name]:.1f}" if name in scores else _ABSENT


def _aligned(table: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = [
        [row[0].ljust(widths[0])]
        + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        for row in table
    ]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _markdown(table: list[list[str]]) -> str:
    header, *rows = table
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, rule, *rows])
