"""The README runs: its Python as it stands, its commands as far as the parser."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from posedistill.cli import build_parser
from posedistill.recipes import RECIPES
from posedistill.runtime.session import embedded_models

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
COMMANDS = [
    line
    for language, text in BLOCKS
    if language == ""
    for line in text.splitlines()
    if line.startswith("posedistill ")
]


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_the_python_of_the_readme_runs(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "wholebody-t" in code and "wholebody-t" not in embedded_models():
        pytest.skip("the embedded model wholebody-t is not in this checkout")
    photo = ROOT / "src" / "posedistill" / "assets" / "demo" / "astronaut.jpg"
    shutil.copy(photo, tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert ("found.png" in code) == (tmp_path / "found.png").is_file()


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_the_commands_of_the_pages_are_ones_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for command in re.findall(r"^posedistill [a-z][^\n]*", text, flags=re.MULTILINE):
        build_parser().parse_args(shlex.split(command)[1:])


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_readme_are_ones_that_exist(command: str) -> None:
    build_parser().parse_args(shlex.split(command)[1:])


def test_the_readme_shows_every_command() -> None:
    shown = {command.split()[1] for command in COMMANDS}
    assert shown == {
        *("predict", "train", "recipes", "show-batch", "overfit", "evaluate", "score"),
        *("export", "convert", "models", "data", "prune", "poses", "doctor", "bulk"),
    }


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.split()[1] in ("train", "recipes")])
def test_the_recipes_of_the_readme_exist(command: str) -> None:
    names = [word for word in command.split()[2:3] if not word.startswith("-")]
    assert set(names) <= set(RECIPES)


def test_the_targets_of_the_readme_are_in_the_makefile() -> None:
    targets = re.findall(r"\bmake (\w+)\b", " ".join(text for _, text in BLOCKS))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"demo", "distil", "test"} <= set(targets)
    assert all(f"\n{target}:" in makefile for target in targets)


def test_the_files_that_the_readme_links_to_exist() -> None:
    linked = re.findall(r"\]\(([^)#:]+)\)", README)
    assert "CONTRIBUTING.md" in linked
    missing = [path for path in linked if not (ROOT / path).is_file()]
    assert missing == []
