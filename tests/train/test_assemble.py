"""Assembling: teachers by name, and whole runs whose teacher or features are kept on disk."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from posedistill.export.onnx import export_onnx
from posedistill.models import PoseModel, build, load, save
from posedistill.models.branches import Branch
from posedistill.models.files import BEST
from posedistill.objectives.dwpose import STORED, StageOne, StageTwo
from posedistill.objectives.online import Online
from posedistill.objectives.teacher_only import LogitsOnly, LogitsOnlyConfig
from posedistill.recipes import get
from posedistill.teachers import Frozen, Joined, OnnxTeacher
from posedistill.train.assemble import make_objective
from posedistill.train.fit import fit
from posedistill.train.recipe import Recipe, override
from tests.train.tiny import losses, tiny
from tests.weight_rule import fill

RUN = ("epochs=4", "evaluate_every=100", "save_every=1000", "optim.lr=0.0002", "data.val_count=1")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the run folder of a teacher, with an exported file beside its model."""
    folder = tmp_path_factory.mktemp("run")
    model = build("rtmpose-n", "wholebody133", (64, 64)).eval()
    fill(model, 1.4)
    save(model, folder / BEST)
    export_onnx(model, folder / "teacher.onnx")
    return folder


def test_teachers_of_every_kind_are_assembled(teacher: Path) -> None:
    file = teacher / "teacher.onnx"
    for name, kind in ((teacher, Frozen), (file, OnnxTeacher), (f"{teacher}+{file}", Joined)):
        objective = make_objective(tiny("drawn-stage1-n", f"objective.teacher={name}"))
        assert isinstance(objective, StageOne)
        assert isinstance(objective.teacher, kind)


def test_stage_two_wants_one_torch_model(teacher: Path) -> None:
    for name in (teacher / "teacher.onnx", f"{teacher}+{teacher}"):
        with pytest.raises(ValueError, match="must be a run folder or a .safetensors file"):
            make_objective(tiny("drawn-stage2-n", f"objective.teacher={name}"))


def test_any_head_is_relearnt(tmp_path: Path) -> None:
    save(build("cspnext-n-heatmap", "wholebody133", (64, 64)), tmp_path / BEST)
    objective = make_objective(tiny("drawn-stage2-n", f"objective.teacher={tmp_path}"))
    assert isinstance(objective, StageTwo)
    assert objective.deployable().spec.architecture == "cspnext-n-heatmap"
    model = objective.deployable()
    (maps,) = model(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert tuple(maps.shape) == (2, 133, 16, 16)


def _drift(recipe: Recipe, plain: PoseModel, kept: PoseModel) -> float:
    """Give how far apart two runs of a recipe end, as a part of how far they came."""
    torch.manual_seed(recipe.seed)  # as a run begins
    start = make_objective(recipe).deployable()
    parameters = [dict(model.named_parameters()) for model in (start, plain, kept)]
    flat = [
        torch.cat([values[name].detach().flatten() for name in parameters[0]])
        for values in parameters
    ]
    return float((flat[2] - flat[1]).norm() / (flat[1] - flat[0]).norm())


def test_stage_two_on_kept_features_ends_as_on_images(teacher: Path, tmp_path: Path) -> None:
    recipe = tiny("drawn-stage2-n", f"objective.teacher={teacher}", *RUN)
    plain = fit(override(recipe, ["views=2"]), tmp_path / "plain")
    cached = fit(override(recipe, ["objective.cached_views=2"]), tmp_path / "cached")
    wanted, seen = losses(tmp_path / "plain"), losses(tmp_path / "cached")
    assert seen == pytest.approx(wanted, rel=3e-3)
    assert _drift(recipe, plain, cached) < 0.03
    assert (tmp_path / "cached" / STORED / "rows.bin").is_file()
    assert not (tmp_path / "plain" / STORED).exists()


def test_stage_one_with_a_kept_teacher_ends_as_with_one_that_is_asked(
    teacher: Path, tmp_path: Path
) -> None:
    recipe = tiny("drawn-stage1-n", f"objective.teacher={teacher}", "views=2", *RUN)
    plain = fit(recipe, tmp_path / "plain")
    kept = f"objective.teacher_cache={tmp_path / 'answers'}"
    cached = fit(override(recipe, [kept]), tmp_path / "cached")
    assert losses(tmp_path / "cached") == pytest.approx(losses(tmp_path / "plain"), rel=1e-3)
    assert _drift(recipe, plain, cached) < 0.03


def test_a_student_learns_from_logits_alone(teacher: Path) -> None:
    config = LogitsOnlyConfig(teacher=str(teacher / "teacher.onnx"))
    recipe = replace(tiny("drawn-rtmpose-n"), objective=config)
    assert isinstance(make_objective(recipe), LogitsOnly)


def _online(recipe: Recipe) -> Online:
    objective = make_objective(recipe)
    assert isinstance(objective, Online)
    return objective


@pytest.mark.parametrize(
    ("name", "shared", "own", "candidates"),
    [
        ("okdhp-hourglass-2", 2, [1, 1, 1], 3),
        ("okdhp-hourglass-4", 3, [2, 2, 2], 3),
        ("okdhp-hourglass-4-unbalanced", 3, [2, 4, 6], 1),
        ("okdhp-resnet18", 8, [0, 0, 0], 3),
        ("okd-rtmpose-t", 5, [0, 0, 0], 3),
    ],
)
def test_branches_share_what_the_paper_says(
    name: str, shared: int, own: list[int], candidates: int
) -> None:
    recipe = get(name)
    with torch.device("meta"):
        online = _online(recipe)
    network = online.network
    assert len(network.shared) == shared  # the stem is the first
    branches = [branch for branch in network.branches if isinstance(branch, Branch)]
    assert [len(branch.stages) for branch in branches] == own
    models = online.candidates().values()
    assert [model.spec.architecture for model in models] == [recipe.model.name] * candidates


def test_every_branch_starts_from_a_backbone_that_is_given(teacher: Path) -> None:
    plain = tiny("drawn-okd-rtmpose-n", "objective.shared_stages=2")
    started = override(plain, [f"model.backbone_from={teacher}"])
    wanted = load(teacher).backbone.state_dict()
    models = [*_online(started).candidates().values(), *_online(plain).candidates().values()]
    seen = [model.backbone.state_dict() for model in models]
    same = [all(torch.equal(wanted[key], state[key]) for key in wanted) for state in seen]
    assert same == [True] * 3 + [False] * 3


def test_branches_differ_from_the_start() -> None:
    heads = [model.head for model in _online(tiny("drawn-okd-rtmpose-n")).candidates().values()]
    first, second, third = (head.get_parameter("mlp.1.weight") for head in heads)
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)


def test_branches_of_unlike_networks_are_refused() -> None:
    recipe = tiny("drawn-okd-rtmpose-n", "objective.branches=rtmpose-n,hourglass-2-narrow")
    with pytest.raises(ValueError, match="hourglass-2-narrow cannot be a branch beside rtmpose-n"):
        make_objective(recipe)
