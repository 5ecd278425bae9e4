"""Draw docs/img/weaknesses.jpg: what the embedded models make of pictures that are hard for them.

    python benchmarks/weaknesses.py

Each bundled photo as it is, upside down, small within a larger picture, half covered and coarse,
with the boxes of the detector and the joints of the student.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import posedistill
from posedistill import Pipeline
from posedistill.draw.overlay import draw_overlay
from posedistill.draw.sheet import contact_sheet
from posedistill.media import list_images, read_image, write_image

DEMO = Path(posedistill.__file__).parent / "assets" / "demo"
Image = NDArray[np.uint8]
_CELL_WH = (300, 320)
_GREY = 128


def _upside_down(photo: Image) -> Image:
    return np.ascontiguousarray(photo[::-1, ::-1])


def _small(photo: Image) -> Image:
    """Put the photo, a fifth as large, into a grey picture of its size."""
    h, w = photo.shape[:2]
    canvas = np.full_like(photo, _GREY)
    canvas[h // 2 : h // 2 + h // 5, w // 3 : w // 3 + w // 5] = _resized(photo, (w // 5, h // 5))
    return canvas


def _half_covered(photo: Image) -> Image:
    covered = photo.copy()
    covered[:, : photo.shape[1] // 2] = _GREY
    return covered


def _coarse(photo: Image) -> Image:
    h, w = photo.shape[:2]
    return _resized(_resized(photo, (w // 10, h // 10)), (w, h))


def _resized(photo: Image, size_wh: tuple[int, int]) -> Image:
    return cv2.resize(photo, size_wh, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _as_it_is(photo: Image) -> Image:
    return photo


CHANGES = {
    "as it is": _as_it_is,
    "upside down": _upside_down,
    "small": _small,
    "half covered": _half_covered,
    "coarse": _coarse,
}


def main() -> None:
    """Find, draw and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="wholebody-t", help="a name, or an .onnx file")
    parser.add_argument("--detector", default="auto", help="a name, or an .onnx file")
    parser.add_argument("--out", type=Path, default=Path("docs", "img", "weaknesses.jpg"))
    given = parser.parse_args()
    rows = []
    with Pipeline(given.model, detector=given.detector) as pipeline:
        for file in list_images([DEMO]):
            changed = [change(read_image(file)) for change in CHANGES.values()]
            rows.append([draw_overlay(image, pipeline(image), boxes=True) for image in changed])
    write_image(given.out, contact_sheet(rows, titles=tuple(CHANGES), cell_wh=_CELL_WH))
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main()
