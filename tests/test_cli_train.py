"""Command line of training: arguments reach what they are for; exit codes."""

import argparse
from pathlib import Path

import pytest

from posedistill.cli_train import add_overfit, add_recipes, add_show_batch, add_train
from posedistill.recipes import RECIPES
from tests.train.tiny import OVERRIDES, command_line

SETS = [word for assignment in OVERRIDES for word in ("--set", assignment)]


def _call(*words: str) -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    for add in (add_train, add_recipes, add_show_batch, add_overfit):
        add(commands)
    arguments = parser.parse_args(words)
    return int(arguments.run(arguments))


def test_a_run_is_trained_into_its_folder(tmp_path: Path) -> None:
    words = command_line("drawn-rtmpose-n", tmp_path / "run", more=["epochs=1", "lr=0.001"])
    assert _call(*words) == 0
    assert (tmp_path / "run" / "best.safetensors").is_file()
    assert '"lr": 0.001' in (tmp_path / "run" / "recipe.json").read_text(encoding="utf-8")


def test_all_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert _call("recipes") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert all(len(line.split()) > 2 for line in lines)


def test_one_recipe_is_shown_with_its_launch_line_and_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _call("recipes", "dwpose-stage1-t") == 0
    shown = capsys.readouterr().out
    assert "torchrun --standalone --nproc-per-node 8" in shown
    assert "optim.lr = 0.004" in shown
    assert ">>>" not in shown


def test_a_batch_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "batch.jpg"
    assert _call("show-batch", "drawn-rtmpose-n", "--out", str(out), *SETS) == 0
    assert out.is_file()
    assert f"picture is in {out}" in capsys.readouterr().out


def test_not_having_learnt_a_batch_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["overfit", "drawn-rtmpose-n", *SETS, "--set", "lr=1e-9", "--steps", "3"]
    assert _call(*words) == 1
    shown = capsys.readouterr().out
    assert "one batch of 8 people, 3 steps\nloss " in shown
    assert "keypoints within 5 % of the crop: " in shown
    assert "not learnt" in shown
