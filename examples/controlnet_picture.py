"""Draw docs/img/controlnet.png: a bundled photo and its control picture by each preset.

python examples/controlnet_picture.py
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import posedistill
from posedistill.draw.presets import PRESETS, draw_preset
from posedistill.draw.sheet import contact_sheet
from posedistill.media import read_image, write_image

DEMO = Path(posedistill.__file__).parent / "assets" / "demo"
PHOTO = "astronaut.jpg"


def main(words: Sequence[str] | None = None) -> None:
    """Estimate, draw and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="wholebody-t", help="a name, or an .onnx file")
    parser.add_argument("--out", type=Path, default=Path("docs", "img", "controlnet.png"))
    given = parser.parse_args(words)

    boxes_by_name = json.loads((DEMO / "boxes.json").read_text(encoding="utf-8"))
    estimator = posedistill.Estimator(given.model)
    names = [name for name in PRESETS if name != "photo"]
    photo = read_image(DEMO / PHOTO)
    poses = estimator(photo, boxes_by_name[PHOTO])
    w, h = photo.shape[1], photo.shape[0]
    row = [photo, *(draw_preset(poses, (w, h), name) for name in names)]
    titles = ("photo", *names)
    write_image(given.out, contact_sheet([row], titles=titles, cell_wh=(300, 300)))
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main()
