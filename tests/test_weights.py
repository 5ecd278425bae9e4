import hashlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posedistill import download, weights, zoo
from posedistill.weights import cache_dir, cached, fetch
from tests.faulty_server import FaultyServer, serve

ROOT = Path(__file__).resolve().parents[1]
CONTENTS = np.random.default_rng(0).bytes(200_001)
SHA = hashlib.sha256(CONTENTS).hexdigest()
WRONG = bytes(len(CONTENTS))
SETTINGS = ("POSEDISTILL_MIRROR", "POSEDISTILL_OFFLINE")
FETCH = """
import sys
from pathlib import Path
from posedistill import weights, zoo
zoo._TABLE = Path(sys.argv[1])
print(weights.fetch("toy.onnx"))
"""


class Toy:
    """A table of one published model, `toy`, whose files a server on this machine has."""

    def __init__(self, server: FaultyServer, table: Path) -> None:
        self.server = server
        self.table = table
        server.files["/toy.onnx"] = CONTENTS
        self.publish()

    def publish(self, **changes: Any) -> None:  # Any: values of JSON
        """Say anew how the file is published."""
        file = {
            "file_name": "toy.onnx",
            "format": "onnx",
            "urls": [f"{self.server.url}/toy.onnx"],
            "member": None,
            "sha256": SHA,
            "size": None,
            "checked": None,
        } | changes
        table = json.loads((Path(zoo.__file__).parent / "assets" / "models.json").read_text())
        entry = table["models"][0] | {"name": "toy", "aliases": ["plaything"], "files": [file]}
        self.table.write_text(json.dumps(table | {"models": [entry]}))
        zoo.entries.cache_clear()
        zoo._entries_by_name.cache_clear()

    def publish_archive(self, archive: bytes, **changes: Any) -> None:  # Any: values of JSON
        self.server.files["/toy.zip"] = archive
        urls = [f"{self.server.url}/toy.zip"]
        self.publish(**({"urls": urls, "member": "end2end.onnx"} | changes))


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toy]:
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(zoo, "_TABLE", tmp_path / "models.json")
    monkeypatch.setenv("POSEDISTILL_CACHE", str(tmp_path / "deep" / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    with serve() as server:
        yield Toy(server, tmp_path / "models.json")
    zoo.entries.cache_clear()
    zoo._entries_by_name.cache_clear()


def _in_cache() -> list[str]:
    """Give what is in the cache, without locks."""
    folder = cache_dir()
    names = os.listdir(folder) if folder.is_dir() else []
    return sorted(name for name in names if not name.endswith(".lock"))


def _zip(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents in members:
            archive.writestr(name, contents)
    return buffer.getvalue()


def test_a_fetched_file_is_whole_and_alone_in_the_cache(toy: Toy) -> None:
    path = fetch("toy")
    assert path == cache_dir() / "toy.onnx"
    assert path.read_bytes() == CONTENTS
    assert _in_cache() == ["toy.onnx"]


def test_a_file_in_the_cache_is_not_asked_for_again(toy: Toy) -> None:
    assert cached("toy") is None
    first = fetch("toy")
    assert fetch("plaything", file_format="onnx") == first == cached("TOY.onnx")
    assert len(toy.server.ranges) == 1


def test_progress_ends_with_the_whole(toy: Toy) -> None:
    told: list[tuple[int, int | None]] = []
    fetch("toy", report=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(CONTENTS), len(CONTENTS))


def test_the_next_call_takes_up_what_broke_off(toy: Toy) -> None:
    toy.server.faults = ["drop"]
    with pytest.raises(ConnectionError, match=r"toy\.onnx: it ended after"):
        fetch("toy")
    assert _in_cache() == ["toy.onnx.partial"]
    toy.server.faults = []
    assert fetch("toy").read_bytes() == CONTENTS
    assert toy.server.num_sent == len(CONTENTS)
    assert _in_cache() == ["toy.onnx"]


def test_a_part_that_was_wrong_is_fetched_anew(toy: Toy) -> None:
    cache_dir().mkdir(parents=True)
    (cache_dir() / "toy.onnx.partial").write_bytes(b"not of it")
    assert fetch("toy").read_bytes() == CONTENTS
    assert toy.server.ranges == ["bytes=9-", None]


def test_a_part_that_is_too_long_is_fetched_anew(toy: Toy) -> None:
    cache_dir().mkdir(parents=True)
    (cache_dir() / "toy.onnx.partial").write_bytes(CONTENTS + b"more")
    assert fetch("toy").read_bytes() == CONTENTS


def test_wrong_contents_are_deleted_and_both_hashes_told(toy: Toy) -> None:
    toy.server.files["/toy.onnx"] = WRONG
    with pytest.raises(ConnectionError) as caught:
        fetch("toy")
    message = str(caught.value)
    for part in (SHA, hashlib.sha256(WRONG).hexdigest(), f"{toy.server.url}/toy.onnx"):
        assert part in message
    assert _in_cache() == []


def test_a_length_told_too_long_does_no_harm_where_the_hash_is_right(toy: Toy) -> None:
    toy.server.faults = ["says more"]
    assert fetch("toy").read_bytes() == CONTENTS


def test_a_length_told_too_long_is_a_failure_where_no_hash_is_known(toy: Toy) -> None:
    toy.publish(sha256=None)
    toy.server.faults = ["says more"]
    with pytest.raises(ConnectionError, match="ended after 200001 of 201001 bytes"):
        fetch("toy")
    assert "toy.onnx" not in _in_cache()


@pytest.mark.parametrize("fault", ["no range drop", "says less", "404", "500"])
def test_nothing_has_the_name_of_the_file_after_a_failure(toy: Toy, fault: str) -> None:
    toy.server.faults = [fault]
    with pytest.raises(ConnectionError, match="could not fetch"):
        fetch("toy")
    assert "toy.onnx" not in _in_cache()


def test_a_size_that_is_known_is_checked(toy: Toy) -> None:
    toy.publish(size=len(CONTENTS) + 1)
    with pytest.raises(ConnectionError, match="bytes, expected 200002"):
        fetch("toy")


def test_the_error_says_what_to_do_by_hand(toy: Toy) -> None:
    toy.server.faults = ["404"]
    with pytest.raises(ConnectionError) as caught:
        fetch("toy")
    assert f"By hand: get {toy.server.url}/toy.onnx and put it at {cache_dir()}" in str(
        caught.value
    )


def test_the_next_url_is_tried(toy: Toy, caplog: pytest.LogCaptureFixture) -> None:
    toy.publish(urls=[f"{toy.server.url}/gone", f"{toy.server.url}/toy.onnx"])
    assert fetch("toy").read_bytes() == CONTENTS
    assert "/gone: HTTP 404" in caplog.text


def test_the_hash_in_the_name_of_a_checkpoint_is_enough(toy: Toy) -> None:
    name = f"toy-{SHA[:8]}_20230728.pth"
    toy.publish(file_name=name, format="pth", sha256=None)
    assert fetch("toy").name == name


def test_the_hash_in_the_name_of_a_checkpoint_is_compared(toy: Toy) -> None:
    toy.publish(file_name="toy-01234567_20230728.pth", format="pth", sha256=None)
    with pytest.raises(ConnectionError, match=rf"is {SHA}, expected 01234567\.\.\."):
        fetch("toy")
    assert _in_cache() == []


def test_a_file_of_unknown_hash_is_taken_with_a_warning(
    toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    toy.publish(sha256=None)
    toy.server.faults = ["drop", ""]
    assert fetch("toy").read_bytes() == CONTENTS
    assert SHA in caplog.text
    assert caplog.records[-1].levelno == logging.WARNING
    assert toy.server.ranges == [None, None]  # parts of what cannot be checked are not put together


def test_a_file_within_an_archive_is_unpacked(toy: Toy) -> None:
    toy.publish_archive(_zip(("a/deploy.json", b"{}"), ("a/b/end2end.onnx", CONTENTS)))
    toy.server.faults = ["drop", ""]
    assert fetch("toy").read_bytes() == CONTENTS
    assert _in_cache() == ["toy.onnx"]


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (b"no archive", "not a sound .zip"),
        (_zip(("end2end.onnx", CONTENTS))[:-40], "not a sound .zip"),
        (_zip(("end2end.onnx", CONTENTS)).replace(CONTENTS[:9], b"123456789"), "not a sound .zip"),
        (_zip(("other.onnx", CONTENTS)), "holds 0 end2end.onnx"),
        (_zip(("a/end2end.onnx", CONTENTS), ("b/end2end.onnx", b"")), "holds 2 end2end.onnx"),
        (_zip(("end2end.onnx", WRONG)), f"expected {SHA}"),
    ],
    ids=["no archive", "cut off", "a bit rotten", "not in it", "twice in it", "wrong in it"],
)
def test_an_archive_that_does_not_hold_the_file_is_refused(
    toy: Toy, archive: bytes, message: str
) -> None:
    toy.publish_archive(archive)
    with pytest.raises(ConnectionError, match=message):
        fetch("toy")
    assert _in_cache() == []


def test_a_web_mirror_comes_first(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.server.files["/mirror/toy.onnx"] = CONTENTS
    toy.publish(urls=[f"{toy.server.url}/gone"])
    monkeypatch.setenv("POSEDISTILL_MIRROR", f"{toy.server.url}/mirror/")
    assert fetch("toy").read_bytes() == CONTENTS
    assert len(toy.server.ranges) == 1


def test_a_copy_of_the_cache_is_a_mirror(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.publish_archive(_zip(("end2end.onnx", CONTENTS)))
    mirror = tmp_path / "a copy, 100 %"
    fetch("toy").parent.rename(mirror)
    monkeypatch.setenv("POSEDISTILL_MIRROR", mirror.as_uri())
    assert fetch("toy", offline=True).read_bytes() == CONTENTS
    assert len(toy.server.ranges) == 1


@pytest.mark.parametrize("contents", [None, WRONG], ids=["has it not", "has it wrong"])
def test_where_the_mirror_fails_the_published_place_is_asked(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: bytes | None
) -> None:
    if contents is not None:
        (tmp_path / "toy.onnx").write_bytes(contents)
    monkeypatch.setenv("POSEDISTILL_MIRROR", tmp_path.as_uri())
    assert fetch("toy").read_bytes() == CONTENTS


@pytest.mark.parametrize("base", ["mirror.example", "ftp://mirror.example", "a/folder"])
def test_a_mirror_of_another_kind_is_refused(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    monkeypatch.setenv("POSEDISTILL_MIRROR", base)
    with pytest.raises(ValueError, match="POSEDISTILL_MIRROR is .* expected https"):
        fetch("toy")


@pytest.mark.parametrize("by_setting", [True, False])
def test_offline_nothing_is_asked(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, by_setting: bool
) -> None:
    monkeypatch.setenv("POSEDISTILL_OFFLINE", "1" if by_setting else "0")
    monkeypatch.setenv("POSEDISTILL_MIRROR", toy.server.url)
    with pytest.raises(FileNotFoundError) as caught:
        fetch("toy", offline=None if by_setting else True)
    message = str(caught.value)
    assert "offline" in message
    assert f"put it at {cache_dir() / 'toy.onnx'}" in message
    assert toy.server.ranges == []
    assert not cache_dir().exists()


def test_offline_the_cache_serves(toy: Toy) -> None:
    assert fetch("toy") == fetch("toy", offline=True)


def test_a_wrong_setting_is_told(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSEDISTILL_OFFLINE", "maybe")
    with pytest.raises(ValueError, match="'maybe'; expected 0 or 1"):
        fetch("toy")


def test_an_unknown_model_is_told(toy: Toy) -> None:
    with pytest.raises(ValueError, match="unknown published model 'tox'; nearest are toy"):
        fetch("tox")


def test_a_cache_that_cannot_be_written_is_told(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("POSEDISTILL_CACHE", str(tmp_path / "a file"))
    with pytest.raises(OSError, match=r"cannot write .*another folder by POSEDISTILL_CACHE"):
        fetch("toy")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_told(toy: Toy) -> None:
    cache_dir().mkdir(parents=True)
    (cache_dir() / "toy.onnx.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device; make room there"):
        fetch("toy")


def test_threads_wait_for_one_another(toy: Toy) -> None:
    toy.server.faults = ["slow"]
    paths: list[Path] = []
    threads = [threading.Thread(target=lambda: paths.append(fetch("toy"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [cache_dir() / "toy.onnx"] * 4
    assert len(toy.server.ranges) == 1


def _start(toy: Toy) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    words = [sys.executable, "-c", FETCH, str(toy.table)]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)


def test_processes_wait_for_one_another(toy: Toy) -> None:
    toy.server.faults = ["slow"]
    started = [_start(toy) for _ in range(2)]
    told = [process.communicate(timeout=60)[0].strip() for process in started]
    assert told == [str(cache_dir() / "toy.onnx")] * 2
    assert cached("toy") is not None
    assert len(toy.server.ranges) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_what_a_killed_process_left_is_taken_up(toy: Toy) -> None:
    toy.server.faults = ["stall", ""]
    process = _start(toy)
    partial = cache_dir() / "toy.onnx.partial"
    end = time.monotonic() + 60
    while (not partial.exists() or partial.stat().st_size == 0) and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    have = partial.stat().st_size
    assert 0 < have < len(CONTENTS)
    assert fetch("toy").read_bytes() == CONTENTS
    assert toy.server.ranges == [None, f"bytes={have}-"]


HOME = Path("home")


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, HOME / ".cache" / "posedistill"),
        ("linux", {"XDG_CACHE_HOME": "x"}, Path("x/posedistill")),
        ("darwin", {"XDG_CACHE_HOME": "x"}, HOME / "Library" / "Caches" / "posedistill"),
        ("win32", {"LOCALAPPDATA": "local"}, Path("local/posedistill/Cache")),
        ("win32", {}, HOME / "AppData" / "Local" / "posedistill" / "Cache"),
        ("win32", {"POSEDISTILL_CACHE": "mine"}, Path("mine")),
    ],
)
def test_the_cache_is_where_the_system_keeps_such(
    platform: str, environment: dict[str, str], expected: Path
) -> None:
    assert weights._cache_dir(platform, environment, home=HOME) == expected


def test_the_folder_of_the_user_may_be_written_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSEDISTILL_CACHE", "~/models")
    assert cache_dir() == Path.home() / "models"
