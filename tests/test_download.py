import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from posedistill import download as module
from posedistill.download import SourceError, WrongContentsError, download
from tests.faulty_server import FaultyServer, serve

CONTENTS = np.random.default_rng(0).bytes(300_001)
SIZE = len(CONTENTS)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.5)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with serve() as running:
        running.files["/a"] = CONTENTS
        yield running


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    return tmp_path / "a.partial"


def _get(
    server: FaultyServer, partial: Path, *, size: int | None = None, may_resume: bool = True
) -> None:
    download(f"{server.url}/a", partial, size=size, may_resume=may_resume)


def test_the_contents_come_whole_and_are_reported(server: FaultyServer, partial: Path) -> None:
    told: list[tuple[int, int | None]] = []
    url = f"{server.url}/a"
    download(url, partial, size=SIZE, may_resume=True, report=lambda *pair: told.append(pair))
    assert partial.read_bytes() == CONTENTS
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (SIZE, SIZE)
    assert server.ranges == [None]


def test_a_dropped_connection_is_taken_up_where_it_broke_off(
    server: FaultyServer, partial: Path
) -> None:
    server.faults = ["drop", ""]
    _get(server, partial)
    assert partial.read_bytes() == CONTENTS
    assert server.ranges == [None, f"bytes={SIZE // 2}-"]
    assert server.num_sent == SIZE


def test_a_stalled_connection_is_given_up_and_taken_up(server: FaultyServer, partial: Path) -> None:
    server.faults = ["stall", ""]
    _get(server, partial)
    assert partial.read_bytes() == CONTENTS
    assert len(server.ranges) == 2


def test_a_slow_server_is_waited_for(server: FaultyServer, partial: Path) -> None:
    server.faults = ["slow"]
    _get(server, partial)
    assert partial.read_bytes() == CONTENTS
    assert len(server.ranges) == 1


def test_a_part_from_before_is_taken_up(server: FaultyServer, partial: Path) -> None:
    partial.write_bytes(CONTENTS[:1234])
    _get(server, partial)
    assert partial.read_bytes() == CONTENTS
    assert server.num_sent == SIZE - 1234


def test_a_part_that_was_already_the_whole_is_left_as_it_is(
    server: FaultyServer, partial: Path
) -> None:
    partial.write_bytes(CONTENTS)
    _get(server, partial)
    assert partial.read_bytes() == CONTENTS
    assert server.num_sent == 0


def test_a_part_longer_than_the_whole_is_refused(server: FaultyServer, partial: Path) -> None:
    partial.write_bytes(CONTENTS + b"more")
    with pytest.raises(WrongContentsError, match="HTTP 416"):
        _get(server, partial)


def test_contents_that_nobody_checks_are_not_put_together_from_parts(
    server: FaultyServer, partial: Path
) -> None:
    partial.write_bytes(b"something else")
    server.faults = ["drop", ""]
    _get(server, partial, may_resume=False)
    assert partial.read_bytes() == CONTENTS
    assert server.ranges == [None, None]


def test_a_server_that_ignores_ranges_makes_it_start_over(
    server: FaultyServer, partial: Path
) -> None:
    server.faults = ["drop", "no range"]
    _get(server, partial)
    assert partial.read_bytes() == CONTENTS
    assert server.ranges == [None, f"bytes={SIZE // 2}-"]


def test_another_range_than_asked_for_is_refused(server: FaultyServer, partial: Path) -> None:
    partial.write_bytes(CONTENTS[:1234])
    server.faults = ["wrong range"]
    with pytest.raises(WrongContentsError, match="asked for what follows byte 1234"):
        _get(server, partial)


def test_a_server_that_drops_always_is_given_up(server: FaultyServer, partial: Path) -> None:
    server.faults = ["no range drop"]
    with pytest.raises(SourceError, match=rf"ended after {SIZE // 2} of {SIZE} bytes \(after 5"):
        _get(server, partial)
    assert len(server.ranges) == module.ATTEMPTS
    assert partial.read_bytes() == CONTENTS[: SIZE // 2]


def test_a_length_told_too_long_is_noticed(server: FaultyServer, partial: Path) -> None:
    server.faults = ["says more"]
    with pytest.raises(SourceError, match=f"of {SIZE + 1000} bytes"):
        _get(server, partial, may_resume=False)


@pytest.mark.parametrize("fault", ["says more", "says less"])
def test_another_length_than_known_is_refused_before_anything_is_written(
    server: FaultyServer, partial: Path, fault: str
) -> None:
    server.faults = [fault]
    with pytest.raises(SourceError, match=f"bytes, expected {SIZE}"):
        _get(server, partial, size=SIZE)
    assert not partial.exists()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_status_that_may_pass_is_tried_again(
    server: FaultyServer, partial: Path, status: int
) -> None:
    server.faults = [str(status), str(status), ""]
    _get(server, partial)
    assert partial.read_bytes() == CONTENTS


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_status_that_will_not_pass_is_not(
    server: FaultyServer, partial: Path, status: int
) -> None:
    server.faults = [str(status)]
    with pytest.raises(SourceError, match=f"/a: HTTP {status}"):
        _get(server, partial)
    assert len(server.ranges) == 1


def test_a_server_that_is_not_there_is_told(partial: Path) -> None:
    with serve() as stopped:
        url = stopped.url
    with pytest.raises(SourceError, match="refused"):
        download(f"{url}/a", partial, size=None, may_resume=True)


def test_a_host_that_is_not_known_is_told_at_once(
    partial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 60.0)
    with pytest.raises(SourceError, match=r"http://nowhere\.invalid/a: "):
        download("http://nowhere.invalid/a", partial, size=None, may_resume=True)


def test_an_empty_body_is_refused(server: FaultyServer, partial: Path) -> None:
    server.files["/a"] = b""
    with pytest.raises(WrongContentsError, match="empty"):
        _get(server, partial)


def test_a_redirect_to_http_is_followed_and_keeps_the_range(
    server: FaultyServer, partial: Path
) -> None:
    server.files["/b"] = CONTENTS
    server.faults = [f"to {server.url}/b", ""]
    partial.write_bytes(CONTENTS[:99])
    _get(server, partial)
    assert partial.read_bytes() == CONTENTS
    assert server.ranges == ["bytes=99-", "bytes=99-"]


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/a", "file:///etc/hostname", "data:,a"])
def test_a_redirect_to_anything_else_is_refused(
    server: FaultyServer, partial: Path, place: str
) -> None:
    server.faults = [f"to {place}"]
    with pytest.raises(SourceError, match=r"not followed|not allowed"):
        _get(server, partial)
    assert not partial.exists()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/a", "a.onnx", ""])
def test_other_schemes_are_refused(partial: Path, url: str) -> None:
    with pytest.raises(SourceError, match="expected one of https, http, file"):
        download(url, partial, size=None, may_resume=True)


def test_a_file_on_disk_is_copied(partial: Path, tmp_path: Path) -> None:
    source = tmp_path / "a file with spaces, 100 %.bin"
    source.write_bytes(CONTENTS)
    partial.write_bytes(b"a part that is not of it")
    download(source.as_uri(), partial, size=SIZE, may_resume=True)
    assert partial.read_bytes() == CONTENTS


def test_a_file_that_is_not_there_is_told(partial: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        download((tmp_path / "none").as_uri(), partial, size=None, may_resume=True)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_no_fault_of_the_source(server: FaultyServer, partial: Path) -> None:
    partial.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        _get(server, partial)
    assert len(server.ranges) == 1
