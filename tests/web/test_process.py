"""The server as a process: it stops with grace, and what a kill loses is told to the callers."""

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import Popen
from threading import Event

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from posedistill.web.serve import open_port
from tests.web.running import PATIENCE_S, PNG, dots, jpeg, png, process, wait_until

PICTURE = png(dots())


def _half_sent(url: str) -> socket.socket:
    """Send the first half of a picture, and see to it that the server has taken the request."""
    address = httpx.URL(url)
    connection = socket.create_connection((address.host, address.port or 80), PATIENCE_S)
    connection.sendall(
        f"POST /v1/pose HTTP/1.1\r\nHost: {address.host}\r\nContent-Type: image/png\r\n"
        f"Content-Length: {len(PICTURE)}\r\nExpect: 100-continue\r\n\r\n".encode()
    )
    assert b"100 Continue" in connection.recv(1000)  # sent when the body is asked for
    connection.sendall(PICTURE[:100])
    return connection


def _refuses(url: str) -> bool:
    try:
        httpx.get(f"{url}/healthz", timeout=PATIENCE_S)
    except httpx.TransportError:
        return True
    return False


def _end(started: Popen[str]) -> tuple[int, str]:
    _, errors = started.communicate(timeout=PATIENCE_S)
    return started.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_when_what_was_taken_is_done(model: Path, number: int) -> None:
    with process("--port", "0", "--model", model, "--detector", "none") as (started, url):
        with _half_sent(url) as connection, connect(f"ws{url[4:]}/v1/stream") as stream:
            stream.send(jpeg(dots()))
            assert '"people"' in str(stream.recv(timeout=PATIENCE_S))
            os.kill(started.pid, number)
            wait_until(lambda: _refuses(url), "no more requests are taken")
            connection.sendall(PICTURE[100:])
            answer = connection.makefile("rb").read()
            with pytest.raises(ConnectionClosed) as ended:
                stream.recv(timeout=PATIENCE_S)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b'"keypoints"' in answer
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1012  # the service restarts
        assert _end(started) == (0, "")


def _ask_on(url: str, over: Event, *, outcomes: list[bool]) -> None:
    """Post a picture again and again; note which posts were answered, and not broken off."""
    with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        while not over.is_set():
            try:
                answer = client.post("/v1/pose", content=PICTURE, headers=PNG)
            except httpx.TransportError:
                outcomes.append(False)
                over.wait(0.05)
                continue
            assert (answer.status_code, len(answer.json()["people"])) == (200, 1)
            outcomes.append(True)


def test_who_waits_for_a_killed_server_is_told_and_a_new_one_takes_over(model: Path) -> None:
    words = ("--model", model, "--detector", "none")
    over, outcomes = Event(), [list[bool]() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        try:
            with process("--port", "0", *words) as (started, url):
                asking = [pool.submit(_ask_on, url, over, outcomes=one) for one in outcomes]
                wait_until(lambda: all(True in one for one in outcomes), "all are answered")
                with _half_sent(url) as connection:
                    started.kill()
                    started.wait(PATIENCE_S)
                    assert _is_cut(connection)
            wait_until(lambda: all(False in one for one in outcomes), "all are told")
            with process("--port", str(httpx.URL(url).port), *words):
                wait_until(lambda: all(one[-1] for one in outcomes), "all are answered again")
        finally:
            over.set()
        for one in asking:
            one.result()


def _is_cut(connection: socket.socket) -> bool:
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


def test_a_port_that_is_taken_is_told() -> None:
    with open_port("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"cannot listen on port {port} of 127.0.0.1"):
            open_port("127.0.0.1", port)
    with pytest.raises(ValueError, match="port 99999"):
        open_port("127.0.0.1", 99_999)
    with pytest.raises(ValueError, match=r"of 192\.0\.2\.1"):
        open_port("192.0.2.1", 0)


def test_the_server_runs_without_torch(model: Path) -> None:
    script = (
        "import sys\nfor name in ('torch', 'onnx', 'matplotlib'): sys.modules[name] = None\n"
        "from fastapi.testclient import TestClient\n"
        "from posedistill.web.app import build_app\nfrom posedistill.web.settings import Settings\n"
        f"app = build_app(Settings(models=({str(model)!r},)))\n"
        "with TestClient(app) as client:\n"
        "    answer = client.post('/v1/pose', content=open(sys.argv[1], 'rb').read())\n"
        "    print(answer.status_code, len(client.get('/docs').text) > 1000)\n"
    )
    photo = model.with_name("photo.png")
    photo.write_bytes(PICTURE)
    done = subprocess.run(
        [sys.executable, "-c", script, str(photo)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "200 True\n", done.stderr
