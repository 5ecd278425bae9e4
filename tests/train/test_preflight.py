"""Preflight: all that is wrong with a recipe is said at once, before the first step."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posedistill.codecs import Codec, Heatmap, SimCC
from posedistill.datasets.drawn import DrawnPeople
from posedistill.recipes import RECIPES, get
from posedistill.train.data import MpiiData, WholeBodyData
from posedistill.train.fit import fit
from posedistill.train.preflight import RecipeError, prepare, target_shapes
from posedistill.train.recipe import ModelConfig, Recipe, override
from tests import mpii_files
from tests.train.tiny import tiny


def _problems(recipe: Recipe, run_dir: Path, *, processes: int = 1) -> tuple[str, ...]:
    with pytest.raises(RecipeError) as caught:
        prepare(recipe, run_dir, processes=processes)
    return caught.value.problems


def test_a_good_recipe_gives_what_the_run_needs(tmp_path: Path) -> None:
    ready = prepare(tiny("drawn-rtmpose-n"), tmp_path)
    assert len(ready.data.instances) == 32
    assert ready.validation is not None
    assert ready.validation.annotations.is_file()
    assert ready.objective.deployable().spec.input_size_wh == (64, 64)


@pytest.mark.parametrize(
    ("assignments", "wanted"),
    [
        (["epochs=0"], "epochs is 0; expected 1 or more: --set epochs=1"),
        (["num_workers=-1"], "num_workers is -1; expected 0 or more"),
        (["views=-1"], "views is -1; expected 0 or more"),
        (["epochs=2", "late_epochs=3"], "late_epochs is 3, more than epochs, 2"),
        (["precision=half"], "unknown precision 'half': --set precision= one of auto, 32-true"),
        (["optim.lr=0"], "optim.lr is 0.0; expected more than 0"),
        (["batch_size=64"], "batch_size 64 exceeds the 32 training samples: --set batch_size=16"),
        (["model.name=rtmpose-q"], "unknown model 'rtmpose-q'"),
        (["model.skeleton=coco18"], "unknown skeleton 'coco18'"),
        (["model.input_size_wh=16,64"], "input_size_wh is (16, 64); expected 32 pixels a side"),
        (["model.backbone_from=nowhere"], "nowhere"),
        (["best_by=whole/PCK"], "best_by is 'whole/PCK', which this validation does not give"),
    ],
)
def test_a_problem_says_what_is_wrong_and_what_to_do(
    tmp_path: Path, assignments: list[str], wanted: str
) -> None:
    (problem,) = _problems(tiny("drawn-rtmpose-n", *assignments), tmp_path)
    assert wanted in problem


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    recipe = tiny(
        "drawn-stage1-n",
        "save_every=0",
        "late_epochs=9",
        "precision=float",
        "model.name=rtmpose-q",
        "best_by=x",
    )
    problems = _problems(recipe, tmp_path, processes=3)
    starts = [
        "save_every is 0",
        "late_epochs is 9",
        "batch_size 8 must be divisible by the 3 processes: --set batch_size=9",
        "unknown precision 'float'",
        "unknown model 'rtmpose-q'",
        "recipe drawn-stage1-n needs a teacher: --set objective.teacher=",
        "best_by is 'x'",
    ]
    assert len(problems) == len(starts)
    for problem, start in zip(problems, starts, strict=True):
        assert problem.startswith(start)


def test_a_run_tells_problems_before_it_makes_a_folder_for_itself(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot run:\n- epochs is 0.*\n- .* needs a teacher"):
        fit(tiny("drawn-stage1-n", "epochs=0"), tmp_path / "run")
    assert not (tmp_path / "run" / "recipe.json").exists()


def test_files_that_are_not_there_are_all_named(tmp_path: Path) -> None:
    recipe = override(get("dwpose-stage1-t"), [f"data={tmp_path}", "teacher=nowhere"])
    problems = _problems(recipe, tmp_path / "run")
    assert len(problems) == 3
    for part, problem in zip(
        ("train_v1.0.json", "nowhere", "val_v1.0.json"), problems, strict=True
    ):
        assert part in problem


def test_a_teacher_of_another_kind_is_a_problem_of_its_own(tmp_path: Path) -> None:
    fit(tiny("drawn-rtmpose-n", "epochs=1"), tmp_path / "teacher", stop_at=4)
    settings = (f"teacher={tmp_path / 'teacher'}", "model.name=cspnext-n-heatmap")
    recipe = tiny("drawn-stage1-n", *settings, "late_epochs=99")
    problems = _problems(recipe, tmp_path / "run")
    assert len(problems) == 2
    assert "late_epochs is 99" in problems[0]
    assert "teacher" in problems[1]


def _write(folder: Path, *, parts: tuple[str, ...]) -> Recipe:
    """Write drawn people of whom only some fields are labelled; give a recipe for them."""
    annotations, _ = DrawnPeople(9, seed=1, size=64).write(folder)
    content = json.loads(annotations.read_text(encoding="utf-8"))
    fields = {"keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts"}
    for row in content["annotations"]:
        for field in fields - set(parts):
            row[field] = np.zeros(len(row[field])).tolist()
    annotations.write_text(json.dumps(content), encoding="utf-8")
    files = ["train=annotations.json", "val=annotations.json"]
    files += ["train_images=images", "val_images=images", f"root={folder}"]
    return override(get("rtmpose-t"), [*(f"data.{text}" for text in files), "batch_size=4"])


def test_scores_of_parts_that_nobody_is_labelled_for_are_not_among_the_choices(
    tmp_path: Path,
) -> None:
    recipe = _write(tmp_path / "data", parts=("keypoints",))
    (problem,) = _problems(override(recipe, ["best_by=face/AP"]), tmp_path)
    assert "body/AP" in problem
    assert "face/PCK" not in problem
    assert prepare(override(recipe, ["best_by=body/AP"]), tmp_path).validation is not None


def test_models_of_17_keypoints_are_not_picked_by_what_only_133_give(tmp_path: Path) -> None:
    recipe = override(_write(tmp_path / "data", parts=("keypoints",)), ["model.skeleton=coco17"])
    problems = _problems(recipe, tmp_path)
    assert "the data has skeleton wholebody133, the model coco17" in problems[0]
    assert "best_by is 'whole/AP'" in problems[1]
    assert "body/AP" in problems[1]


def test_the_error_of_faces_may_pick_the_best_model(tmp_path: Path) -> None:
    assert prepare(tiny("drawn-rtmpose-n", "best_by=face/NME"), tmp_path).validation is not None


def test_an_image_that_validation_misses_is_told(tmp_path: Path) -> None:
    recipe = _write(tmp_path / "data", parts=("keypoints",))
    (tmp_path / "data" / "images" / "000003.png").unlink()
    problems = _problems(recipe, tmp_path)
    assert len(problems) == 2  # the same file trains and validates
    assert all("000003.png" in problem for problem in problems)


def test_models_of_mpii_are_picked_by_pckh(tmp_path: Path) -> None:
    people = [mpii_files.row(n, head_box=[1, 1, 31, 41]) for n in range(3)]
    valid = mpii_files.write_list(tmp_path / "valid.json", people)
    data = MpiiData(str(tmp_path), train=valid.name, val=valid.name)
    model = ModelConfig("rtmpose-t", "mpii16", (64, 64))
    recipe = Recipe("example", model, data, best_by="PCKh@0.1/wrist", batch_size=2)
    assert prepare(recipe, tmp_path).validation == (valid, tmp_path / "images")
    (problem,) = _problems(override(recipe, ["best_by=body/AP"]), tmp_path)
    assert "one of PCKh@0.1, PCKh@0.1/ankle, " in problem
    assert "PCKh@0.5/wrist" in problem
    assert "AP, " not in problem
    mpii_files.write_list(valid, [mpii_files.row()])
    (problem,) = _problems(replace(recipe, batch_size=1), tmp_path)
    assert "PCKh needs head sizes" in problem
    assert "gt_valid.mat" in problem


def test_what_only_looks_odd_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    prepare(tiny("drawn-rtmpose-n"), tmp_path)
    assert not caplog.messages
    prepare(tiny("drawn-rtmpose-n", "optim.warmup_steps=99", "model.input_size_wh=72,96"), tmp_path)
    warm_up, size = caplog.messages
    assert "warm-up of 99 steps is as long as the run of 16" in warm_up
    assert "(72, 96)" in size


@pytest.mark.parametrize("codec", [SimCC((48, 64), (2.4, 2.8)), Heatmap((48, 64))])
def test_target_shapes_are_those_of_the_codec(codec: Codec) -> None:
    *targets, _ = codec.encode(np.zeros((5, 2)), np.ones(5))
    assert target_shapes(codec, 5) == [target.shape for target in targets]


@pytest.mark.parametrize("model", sorted({get(name).model for name in RECIPES}, key=repr))
def test_the_model_of_every_recipe_passes(model: ModelConfig, tmp_path: Path) -> None:
    # run folders that other recipes leave are not there in a test
    recipe = Recipe(
        "example", replace(model, backbone_from="", start=""), WholeBodyData(str(tmp_path))
    )
    problems = _problems(recipe, tmp_path)
    assert len(problems) == 2
    assert all("no such annotation file" in problem for problem in problems)
