"""Run folder: recipe, versions, metrics as JSON lines, last state, best model.

Nothing here is ever half there: a file is written beside its place, brought to the disk and renamed
into place. So a kill or a full disk, at any moment, leaves the former one as it was.
"""

import importlib.metadata
import json
import logging
import os
import pickle
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from posedistill.models import PoseModel, save
from posedistill.models.files import BEST
from posedistill.train.recipe import Recipe, to_json

logger = logging.getLogger(__name__)
_PACKAGES = ("posedistill", "torch", "lightning-fabric", "numpy", "opencv-python-headless")
# What may differ when a run goes on: it does not change what is learnt.
_FREE = (
    "num_workers",
    "save_every",
    "evaluate_every",
    "compile",
    "channels_last",
    "max_bad_steps",
    "expected",
    "objective.teacher_cache",
)
_PARTIAL = ".partial"
_NAMED = 8  # keys in a message
State = dict[str, Any]  # Any: nested tensors, numbers and strings, as torch.save takes them


class RunFolder:
    """Write and read what a run leaves behind; each file appears whole or not at all.

    >>> RunFolder(Path("runs/mine")).best.as_posix()
    'runs/mine/best.safetensors'
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last = path / "last.pt"
        self.best = path / BEST
        self.metrics = path / "metrics.jsonl"

    def check(self, recipe: Recipe) -> None:
        """Raise ValueError when the folder holds a run of another recipe."""
        changed = [key for key in self._changes(recipe) if key not in _FREE]
        if changed:
            named = ", ".join(changed[:_NAMED])
            more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
            raise ValueError(
                f"{self.path} holds an unlike run: {named}{more} differ; "
                "resume with the same recipe and overrides, or choose another folder"
            )

    def begin(self, recipe: Recipe, *, processes: int, device: str) -> None:
        """Make the folder and record recipe and surroundings; of a run that goes on, log changes.

        Raises ValueError when the folder holds a run of another recipe.
        """
        self.check(recipe)
        self.path.mkdir(parents=True, exist_ok=True)
        for partial in self.path.glob(f"*{_PARTIAL}"):  # of a process that was killed
            partial.unlink()
        file = self.path / "versions.json"
        now = _versions() | {"processes": str(processes), "device": device}
        changes = {key: f"{old} -> {new}" for key, (old, new) in self._changes(recipe).items()}
        if self.last.exists() and file.exists():
            before = json.loads(file.read_text(encoding="utf-8"))
            changes |= {
                key: f"{before.get(key)} -> {value}"
                for key, value in now.items()
                if before.get(key) != value
            }
        if changes:
            told = ", ".join(f"{key} {change}" for key, change in changes.items())
            logger.info("changed since the run was last at work: %s", told)
        _write_text(self.path / "recipe.json", to_json(recipe))
        _write_text(file, json.dumps(now, indent=1))

    def _changes(self, recipe: Recipe) -> dict[str, tuple[object, object]]:
        """Give (before, now) of what differs from the recipe of the saved state."""
        file = self.path / "recipe.json"
        if not (self.last.exists() and file.exists()):
            return {}
        return _changed(json.loads(file.read_text(encoding="utf-8")), json.loads(to_json(recipe)))

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
        """Replace the last state.

        Raises OSError when it cannot be written; the former one is then still there.
        """
        with written_whole(self.last) as beside, beside.open("wb") as file:
            torch.save(state, file)

    def load_state(self) -> State | None:
        """Read the last state, or None in a new folder.

        Raises ValueError when the file is damaged.
        """
        if not self.last.exists():
            return None
        try:
            state: State = torch.load(self.last, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise ValueError(
                f"{self.last} is damaged ({error}); delete it to begin the run anew"
            ) from error
        return state

    def save_best(self, model: PoseModel) -> None:
        """Replace the best model.

        Raises OSError when it cannot be written; the former one is then still there.
        """
        with written_whole(self.best) as beside:
            save(model, beside)

    def describe_best(self, **record: object) -> None:
        """Write beside the best model what it is."""
        _write_text(self.best.with_suffix(".json"), json.dumps(record, indent=1))


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a place beside a file; what is written there replaces the file, on the disk at once.

    Raises OSError that names the file when writing fails; nothing but the former file is left.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with written_whole(Path(folder, "a.txt")) as beside:
    ...         _ = beside.write_text("whole")
    ...     [file.name for file in Path(folder).iterdir()]
    ['a.txt']
    """
    beside = path.with_name(path.name + _PARTIAL)
    try:
        yield beside
        _bring_to_disk(beside)
        os.replace(beside, path)
        if os.name == "posix":  # elsewhere a folder cannot be opened
            _bring_to_disk(path.parent)
    # torch and safetensors have exceptions of their own for a disk that takes no more
    except (OSError, RuntimeError, SafetensorError) as error:
        context = error.__context__  # torch says only that a write fell short
        cause = context if isinstance(context, OSError) else error
        raise OSError(
            f"could not write {path} ({cause}); what was there before is as it was: make room on "
            "the disk, and the same command goes on"
        ) from error
    finally:
        for left in path.parent.glob(f"{path.name}{_PARTIAL}*"):  # safetensors add their own
            left.unlink()


def _bring_to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _changed(old: State, new: State, prefix: str = "") -> dict[str, tuple[object, object]]:
    changed: dict[str, tuple[object, object]] = {}
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            changed |= _changed(before, after, f"{prefix}{key}.")
        elif before != after:
            changed[f"{prefix}{key}"] = (before, after)
    return changed


def _write_text(path: Path, text: str) -> None:
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


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
