"""Convert published RTMPose and DWPose checkpoints (`.pth`) into model files.

Where the weights lie in a checkpoint: mmengine's EMA hook swaps on saving, so that `state_dict`
holds the averaged weights and `ema_state_dict` the raw ones; a DWPose distiller keeps `teacher.`,
`student.` and `distill_losses.` side by side (MMPose, distiller.py and pth_transfer.py of DWPose).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from posedistill import zoo
from posedistill.models.files import build
from posedistill.models.pickled import read_checkpoint
from posedistill.models.pose_model import PoseModel, save
from posedistill.models.table import MODELS
from posedistill.runtime.published import SKELETONS, SPLIT_RATIO
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec

_STAGE_WORDS = {
    "one": "the student of stage one",
    "two": "the teacher's backbone and the student's head of stage two",
}
STAGES = tuple(_STAGE_WORDS)
_WHAT_IS_READ = "what is read are RTMPose weights: backbone (CSPNeXt) and head (SimCC)"
_SHOWN = 3
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Converted:
    """Say what a conversion found and made.

    Attributes:
        spec: of the model that was written.
        taken: in words, which weights of the checkpoint were taken, and why.
        num_parameters: weights and biases that training changes.
        source: name of the checkpoint file.
    """

    spec: Spec
    taken: str
    num_parameters: int
    source: str

    def __str__(self) -> str:
        w, h = self.spec.input_size_wh
        millions = self.num_parameters / 1e6
        return (
            f"{self.spec.architecture}, {self.spec.skeleton}, input {w}x{h}, "
            f"{millions:.2f} million parameters; from {self.source}: {self.taken}"
        )


def plain_weights(checkpoint: object, *, stage: str | None = None) -> tuple[Weights, str]:
    """Find the weights of one plain model in a checkpoint, under today's names.

    Takes `state_dict`, or the checkpoint itself where that is a mapping of tensors. Of a distiller
    takes the student after stage one; after stage two the teacher's backbone with the student's
    head. The stage is told from the weights unless it is given.

    stage: "one", "two", or None.

    Gives the weights by name, and in words what was taken. Raises ValueError when there are no
    weights, or `stage` does not suit them.

    >>> state, taken = plain_weights({"state_dict": {"keypoint_head.scale": torch.ones(1)}})
    >>> list(state), taken
    (['head.scale'], 'state_dict')
    """
    if stage is not None and stage not in STAGES:
        raise ValueError(f"stage {stage!r} is unknown; stages are {', '.join(STAGES)}")
    found, taken = _mapping_of_tensors(checkpoint)
    weights = {_todays_name(key): value.detach() for key, value in found.items()}
    if len(weights) != len(found):
        raise ValueError("the checkpoint has the same weights under an old and a new name")
    if not any(key.startswith(("student.", "distill_losses.")) for key in weights):
        if stage is not None:
            raise ValueError(
                f"stage {stage!r} was asked for, but the checkpoint has no student. weights: "
                "it is no distiller, or was converted before; leave the stage out"
            )
        return weights, taken
    told, why = _tell_stage(weights)
    if stage is None:
        stage = told
    else:
        why = "as asked"
    return _of_distiller(weights, stage), f"{taken}, {_STAGE_WORDS[stage]} ({why})"


def _mapping_of_tensors(checkpoint: object) -> tuple[Weights, str]:
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f"the checkpoint is a {type(checkpoint).__name__}, not a mapping")
    weights, taken = checkpoint, "the mapping of tensors that the file is"
    if "state_dict" in checkpoint:
        weights, taken = checkpoint["state_dict"], "state_dict"
    if "state_dict" in checkpoint and "ema_state_dict" in checkpoint:
        taken = "state_dict (the averaged weights; ema_state_dict has the raw ones)"
    if not isinstance(weights, Mapping) or not weights:
        raise ValueError("the checkpoint holds no weights: it, or its state_dict, is empty")
    others = [str(key) for key, value in weights.items() if not isinstance(value, Tensor)]
    if others:
        where = "in state_dict" if weights is not checkpoint else "there is no state_dict, but"
        raise ValueError(f"no mapping of tensors found: {where} {_some(others)}")
    return {str(key): value for key, value in weights.items()}, taken


def _todays_name(key: str) -> str:
    """Leave out what DistributedDataParallel puts before names; rename MMPose 0.x's head."""
    key = key.removeprefix("module.")
    owner, dot, rest = key.partition(".")
    if owner in ("student", "teacher"):
        return owner + dot + _todays_name(rest)
    return "head" + dot + rest if owner == "keypoint_head" else key


def _under(weights: Weights, prefix: str) -> Weights:
    """Give the weights under a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def _shapes(weights: Weights) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in weights.items()}


def _tell_stage(weights: Weights) -> tuple[str, str]:
    """Tell the stage of a distiller, and by what."""
    if _under(weights, "distill_losses."):
        return "one", "it has distill_losses weights"
    teacher, student = (_under(weights, f"{owner}.backbone.") for owner in ("teacher", "student"))
    if not teacher:
        return "one", "it has no teacher"
    if _shapes(teacher) != _shapes(student):
        return "one", "the backbones of teacher and student differ"
    return "two", "teacher and student have like backbones and no distill_losses weights"


def _of_distiller(weights: Weights, stage: str) -> Weights:
    parts = ("student.",) if stage == "one" else ("teacher.backbone.", "student.head.")
    missing = [part for part in parts if not _under(weights, part)]
    if missing:
        raise ValueError(
            f"stage {stage!r} takes {' and '.join(parts)} weights, but none are {missing[0]}"
        )
    taken: Weights = {}
    for part in parts:
        kept = part.partition(".")[2]
        taken |= {kept + key: value for key, value in _under(weights, part).items()}
    return taken


def fitting_model(state: Mapping[str, Tensor]) -> PoseModel:
    """Build the RTMPose that has weights of these names and shapes, and load them, all of them.

    The size comes from the last stage's channels, the skeleton from the number of joints, the
    input size from the number of bins.

    Raises ValueError for other architectures, unknown numbers of joints, and weights that do not
    fit one to one.

    >>> model = build("rtmpose-n", "coco17", (96, 128))
    >>> fitting_model(model.state_dict()).spec == model.spec
    True
    """
    owners = sorted({key.partition(".")[0] for key in state})
    if owners != ["backbone", "head"]:
        raise ValueError(f"the weights are of {_some(owners)}; {_WHAT_IS_READ}")
    name = _architecture(_channels(state, "backbone.stage4.0.conv.weight"))
    joints = _channels(state, "head.final_layer.weight")
    if joints not in SKELETONS:
        known = ", ".join(f"{count} ({skeleton})" for count, skeleton in SKELETONS.items())
        raise ValueError(f"the head has {joints} joints; known are {known}")
    w, h = (_channels(state, f"head.cls_{axis}.weight") // SPLIT_RATIO for axis in "xy")
    model = build(name, SKELETONS[joints], (w, h))
    _check_fit(state, model)
    model.load_state_dict(state, strict=True)
    return model.eval()


def _channels(state: Mapping[str, Tensor], key: str) -> int:
    """Give the number of outputs of a layer that every RTMPose has."""
    if key not in state or state[key].ndim == 0:
        owner = key.partition(".")[0]
        parts = sorted({".".join(k.split(".")[:2]) for k in state if k.startswith(f"{owner}.")})
        raise ValueError(f"there is no {key} among {_some(parts)}; {_WHAT_IS_READ}")
    return len(state[key])


def _architecture(channels: int) -> str:
    """Give the name of the RTMPose whose last stage has so many channels."""
    known = {}
    for name in (name for name in MODELS if name.startswith("rtmpose-")):
        with torch.device("meta"):
            weights = build(name).state_dict()
        found = _channels(weights, "backbone.stage4.0.conv.weight")
        if found == channels:
            return name
        known[found] = name
    listed = ", ".join(f"{number} ({name})" for number, name in known.items())
    raise ValueError(f"the last stage has {channels} channels; known are {listed}")


def _check_fit(state: Mapping[str, Tensor], model: PoseModel) -> None:
    wanted = _shapes(model.state_dict())
    missing = [key for key in wanted if key not in state]
    unexpected = [key for key in state if key not in wanted]
    misshaped = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(shape)}"
        for key, shape in wanted.items()
        if key in state and state[key].shape != shape
    ]
    wrong = {"missing": missing, "unexpected": unexpected, "of another shape": misshaped}
    words = [f"{len(keys)} {what}: {_some(keys)}" for what, keys in wrong.items() if keys]
    if words:
        w, h = model.spec.input_size_wh
        raise ValueError(
            f"the weights look like {model.spec.architecture} at {w}x{h}, but do not fit it; "
            f"nothing was loaded. {'; '.join(words)}"
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(str, names[:_SHOWN])) + more


def convert(
    path: str | Path,
    out: str | Path,
    *,
    stage: str | None = None,
    licence: str = "",
    data_card: str = "",
) -> Converted:
    """Convert a published `.pth` checkpoint into a `.safetensors` model file, whole or not at all.

    Nothing that the checkpoint names is run. A file at `out` is replaced, folders are made.

    stage: of a distiller's checkpoint, "one" or "two"; None tells it from the weights.
    licence, data_card: of the weights, to be kept in the file's spec; where they are empty and
    the file bears the name of a published one, what is known of that.

    Raises FileNotFoundError, or ValueError when the checkpoint is refused, is no RTMPose, or `out`
    is the checkpoint itself or no `.safetensors`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file, out = Path(folder, "model.pth"), Path(folder, "model.safetensors")
    ...     torch.save(build("rtmpose-t", "coco17").state_dict(), file)
    ...     convert(file, out).spec.architecture
    'rtmpose-t'
    """
    path, out = Path(path), Path(out)
    if out.suffix != ".safetensors":
        raise ValueError(f"{out} would be a model file; give a name that ends in .safetensors")
    if path.exists() and out.exists() and out.samefile(path):
        raise ValueError(f"{out} is the checkpoint itself; give another name")
    checkpoint = read_checkpoint(path)
    try:
        state, taken = plain_weights(checkpoint, stage=stage)
        model = fitting_model(state)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    known_licence, known_data_card = _published_card(path.name)
    model.spec = replace(
        model.spec, licence=licence or known_licence, data_card=data_card or known_data_card
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    save(model, out)
    taken += f"; {len(Skeleton.get(model.spec.skeleton))} joints read as {model.spec.skeleton}"
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    return Converted(model.spec, taken, num_parameters, path.name)


def _published_card(file_name: str) -> tuple[str, str]:
    try:
        entry = zoo.find(file_name)
    except ValueError:
        return "", ""
    return entry.licence, entry.data_card
