"""Run the benchmarks whose figures stand in docs/, and write what they print into the pages.

    python benchmarks/speed_page.py --data people --clips video
    python benchmarks/speed_page.py --only drawing persons
    python benchmarks/speed_page.py --quick --docs /a/copy/of/docs --data people --clips video

PEOPLE holds annotations/val.json and images/, VIDEO the clips `CLIPS`. Sections run one after the
other, about 20 minutes in all on two cores; nothing else should run meanwhile. In a page, what a
section printed stands between two comments that name it; the table of goals of docs/speed.md is
gathered from all pages. --quick shows that all of it runs; its figures mean nothing.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.goals import HEADINGS

ROOT = Path(__file__).resolve().parents[1]
CLIPS = ("juggle_120.mp4", "asl_help.mp4", "asl_learn.mp4")
SUMMARY = ("speed.md", "goals")
_PEOPLE, _VIDEO = "PEOPLE", "VIDEO"  # in commands, for the folders that are given
_CPU_INFO = Path("/proc/cpuinfo")


class Section(NamedTuple):
    """Hold what is run for one part of a page.

    Attributes:
        page: its file in docs/. words: of the command, after ``python``. quick: what is added to
        them for a run that only shows that it runs.
    """

    page: str
    words: tuple[str, ...]
    quick: tuple[str, ...]

    def command(self, folders: dict[str, Path]) -> list[str]:
        """Give the command with folders for their placeholders."""
        return [_filled(word, folders) for word in self.words]

    def needs(self) -> list[str]:
        """Give the placeholders in the command."""
        return [name for name in (_PEOPLE, _VIDEO) if name in " ".join(self.words)]


SECTIONS: dict[str, Section] = {
    "persons": Section(
        "speed.md",
        ("benchmarks/inference.py",),
        ("--models", "t", "--persons", "1", "--rounds", "1"),
    ),
    "drawing": Section("speed.md", ("benchmarks/drawing.py",), ("--seconds", "0.01")),
    "video": Section(
        "speed.md",
        ("benchmarks/video.py", "--video", f"{_VIDEO}/{CLIPS[0]}"),
        ("--frames", "24"),
    ),
    "memory": Section("speed.md", ("benchmarks/memory.py", "--frames", "5000"), ("--frames", "40")),
    "photo": Section("speed.md", ("benchmarks/first_photo.py",), ()),
    "server": Section("speed.md", ("benchmarks/web_load.py",), ("--seconds", "1")),
    "compression": Section(
        "compression.md",
        (
            *("benchmarks/compression.py", "--data", f"{_PEOPLE}/annotations/val.json"),
            *("--images", f"{_PEOPLE}/images"),
        ),
        ("--people", "6"),
    ),
    "tracking": Section("tracking.md", ("benchmarks/tracking.py",), ("--clips", "1")),
    "smoothing": Section(
        "tracking.md",
        ("benchmarks/smoothing.py", "--clips", *(f"{_VIDEO}/{clip}" for clip in CLIPS[1:])),
        (),
    ),
}


def main() -> None:
    """Run the sections and write the pages."""
    arguments = _arguments()
    given = {_PEOPLE: arguments.data, _VIDEO: arguments.clips}
    folders = {name: folder.resolve() for name, folder in given.items() if folder is not None}
    chosen = arguments.only or list(SECTIONS)
    for name in chosen:
        _check_folders(name, folders)
        read_block(arguments.docs / SECTIONS[name].page, name)  # fail before, not after the run
    failed = []
    for name in chosen:
        text = run(name, folders, is_quick=arguments.quick)
        if text is None:
            failed.append(name)
            continue
        write_block(arguments.docs / SECTIONS[name].page, name, text=text)
        write_summary(arguments.docs)
    if failed:
        raise SystemExit(f"failed, and left as they were: {', '.join(failed)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, metavar="PEOPLE", help="annotated photos")
    add("--clips", type=Path, metavar="VIDEO", help="short clips")
    add("--only", nargs="+", choices=SECTIONS, metavar="SECTION", help=", ".join(SECTIONS))
    add("--docs", type=Path, default=ROOT / "docs")
    add("--quick", action="store_true", help="the least of everything, to see that it runs")
    return parser.parse_args()


def _check_folders(name: str, folders: dict[str, Path]) -> None:
    options = {_PEOPLE: "--data", _VIDEO: "--clips"}
    missing = [options[folder] for folder in SECTIONS[name].needs() if folder not in folders]
    if missing:
        raise SystemExit(f"section {name} needs {', '.join(missing)} DIR")


def _filled(word: str, folders: dict[str, Path]) -> str:
    for name, folder in folders.items():
        if word.startswith(f"{name}/"):
            return str(folder / word.removeprefix(f"{name}/"))
    return word


def run(name: str, folders: dict[str, Path], *, is_quick: bool = False) -> str | None:
    """Run the script of a section; give what goes into the page, None where it failed."""
    section = SECTIONS[name]
    words = section.command(folders) + list(section.quick if is_quick else ())
    load, start = os.getloadavg()[0], time.perf_counter()
    print(f"{name}: {' '.join(words)}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        return None
    minutes = (time.perf_counter() - start) / 60
    print(f"{name}: {minutes:.1f} minutes", file=sys.stderr, flush=True)
    shown = " ".join((*section.words, *(section.quick if is_quick else ())))
    about = f"{machine()}; load before the run {load:.1f}; {minutes:.1f} minutes"
    return f"```\npython {shown}\n```\n\n{about}.\n\n{done.stdout.strip()}"


def machine() -> str:
    """Give in words what the figures were measured on."""
    names = re.findall(r"model name\s*: (.*)", _CPU_INFO.read_text()) if _CPU_INFO.exists() else []
    processor = names[0] if names else platform.processor() or platform.machine()
    versions = f"onnxruntime {onnxruntime.__version__}, numpy {np.__version__}"
    return f"{processor}, {os.cpu_count()} cores; {versions}"


def read_block(page: Path, name: str) -> str:
    """Give what stands between the comments of a section; ValueError where they are missing."""
    start, end = _marks(name)
    before, found, rest = page.read_text(encoding="utf-8").partition(start)
    block, closed, _ = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page} has no place for {name}: expected {start} and {end}")
    return block


def write_block(page: Path, name: str, *, text: str) -> None:
    """Put a text between the comments of a section."""
    old = read_block(page, name)
    start, end = _marks(name)
    whole = page.read_text(encoding="utf-8")
    new = f"{start}\n{text.strip()}\n{end}"
    page.write_text(whole.replace(f"{start}{old}{end}", new), encoding="utf-8")


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- printed by {name} -->", f"<!-- end of {name} -->"


def write_summary(docs: Path) -> None:
    """Gather the goals of all sections into one table."""
    rows = [
        f"| {row} {_place(name, section.page)} |"
        for name, section in SECTIONS.items()
        for row in goal_rows(read_block(docs / section.page, name))
    ]
    head = f"| {' | '.join(HEADINGS)} | where |\n|{' --- |' * (len(HEADINGS) + 1)}"
    page, name = SUMMARY
    write_block(docs / page, name, text="\n".join([head, *rows]))


def _place(name: str, page: str) -> str:
    return name if page == SUMMARY[0] else f"[{name}]({page})"


def goal_rows(block: str) -> Iterator[str]:
    """Give the rows of the table of goals in what a section printed, without their frame."""
    _, _, rest = block.partition(f"| {' | '.join(HEADINGS)} |\n")
    for line in rest.splitlines()[1:]:
        if not line.startswith("|"):
            return
        yield line.removeprefix("| ")


if __name__ == "__main__":
    main()
