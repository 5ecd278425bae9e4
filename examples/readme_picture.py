"""Draw docs/img/demo.jpg: the bundled photos with what the embedded model finds in them."""

import json
from pathlib import Path

import posedistill
from posedistill.draw.overlay import draw_overlay
from posedistill.draw.sheet import contact_sheet
from posedistill.media import read_image, write_image

DEMO = Path(posedistill.__file__).parent / "assets" / "demo"


def main() -> None:
    """Estimate, draw and write."""
    boxes_by_name = json.loads((DEMO / "boxes.json").read_text(encoding="utf-8"))
    estimator = posedistill.Estimator("wholebody-t")
    pictures = []
    for name, boxes_xyxy in boxes_by_name.items():
        image = read_image(DEMO / name)
        pictures.append(draw_overlay(image, estimator(image, boxes_xyxy)))
    path = Path("docs") / "img" / "demo.jpg"
    write_image(path, contact_sheet([pictures], cell_wh=(384, 384)))
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
