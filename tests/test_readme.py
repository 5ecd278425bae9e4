"""The README shows every command and target; test_docs.py runs what it shows."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [
    line
    for language, text in BLOCKS
    if language == ""
    for line in text.splitlines()
    if line.startswith("posedistill ")
]


def test_the_readme_shows_every_command() -> None:
    shown = {command.split()[1] for command in COMMANDS}
    assert shown == {
        *("predict", "train", "recipes", "show-batch", "overfit", "evaluate", "score"),
        *("export", "convert", "models", "data", "prune", "poses", "doctor", "bulk"),
        "web",
    }


def test_the_targets_of_the_readme_are_in_the_makefile() -> None:
    targets = re.findall(r"\bmake (\w+)\b", " ".join(text for _, text in BLOCKS))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"demo", "distil", "test"} <= set(targets)
    assert all(f"\n{target}:" in makefile for target in targets)
