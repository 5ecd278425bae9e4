"""Command line of `doctor`."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from posedistill.doctor import Finding

_Parser = TypeVar("_Parser", bound=argparse.ArgumentParser)


def add_doctor(commands: "argparse._SubParsersAction[_Parser]") -> _Parser:
    """Add the sub-command `doctor`."""
    command = commands.add_parser("doctor", help="what runs models here, and what is wrong with it")
    command.set_defaults(run=doctor)
    command.add_argument(
        "--device",
        default="auto",
        metavar="DEVICE",
        help="to run a model on: auto, cpu, cuda, tensorrt, coreml, directml, rocm, openvino, also "
        "as cuda:1 or openvino:GPU; default %(default)s",
    )
    return command


def doctor(arguments: argparse.Namespace) -> int:
    """Print what is found here; 1 where some of it is a problem."""
    from posedistill.doctor import diagnose

    return report(diagnose(device=arguments.device))


def report(findings: "Sequence[Finding]") -> int:
    """Print findings; give 1 where one of them is a problem, else 0.

    >>> from posedistill.doctor import Finding
    >>> report([Finding("cache", "full", "make room", is_problem=True)])
    ! cache  full
             -> make room
    <BLANKLINE>
    problems, marked by !: 1
    1
    """
    width = max(len(finding.topic) for finding in findings)
    for finding in findings:
        mark = "!" if finding.is_problem else " "
        print(f"{mark} {finding.topic:{width}}  {finding.text}")
        if finding.remedy is not None:
            print(f"  {'':{width}}  -> {finding.remedy}")
    problems = sum(finding.is_problem for finding in findings)
    print(f"\nproblems, marked by !: {problems}" if problems else "\nno problems found")
    return 1 if problems else 0
