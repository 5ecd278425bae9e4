"""Command line of pose files: `poses convert`."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from posedistill.formats.image_poses import ImagePoses

_Parser = TypeVar("_Parser", bound=argparse.ArgumentParser)
# Spelt out, so that --help imports nothing; a test holds it equal to the table of formats.
FORMAT_NAMES = ("coco", "coco-results", "openpose", "csv", "npz", "parquet", "mmpose", "jsonl")


def add_poses(commands: "argparse._SubParsersAction[_Parser]") -> _Parser:
    """Add the sub-command `poses` with its action."""
    command = commands.add_parser("poses", help="turn files of poses into other formats")
    actions = command.add_subparsers(metavar="convert", required=True)
    _add_convert(actions.add_parser("convert", help="read poses in any format, write another"))
    return command


def _add_convert(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_convert)
    add = command.add_argument
    add("source", type=Path, metavar="IN", help="a file of poses, or a folder of OpenPose files")
    add("--out", required=True, type=Path, metavar="FILE", help="the file or folder to write")
    add("--to", choices=FORMAT_NAMES, help="format of FILE; by its suffix without it")
    add("--from", choices=FORMAT_NAMES, dest="source_format", help="format of IN; by its suffix")
    add("--skeleton", metavar="NAME", help="also rearrange the joints, such as to coco17")
    add("--traceback", action="store_true", help="show where an error came from")


def _convert(arguments: argparse.Namespace) -> int:
    return convert(
        arguments.source,
        arguments.out,
        source_format=arguments.source_format,
        out_format=arguments.to,
        skeleton=arguments.skeleton,
    )


def convert(
    source: Path,
    out: Path,
    *,
    source_format: str | None = None,
    out_format: str | None = None,
    skeleton: str | None = None,
) -> int:
    """Read poses and write them in another format; print what was written.

    Formats are names of `posedistill.formats.table.FORMATS`, told by the suffix where None.
    skeleton: convert the poses to it. Gives the exit code 0. Raises what the formats do, and
    ValueError where `out` would overwrite `source`.

    >>> convert(Path("none.csv"), Path("poses.json"))
    Traceback (most recent call last):
    FileNotFoundError: no such CSV file: none.csv
    """
    from posedistill import __version__
    from posedistill.formats.table import FORMATS, format_of
    from posedistill.skeleton import Skeleton

    if source.resolve() == out.resolve():
        raise ValueError(f"--out {out} would overwrite what is read; choose another name")
    wanted = None if skeleton is None else Skeleton.get(skeleton)
    name = out_format or format_of(out)
    images = FORMATS[source_format or format_of(source)].read(source)
    if wanted is None and not images:
        raise ValueError(f"{source} holds no images, so no skeleton; say which by --skeleton")
    wanted = wanted or images[0].poses.skeleton
    images = [_converted(image, wanted.name) for image in images]
    FORMATS[name].write(out, images, skeleton=wanted, version=__version__)
    print(f"{_counted(images)}, {wanted.name}: {out} ({name})")
    return 0


def _converted(image: "ImagePoses", skeleton: str) -> "ImagePoses":
    if image.poses.skeleton.name == skeleton:
        return image
    return replace(image, poses=image.poses.to(skeleton))


def _counted(images: "Sequence[ImagePoses]") -> str:
    persons = sum(len(image.poses) for image in images)
    words = [(len(images), "image"), (persons, "person")]
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in words)
