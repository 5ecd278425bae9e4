"""Command line of `data synth`: synthetic people with exact keypoints."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posedistill.synth.dataset import SynthPeople


def add_synth(command: argparse.ArgumentParser) -> None:
    """Add the options of `data synth`."""
    command.set_defaults(run=_synth)
    add = command.add_argument
    add("--count", type=int, default=64, metavar="N", help="images; default %(default)s")
    add("--out", type=Path, metavar="DIR", help="where images and labels go; goes on where it was")
    add("--preview", type=Path, metavar="FILE.png", help="a sheet of the first images, with labels")
    add("--size", type=int, default=256, metavar="PIXELS", help="a side; default %(default)s")
    add("--seed", type=int, default=0, metavar="N", help="another one gives other people")
    add("--workers", type=int, metavar="N", help="processes; one a CPU without it")
    add("--backgrounds", type=Path, metavar="DIR", help="photos without people; made without it")
    add("--traceback", action="store_true", help="show where an error came from")


def _synth(arguments: argparse.Namespace) -> int:
    from posedistill.synth.dataset import SynthPeople

    if arguments.out is None and arguments.preview is None:
        raise ValueError("nothing to do: give --out DIR, --preview FILE.png, or both")
    people = SynthPeople(
        arguments.count,
        seed=arguments.seed,
        size=arguments.size,
        backgrounds=arguments.backgrounds,
    )
    if arguments.preview is not None:
        show(people, arguments.preview)
    if arguments.out is not None:
        write(people, arguments.out, workers=arguments.workers)
    return 0


def show(people: "SynthPeople", file: Path) -> None:
    """Write a sheet of the first people, and say where it is.

    Raises ValueError for a name that is none of an image, FileNotFoundError without its folder.
    """
    from posedistill.media import IMAGE_SUFFIXES, write_image
    from posedistill.synth.preview import preview

    if file.suffix.lower() not in IMAGE_SUFFIXES:
        raise ValueError(
            f"--preview {file}: expected a name with one of {', '.join(IMAGE_SUFFIXES)}"
        )
    if not file.parent.is_dir():
        raise FileNotFoundError(f"--preview {file}: no such folder: {file.parent}")
    write_image(file, preview(people))
    print(f"preview: {file}")


def write(people: "SynthPeople", folder: Path, *, workers: int | None) -> None:
    """Write people and labels; say where they are and how fast that was.

    Errors are those of `posedistill.synth.write.write_people`.
    """
    from posedistill.synth.write import write_people

    start = time.perf_counter()
    written = write_people(
        folder,
        people.count,
        seed=people.seed,
        size=people.size,
        backgrounds=people.backgrounds,
        workers=workers,
    )
    seconds = time.perf_counter() - start
    speed = f", {written.num_new / seconds:.1f} images/s" if written.num_new else ""
    print(f"{written.num_new} new of {written.num_images} images in {seconds:.0f} s{speed}")
    print(f"{written.num_people} people: {written.annotations} with images {written.images_dir}")
