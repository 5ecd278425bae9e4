"""Every recipe takes two steps: at a small input, with the smallest model, on drawn people."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch.autograd import backward

from posedistill.codecs import Codec
from posedistill.datasets.drawn import DrawnPeople
from posedistill.models import build, save
from posedistill.objectives.objective import Batch, Key
from posedistill.objectives.online import OnlineConfig
from posedistill.objectives.supervised import SupervisedConfig
from posedistill.recipes import RECIPES, get, launch_lines
from posedistill.train.assemble import make_objective
from posedistill.train.batches import TrainSamples, collate
from posedistill.train.data import DrawnData
from posedistill.train.optim import learning_rate, parameter_groups
from posedistill.train.recipe import Recipe

SIZE_WH = (64, 64)
PEOPLE = DrawnPeople(4, size=96)


@cache
def _teacher(folder: Path, model: str) -> Path:
    torch.manual_seed(0)
    save(build(model, "wholebody133", SIZE_WH), folder / f"{model}.safetensors")
    return folder / f"{model}.safetensors"


def _stand_in(name: str) -> str:
    """Name a smaller model of the same kind; the encoders with deconvolutions have no smaller."""
    if name.startswith("hourglass"):
        stacks = int(name.split("-")[1])
        return f"hourglass-{max(stacks // 2, 2)}-narrow"  # two, so that branches can share one
    if name.endswith("-deconv"):
        return name
    return "cspnext-n-heatmap" if name.endswith("-heatmap") else "rtmpose-n"


def _small(recipe: Recipe, teachers: Path) -> Recipe:
    """Keep all that a recipe says but the size of its models, its data and its teacher."""
    model = replace(
        recipe.model,
        name=_stand_in(recipe.model.name),
        input_size_wh=SIZE_WH,
        skeleton="wholebody133",
        backbone_from="",
        start="",
    )
    recipe = replace(recipe, model=model, data=DrawnData())
    if isinstance(recipe.objective, SupervisedConfig):
        return recipe
    if isinstance(recipe.objective, OnlineConfig):
        branches = tuple(map(_stand_in, recipe.objective.branches))
        return replace(recipe, objective=replace(recipe.objective, branches=branches))
    kind = "cspnext-n-heatmap" if model.name.endswith("-heatmap") else "rtmpose-n"
    teacher = str(_teacher(teachers, kind))
    return replace(recipe, objective=replace(recipe.objective, teacher=teacher))


def _batch(recipe: Recipe, codec: Codec, epoch: int) -> Batch:
    samples = TrainSamples(
        PEOPLE,
        codec,
        seed=recipe.seed,
        early=recipe.augment,
        late=recipe.late_augment,
        late_epoch=recipe.epochs - recipe.late_epochs,
    )
    return collate([samples[Key(epoch, person, epoch)] for person in range(len(samples))])


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("teachers")


@cache  # many recipes differ in nothing but what is made small here
def _take_steps(recipe: Recipe) -> None:
    torch.manual_seed(0)
    objective = make_objective(recipe).train()
    optimizer = torch.optim.AdamW(parameter_groups(objective, recipe.optim.weight_decay))
    before = [parameter.detach().clone() for parameter in objective.parameters()]
    for epoch in (0, recipe.epochs - 1):
        batch = _batch(recipe, objective.deployable().spec.codec, epoch)
        losses = objective(batch, epoch / recipe.epochs)
        total = torch.stack(list(losses.values())).sum()
        assert bool(torch.isfinite(total)), losses
        optimizer.zero_grad()
        backward(total)
        if recipe.optim.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(objective.parameters(), recipe.optim.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(10_000 + epoch, 20_000, config=recipe.optim)
        optimizer.step()
    after = objective.parameters()
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_takes_a_first_and_a_last_step(name: str, teachers: Path) -> None:
    _take_steps(replace(_small(get(name), teachers), name="small", expected=""))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_how_it_is_launched_and_what_it_should_reach(name: str) -> None:
    recipe, made = get(name), RECIPES[name]
    text = getattr(made, "func", made).__doc__ or ""
    is_published = not name.startswith(("people-", "drawn-", "embedded-"))
    assert ("Not yet run." in text) == is_published
    assert bool(recipe.expected) == (is_published and name != "distil")
    one, one_machine, two_machines = launch_lines(name)
    assert one.startswith(f"posedistill train {name} ")
    assert "--nproc-per-node 8" in one_machine
    assert "--nnodes 2" in two_machines
