"""Which files bulk work is on, what they are called, and where they lie."""

from pathlib import Path

import pytest

from posedistill.bulk.items import Item, keep_settings, list_items, number_of
from posedistill.bulk.places import open_place, put_text, split_file

SUFFIXES = (".jpg", ".png")
FILES = ("b/2.jpg", "b/c/3.PNG", "1.jpg", "note.txt", ".hidden.jpg", ".git/4.jpg")
FOUND = ["1.jpg", "b/2.jpg", "b/c/3.PNG"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(name)
    return tmp_path / "in"


def _names(*inputs: str | Path) -> list[str]:
    return [item.name for item in list_items([str(name) for name in inputs], suffixes=SUFFIXES)]


def test_a_folder_gives_the_files_in_all_folders_below_sorted_by_name(folder: Path) -> None:
    assert _names(folder) == FOUND
    assert _names(f"{folder}/") == FOUND


def test_a_url_gives_the_names_that_its_folder_gives(folder: Path) -> None:
    pytest.importorskip("pyarrow")
    url = folder.as_uri()
    items = list_items([url], suffixes=SUFFIXES)
    assert [item.name for item in items] == FOUND
    with open_place(items[1].place).local(items[1].key) as path:
        assert path.read_text() == "b/2.jpg"


def test_of_several_inputs_names_begin_with_that_of_the_input(folder: Path) -> None:
    assert _names(folder / "b", folder / "b" / "c") == ["b/2.jpg", "b/c/3.PNG", "c/3.PNG"]


def test_a_file_is_taken_whatever_its_suffix(folder: Path) -> None:
    assert _names(folder / "note.txt") == ["note.txt"]
    assert split_file(str(folder / "note.txt")) == (str(folder), "note.txt")


def test_two_files_of_one_name_are_refused(folder: Path) -> None:
    (folder / "d" / "b").mkdir(parents=True)
    (folder / "d" / "b" / "2.jpg").touch()
    with pytest.raises(ValueError, match=r"both be called 'b/2\.jpg'; do them into folders"):
        _names(folder / "b", folder / "d" / "b")


def test_the_same_input_twice_counts_once(folder: Path) -> None:
    assert _names(folder / "b", folder / "b") == ["b/2.jpg", "b/c/3.PNG"]


def test_a_folder_without_images_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no files to do in .*; looked for \.jpg, \.png"):
        _names(tmp_path)


@pytest.mark.parametrize("name", ["none/at/all", "file:///none/at/all"])
def test_an_input_that_is_missing_is_told(name: str) -> None:
    if "://" in name:
        pytest.importorskip("pyarrow")
    with pytest.raises(FileNotFoundError, match=f"no such file or folder: {name}"):
        _names(name)


def test_an_unknown_kind_of_url_is_told() -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("fsspec")
    with pytest.raises(ValueError, match="nonsense://a: .*expected a folder or a url such as s3:"):
        _names("nonsense://a")


def test_an_object_store_is_written_listed_and_read() -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("fsspec")
    place = open_place("memory://bucket/photos")
    assert list(place.files()) == []
    put_text(place, "a/b.txt", text="note")
    put_text(place, ".c.txt", text="hidden")
    assert list(place.files()) == ["a/b.txt"]
    with place.local("a/b.txt") as path:
        assert path.read_text() == "note"
    assert not path.exists()
    assert list_items(["memory://bucket/photos/a/b.txt"], suffixes=()) == [
        Item("b.txt", "memory://bucket/photos/a", "b.txt")
    ]


def test_a_file_that_fails_half_way_does_not_appear(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    place = open_place(tmp_path.as_uri())

    def write(path: Path) -> None:
        path.write_text("half")
        raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        place.put("a.txt", write)
    assert list(place.files()) == []


def test_numbers_of_names_are_all_different_and_fit_64_bits() -> None:
    numbers = {number_of(f"{index:06d}.jpg") for index in range(20_000)}
    assert len(numbers) == 20_000
    assert all(0 <= number < 2**63 for number in numbers)


def test_settings_are_kept_and_others_refused(tmp_path: Path) -> None:
    out = open_place(str(tmp_path / "out"))
    keep_settings(out, {"model": "a", "shards": 4})
    keep_settings(out, {"model": "a", "shards": 4})
    with pytest.raises(ValueError, match="shards was 4 and is 8 now"):
        keep_settings(out, {"model": "a", "shards": 8})
