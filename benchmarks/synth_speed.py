"""Print how fast synthetic people are written, and what there is of them.

    python benchmarks/synth_speed.py --count 400 --backgrounds photos
    python benchmarks/synth_speed.py --sheet docs/img/synthetic.jpg

Each row writes the same people anew; the time includes the start of the processes and, before the
first row, not the compilation of the renderer, which happens once on a machine. Nothing else should
run meanwhile.
"""

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.people_scores import markdown
from posedistill.datasets.wholebody import FIELDS
from posedistill.media import write_image
from posedistill.synth.dataset import SynthPeople
from posedistill.synth.preview import preview
from posedistill.synth.write import Written, write_people

_PARTS = dict(zip(FIELDS, ("body", "feet", "face", "left hand", "right hand"), strict=True))
_ON_THE_SHEET = 18
_SEED = 20  # not the one that anybody trains on


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--count", type=int, default=200, metavar="N")
    add("--size", type=int, default=256, metavar="PIXELS")
    add("--backgrounds", type=Path, metavar="DIR")
    add("--sheet", type=Path, metavar="FILE.jpg", help="also draw the first images, small")
    add("--workers", type=int, nargs="+", default=[1, 2], metavar="N")
    arguments = parser.parse_args()
    settings = {"seed": _SEED, "size": arguments.size, "backgrounds": arguments.backgrounds}
    people = SynthPeople(arguments.count, **settings)
    first = _seconds_of_first(people)
    rows = [["processes", "images/s", "images/s and process"]]
    with TemporaryDirectory() as name:
        for workers in arguments.workers:
            start = perf_counter()
            folder = Path(name, str(workers))
            written = write_people(folder, arguments.count, workers=workers, **settings)
            speed = arguments.count / (perf_counter() - start)
            rows.append([str(workers), f"{speed:.1f}", f"{speed / workers:.1f}"])
        each = f"{first:.1f} s for its first and {_milliseconds(people):.0f} ms for each other"
        print(
            f"{arguments.count} images, {arguments.size} pixels a side. A process needs {each}.\n"
        )
        print(markdown(rows) + "\n\n" + _contents(written))
    if arguments.sheet is not None:
        sheet = preview(people, _ON_THE_SHEET)
        half = cv2.resize(sheet, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        write_image(arguments.sheet, np.asarray(half, np.uint8))


def _seconds_of_first(people: SynthPeople) -> float:
    start = process_time()
    people.image(1)
    return process_time() - start


def _milliseconds(people: SynthPeople) -> float:
    """Give the processor's time for an image, without writing it."""
    image_ids = people.image_ids[1:41]
    start = process_time()
    for image_id in image_ids:
        people.image(image_id)
    return 1000 * (process_time() - start) / len(image_ids)


def _contents(written: Written) -> str:
    content = json.loads(written.annotations.read_text(encoding="utf-8"))
    people = [row for row in content["annotations"] if row["num_keypoints"]]
    counts = np.bincount([row["image_id"] for row in people])[1:]
    kilobytes = [path.stat().st_size / 1e3 for path in written.images_dir.iterdir()]
    several = 100 * (counts > 1).mean()
    lines = [
        f"{len(people)} people with keypoints, {counts.mean():.2f} an image, {several:.0f} % of "
        f"the images with several; {np.mean(kilobytes):.0f} kB an image, labels "
        f"{written.annotations.stat().st_size / 1e3 / len(counts):.0f} kB an image.\n"
    ]
    rows = [["part", "labelled, % of people", "seen of all its points, %"]]
    for field, part in _PARTS.items():
        shown = np.array([row[field][2::3] for row in people])
        labelled = shown[(shown > 0).any(axis=1)]
        share = 100 * len(labelled) / len(shown)
        rows.append([part, f"{share:.0f}", f"{100 * (labelled == 2).mean():.0f}"])
    return "\n".join([*lines, markdown(rows)])


if __name__ == "__main__":
    main()
