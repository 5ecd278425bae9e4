"""Assignment: which cells answer for which person, and the score that each should give.

Method: task alignment (TOOD, Feng et al., 2021): the cells inside a box whose prediction fits it
best, by score and overlap together, answer for it; the best of them is to score its overlap, the
others less. Deliberate differences: the score counts by its root, a cell counts as inside a narrow
box from four pixels of its middle on, and what is not known (see `Truth`) pulls no score down.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from posedistill.detect.model import Predictions

_TOP = 13  # cells of a person
_SCORE_POWER, _OVERLAP_POWER = 0.5, 6.0
_BOX_WEIGHT = 2.0  # as in RTMDet (Lyu et al., 2022)
_LEAST_HALF = 4.0  # pixels
_CONFIDENT = 0.3  # score above which a cell in doubt is believed rather than corrected


class Truth(NamedTuple):
    """Hold who is where in a batch of images.

    Attributes:
        boxes_xyxy: (B, M, 4) pixels. is_person: (B, M) whether a row is a person to be found.
        is_unclear: (B, M) whether it is someone who need not be found, hardly seen.
        doubt: (B, A) of each cell whether people there may lack a box.
    """

    boxes_xyxy: Tensor
    is_person: Tensor
    is_unclear: Tensor
    doubt: Tensor


class Targets(NamedTuple):
    """Hold what the cells should say.

    Attributes:
        scores: (B, A) 0 to 1. boxes_xyxy: (B, A, 4), of cells with a score. weights: (B, A) of the
            loss of scores, 0 or 1.
    """

    scores: Tensor
    boxes_xyxy: Tensor
    weights: Tensor


@torch.no_grad()
def assign(predictions: Predictions, truth: Truth, *, centres: Tensor) -> Targets:
    """Say what each cell should predict, given what it predicts now.

    centres: (A, 2) of the cells, pixels.

    >>> predictions = Predictions(torch.tensor([[[0., 0, 8, 8], [8, 0, 16, 8]]]), torch.zeros(1, 2))
    >>> some, none = torch.tensor([[True]]), torch.tensor([[False]])
    >>> truth = Truth(torch.tensor([[[0., 0, 8, 4]]]), some, none, torch.zeros(1, 2))
    >>> assign(predictions, truth, centres=torch.tensor([[4., 4], [12, 4]])).scores
    tensor([[0.5000, 0.0000]])
    """
    overlaps = overlap(truth.boxes_xyxy[:, :, None], predictions.boxes_xyxy[:, None])
    scores = predictions.logits.sigmoid()
    fit = scores[:, None] ** _SCORE_POWER * overlaps**_OVERLAP_POWER
    fit = fit * (_is_inside(truth.boxes_xyxy, centres) & truth.is_person[:, :, None])
    best = fit.topk(min(_TOP, fit.shape[2]), dim=2)
    taken = torch.zeros_like(fit).scatter_(2, best.indices, best.values) > 0
    owner = torch.where(taken, overlaps, -1.0).max(dim=1, keepdim=True).indices
    mine = taken & torch.zeros_like(taken).scatter_(1, owner, True)
    fit, overlaps = fit * mine, overlaps * mine
    peak = fit.amax(dim=2, keepdim=True).clamp(min=1e-12)
    wanted = (fit / peak * overlaps.amax(dim=2, keepdim=True)).amax(dim=1)
    boxes = truth.boxes_xyxy.gather(1, owner[:, 0, :, None].expand(-1, -1, 4))
    unclear = (_is_inside(truth.boxes_xyxy, centres) & truth.is_unclear[:, :, None]).any(dim=1)
    is_believed = (truth.doubt > 0.5) & (scores > _CONFIDENT)
    weights = ((wanted > 0) | ~(unclear | is_believed)).to(wanted)
    return Targets(wanted, boxes, weights)


def losses(predictions: Predictions, targets: Targets) -> dict[str, Tensor]:
    """Give the two losses of a batch, each a scalar: `score` and `box`.

    Scores by quality focal loss (Li et al., 2020), boxes by generalised overlap (Rezatofighi et
    al., 2019), weighted by the scores that are wanted; both in parts of the sum of those.

    >>> sure = Predictions(torch.tensor([[[0., 0, 8, 8]]]), torch.tensor([[20.]]))
    >>> found = losses(sure, Targets(torch.ones(1, 1), sure.boxes_xyxy, torch.ones(1, 1)))
    >>> [round(float(loss), 4) for loss in found.values()]
    [0.0, 0.0]
    """
    wanted, logits = targets.scores, predictions.logits
    total = wanted.sum().clamp(min=1.0)
    miss = (logits.sigmoid() - wanted) ** 2
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    gap = 1 - generalised_overlap(predictions.boxes_xyxy, targets.boxes_xyxy)
    return {
        "score": (entropy * miss * targets.weights).sum() / total,
        "box": _BOX_WEIGHT * (gap * wanted).sum() / total,
    }


def overlap(a_xyxy: Tensor, b_xyxy: Tensor) -> Tensor:
    """Give the intersection over union of boxes, (..., 4) each, broadcast against each other.

    >>> overlap(torch.tensor([0., 0, 2, 2]), torch.tensor([0., 0, 2, 1]))
    tensor(0.5000)
    """
    shared, union = _shared_and_union(a_xyxy, b_xyxy)
    return shared / union


def generalised_overlap(a_xyxy: Tensor, b_xyxy: Tensor) -> Tensor:
    """Give the overlap less the part of their common hull that neither box covers.

    >>> generalised_overlap(torch.tensor([0., 0, 1, 1]), torch.tensor([3., 0, 4, 1]))
    tensor(-0.5000)
    """
    shared, union = _shared_and_union(a_xyxy, b_xyxy)
    low = torch.minimum(a_xyxy[..., :2], b_xyxy[..., :2])
    high = torch.maximum(a_xyxy[..., 2:], b_xyxy[..., 2:])
    hull = (high - low).prod(dim=-1).clamp(min=1e-6)
    return shared / union - (hull - union) / hull


def _shared_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    low = torch.maximum(a[..., :2], b[..., :2])
    high = torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    areas = (a[..., 2:] - a[..., :2]).prod(dim=-1) + (b[..., 2:] - b[..., :2]).prod(dim=-1)
    return shared, (areas - shared).clamp(min=1e-6)


def _is_inside(boxes_xyxy: Tensor, centres: Tensor) -> Tensor:
    """Give (B, M, A): whether a cell's centre is in a box."""
    middle = (boxes_xyxy[..., :2] + boxes_xyxy[..., 2:]) / 2
    half = ((boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]) / 2).clamp(min=_LEAST_HALF)
    return ((centres - middle[:, :, None]).abs() <= half[:, :, None]).all(dim=3)
