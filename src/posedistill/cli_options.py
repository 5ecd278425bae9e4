"""Options that several sub-commands have, each said once."""

import argparse

MODEL = (
    "run folder, .safetensors or .onnx file, name of an embedded model, or of a published one "
    "(see `posedistill models list`)"
)


def add_network(group: argparse._ArgumentGroup) -> None:
    """Add what says how a network runs."""
    add = group.add_argument
    add(
        "--spec",
        metavar="NAME",
        help="for an .onnx file without a description of its own: the published model it is",
    )
    add("--flip-test", action="store_true", help="also run each crop mirrored and take the mean")
    add(
        "--device",
        default="auto",
        metavar="NAME",
        help="cpu, cuda, tensorrt, rocm, directml, coreml or openvino, also as cuda:1; default "
        "the best there is",
    )
    add(
        "--strict-device",
        action="store_true",
        help="fail where that device cannot be had, instead of taking the next best",
    )


def add_following(group: argparse._ArgumentGroup) -> None:
    """Add what says how people are followed through a video."""
    add = group.add_argument
    add(
        "--detect-every",
        type=int,
        default=1,
        metavar="K",
        help="detect in one frame of K, follow the persons between; default 1",
    )
    add(
        "--one-person",
        action="store_true",
        help="follow the surest person alone; without --detector from the whole image",
    )
    add("--no-track", action="store_true", help="give no ids, and do not smooth")


def add_max_pixels(group: argparse._ArgumentGroup) -> None:
    """Add the limit on the size of images."""
    group.add_argument(
        "--max-pixels",
        type=int,
        metavar="N",
        help="refuse images of more, which may be made to fill the memory",
    )
