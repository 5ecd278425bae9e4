"""Build models by name; load them from files and run folders."""

import difflib
import logging
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from posedistill.models.pickled import read_checkpoint
from posedistill.models.pose_model import PoseModel, read_weights
from posedistill.models.table import MODELS
from posedistill.models.widths import fit_widths, is_pruned, unpruned
from posedistill.spec import Spec

BEST = "best.safetensors"
_CLASSIFIERS = ("fc.", "classifier.")  # of torchvision's image classification models
_logger = logging.getLogger(__name__)


def build(  # house rule: name, skeleton and size, as published
    name: str, skeleton: str = "wholebody133", input_size_wh: tuple[int, int] = (192, 256)
) -> PoseModel:
    """Build an untrained model by name.

    Raises ValueError for an unknown name or skeleton.

    >>> build("rtmpose-t", skeleton="coco17").spec.input_size_wh
    (192, 256)
    """
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown model {name!r}; {hint}known are {', '.join(MODELS)}")
    w, h = input_size_wh
    return MODELS[name](skeleton, (int(w), int(h)))


def load(path: str | Path) -> PoseModel:
    """Load a model from a `.safetensors` file or the best one of a run folder, in eval mode.

    A pruned model has the widths of its weights, see `posedistill.models.widths`.
    Raises FileNotFoundError, or ValueError when the file is not one of ours.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / BEST).is_file():
            raise FileNotFoundError(
                f"run folder {path} holds no {BEST}; has the run saved a model yet?"
            )
        path = path / BEST
    state, spec = read_weights(path)
    model = _shaped(spec, state, path)
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit {spec.architecture}: {error}") from error
    return model.eval()


def _shaped(  # house rule: what the file says, then its name for an error
    spec: Spec, state: Mapping[str, Tensor], path: Path
) -> PoseModel:
    model = build(unpruned(spec.architecture), spec.skeleton, spec.input_size_wh)
    model.spec = spec
    if is_pruned(spec.architecture):
        try:
            fit_widths(model, state)
        except ValueError as error:
            raise ValueError(f"{path} does not fit {spec.architecture}: {error}") from error
    return model


def fresh_like(model: PoseModel) -> PoseModel:
    """Build an untrained model of the shapes of another, which may be pruned.

    >>> fresh_like(build("rtmpose-n", "coco17", (64, 64))).spec.architecture
    'rtmpose-n'
    """
    return _shaped(model.spec, model.state_dict(), Path("the model"))


def load_backbone(backbone: nn.Module, path: str | Path) -> None:
    """Start a backbone from that of a saved model, all of it (strict), heads may differ.

    path: as for `load`, or a published checkpoint (`.pth`): one with `backbone.` weights, such as
    those of CSPNeXt that RTMPose starts from, or one of a classifier, such as torchvision's, whose
    last layer is left out. Raises ValueError when the backbones do not fit.
    """
    path = Path(path)
    state, name = _backbone_of_checkpoint(path) if path.suffix == ".pth" else _backbone_of(path)
    try:
        backbone.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ValueError(f"the backbone of {path} ({name}) does not fit: {error}") from error


def _backbone_of(path: Path) -> tuple[dict[str, Tensor], str]:
    source = load(path)
    return source.backbone.state_dict(), source.spec.architecture


def _backbone_of_checkpoint(path: Path) -> tuple[dict[str, Tensor], str]:
    from posedistill.models.convert import plain_weights  # which builds models by this module

    weights, taken = plain_weights(read_checkpoint(path))
    prefix = "backbone."
    own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    if own:
        return own, taken
    left_out = [key for key in weights if key.startswith(_CLASSIFIERS)]
    if left_out:
        _logger.info("of %s the classifier is left out: %s", path, ", ".join(left_out))
    return {k: v for k, v in weights.items() if k not in left_out}, taken
