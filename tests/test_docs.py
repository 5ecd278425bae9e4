"""The pages: their Python runs, their commands exist, their tables and links are right."""

import contextlib
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.page_tables import TABLES
from benchmarks.speed_page import read_block
from posedistill import __version__, zoo
from posedistill.bulk.shards import PIECE_IMAGES, Shard, ShardFiles
from posedistill.bulk.units import MOST_IMAGES
from posedistill.cli import build_parser, main
from posedistill.recipes import RECIPES
from posedistill.runtime.detector import embedded_detectors
from posedistill.runtime.session import embedded_models
from tests.doc_pages import DOCS, PAGES, ROOT, commands, lay_out, python_blocks, write_video

_COMMANDS = {page.name: commands(page) for page in PAGES}
_WITH_PYTHON = [page for page in PAGES if python_blocks(page)]
# Of commands that need nothing but what comes with the package, how many a page has at least.
_CHEAP = {
    "index.md": 1,
    "use-images.md": 7,
    "use-video.md": 2,
    "skeletons.md": 1,
}
_NEEDED = ("pandas", "pyarrow", "supervision", "av")
_NOT_RUN = {"synthetic.md": "preparing the body model takes a minute"}
_VALUE_COLUMNS = ("whole", "body", "foot", "face", "hand")
_FETCHED = re.compile(r"(?:src|<link[^>]*href)=[\"']?(https?:)?//", re.IGNORECASE)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder, and be in it, with what the pages speak of."""
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@pytest.mark.parametrize("page", _WITH_PYTHON, ids=lambda page: page.name)
def test_the_python_of_a_page_runs_and_prints_what_the_page_says(page: Path, desk: Path) -> None:
    blocks = python_blocks(page)
    if page.name in _NOT_RUN:
        for block in blocks:
            compile(block.code, page.name, "exec")
        pytest.skip(_NOT_RUN[page.name])
    if any(".mp4" in block.code for block in blocks) and _has("av"):
        write_video(desk / "dance.mp4")
    names: dict[str, Any] = {}  # Any: whatever a page defines
    left_out: set[str] = set()
    for block in blocks:
        missing = [package for package in _NEEDED if package in block.code and not _has(package)]
        if missing:
            left_out.update(missing)
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.code, page.name, "exec"), names)
        if block.printed is not None:
            assert printed.getvalue() == block.printed.replace("0.1.0", __version__)
    if left_out:
        pytest.skip(f"all ran but the blocks that need {', '.join(sorted(left_out))}")


@every_page
def test_the_commands_of_a_page_are_ones_that_exist(page: Path) -> None:
    parser = build_parser()
    for command in _COMMANDS[page.name]:
        parser.parse_args(shlex.split(command)[1:])


@every_page
def test_the_recipes_and_models_of_a_page_exist(page: Path) -> None:
    models = {*zoo.names(), *embedded_models(), *embedded_detectors(), "none"}
    for command in _COMMANDS[page.name]:
        words = shlex.split(command)
        if words[1] in ("train", "overfit", "show-batch"):
            assert words[2] in RECIPES, command
        for option, value in zip(words, words[1:], strict=False):
            if option in ("--model", "--detector", "--spec") and not Path(value).suffix:
                assert value in models or "/" in value, command


@pytest.mark.parametrize("page", _CHEAP)
def test_commands_that_need_nothing_but_the_package_run(
    page: str, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if page == "use-video.md":
        pytest.importorskip("av")
        write_video(desk / "dance.mp4")
    cheap = [command for command in _COMMANDS[page] if _is_cheap(shlex.split(command)[1:])]
    assert len(cheap) >= _CHEAP[page]
    codes = {command: main(shlex.split(command)[1:]) for command in cheap}
    assert set(codes.values()) == {0}, (codes, capsys.readouterr().err)


def _is_cheap(words: list[str]) -> bool:
    """Tell whether a command works on what is on the desk, by the embedded models."""
    if any(word in zoo.names() for word in words) or "webcam" in " ".join(words):
        return False
    if words[0] == "poses":
        return True
    return words[0] == "predict" and Path(words[1]).exists() and "openvino" not in " ".join(words)


@every_page
def test_the_links_and_pictures_of_a_page_exist(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    linked = re.findall(r"\]\(([^)#\s]+)", text)
    missing = [to for to in linked if ":" not in to and not (page.parent / to).is_file()]
    assert missing == []


def test_the_site_is_built_without_a_warning_and_asks_no_other_server(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="needs the extra docs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, re.findall(r"^WARNING.*", done.stderr, flags=re.M)) == (0, [])
    pages = list(tmp_path.glob("*.html"))
    assert {page.stem for page in pages} >= {page.stem for page in DOCS.glob("*.md")}
    assert [page.name for page in pages if _FETCHED.search(page.read_text())] == []


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_follows_from_the_code_is_as_the_code_has_it(name: str) -> None:
    table = TABLES[name]
    written = read_block(DOCS / table.page, name).strip()
    assert written == table.text(), "write it again: python benchmarks/page_tables.py"


def test_the_scores_of_the_comparison_are_those_of_the_table_of_models() -> None:
    rows = [line.split("|")[1:-1] for line in _lines("comparison.md") if line.startswith("| `")]
    ours = {row[0].strip("` "): [cell.strip() for cell in row[1:]] for row in rows}
    ours = {name: cells for name, cells in ours.items() if len(cells) > 2}
    assert len(ours) >= 9
    for name, (size, gflops, *scores, _) in ours.items():
        entry = zoo.find(name)
        assert size == "x".join(map(str, entry.input_size_wh))
        assert float(gflops) == entry.gflops
        assert [float(score) for score in scores] == [
            getattr(entry.ap, column) for column in _VALUE_COLUMNS
        ]


def test_the_figures_of_distillation_are_those_of_the_pages_they_are_from() -> None:
    sources = "\n".join(
        (DOCS / name).read_text() for name in ("distillation-benchmark.md", "first-distillation.md")
    )
    cells = set(re.findall(r"\|\s*([^|\n]+?)\s*(?=\|)", sources))
    rows = [line for line in _lines("distil.md") if line.count("|") == 6 and "body AP" in line]
    rows += [line for line in _lines("distil.md") if line.startswith("| the same: face")]
    assert len(rows) == 4
    figures = [cell.strip() for row in rows for cell in row.split("|")[2:5]]
    assert [figure for figure in figures if figure not in cells] == []


def test_the_published_gains_of_distillation_are_those_of_the_table_of_models() -> None:
    text = "\n".join(_lines("distil.md"))
    for size in ("m", "l", "l-384"):
        alone, taught = (zoo.find(f"{kind}-{size}").ap.whole for kind in ("rtmpose", "dwpose"))
        assert f"| {alone} | {taught} |" in text


def test_the_pages_name_every_command() -> None:
    told = {shlex.split(command)[1] for page in _COMMANDS.values() for command in page}
    usage = build_parser().format_help()
    known = set(re.findall(r"^    ([a-z-]+)(?:  |$)", usage, flags=re.MULTILINE))
    assert known - told == set()


def test_numbers_and_names_of_bulk_work_are_those_of_the_code(tmp_path: Path) -> None:
    text = "\n".join(_lines("bulk.md"))
    assert f"of {PIECE_IMAGES:,} photos each" in text
    assert f"up to {MOST_IMAGES} photos or one video" in text
    assert f"`{ShardFiles(tmp_path, Shard(3, 16)).failures.name}`" in text


def test_every_module_and_folder_has_a_place_on_the_page_about_the_code() -> None:
    page = (DOCS / "code.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "posedistill"
    found = [path for path in package.iterdir() if path.suffix == ".py" or path.is_dir()]
    parts = [path.stem for path in found if not path.name.startswith(("_", "."))]
    parts = [part for part in parts if not part.startswith("cli") and part != "assets"]
    assert [part for part in parts if f"`{part}`" not in page] == []


def _lines(page: str) -> list[str]:
    return (DOCS / page).read_text(encoding="utf-8").splitlines()
