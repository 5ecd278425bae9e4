"""Find the people in a photo: what they look like as numbers, as a file and as a picture.

Call it with a photo of your own, or without one for a bundled one:

    python examples/photo.py photo.jpg --out found
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import posedistill
from posedistill import Pipeline, __version__
from posedistill.draw.overlay import draw_overlay
from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.table import FORMATS
from posedistill.media import read_image, write_image

DEMO = Path(posedistill.__file__).parent / "assets" / "demo" / "astronaut.jpg"


def main(words: Sequence[str] | None = None) -> None:
    """Find, tell, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photo", nargs="?", type=Path, default=DEMO)
    parser.add_argument("--model", default="wholebody-t", help="a name, or an .onnx file")
    parser.add_argument("--out", type=Path, default=Path("found"))
    given = parser.parse_args(words)

    image_rgb = read_image(given.photo)
    with Pipeline(given.model) as pipeline:
        poses = pipeline(image_rgb)
    print(f"{len(poses)} people in {given.photo.name}")
    for person in range(len(poses)):
        for name, joints in poses.skeleton.groups.items():
            sure = poses.scores[person, joints] >= 0.3
            print(f"  person {person}: {sure.sum()} of {sure.size} joints of {name} are sure")

    h, w = image_rgb.shape[:2]
    row = ImagePoses(1, poses, given.photo.name, (w, h))
    file = given.out / "poses.json"
    given.out.mkdir(parents=True, exist_ok=True)
    FORMATS["coco"].write(file, [row], skeleton=poses.skeleton, version=__version__)
    picture = given.out / f"{given.photo.stem}.png"
    write_image(picture, draw_overlay(image_rgb, poses))
    print(f"wrote {file} and {picture}")


if __name__ == "__main__":
    main()
