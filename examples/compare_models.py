"""Compare two models on the same people: how far their joints lie apart, and a picture of it.

The people are found once, so that the models alone differ. Models are names or `.onnx` files:

    python examples/compare_models.py wholebody-t student-int8.onnx photos --out compared
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill import Estimator, Pipeline, Poses
from posedistill.draw.overlay import draw_overlay
from posedistill.draw.sheet import contact_sheet
from posedistill.media import IMAGE_SUFFIXES, read_image, write_image

SURE = 0.3
Image = NDArray[np.uint8]


def differences(one: Poses, other: Poses) -> NDArray[np.float64]:
    """Give how far each joint moves, (N, K), in per cent of the box; NaN where one is unsure."""
    distances = np.linalg.norm(one.keypoints.astype(np.float64) - other.keypoints, axis=-1)
    sides = np.sqrt(np.prod(one.boxes_xyxy[:, 2:] - one.boxes_xyxy[:, :2], axis=-1))
    are_sure = np.minimum(one.scores, other.scores) >= SURE
    return np.where(are_sure, 100 * distances / sides[:, None], np.nan)


def draw_differences(image_rgb: Image, one: Poses, other: Poses) -> Image:
    """Draw a yellow line from each sure joint of one model to that of the other."""
    picture = (image_rgb * 0.4).astype(np.uint8)
    for person, joint in np.argwhere(np.isfinite(differences(one, other))).tolist():
        ends = [
            np.rint(poses.keypoints[person, joint]).astype(int).tolist() for poses in (one, other)
        ]
        cv2.line(picture, ends[0], ends[1], (255, 220, 0), 2, cv2.LINE_AA)
        cv2.circle(picture, ends[1], 2, (255, 255, 255), cv2.FILLED, cv2.LINE_AA)
    return picture


def main(words: Sequence[str] | None = None) -> None:
    """Find people, estimate twice, tell and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", help="a name, or an .onnx file")
    parser.add_argument("second", help="another of the same skeleton")
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("--detector", default="auto", help="a name, an .onnx file, or none")
    parser.add_argument("--out", type=Path, default=Path("compared"))
    given = parser.parse_args(words)

    files = sorted(path for path in given.photos.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        parser.error(f"no photos in {given.photos}")
    one, other = Estimator(given.first), Estimator(given.second)
    pictures, moved = [], []
    with Pipeline(given.first, detector=given.detector) as pipeline:
        for file in files:
            image = read_image(file)
            (found,) = pipeline.find([image])
            both = [estimate(image, found.boxes_xyxy, found.scores) for estimate in (one, other)]
            moved.append(differences(*both))
            drawn = [draw_overlay(image, poses) for poses in both]
            pictures.append([*drawn, draw_differences(image, *both)])
    everybody = np.concatenate(moved)
    print(f"{len(everybody)} people in {len(files)} photos; joints that both are sure of:")
    for part, joints in {"whole": slice(None), **one.skeleton.groups}.items():
        values = everybody[:, joints][np.isfinite(everybody[:, joints])]
        mean = f"{values.mean():.2f} % of the box apart" if values.size else "-"
        print(f"  {part:10}  {values.size:5} joints  {mean}")
    given.out.mkdir(parents=True, exist_ok=True)
    titles = (Path(given.first).name, Path(given.second).name, "from one to the other")
    write_image(
        given.out / "compared.jpg", contact_sheet(pictures, titles=titles, cell_wh=(384, 384))
    )
    print(f"wrote {given.out / 'compared.jpg'}")


if __name__ == "__main__":
    main()
