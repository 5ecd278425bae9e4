import hashlib
import io
import sys
from pathlib import Path

import pytest

from posedistill.cli_models import fetch_model, list_models, show_model
from posedistill.zoo import Entry, choose_file, entries, find, names

UNHASHED = next(f.file_name for e in entries() for f in e.files if f.known_hash is None)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("POSEDISTILL_MIRROR", "POSEDISTILL_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("POSEDISTILL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def in_cache(cache: Path) -> Path:
    """Put files into the cache as if they had been fetched."""
    cache.mkdir()
    for name in ("rtmpose-m", "yolox-l", "dw-ll_ucoco_384.onnx"):
        (cache / choose_file(name).file_name).write_bytes(b"fetched before")
    return cache


def test_the_list_has_a_row_for_each_model() -> None:
    lines = list_models().splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(names())]] == list(names())


def test_a_row_tells_size_scores_and_status() -> None:
    header, *rows = (line.split() for line in list_models().splitlines())
    row = next(row for row in rows if row and row[0] == "dwpose-l-384")
    told = dict(zip([*header[:11], "M", *header[13:]], row, strict=True))
    assert told["input"] == "288x384"
    assert told["skeleton"] == "wholebody133"
    assert [told[part] for part in ("whole", "body", "foot", "face", "hand", "box")] == [
        *("66.5", "72.2", "70.4", "88.7", "62.1", "-")
    ]
    assert (told["GFLOPs"], told["M"]) == ("10.07", "33.61")
    assert (told["files"], told["status"]) == ("pth+onnx", "unverified")


def test_the_columns_of_the_list_stand_in_line() -> None:
    lines = list_models().splitlines()[: 1 + len(names())]
    places = {
        line.index(word) for line in lines for word in ("status", "unverified") if word in line
    }
    assert len(places) == 1


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.name)
def test_all_that_is_known_is_shown(cache: Path, entry: Entry) -> None:
    text = show_model(entry.name)
    for fact in (entry.source, entry.licence, entry.data_card, *entry.aliases):
        assert fact in text
    for file in entry.files:
        for fact in (file.file_name, file.known_hash or "-", *file.urls):
            assert fact in text
    assert text.count("unverified") == len(entry.files)
    assert text.count("cached      no") == len(entry.files)


def test_the_path_of_what_is_in_the_cache_is_shown(in_cache: Path) -> None:
    assert f"cached      {in_cache / 'dw-ll_ucoco_384.onnx'}" in show_model("dwpose-l-384")


def test_showing_an_unknown_model_fails() -> None:
    with pytest.raises(ValueError, match="nearest are dwpose-"):
        show_model("dwpose-xl")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("rtmpose-m", "posedistill convert {path} --out rtmpose-m.safetensors"),
        (
            "dw-ll_ucoco_384.onnx",
            "posedistill predict PHOTOS --model {path} --spec dwpose-l-384 --out DIR",
        ),
    ],
)
def test_fetching_says_where_it_is_and_what_is_next(
    in_cache: Path, capsys: pytest.CaptureFixture[str], name: str, command: str
) -> None:
    path = fetch_model(name)
    assert path == in_cache / choose_file(name).file_name
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == f"{find(name).name} is in {path}"
    assert find(name).data_card in out
    assert out.splitlines()[-1] == f"next: {command.format(path=path)}"
    assert err == ""


def test_a_detector_needs_no_next_step(in_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetch_model("yolox-l")
    assert "next:" not in capsys.readouterr().out


def test_a_path_with_spaces_is_quoted(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = cache.parent / "my models"
    folder.mkdir()
    monkeypatch.setenv("POSEDISTILL_CACHE", str(folder))
    (folder / choose_file("rtmpose-m").file_name).touch()
    fetch_model("rtmpose-m")
    assert f"convert '{folder}/" in capsys.readouterr().out


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def mirror(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a mirror that has a file of 3 MB, not the right one, of a model without known hash."""
    folder = cache.parent / "mirror"
    folder.mkdir()
    (folder / UNHASHED).write_bytes(bytes(3_000_000))
    monkeypatch.setenv("POSEDISTILL_MIRROR", folder.as_uri())
    return folder


def test_progress_is_one_line_on_a_terminal(
    mirror: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    path = fetch_model(UNHASHED, offline=True)
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(bytes(3_000_000)).digest()
    written = terminal.getvalue()
    assert written.startswith("\rdwpose-t: 0.1 of 3.0 MB ")
    assert written.endswith("\rdwpose-t: 3.0 of 3.0 MB \n")
    assert written.count("\n") == 1
    assert "dwpose-t" in capsys.readouterr().out


def test_nothing_is_written_over_and_over_into_a_file(
    mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch_model(UNHASHED, offline=True)
    assert capsys.readouterr().err == ""


def test_offline_the_error_says_where_to_put_the_file(cache: Path) -> None:
    with pytest.raises(FileNotFoundError, match="By hand: get https://.* and put it at"):
        fetch_model("rtmpose-m", offline=True)


def test_of_a_model_the_onnx_file_is_fetched_and_of_a_file_itself(cache: Path) -> None:
    cache.mkdir()
    entry = find("dwpose-l")
    for file in entry.files:
        (cache / file.file_name).touch()
    assert fetch_model("dwpose-l").suffix == ".onnx"
    assert fetch_model("dwpose-l", file_format="pth").suffix == ".pth"
    assert fetch_model(entry.files[1].file_name).name == entry.files[1].file_name
