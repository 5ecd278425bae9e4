"""Prune: take out the channels of a backbone that weigh least, all that hang together at once.

Paper: DepGraph (Fang et al., CVPR 2023), whose library finds which layers share channels: through
additions, concatenations, depthwise convolutions and normalisation. Channels are ranked by the
length of all weights that go with them, each layer on its own. What is left is meant to be trained
on, taught by the model before pruning: recipe ``pruned``.
"""

import copy
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from posedistill.export.calibration import Crops, LabelledPhotos
from posedistill.export.effect import Effect, measure
from posedistill.export.onnx import export_onnx
from posedistill.models import PoseModel
from posedistill.models.widths import PRUNED, fit_widths, unpruned
from posedistill.skeleton import Skeleton

_MULTIPLE = 8  # of channels: what kernels work on at a time
_MOST = 0.9


@dataclass(frozen=True)
class Pruned:
    """Say what pruning did.

    Attributes:
        parameters, multiplications: before and after, of the whole network; the latter for one
            crop.
        effect: on `.onnx` files of both, before any training.
    """

    parameters: tuple[int, int]
    multiplications: tuple[int, int]
    effect: Effect

    def as_dict(self) -> dict[str, object]:
        """Give all of it, as JSON takes it."""
        return {
            "parameters": self.parameters,
            "multiplications": self.multiplications,
        } | self.effect.as_dict()

    def __str__(self) -> str:
        return "\n".join(
            [
                _line("parameters", self.parameters, "M"),
                _line("multiplications a crop", self.multiplications, "M"),
                str(self.effect),
            ]
        )


def _line(  # house rule: what, how many, of which unit
    name: str, counts: tuple[int, int], unit: str
) -> str:
    before, after = counts
    return f"{name}: {before / 1e6:.2f} {unit} -> {after / 1e6:.2f} {unit} ({after / before:.0%})"


def prune(model: PoseModel, ratio: float) -> PoseModel:
    """Give a copy with that part of the backbone's channels taken out.

    ratio: between 0 and 0.9; of each group of layers that share channels, or a little more, as
    what is left of each is a multiple of 8. The head keeps its shape but for what it takes from
    the backbone. The copy's architecture has ``-pruned`` behind its name; it saves, loads and
    exports as any model.
    Raises ValueError for another ratio, and for ShuffleNet, whose shuffled channels torch-pruning
    cannot follow.

    >>> from posedistill.models import build
    >>> pruned = prune(build("rtmpose-t", "coco17", (64, 64)), 0.3)  # doctest: +SKIP
    >>> pruned.spec.architecture, pruned.backbone.channels[-1]  # doctest: +SKIP
    ('rtmpose-t-pruned', 264)
    """
    if not 0 < ratio <= _MOST:
        raise ValueError(f"ratio is {ratio}; expected more than 0 and at most {_MOST}")
    if model.spec.architecture.startswith("shufflenet"):
        raise ValueError(
            f"{model.spec.architecture} shuffles its channels, which torch-pruning cannot follow; "
            "choose a model of another kind"
        )
    narrow = copy.deepcopy(model).cpu().float().eval()
    _take_out(narrow, ratio)
    narrow.spec = replace(model.spec, architecture=unpruned(model.spec.architecture) + PRUNED)
    fit_widths(narrow, narrow.state_dict())  # for the backbone's list of its channels
    return narrow


def _take_out(model: PoseModel, ratio: float) -> None:
    import torch_pruning

    with warnings.catch_warnings():
        # Factors of the head that are no layers, which stays as it is.
        warnings.filterwarnings("ignore", message="Unwrapped parameters", category=UserWarning)
        pruner = torch_pruning.pruner.BasePruner(
            model,
            _nothing(model),
            importance=torch_pruning.importance.MagnitudeImportance(p=2),
            pruning_ratio=ratio,
            ignored_layers=[model.head, *_score_layers(model)],
            round_to=_MULTIPLE,
            root_module_types=[nn.Conv2d],
        )
        pruner.step()


def _score_layers(model: PoseModel) -> list[nn.Module]:
    """Give the layers of the backbone that predict joints, each of which is a channel."""
    joints = len(Skeleton.get(model.spec.skeleton))
    return [
        module
        for name, module in model.backbone.named_modules()
        if name.endswith(".score") and getattr(module, "out_channels", None) == joints
    ]


def _nothing(model: PoseModel) -> torch.Tensor:
    w, h = model.spec.input_size_wh
    return torch.zeros(1, 3, h, w, dtype=torch.uint8)


def count_parameters(model: nn.Module) -> int:
    """Give how many learned numbers a model has.

    >>> count_parameters(nn.Linear(3, 2))
    8
    """
    return sum(parameter.numel() for parameter in model.parameters())


def count_multiplications(model: PoseModel) -> int:
    """Give how many multiplications convolutions and linear layers do for one crop.

    >>> from posedistill.models import build
    >>> count_multiplications(build("rtmpose-n", "coco17", (64, 64))) > 10**7
    True
    """
    counts: list[int] = []

    def _count(module: nn.Module, _: object, output: torch.Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        each = weight[0].numel() if isinstance(module, nn.Conv2d) else weight.shape[1]
        counts.append(each * output[0].numel())

    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(_count) for layer in layers]
    try:
        with torch.no_grad():
            model.eval()(_nothing(model))
    finally:
        for hook in hooks:
            hook.remove()
    return sum(counts)


def measure_pruned(
    before: PoseModel, after: PoseModel, *, crops: Crops, photos: LabelledPhotos | None = None
) -> Pruned:
    """Compare a model with what pruning left of it, by `.onnx` files of both.

    crops, photos: as `posedistill.export.effect.measure` takes them.
    """
    with TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("before.onnx", "after.onnx")]
        for model, file in zip((before, after), files, strict=True):
            export_onnx(model, file)
        effect = measure(*files, crops=crops, photos=photos)
    return Pruned(
        (count_parameters(before), count_parameters(after)),
        (count_multiplications(before), count_multiplications(after)),
        effect,
    )
