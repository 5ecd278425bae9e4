"""Compress: an `.onnx` file made smaller, compared with what it was, refused where it is bad."""

import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import onnx

from posedistill.export.calibration import Crops, LabelledPhotos, calibration_crops
from posedistill.export.effect import Effect, measure, why_refused
from posedistill.export.precision import store_in_16_bits
from posedistill.export.quantize import Choice, quantize
from posedistill.media import write_whole
from posedistill.spec import METADATA_KEY, Spec

Kind = Literal["int8", "fp16", "bf16"]
KINDS: tuple[Kind, ...] = ("int8", "fp16", "bf16")
MAX_LOSS = 1.0  # points of AP
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compressed:
    """Say what was done to a file, and what that does.

    choice: which layers are in 8 bits; None where none are.
    """

    kind: Kind
    effect: Effect
    choice: Choice | None

    def __str__(self) -> str:
        return str(self.effect) if self.choice is None else f"{self.choice}\n\n{self.effect}"


class RefusedError(ValueError):
    """Say why a file was not written; `report` holds what was measured.

    >>> RefusedError("hand AP falls").report is None
    True
    """

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


def compress(  # house rule: what is done, and the terms on which it is kept
    source: Path,
    out: Path,
    *,
    kind: Kind,
    spec: Spec,
    photos: LabelledPhotos | None = None,
    max_loss: float = MAX_LOSS,
    force: bool = False,
) -> Compressed:
    """Write a smaller `.onnx` file, and beside it a report of what it loses.

    source: an `.onnx` file. spec: what surrounds its network; it will stand in the file. photos:
    to calibrate and to score on; without them, the people of the bundled photos, and no scores.
    max_loss, force: see `why_refused`; with force the file is written all the same.
    The report is OUT.report.json. Raises RefusedError, leaving nothing, for what loses too much,
    and ValueError for a file that cannot be changed this way.

    >>> compress(  # doctest: +SKIP
    ...     Path("pose.onnx"), Path("small.onnx"), kind="int8", spec=OnnxSession("pose.onnx").spec
    ... ).effect.bytes_after
    7466300
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; expected one of {', '.join(KINDS)}")
    check_out(out, source)
    crops = calibration_crops(spec, photos)
    model, choice = _changed(onnx.load(source), kind, spec=spec, crops=crops)
    onnx.helper.set_model_props(model, _properties(model) | {METADATA_KEY: spec.to_json()})
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(out.stem + ".partial.onnx")
    try:
        onnx.save(model, beside)
        _logger.info("comparing the file with what it was")
        effect = measure(source, beside, crops=crops, spec=spec, photos=photos)
        report = Compressed(kind, effect, choice)
        refuse(effect, out, report=report, max_loss=max_loss, force=force)
        write_report(out, {"kind": kind, "source": source.name} | _as_dict(report))
        os.replace(beside, out)
    finally:
        beside.unlink(missing_ok=True)
    return report


def check_out(out: Path, source: Path) -> None:
    """Raise ValueError for a name that is no `.onnx` file, or that of the source."""
    if out.suffix != ".onnx" or out.is_dir():
        raise ValueError(f"expected the name of a file ending in .onnx, got {out}")
    if out.resolve() == source.resolve():
        raise ValueError(f"{out} is the model itself; give the smaller file another name")


def refuse(  # house rule: what is judged, and by what
    effect: Effect, out: Path, *, report: object, max_loss: float, force: bool
) -> None:
    """Raise RefusedError for an effect that is too bad, or with force, only warn."""
    reason = why_refused(effect, max_loss=max_loss)
    if not reason:
        return
    if not force:
        raise RefusedError(f"{out} was not written: {reason}; --force writes it anyway", report)
    _logger.warning("%s is written although %s", out, reason)


def write_report(out: Path, record: dict[str, object]) -> Path:
    """Write what is known of a file beside it; give where."""
    path = out.with_name(f"{out.name}.report.json")
    write_whole(path, json.dumps(record, indent=1).encode())
    return path


def _as_dict(report: Compressed) -> dict[str, object]:
    choice = {} if report.choice is None else {"sensitivity": asdict(report.choice)}
    return report.effect.as_dict() | choice


def _properties(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def _changed(
    model: onnx.ModelProto, kind: Kind, *, spec: Spec, crops: Crops
) -> tuple[onnx.ModelProto, Choice | None]:
    if kind == "int8":
        return quantize(model, spec, crops=crops)
    return store_in_16_bits(model, kind), None
