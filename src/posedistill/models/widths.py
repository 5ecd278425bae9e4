"""Widths: models whose layers have fewer channels than those of their name.

Pruning takes channels out of layers; what is left has the shapes of its weights alone. Such a
model is called after the one it was made of, with `PRUNED` behind the name.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from posedistill.models.pose_model import PoseModel

PRUNED = "-pruned"


def is_pruned(name: str) -> bool:
    """Say whether an architecture's name is that of a pruned one.

    >>> is_pruned("rtmpose-t"), is_pruned("rtmpose-t-pruned")
    (False, True)
    """
    return name.endswith(PRUNED)


def unpruned(name: str) -> str:
    """Give the name of the architecture that a pruned one was made of; others as they are.

    >>> unpruned("rtmpose-t-pruned"), unpruned("rtmpose-t")
    ('rtmpose-t', 'rtmpose-t')
    """
    return name.removesuffix(PRUNED)


def fit_widths(model: PoseModel, state: Mapping[str, Tensor]) -> None:
    """Narrow the layers of a model, in place, to the shapes of weights that are to be loaded.

    state: weights by name. Convolutions, batch normalisation and the backbone's list of channels
    follow; a layer keeps the first values of its own. Layers are not widened: weights that need
    that do not load afterwards. Raises ValueError for widths that do not fit each other.

    >>> from posedistill.models import build
    >>> model = build("rtmpose-n", "coco17", (64, 64))
    >>> fit_widths(model, model.state_dict())  # its own widths change nothing
    >>> model.backbone.channels
    (32, 64, 128, 256)
    """
    for name, module in model.named_modules():
        weight = state.get(f"{name}.weight")
        if weight is None or not isinstance(module, _KINDS) or weight.shape == module.weight.shape:
            continue
        if isinstance(module, nn.BatchNorm2d):
            _fit_norm(module, len(weight))
        else:
            _fit_conv(module, weight)
    if isinstance(getattr(model.backbone, "channels", None), tuple):
        model.backbone.channels = _channels(model)  # type: ignore[assignment]  # a tuple, seen above


_KINDS = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)


def _fit_conv(conv: nn.Conv2d | nn.ConvTranspose2d, weight: Tensor) -> None:
    is_depthwise = 1 < conv.groups == conv.in_channels
    first, second = (int(count) for count in weight.shape[:2])
    if is_depthwise:
        conv.in_channels = conv.out_channels = conv.groups = first
    elif isinstance(conv, nn.ConvTranspose2d):
        conv.in_channels, conv.out_channels = first, second * conv.groups
    else:
        conv.out_channels, conv.in_channels = first, second * conv.groups
    conv.weight = nn.Parameter(conv.weight.detach()[:first, :second].clone())
    if conv.bias is not None:
        conv.bias = nn.Parameter(conv.bias.detach()[: conv.out_channels].clone())


def _fit_norm(norm: nn.BatchNorm2d, count: int) -> None:
    norm.num_features = count
    norm.weight = nn.Parameter(norm.weight.detach()[:count].clone())
    norm.bias = nn.Parameter(norm.bias.detach()[:count].clone())
    for statistic in (norm.running_mean, norm.running_var):
        assert statistic is not None
    norm.running_mean = norm.running_mean[:count].clone()  # type: ignore[index]  # asserted
    norm.running_var = norm.running_var[:count].clone()  # type: ignore[index]  # asserted


def _channels(model: PoseModel) -> tuple[int, ...]:
    """Give the channels of the maps that a backbone now gives, by running it on nothing."""
    w, h = model.spec.input_size_wh
    was_training = model.training
    with torch.no_grad():
        images = torch.zeros(1, 3, h, w, device=model.mean.device)
        try:
            maps = model.eval().backbone(images)
        except RuntimeError as error:
            raise ValueError(f"these widths do not fit each other: {error}") from error
        finally:
            model.train(was_training)
    return tuple(feature.shape[1] for feature in maps)
