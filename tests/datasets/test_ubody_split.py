"""Split lists are read, and what else a .npy file may hold is not run."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from posedistill.datasets.ubody_split import read_split_list

NAMES = ["Küche mit Herd", "walk", "x" * 300]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "intra_scene_test_list.npy"


def _write_pickle(path: Path, data: bytes, *, count: int = 2) -> None:
    """Write the head of an array of objects, and any pickle after it."""
    with path.open("wb") as file:
        head = {"descr": "|O", "fortran_order": False, "shape": (count,)}
        np.lib.format.write_array_header_1_0(file, head)
        file.write(data)


def test_plain_text_is_read(path: Path) -> None:
    np.save(path, np.array(NAMES))
    assert read_split_list(path) == set(NAMES)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_pickled_text_is_read_of_each_protocol(path: Path, protocol: int) -> None:
    _write_pickle(path, pickle.dumps(np.array(NAMES, object), protocol), count=3)
    assert np.load(path, allow_pickle=True).tolist() == NAMES
    assert read_split_list(path) == set(NAMES)


def test_text_pickled_by_an_older_numpy_is_read(path: Path) -> None:
    new = pickle.dumps(np.array(NAMES, object), 3)
    old = new.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    _write_pickle(path, old, count=3)
    assert read_split_list(path) == set(NAMES)


def test_an_empty_list_is_read(path: Path) -> None:
    np.save(path, np.array([], dtype="<U4"))
    assert read_split_list(path) == frozenset()


class _Mischief:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.target,)


def test_a_pickle_that_would_run_something_is_refused_by_name_and_not_run(
    path: Path, tmp_path: Path
) -> None:
    target = tmp_path / "run"
    np.save(path, np.array(["a", _Mischief(target)], object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"wants to build .*; only an array of text"):
        read_split_list(path)
    assert not target.exists()
    np.load(path, allow_pickle=True)
    assert target.exists(), "numpy itself runs it, so the refusal above means something"


REFUSED = {
    "numbers": (np.arange(3), "holds int64"),
    "a table": (np.array([["a", "b"]]), r"shape \(1, 2\)"),
    "a scalar": (np.array("a"), r"shape \(\)"),
    "bytes": (np.array([b"a"]), "expected video names as text"),
    "mixed objects": (np.array(["a", 3], object), "holds a int among the names"),
    "mixed containers": (np.array(["a", ["b"]], object), "holds a list among the names"),
    "objects of a type": (np.array([Path("a")], object), "wants to build pathlib"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_contents_are_refused(path: Path, name: str) -> None:
    array, message = REFUSED[name]
    np.save(path, array, allow_pickle=True)
    with pytest.raises(ValueError, match=message):
        read_split_list(path)


DAMAGED = {
    "empty": b"",
    "text": b"walk\ntalk\n",
    "cut head": b"\x93NUMPY\x01\x00v\x00{'descr': '<U3'",
    "cut text": b"",
    "cut pickle": b"\x80\x04\x95",
    "only a list": pickle.dumps(["a", "b"]),
    "only the builder": b"cnumpy\nndarray\n.",
    "state of the builder": b"cnumpy\nndarray\n(K\x01K\x02NN]tb.",
    "far memory": b"cnumpy\nndarray\nr\xff\xff\xff\x7f.",
    "extension": b"\x82\x01.",
    "nothing": b"N.",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_refused_with_their_name(path: Path, name: str) -> None:
    if name in ("empty", "text", "cut head"):
        path.write_bytes(DAMAGED[name])
    elif name == "cut text":
        np.save(path, np.array(NAMES))
        path.write_bytes(path.read_bytes()[:-8])
    else:
        _write_pickle(path, DAMAGED[name])
    with pytest.raises(ValueError, match=r"intra_scene_test_list\.npy (is damaged|does not hold)"):
        read_split_list(path)


def test_a_count_that_is_not_there_is_refused(path: Path) -> None:
    _write_pickle(path, pickle.dumps(np.array(["a"], object)), count=2)
    with pytest.raises(ValueError, match="does not hold the 2 objects"):
        read_split_list(path)


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such split list: .*intra"):
        read_split_list(path)
