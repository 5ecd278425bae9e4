"""Opening a teacher by the text that names it."""

from pathlib import Path

from posedistill import zoo
from posedistill.models import load
from posedistill.models.published import published_model
from posedistill.teachers.fitted import Joined
from posedistill.teachers.frozen import Frozen
from posedistill.teachers.onnx_teacher import OnnxTeacher
from posedistill.teachers.teacher import Teacher

SEPARATOR = "+"


def open_teacher(text: str, *, batch_statistics: bool = False) -> Teacher:
    """Open a run folder, a `.safetensors` file, an `.onnx` file, or several joined by ``+``.

    Names of published models are taken too: fetched, unless they are cached. Several answer with
    the mean of their logits, see `Joined`. A name with a ``+`` of its own works where it exists.
    batch_statistics: of a torch model, see `Frozen`.
    Raises FileNotFoundError for what is missing, ValueError for what is no model, and for
    batch_statistics with anything but one torch model.

    >>> open_teacher("runs/no-such-teacher")
    Traceback (most recent call last):
    FileNotFoundError: model file runs/no-such-teacher does not exist
    """
    names = [text] if Path(text).exists() else [name.strip() for name in text.split(SEPARATOR)]
    if not all(names):
        raise ValueError(
            f"teacher {text!r} lacks a name beside a {SEPARATOR!r}; "
            f"expected FILE_OR_RUN or FILE_OR_RUN{SEPARATOR}FILE_OR_RUN"
        )
    if len(names) > 1 and batch_statistics:
        raise ValueError("teacher_batch_statistics is for one teacher alone; set it to false")
    teachers = [_open(Path(name), batch_statistics=batch_statistics) for name in names]
    return teachers[0] if len(teachers) == 1 else Joined(teachers)


def _open(path: Path, *, batch_statistics: bool) -> Teacher:
    if not path.exists() and _is_published(path):
        path = published_model(str(path))
    if path.suffix != ".onnx":
        return Frozen(load(path), batch_statistics=batch_statistics)
    if batch_statistics:
        raise ValueError(
            f"teacher_batch_statistics is for torch models, {path} is an .onnx file; "
            "set it to false"
        )
    return OnnxTeacher(path)


def _is_published(path: Path) -> bool:
    try:
        zoo.find(str(path))
    except ValueError:
        return False
    return True
