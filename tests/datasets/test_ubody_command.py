"""The command prints what became of UBody and says by its exit code whether all is there."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("av")

from posedistill.cli_data import prepare
from tests.ubody_tree import Tree, write_video


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path / "UBody")
    write_video(tree.videos / "Movie" / "one.mp4")
    tree.annotate("Movie", "one", numbers=range(1, 21), first_id=1)
    return tree


def test_a_complete_run_prints_the_table_and_where_things_are(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.save()
    out = tmp_path / "out"
    assert prepare(tree.videos, tree.annotations, out=out, workers=1) == 0
    printed = capsys.readouterr()
    assert " ".join(printed.out.splitlines()[1].split()) == "Movie 1 2 2 2 2 0 0"
    assert "nothing is missing" in printed.out
    assert f"for training: {out / 'annotations' / 'train.json'}" in printed.out
    assert printed.err == "", "no progress bar where nobody watches"


def test_something_missing_gives_one(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.annotate("Movie", "gone", numbers=range(1, 21), first_id=101)
    tree.save()
    assert prepare(tree.videos, tree.annotations, out=tmp_path / "out", workers=1) == 1
    assert "no video: Movie/gone (2)" in capsys.readouterr().out


def test_a_terminal_sees_a_bar_for_each_scene(
    tree: Tree,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("tqdm")
    write_video(tree.videos / "Speech" / "two.mp4")
    tree.annotate("Speech", "two", numbers=range(1, 31), first_id=1)
    tree.save()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert prepare(tree.videos, tree.annotations, out=tmp_path / "out", workers=1) == 0
    told = capsys.readouterr().err
    assert "Movie: 100%" in told
    assert "2/2" in told
    assert "Speech: 100%" in told
    assert "3/3" in told


def test_without_pyav_it_says_what_to_install(tree: Tree, tmp_path: Path) -> None:
    tree.save()
    script = f"""
import sys
sys.path[:] = {sys.path!r}
sys.modules["av"] = None
from pathlib import Path
from posedistill.cli_data import prepare
root = Path({str(tree.root)!r})
try:
    prepare(root / "videos", root / "annotations", out=Path({str(tmp_path / "out")!r}))
except ModuleNotFoundError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout.strip().endswith("install it with `pip install posedistill[data]`")
    assert not (tmp_path / "out").exists()
