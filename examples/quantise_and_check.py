"""Make an int8 file of a model, and see what that costs: size, speed, joints and scores.

Layers whose rounding moves joints most stay in float. Without annotated photos the people of the
bundled ones stand in, which is enough to try it and not enough to rely on:

    python examples/quantise_and_check.py student.onnx small.onnx
    python examples/quantise_and_check.py student.onnx small.onnx --data val.json --images val
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from posedistill.export.calibration import LabelledPhotos
from posedistill.export.compress import RefusedError, compress
from posedistill.runtime.session import OnnxSession


def main(words: Sequence[str] | None = None) -> None:
    """Quantise, and tell what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="an .onnx file that posedistill wrote")
    parser.add_argument("out", type=Path, help="the .onnx file to write")
    parser.add_argument("--data", type=Path, help="annotated people to measure on")
    parser.add_argument("--images", type=Path, help="folder of their images")
    parser.add_argument("--max-loss", type=float, default=1.0, help="points of AP to bear")
    given = parser.parse_args(words)
    if (given.data is None) != (given.images is None):
        parser.error("--data and --images go together")

    photos = None if given.data is None else LabelledPhotos(given.data, given.images)
    with OnnxSession(given.model) as session:
        spec = session.spec
    try:
        done = compress(
            given.model,
            given.out,
            kind="int8",
            spec=spec,
            photos=photos,
            max_loss=given.max_loss,
        )
    except RefusedError as error:  # it loses more than it may: there is no file, but a report
        print(error.report)
        raise SystemExit(f"error: {error}") from None
    print(done)
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main()
