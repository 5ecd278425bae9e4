"""Open what a command is given as a model: embedded, a file, a run folder, or a published one."""

import logging
from pathlib import Path

from posedistill import zoo
from posedistill.cli_models import fetch_with_progress
from posedistill.runtime import published
from posedistill.runtime.session import Session, embedded_models, open_session
from posedistill.spec import Spec


def open_any_session(model: str, *, spec: str | None = None) -> Session:
    """Open an embedded model, a file, a run folder, or a published model by its name.

    A published model is fetched unless it is cached: its `.onnx` file where there is one, else
    the checkpoint, which is converted beside it. spec: name of the published model that an
    `.onnx` file is.
    Raises what `open_session` and `posedistill.weights.fetch` do, and ModuleNotFoundError for a
    torch model without torch.

    >>> open_any_session("none.onnx")
    Traceback (most recent call last):
    FileNotFoundError: no such model file: none.onnx
    """
    path = Path(model)
    given = None if spec is None else zoo.find(spec).spec(normalised=True)
    if path.suffix == ".pth":
        raise ValueError(
            f"{path} is a checkpoint; `posedistill convert {path} --out FILE.safetensors` first"
        )
    if path.is_dir() or path.suffix == ".safetensors":
        if given is not None:
            raise ValueError(f"--spec is for .onnx files; {path} carries its own description")
        return _open_torch(path)
    if model not in embedded_models() and path.suffix != ".onnx" and not path.is_file():
        return _open_published(model)
    return _open_onnx(model, given)


def _open_torch(path: Path) -> Session:
    from posedistill.models import load

    return load(path).session()


def _open_onnx(model: str, spec: Spec | None) -> Session:
    # What a file without description was taken for is worth a line.
    logging.getLogger(published.__name__).setLevel(logging.INFO)
    return open_session(model, spec=spec)


def _open_published(name: str) -> Session:
    try:
        entry = zoo.find(name)
    except ValueError as error:
        embedded = ", ".join(embedded_models()) or "none"
        raise ValueError(
            f"unknown model {name!r}: no such file or folder; embedded are {embedded}; {error}"
        ) from error
    spec = entry.spec(normalised=True)
    if any(file.format == "onnx" for file in entry.files):
        return _open_onnx(str(fetch_with_progress(name, file_format="onnx")), spec)
    checkpoint = fetch_with_progress(name)
    ours = checkpoint.with_suffix(".safetensors")
    if not ours.is_file():
        from posedistill.models.convert import convert

        convert(checkpoint, ours, licence=entry.licence, data_card=entry.data_card)
    return _open_torch(ours)
