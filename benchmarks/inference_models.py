"""Networks for timing: RTMPose with weights made from names, in our file and as published ones are.

Both files of a size hold the same weights: ours takes uint8 crops and carries its Spec, the other
takes normalised float crops, as exports by MMDeploy do.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from posedistill.export.onnx import export_onnx
from posedistill.models import build
from tests.raw_export import export_raw
from tests.weight_rule import GAINS, fill

SIZES = tuple(GAINS)
_BATCH = {0: "batch"}
_AXES = {"input": _BATCH, "simcc_x": _BATCH, "simcc_y": _BATCH}


class Files(NamedTuple):
    """Name the two files of one network."""

    own: Path
    published: Path


def export_models(folder: Path, sizes: Sequence[str]) -> dict[str, Files]:
    """Give the files of RTMPose 256x192 by size (t, s, m), written where they are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    return {size: _export(folder, size) for size in sizes}


def _export(folder: Path, size: str) -> Files:
    files = Files(folder / f"rtmpose-{size}.onnx", folder / f"rtmpose-{size}-published.onnx")
    if all(file.is_file() for file in files):
        return files
    print(f"exporting RTMPose-{size} to {folder}", file=sys.stderr)
    model = build(f"rtmpose-{size}").eval()
    fill(model, GAINS[size])
    export_onnx(model, files.own)
    beside = files.published.with_suffix(".part")
    export_raw(model, beside, dynamic_axes=_AXES)
    beside.replace(files.published)
    return files
