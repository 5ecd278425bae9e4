"""Open what a command is given as a model: embedded, a file, a run folder, or a published one."""

import logging
import shlex
from dataclasses import dataclass
from pathlib import Path

from posedistill import weights, zoo
from posedistill.cli_models import fetch_with_progress
from posedistill.runtime import published
from posedistill.runtime.session import Session, embedded_models, open_session
from posedistill.spec import Spec
from posedistill.zoo import Entry

_CHECKPOINTS = (".pth", ".pt", ".ckpt")
_FILES = (*_CHECKPOINTS, ".onnx", ".safetensors")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _RunsOn:
    """Hold what `open_session` takes beside a model."""

    device: str
    strict_device: bool
    threads: int | None


def open_any_session(
    model: str,
    *,
    spec: str | None = None,
    device: str = "auto",
    strict_device: bool = False,
    threads: int | None = None,
) -> Session:
    """Open an embedded model, a file, a run folder, or a published model by its name.

    A file of that name comes before a run folder, and that before the name of a model. A
    published model is taken from the cache or fetched: its `.onnx` file where there is one, else
    the checkpoint, which is converted beside it; a checkpoint that is cached also stands in for
    an `.onnx` file that cannot be fetched. spec: name of the published model that an `.onnx`
    file is. device, strict_device, threads: as `open_session` takes them; torch models run on
    ``cpu`` and ``cuda``.
    Raises what `open_session` and `posedistill.weights.fetch` do, and ModuleNotFoundError for a
    torch model without torch.

    >>> open_any_session("none.onnx")
    Traceback (most recent call last):
    FileNotFoundError: no such model file: none.onnx
    """
    path, runs_on = Path(model), _RunsOn(device, strict_device, threads)
    given = None if spec is None else _pose_entry(spec, "--spec").spec(normalised=True)
    if path.is_file() and path.suffix in _CHECKPOINTS:
        out = path.with_suffix(".safetensors")
        command = f"posedistill convert {shlex.quote(model)} --out {shlex.quote(str(out))}"
        raise ValueError(f"{path} is a checkpoint; make a model file of it first: `{command}`")
    if path.suffix == ".safetensors" or _is_run_folder(path):
        _check_no_spec(given, model)
        return _open_torch(path, runs_on)
    if path.is_file() or model in embedded_models():
        return _open_onnx(model, given, runs_on)
    entry = _published_entry(model)
    _check_no_spec(given, model)
    return _open_published(model, entry, runs_on)


def _is_run_folder(path: Path) -> bool:
    # A folder without models may be one of results that is called like the model they are of.
    return path.is_dir() and (any(path.glob("*.safetensors")) or not _is_known(str(path)))


def _is_known(name: str) -> bool:
    try:
        zoo.find(name)
    except ValueError:
        return name in embedded_models()
    return True


def _published_entry(name: str) -> Entry:
    try:
        zoo.find(name)
    except ValueError as error:
        raise _unknown(name, error) from error
    return _pose_entry(name, "--model")


def _unknown(name: str, error: ValueError) -> ValueError | FileNotFoundError:
    if Path(name).suffix in _FILES or Path(name).parent != Path():
        return FileNotFoundError(f"no such model file: {name}")
    embedded = ", ".join(embedded_models()) or "none"
    return ValueError(
        f"unknown model {name!r}: no such file or folder; embedded are {embedded}; {error}"
    )


def _pose_entry(name: str, option: str) -> Entry:
    entry = zoo.find(name)
    if entry.kind != "pose":
        raise ValueError(
            f"{entry.name} is a {entry.kind}, and {option} takes a pose model; "
            "see `posedistill models list`"
        )
    return entry


def _check_no_spec(spec: Spec | None, model: str) -> None:
    if spec is not None:
        raise ValueError(
            f"--spec is for .onnx files; {model} has its own description, so leave it out"
        )


def _open_torch(path: Path, runs_on: _RunsOn) -> Session:
    import torch

    from posedistill.models import load

    kind = runs_on.device.partition(":")[0]
    if kind not in ("auto", "cpu", "cuda"):
        raise ValueError(
            f"{path} is a torch model, which runs on cpu or cuda, not on {runs_on.device}; "
            f"`posedistill export {shlex.quote(str(path))} --out FILE.onnx` makes it run there"
        )
    if kind == "cuda" and not torch.cuda.is_available():
        if runs_on.strict_device:
            raise ValueError(f"torch finds no CUDA device to run {path} on")
        _logger.warning("torch finds no CUDA device; %s runs on the cpu", path)
    if runs_on.threads is not None:
        torch.set_num_threads(runs_on.threads)
    has_cuda = kind != "cpu" and torch.cuda.is_available()
    index = runs_on.device.partition(":")[2] or "0"
    return load(path).to(f"cuda:{index}" if has_cuda else "cpu").session()


def _open_onnx(model: str, spec: Spec | None, runs_on: _RunsOn) -> Session:  # house rule: how last
    # What a file without description was taken for is worth a line.
    logging.getLogger(published.__name__).setLevel(logging.INFO)
    return open_session(
        model,
        spec=spec,
        device=runs_on.device,
        strict_device=runs_on.strict_device,
        threads=runs_on.threads,
    )


def _open_published(name: str, entry: Entry, runs_on: _RunsOn) -> Session:  # house rule: how last
    best, *others = _files_to_take(name, entry)
    try:
        return _open_entry(best, entry, runs_on)
    except (FileNotFoundError, ConnectionError):
        at_hand = next(filter(weights.cached, others), None)
        if at_hand is None:
            raise
        _logger.warning("%s cannot be had now; taking %s from the cache", best, at_hand)
        return _open_entry(at_hand, entry, runs_on)


def _files_to_take(name: str, entry: Entry) -> list[str]:
    """Give the files that are named, or all: .onnx first, and of each kind what is cached."""
    named = [file for file in entry.files if name.lower() in map(str.lower, file.names)]
    names = [file.file_name for file in named or entry.files]
    return sorted(names, key=lambda name: (not name.endswith(".onnx"), not weights.cached(name)))


def _open_entry(file_name: str, entry: Entry, runs_on: _RunsOn) -> Session:  # house rule: how last
    if file_name.endswith(".onnx"):
        file = fetch_with_progress(file_name)
        return _open_onnx(str(file), entry.spec(normalised=True), runs_on)
    from posedistill.models.published import published_model  # before a download in vain

    return _open_torch(published_model(file_name, fetch=fetch_with_progress), runs_on)
