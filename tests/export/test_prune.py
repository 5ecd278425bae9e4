"""Pruning: what is left runs, saves, exports and trains on, and is what it should be."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from posedistill.export.prune import count_multiplications, count_parameters, prune
from posedistill.models import PoseModel, build, load, save
from posedistill.objectives.dwpose import StageOne, StageTwo
from posedistill.recipes import get
from posedistill.teachers.frozen import last_channels
from posedistill.train.assemble import make_objective
from posedistill.train.recipe import Recipe, override

pytest.importorskip("torch_pruning")
SIZE_WH = (64, 64)
NAMES = ["rtmpose-n", "cspnext-n-heatmap", "hourglass-2-narrow", "mobilenetv2-deconv"]
every_kind = pytest.mark.parametrize("name", NAMES)


def _model(name: str = "rtmpose-n", skeleton: str = "coco17") -> PoseModel:
    torch.manual_seed(0)
    return build(name, skeleton, SIZE_WH).eval()


def _outputs(model: PoseModel) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (2, 3, *SIZE_WH), dtype=torch.uint8, generator=generator)
    with torch.no_grad():
        return list(model.eval()(images))


@every_kind
def test_a_pruned_model_is_smaller_and_comes_back_from_its_file(name: str, tmp_path: Path) -> None:
    model = _model(name)
    pruned = prune(model, 0.4)
    assert count_parameters(pruned) < 0.7 * count_parameters(model)
    assert count_multiplications(pruned) < 0.7 * count_multiplications(model)
    save(pruned, tmp_path / "pruned.safetensors")
    loaded = load(tmp_path / "pruned.safetensors")
    assert loaded.spec.architecture == f"{name}-pruned"
    assert [a.shape for a in _outputs(loaded)] == [b.shape for b in _outputs(model)]
    assert all(map(torch.equal, _outputs(pruned), _outputs(loaded)))
    maps = loaded.backbone(torch.zeros(1, 3, *SIZE_WH))
    assert last_channels(loaded) == maps[-1].shape[1]


def test_the_model_itself_stays_as_it_was() -> None:
    model = _model()
    before = _outputs(model)
    prune(model, 0.4)
    assert model.spec.architecture == "rtmpose-n"
    assert all(map(torch.equal, before, _outputs(model)))


def test_channels_that_carry_nothing_go_without_a_trace() -> None:
    """Every unit's second half of channels is zero, whatever comes in; SiLU(0) is 0."""
    model = _model()
    with torch.no_grad():
        for name, module in model.backbone.named_modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.bias, 0.5, 1.0)
                module.weight[module.num_features // 2 :] = 0
                module.bias[module.num_features // 2 :] = 0
            elif isinstance(module, nn.Conv2d) and not name.endswith("fc"):
                module.weight[module.out_channels // 2 :] = 0
    pruned = prune(model, 0.4)
    assert count_parameters(pruned) < 0.7 * count_parameters(model)
    for wanted, got in zip(_outputs(model), _outputs(pruned), strict=True):
        # Float32 sums over fewer channels, in another order.
        assert torch.allclose(wanted, got, atol=1e-5 * float(wanted.abs().max()))


def test_multiplications_are_counted() -> None:
    model = _model("hourglass-1-narrow")
    conv = model.head.get_submodule("score")
    assert isinstance(conv, nn.Conv2d)
    before = count_multiplications(model)
    model.head.add_module("score", nn.Identity())
    assert before - count_multiplications(model) == 64 * 17 * 16 * 16


def test_a_pruned_model_is_pruned_again() -> None:
    once = prune(_model(), 0.3)
    twice = prune(once, 0.3)
    assert count_parameters(twice) < count_parameters(once)
    assert twice.spec.architecture == "rtmpose-n-pruned"


@pytest.mark.parametrize("ratio", [0.0, -0.1, 0.95, float("nan")])
def test_a_ratio_out_of_range_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match="expected more than 0 and at most 0.9"):
        prune(_model(), ratio)


def test_shuffled_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot follow; choose a model of another kind"):
        prune(_model("shufflenetv2-deconv"), 0.3)


def test_a_pruned_file_with_widths_that_do_not_fit_is_refused(tmp_path: Path) -> None:
    pruned = prune(_model(), 0.4)
    conv = pruned.backbone.get_submodule("stage3.0.conv")
    assert isinstance(conv, nn.Conv2d)
    conv.weight = nn.Parameter(conv.weight[:, :-8])
    save(pruned, tmp_path / "pruned.safetensors")
    with pytest.raises(ValueError, match="does not fit rtmpose-n-pruned: these widths do not fit"):
        load(tmp_path / "pruned.safetensors")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Give a model's file and that of what pruning left of it."""
    model = _model(skeleton="wholebody133")
    paths = tmp_path / "whole.safetensors", tmp_path / "pruned.safetensors"
    for path, each in zip(paths, (model, prune(model, 0.4)), strict=True):
        save(each, path)
    return paths


def _recipe(name: str, teacher: Path, *words: str) -> Recipe:
    return override(
        get(name),
        [
            f"teacher={teacher}",
            "model.name=rtmpose-n",
            f"model.input_size_wh={SIZE_WH}",
            *words,
        ],
    )


def test_the_recipe_trains_it_on_taught_by_what_it_was(files: tuple[Path, Path]) -> None:
    whole, pruned = files
    objective = make_objective(_recipe("pruned", whole, f"model.start={pruned}"))
    assert isinstance(objective, StageOne)
    student = objective.deployable()
    assert all(map(torch.equal, _outputs(student), _outputs(load(pruned))))
    assert objective.has_feature_loss
    assert isinstance(objective.align, nn.Conv2d)
    assert (objective.align.in_channels, objective.align.out_channels) == (
        last_channels(load(pruned)),
        last_channels(load(whole)),
    )


def test_the_head_of_a_pruned_model_is_relearnt(files: tuple[Path, Path]) -> None:
    objective = make_objective(override(get("drawn-stage2-n"), [f"teacher={files[1]}"]))
    assert isinstance(objective, StageTwo)
    assert objective.deployable().spec.architecture == "rtmpose-n-pruned"
    assert len(_outputs(objective.deployable())) == 2


def test_a_start_of_another_kind_says_what_to_set(files: tuple[Path, Path]) -> None:
    recipe = _recipe("pruned", files[0], f"model.start={files[1]}", "model.name=rtmpose-t")
    with pytest.raises(ValueError, match="--set model.name=rtmpose-n"):
        make_objective(recipe)


def test_branches_take_no_start() -> None:
    recipe = override(get("drawn-okd-rtmpose-n"), ["model.start=pruned.safetensors"])
    with pytest.raises(
        ValueError, match="is one model, and recipe drawn-okd-rtmpose-n trains branches"
    ):
        make_objective(recipe)
