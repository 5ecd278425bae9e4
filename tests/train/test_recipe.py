"""Recipes: overrides by name and type, and every recipe that comes with the package."""

import json
from dataclasses import dataclass
from typing import Any, Literal

import pytest
import torch

from posedistill.models import build
from posedistill.objectives.dwpose import StageOneConfig
from posedistill.recipes import RECIPES, get
from posedistill.train.data import DrawnData, UnlabelledData
from posedistill.train.recipe import Recipe, describe, override, to_json

every_recipe = pytest.mark.parametrize("name", RECIPES)
STAGE_ONE = Recipe("example", objective=StageOneConfig())


def _value(recipe: Recipe, path: str) -> Any:  # Any: a field of any type
    value: Any = recipe
    for key in path.split("."):
        value = getattr(value, key)
    return value


@pytest.mark.parametrize(
    ("path", "text", "wanted"),
    [
        ("epochs", "3", 3),
        ("optim.lr", "1e-3", 1e-3),
        ("optim.lr", "1", 1.0),
        ("optim.clip_norm", "none", None),
        ("optim.clip_norm", "0.5", 0.5),
        ("model.name", "rtmpose-s", "rtmpose-s"),
        ("model.input_size_wh", "288, 384", (288, 384)),
        ("model.input_size_wh", "(96,128)", (96, 128)),
        ("data.root", "data/my people", "data/my people"),
        ("objective.decay", "false", False),
        ("objective.decay", "True", True),
        ("objective.teacher", "123", "123"),
        ("objective.teacher", "runs/a=b", "runs/a=b"),
        ("objective.supervised.people_scale", "2", 2.0),
        ("augment.scale", "0.5,1.5", (0.5, 1.5)),
    ],
)
def test_a_value_is_read_as_its_field_says(path: str, text: str, wanted: object) -> None:
    seen = _value(override(STAGE_ONE, [f"{path}={text}"]), path)
    assert seen == wanted
    assert type(seen) is type(wanted)


def test_an_override_changes_its_field_alone() -> None:
    before = json.loads(to_json(STAGE_ONE))
    after = json.loads(to_json(override(STAGE_ONE, ["objective.supervised.people_scale=2"])))
    assert after["objective"]["supervised"].pop("people_scale") == 2.0
    assert before["objective"]["supervised"].pop("people_scale") == 64.0
    assert after == before


def test_later_overrides_win_and_the_recipe_stays_as_it_was() -> None:
    recipe = Recipe("example")
    assert override(recipe, ["epochs=3", " seed = 4 ", "epochs=5"]).epochs == 5
    assert override(recipe, [" seed = 4 "]).seed == 4
    assert (recipe.epochs, recipe.seed) == (270, 21)
    assert override(recipe, []) == recipe


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("epochs", "--set takes key=value, got 'epochs'"),
        ("epoch=3", "unknown key 'epoch': Recipe has no 'epoch'; did you mean 'epochs'"),
        ("optim.learning=3", "OptimConfig has no 'learning'; known here: lr, weight_decay,"),
        ("optim.weight_decy=3", "did you mean 'weight_decay'"),
        ("objective.beta=3", "SupervisedConfig has no 'beta'"),
        ("xyz=3", "known here: .*optim.lr"),
        ("name=other", "unknown key 'name'"),
        ("=3", "unknown key ''"),
        ("epochs.x=3", "unknown key 'epochs.x': 'epochs' is a plain value"),
        ("optim=3", "'optim' is a group; set one of optim.lr"),
        ("epochs=3.5", "epochs takes int, got '3.5'"),
        ("epochs=true", "epochs takes int, got 'true'"),
        ("epochs=", "epochs takes int, got ''"),
        ("epochs={[]: 1}", "epochs takes int"),
        ("optim.lr=fast", "optim.lr takes float, got 'fast'"),
        ("optim.lr=none", "optim.lr takes float, got 'none'"),
        ("optim.clip_norm=x", r"optim.clip_norm takes float \| None, got 'x'"),
        ("model.input_size_wh=192", r"model.input_size_wh takes tuple\[int, int\], got '192'"),
        ("model.input_size_wh=1,2,3", r"takes tuple\[int, int\]"),
        ("augment.scale=a,b", r"augment.scale takes tuple\[float, float\], got 'a,b'"),
    ],
)
def test_a_wrong_assignment_says_what_is_wrong(assignment: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        override(Recipe("example"), [assignment])


@pytest.mark.parametrize(
    ("name", "assignment", "path", "wanted"),
    [
        ("drawn-stage1-n", "teacher=runs/a", "objective.teacher", "runs/a"),
        ("drawn-stage1-n", "lr=0.5", "optim.lr", 0.5),
        ("rtmpose-t", "data=people", "data.root", "people"),
    ],
)
def test_a_short_key_stands_for_a_long_one(
    name: str, assignment: str, path: str, wanted: object
) -> None:
    long = override(get(name), [f"{path}={wanted}"])
    assert override(get(name), [assignment]) == long
    assert _value(long, path) == wanted


def test_photos_without_labels_are_named_by_the_same_short_key() -> None:
    recipe = Recipe("example", data=UnlabelledData())
    assert _value(override(recipe, ["data=photos"]), "data.source") == "photos"


@pytest.mark.parametrize(
    ("name", "assignment", "message"),
    [
        ("rtmpose-t", "teacher=a", "short for objective.teacher, .* objective is SupervisedConfig"),
        ("drawn-rtmpose-t", "data=a", "short for data.source or data.root, .* data is DrawnData"),
        ("rtmpose-t", "xyz=1", "short forms: teacher, data, lr"),
        ("rtmpose-t", "techer=1", "did you mean 'teacher'"),
    ],
)
def test_a_short_key_that_stands_for_nothing_says_so(
    name: str, assignment: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        override(get(name), [assignment])


@dataclass(frozen=True)
class _Choices:
    kind: Literal["dark", "none"] = "none"
    sides: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("assignment", "wanted"),
    [
        ("data.kind=dark", _Choices("dark")),
        ("data.sides=3,4,5", _Choices(sides=(3, 4, 5))),
        ("data.sides=()", _Choices()),
        ("data.names=hourglass-4, hourglass-6", _Choices(names=("hourglass-4", "hourglass-6"))),
        ("data.names=hourglass-4", _Choices(names=("hourglass-4",))),
        ("data.names=('hourglass-4', 'a, b')", _Choices(names=("hourglass-4", "a, b"))),
        ("data.names=a|b.json|c, d|e|f|0.5", _Choices(names=("a|b.json|c", "d|e|f|0.5"))),
        ("data.names=()", _Choices()),
        ("data.names=", _Choices()),
    ],
)
def test_one_of_some_words_and_any_number_of_values_are_read(
    assignment: str, wanted: _Choices
) -> None:
    recipe = Recipe("example", data=_Choices())  # type: ignore[arg-type]  # stands in for data
    assert _value(override(recipe, [assignment]), "data") == wanted


def test_another_word_and_a_value_of_another_type_are_refused() -> None:
    recipe = Recipe("example", data=_Choices())  # type: ignore[arg-type]  # stands in for data
    with pytest.raises(ValueError, match="data.kind takes"):
        override(recipe, ["data.kind=other"])
    with pytest.raises(ValueError, match="data.sides takes"):
        override(recipe, ["data.sides=1,a"])


def test_a_flag_is_no_number() -> None:
    with pytest.raises(ValueError, match="objective.decay takes bool, got '1'"):
        override(STAGE_ONE, ["objective.decay=1"])


@every_recipe
def test_a_recipe_bears_the_name_it_is_found_under(name: str) -> None:
    assert get(name).name == name
    assert get(name) == get(name)


@every_recipe
def test_a_recipe_names_a_model_that_can_be_built(name: str) -> None:
    config = get(name).model
    with torch.device("meta"):
        model = build(config.name, config.skeleton, config.input_size_wh)
    assert model.spec.input_size_wh == config.input_size_wh


@every_recipe
def test_a_recipe_can_be_described_and_recorded(name: str) -> None:
    recipe = get(name)
    lines = dict(line.split(" = ", 1) for line in describe(recipe).splitlines())
    record = json.loads(to_json(recipe))
    assert lines["name"] == repr(name)
    assert record["optim"]["lr"] == float(lines["optim.lr"])
    assert record["objective"]["kind"] == type(recipe.objective).__name__
    assert record["data"]["kind"] == type(recipe.data).__name__


@every_recipe
def test_each_described_key_can_be_set_to_what_it_is(name: str) -> None:
    recipe = get(name)
    for line in describe(recipe).splitlines():
        key, value = line.split(" = ", 1)
        if key != "name":
            assert override(recipe, [f"{key}={value.strip(chr(39))}"]) == recipe


def test_an_unknown_recipe_gets_the_nearest_known_one() -> None:
    with pytest.raises(ValueError, match="unknown recipe 'rtmpos-m'; did you mean 'rtmpose-m'"):
        get("rtmpos-m")


def test_records_of_unlike_recipes_differ() -> None:
    drawn = Recipe("example", data=DrawnData())
    assert to_json(drawn) != to_json(Recipe("example"))
    assert to_json(STAGE_ONE) != to_json(Recipe("example"))
    assert to_json(Recipe("example")) == to_json(Recipe("example"))
