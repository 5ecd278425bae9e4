"""Run folder: recipe, versions, metrics as JSON lines, last state, best model."""

import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from posedistill.models import PoseModel, save
from posedistill.models.files import BEST
from posedistill.train.recipe import Recipe, to_json

_PACKAGES = ("posedistill", "torch", "lightning-fabric", "numpy", "opencv-python-headless")
# What may differ when a run goes on: it does not change what is learnt.
_FREE = ("num_workers", "save_every", "evaluate_every")
State = dict[str, Any]  # Any: nested tensors, numbers and strings, as torch.save takes them


class RunFolder:
    """Write and read what a run leaves behind; each file appears whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last = path / "last.pt"
        self.best = path / BEST
        self.metrics = path / "metrics.jsonl"

    def begin(self, recipe: Recipe) -> None:
        """Make the folder and record recipe and versions.

        Raises ValueError when the folder holds a run of another recipe.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.path / "recipe.json"
        text = to_json(recipe)
        if self.last.exists() and file.exists():
            changed = _changed_keys(json.loads(file.read_text(encoding="utf-8")), json.loads(text))
        else:
            changed = []
        if changed:
            raise ValueError(
                f"{self.path} holds an unlike run: {', '.join(changed)} differ; "
                "resume with the same recipe and overrides, or choose another folder"
            )
        _write_text(file, text)
        _write_text(self.path / "versions.json", json.dumps(_versions(), indent=1))

    def log(self, **record: object) -> None:
        """Append one line of metrics."""
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def read_metrics(self) -> list[State]:
        """Read all lines of metrics."""
        if not self.metrics.exists():
            return []
        lines = self.metrics.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def forget_after(self, step: int) -> None:
        """Drop metrics of steps that a resumed run takes again, and a line cut off by a kill."""
        if not self.metrics.exists():
            return
        kept = []
        for line in self.metrics.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except json.JSONDecodeError:
                continue
        _write_text(self.metrics, "".join(line + "\n" for line in kept))

    def save_state(self, state: State) -> None:
        """Replace the last state."""
        beside = self.last.with_name("last.pt.partial")
        with beside.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.last)

    def load_state(self) -> State | None:
        """Read the last state, or None in a new folder."""
        if not self.last.exists():
            return None
        state: State = torch.load(self.last, map_location="cpu", weights_only=True)
        return state

    def save_best(self, model: PoseModel) -> None:
        """Replace the best model."""
        save(model, self.best)


def _changed_keys(old: State, new: State, prefix: str = "") -> list[str]:
    changed = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            changed += _changed_keys(before, after, f"{prefix}{key}.")
        elif before != after and f"{prefix}{key}" not in _FREE:
            changed.append(f"{prefix}{key}")
    return changed


def _write_text(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".partial")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    versions["commit"] = _commit()
    return versions


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return "unknown"
    return result.stdout.strip() or "unknown"
