"""Recipe: one complete training run as a frozen dataclass, and overrides of it by name."""

import ast
import dataclasses
import difflib
import json
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from posedistill.objectives.dwpose import StageOneConfig, StageTwoConfig
from posedistill.objectives.online import OnlineConfig
from posedistill.objectives.supervised import SupervisedConfig
from posedistill.objectives.teacher_only import LogitsOnlyConfig
from posedistill.train.augment import AugmentConfig
from posedistill.train.data import (
    CocoData,
    CocoUBodyData,
    DrawnData,
    HalpeData,
    MpiiData,
    SynthData,
    UnlabelledData,
    WholeBodyData,
)
from posedistill.train.optim import OptimConfig
from posedistill.train.sources import JointData

ObjectiveConfig = (
    SupervisedConfig | StageOneConfig | StageTwoConfig | LogitsOnlyConfig | OnlineConfig
)
DataConfig = (
    WholeBodyData
    | CocoUBodyData
    | CocoData
    | HalpeData
    | MpiiData
    | JointData
    | DrawnData
    | SynthData
    | UnlabelledData
)


@dataclass(frozen=True)
class ModelConfig:
    """Say what is built.

    Attributes:
        name, skeleton, input_size_wh: as `posedistill.models.build` takes them. Stage two builds
            the model of its teacher instead; branches that have names of their own, go by those.
        backbone_from: file or run folder whose backbone the model starts from, or each branch;
            empty for none.
        start: file or run folder of a whole model to go on from, such as a pruned one, in place
            of a fresh model and `backbone_from`; it is of the name, skeleton and size above.
    """

    name: str = "rtmpose-t"
    skeleton: str = "wholebody133"
    input_size_wh: tuple[int, int] = (192, 256)
    backbone_from: str = ""
    start: str = ""


@dataclass(frozen=True)
class Recipe:
    """Hold everything that decides a training run.

    Attributes:
        name: of the recipe. model, data, objective, optim: see their classes.
        augment: augmentation; late_augment replaces it for the last late_epochs.
        epochs, batch_size: batch_size counts the samples of a step over all processes.
        precision: ``auto`` takes bf16 where the device has it, else as Fabric names it.
        num_workers: loader processes. seed: of weights, order and augmentation.
        evaluate_every, save_every: epochs between evaluations, steps between saved states.
        best_by: validation figure that picks the best model; of errors (``face/NME``) the lowest.
        views: 0 varies each sample anew in every epoch; k > 0 takes k variations in turn.
        resident: keep a wide crop of every person in the memory of the device and vary it there,
            see `posedistill.train.resident`; num_workers then counts nothing.
        compile: run the network through torch.compile. channels_last: memory layout of images.
        max_bad_steps: how many steps whose loss or gradient is not finite are left out before the
            run stops; 0 stops at the first.
        expected: published score, for people to compare with.
    """

    name: str
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=WholeBodyData)
    objective: ObjectiveConfig = field(default_factory=SupervisedConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    late_augment: AugmentConfig = field(default_factory=AugmentConfig)
    late_epochs: int = 0
    epochs: int = 270
    batch_size: int = 64
    precision: str = "auto"
    num_workers: int = 2
    seed: int = 21
    evaluate_every: int = 10
    save_every: int = 500
    best_by: str = "whole/AP"
    views: int = 0
    resident: bool = False
    compile: bool = False
    channels_last: bool = True
    max_bad_steps: int = 0
    expected: str = ""


# Short for the first of these keys that the recipe has.
SHORTCUTS: dict[str, tuple[str, ...]] = {
    "teacher": ("objective.teacher",),
    "data": ("data.source", "data.root"),
    "lr": ("optim.lr",),
}


def override(recipe: Recipe, assignments: Sequence[str]) -> Recipe:
    """Give the recipe with `key.sub=value` assignments applied.

    `SHORTCUTS` are keys too: `teacher=FILE` is `objective.teacher=FILE`.
    Raises ValueError for an assignment without "=", an unknown key (naming the nearest) or a value
    that does not fit the field's type.

    >>> override(Recipe("example"), ["optim.lr=0.001", "epochs=3"]).optim.lr
    0.001
    """
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise ValueError(f"--set takes key=value, got {assignment!r}")
        path = _long_path(recipe, path.strip())
        recipe = _assign(recipe, path, path.split("."), text=text.strip())
    return recipe


def _long_path(recipe: Recipe, path: str) -> str:
    if path not in SHORTCUTS:
        return path
    known = dict(_leaves(recipe))
    for choice in SHORTCUTS[path]:
        if choice in known:
            return choice
    group = SHORTCUTS[path][0].partition(".")[0]
    kind = type(getattr(recipe, group)).__name__
    raise ValueError(
        f"{path!r} is short for {' or '.join(SHORTCUTS[path])}, "
        f"and recipe {recipe.name} has none: its {group} is {kind}"
    )


def _assign(record: Any, path: str, keys: list[str], *, text: str) -> Any:  # Any: nested records
    types_by_name = typing.get_type_hints(type(record))
    name = keys[0]
    if name not in types_by_name or path == "name":
        known = [key for key, _ in _leaves(record)]
        short = tuple(SHORTCUTS) if isinstance(record, Recipe) else ()
        near = difflib.get_close_matches(name, [*types_by_name, *short], n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known here: {', '.join(known)}"
        hint += f"; short forms: {', '.join(short)}" if short and not near else ""
        raise ValueError(f"unknown key {path!r}: {type(record).__name__} has no {name!r}{hint}")
    value = getattr(record, name)
    if len(keys) > 1:
        if not dataclasses.is_dataclass(value):
            raise ValueError(f"unknown key {path!r}: {name!r} is a plain value")
        return replace(record, **{name: _assign(value, path, keys[1:], text=text)})
    if dataclasses.is_dataclass(value):
        known = [f"{path}.{key}" for key, _ in _leaves(value)]
        raise ValueError(f"{path!r} is a group; set one of {', '.join(known)}")
    return replace(record, **{name: _parse(text, types_by_name[name], path)})


def _parse(text: str, kind: Any, path: str) -> Any:  # Any: a type form and its value
    if kind is str:
        return text
    try:
        value = ast.literal_eval(
            {"true": "True", "false": "False", "none": "None"}.get(text.lower(), text)
        )
    except (ValueError, SyntaxError, TypeError):
        # words of a list need no quotes
        is_list = kind == tuple[str, ...]
        value = tuple(filter(None, map(str.strip, text.split(",")))) if is_list else text
    if _fits(value, kind):
        return float(value) if kind is float else value
    shown = getattr(kind, "__name__", str(kind)) if not typing.get_args(kind) else str(kind)
    raise ValueError(f"{path} takes {shown}, got {text!r}")


def _fits(value: Any, kind: Any) -> bool:  # Any: a value of any type and a type form
    if isinstance(kind, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(kind))
    if kind is None or kind is type(None):
        return value is None
    if typing.get_origin(kind) is typing.Literal:
        return value in typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)
        if inner[-1] is Ellipsis:
            inner = inner[:1] * (len(value) if isinstance(value, tuple) else 1)
        return (
            isinstance(value, tuple) and len(value) == len(inner) and all(map(_fits, value, inner))
        )
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _leaves(record: Any) -> Iterator[tuple[str, Any]]:  # Any: a dataclass of any kind
    for item in dataclasses.fields(record):
        value = getattr(record, item.name)
        if dataclasses.is_dataclass(value):
            yield from ((f"{item.name}.{key}", inner) for key, inner in _leaves(value))
        else:
            yield item.name, value


def describe(recipe: Recipe) -> str:
    """Give the resolved recipe as text, one `key = value` line a field.

    >>> print(describe(Recipe("example")).splitlines()[0])
    name = 'example'
    """
    return "\n".join(f"{key} = {value!r}" for key, value in _leaves(recipe))


def to_json(recipe: Recipe) -> str:
    """Give the resolved recipe as JSON, for the record; it is never read back."""
    record = dataclasses.asdict(recipe)
    record["objective"]["kind"] = type(recipe.objective).__name__
    record["data"]["kind"] = type(recipe.data).__name__
    return json.dumps(record, indent=1)
