"""Losses: pure functions with the constants of the published methods as defaults.

Papers: DWPose (Yang et al., ICCVW 2023), RTMPose (Jiang et al., 2023). Reductions: as
released, in MMPose's classification_loss.py and DWPose's kd.py and fea.py.
"""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

BETA = 10.0
ALPHA = 7e-5


def _kl_rows(logits: Tensor, log_target: Tensor) -> Tensor:
    """Give sum_i T_i (log T_i - P_i) over the last axis, both in log form."""
    return (log_target.exp() * (log_target - logits)).sum(dim=-1)


def simcc_kl(  # house rule: outputs, then what they should be
    logits_x: Tensor, logits_y: Tensor, target_x: Tensor, target_y: Tensor, weights: Tensor
) -> Tensor:
    """Give the supervised SimCC loss, KLDiscretLoss of the reference.

    logits and targets: (N, K, bins); weights: (N, K). Both pass a softmax with beta 10; the mean
    over bins is weighted, summed over people and joints, divided by K. It is not divided by N.

    >>> x = torch.zeros(2, 3, 8)
    >>> float(simcc_kl(x, x, x, x, torch.ones(2, 3)))
    0.0
    """
    if logits_x.is_cuda:  # to pick the labelled ones would make the host wait for the device
        labelled: Tensor | slice = slice(None)
    else:
        labelled = weights > 0  # most joints of partly labelled data are not
    total = logits_x.new_zeros((), dtype=torch.float32)
    for logits, target in ((logits_x, target_x), (logits_y, target_y)):
        predicted = log_softmax(logits[labelled].float() * BETA, dim=-1)
        wanted = log_softmax(target[labelled].float() * BETA, dim=-1)
        rows = _kl_rows(predicted, wanted) / logits.shape[-1]
        total = total + (rows * weights[labelled]).sum()
    return total / logits_x.shape[1]


def logit_kl(  # house rule: student, then teacher
    student_x: Tensor, student_y: Tensor, teacher_x: Tensor, teacher_y: Tensor
) -> Tensor:
    """Give the logit distillation loss, KDLoss of the reference, weight 1.

    All (N, K, bins). Summed over bins and axes, averaged over people and joints. No keypoint
    weight: invisible joints are distilled too (DWPose, section 3.1).

    >>> x = torch.zeros(2, 3, 8)
    >>> float(logit_kl(x, x, x, x))
    0.0
    """
    total = student_x.new_zeros((), dtype=torch.float32)
    for student, teacher in ((student_x, teacher_x), (student_y, teacher_y)):
        predicted = log_softmax(student.float() * BETA, dim=-1)
        wanted = log_softmax(teacher.float() * BETA, dim=-1)
        total = total + _kl_rows(predicted, wanted).mean()
    return total


def feature_mse(student: Tensor, teacher: Tensor, *, alpha: float = ALPHA) -> Tensor:
    """Give the feature distillation loss, FeaLoss of the reference.

    Both (N, C, h, w). The squared differences are summed and divided by N only, times alpha:
    7e-5 in the released configurations, 5e-5 in the paper.

    >>> round(float(feature_mse(torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2), alpha=0.5)), 6)
    2.0
    """
    return alpha * (student.float() - teacher.float()).square().sum() / len(student)


def heatmap_mse(  # house rule: outputs, then what they should be
    heatmaps: Tensor, targets: Tensor, weights: Tensor
) -> Tensor:
    """Give the mean squared error of heatmaps (Xiao et al., ECCV 2018).

    heatmaps, targets: (N, K, h, w); weights: (N, K). The mean is over all people, joints and
    cells, so that it does not depend on how a batch is split.

    >>> float(heatmap_mse(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), torch.ones(1, 1)))
    1.0
    """
    if heatmaps.is_cuda:  # to pick the labelled ones would make the host wait for the device
        errors = (heatmaps.float() - targets).square().mean(dim=(2, 3))
        return (errors * weights).sum() / weights.numel()
    labelled = weights > 0  # most joints of partly labelled data are not
    errors = (heatmaps[labelled].float() - targets[labelled]).square().mean(dim=(1, 2))
    return (errors * weights[labelled]).sum() / weights.numel()


def heatmap_kl(  # house rule: outputs, then what they should be
    heatmaps: Tensor, targets: Tensor, weights: Tensor, *, temperature: float = 1.0
) -> Tensor:
    """Give the pixel-wise KL divergence of online distillation (OKDHP, Li et al., ICCV 2021).

    heatmaps, targets: (N, K, h, w), each map a distribution over its cells; weights: (N, K), on
    both maps before the softmax as released (loss.py), so that a joint of weight 0 counts nothing.
    Summed over joints and cells, averaged over people, divided by the number of cells, times
    temperature squared. Gradients reach targets that are not detached.

    >>> x = torch.zeros(1, 2, 3, 4)
    >>> float(heatmap_kl(x, x, torch.ones(1, 2)))
    0.0
    """
    labelled = weights > 0
    scale = weights[labelled].unsqueeze(1) / temperature
    predicted = log_softmax(heatmaps[labelled].float().flatten(1) * scale, dim=-1)
    wanted = log_softmax(targets[labelled].float().flatten(1) * scale, dim=-1)
    cells = heatmaps.shape[2] * heatmaps.shape[3]
    return _kl_rows(predicted, wanted).sum() * temperature**2 / (len(heatmaps) * cells)
