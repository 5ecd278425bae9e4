"""Judge: score what a run may deploy, and pick the best of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from posedistill.evaluate.run import evaluate
from posedistill.models import PoseModel
from posedistill.models.torch_session import TorchSession
from posedistill.spec import Spec
from posedistill.train.data import ValidationFiles

Scores = dict[str, float]


@dataclass(frozen=True, eq=False)
class Verdict:
    """Hold what came of an evaluation.

    Attributes:
        name, model: of the candidate that scored best. merit: by which, the higher the better.
        scores: of all that was scored, by name, candidates first.
        predictions: file with those of the best.
    """

    name: str
    model: PoseModel
    merit: float
    scores: dict[str, Scores]
    predictions: Path


def judge(
    candidates: Mapping[str, PoseModel],
    companions: Mapping[str, nn.Module],
    *,
    validation: ValidationFiles,
    folder: Path,
    best_by: str,
) -> Verdict:
    """Score candidates and companions on the validation people; the best candidate wins.

    folder: for the prediction files; where there is more than one candidate, each has its own.
    best_by: name of the score to compare by, see `merit`.
    """
    files = {
        name: folder / f"predictions{_slug(name) if len(candidates) > 1 else ''}.json"
        for name in candidates
    }
    scores = {
        name: _score(model, validation, out=files.get(name))
        for name, model in {**candidates, **companions}.items()
    }
    best = max(candidates, key=lambda name: merit(scores[name], best_by))
    return Verdict(best, candidates[best], merit(scores[best], best_by), scores, files[best])


def _score(model: nn.Module, validation: ValidationFiles, *, out: Path | None) -> Scores:
    spec = model.spec
    assert isinstance(spec, Spec)
    report = evaluate(
        TorchSession(model, spec),
        annotations=validation.annotations,
        images_dir=validation.images_dir,
        out=out,
        progress=False,
    )
    return report.as_dict()


def merit(scores: Mapping[str, float], best_by: str) -> float:
    """Give the score to compare models by: the higher the better; errors count negative.

    >>> merit({"face/NME": 8.0}, "face/NME"), merit({}, "whole/AP")
    (-8.0, -inf)
    """
    score = scores.get(best_by, -math.inf)
    return -abs(score) if best_by.endswith("NME") else score


def _slug(name: str) -> str:
    return f"-{name.replace(' ', '-')}"
