"""Draw docs/img/demo.jpg: the bundled photos with what the embedded models find in them."""

from pathlib import Path

import posedistill
from posedistill.draw.overlay import draw_overlay
from posedistill.draw.sheet import contact_sheet
from posedistill.media import list_images, read_image, write_image

DEMO = Path(posedistill.__file__).parent / "assets" / "demo"


def main() -> None:
    """Estimate, draw and write."""
    pictures = []
    with posedistill.Pipeline() as pipeline:
        for file in list_images([DEMO]):
            image = read_image(file)
            pictures.append(draw_overlay(image, pipeline(image)))
    path = Path("docs") / "img" / "demo.jpg"
    write_image(path, contact_sheet([pictures], cell_wh=(384, 384)))
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
