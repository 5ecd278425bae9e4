"""`posedistill data synth`: what it writes, and what it refuses in one line."""

import json
from pathlib import Path

import pytest

from posedistill.cli import main
from posedistill.media import read_image


def _run(*words: object) -> int:
    return main(["data", "synth", *map(str, words)])


def test_images_labels_and_a_sheet_are_written_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("anny")
    pytest.importorskip("numba")
    sheet, out = tmp_path / "sheet.png", tmp_path / "people"
    words = ("--count", 2, "--size", 64, "--seed", 3, "--out", out)
    assert _run(*words, "--preview", sheet, "--workers", 1) == 0
    assert read_image(sheet).shape == (256, 4 * 256, 3)
    labels = json.loads((out / "annotations.json").read_text(encoding="utf-8"))
    names = [image["file_name"] for image in labels["images"]]
    assert [read_image(out / "images" / name).shape for name in names] == [(64, 64, 3)] * 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"preview: {sheet}"
    assert lines[1].startswith("2 new of 2 images in ")
    assert lines[2].endswith(f"{out / 'annotations.json'} with images {out / 'images'}")
    assert _run(*words) == 0
    assert capsys.readouterr().out.startswith("0 new of 2 images in ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to do: give --out DIR, --preview FILE.png, or both"),
        (["--out", "people", "--count", "0"], "count >= 1"),
        (["--out", "people", "--size", "32"], "size >= 64 pixels"),
        (["--out", "people", "--workers", "0"], "workers is 0; expected 1 or more"),
        (["--out", "people", "--backgrounds", "none"], "no such folder of backgrounds: none"),
        (["--out", "people", "--backgrounds", "."], "no images in ."),
        (["--preview", "sheet.txt"], "--preview sheet.txt: expected a name with one of .jpg"),
        (["--preview", "none/sheet.png"], "no such folder: none"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line_before_anything_is_made(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run(*words) == 2
    assert list(tmp_path.iterdir()) == []
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
