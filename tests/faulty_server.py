"""A web server on this machine that does wrong what it is told to do wrong."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FaultyServer:
    """Serve `files` by path; each request takes the next of `faults`, the last again and again.

    Faults: "" none, "drop" ends after half, "stall" pauses after half, "slow" pauses throughout,
    "no range" ignores ranges, "no range drop" both, "wrong range" gives the start for any range,
    "says more" and "says less" tell a wrong length, digits are a status, "to URL" redirects.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)  # of each request
    num_sent: int = 0  # bytes of bodies

    def next_fault(self) -> str:
        if len(self.faults) > 1:
            return self.faults.pop(0)
        return self.faults[0] if self.faults else ""


@contextmanager
def serve() -> Iterator[FaultyServer]:
    state = FaultyServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, state)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def _answer(request: BaseHTTPRequestHandler, state: FaultyServer) -> None:
    asked = request.headers.get("Range")
    state.ranges.append(asked)
    fault = state.next_fault()
    if fault.isdigit():
        request.send_error(int(fault))
        return
    if fault.startswith("to "):
        request.send_response(302)
        request.send_header("Location", fault.removeprefix("to "))
        request.end_headers()
        return
    contents = state.files.get(request.path)
    if contents is None:
        request.send_error(404)
        return
    ignores_range = asked is None or fault.startswith("no range")
    start = 0 if ignores_range else int(str(asked).removeprefix("bytes=").rstrip("-"))
    if start >= len(contents) and not ignores_range:
        request.send_response(416)
        request.send_header("Content-Range", f"bytes */{len(contents)}")
        request.end_headers()
        return
    if fault == "wrong range":
        start = 0
    body = contents[start:]
    request.send_response(200 if ignores_range else 206)
    if not ignores_range:
        last = len(contents) - 1
        request.send_header("Content-Range", f"bytes {start}-{last}/{len(contents)}")
    told = len(body) + {"says more": 1000, "says less": -1000}.get(fault, 0)
    request.send_header("Content-Length", str(told))
    request.end_headers()
    _send(request, body, state=state, fault=fault)


def _send(request: BaseHTTPRequestHandler, body: bytes, *, state: FaultyServer, fault: str) -> None:
    half = len(body) // 2
    pieces = [body[:half], body[half:]]
    pause = {"slow": 0.2, "stall": 30.0}.get(fault, 0.0)
    if fault.endswith("drop"):
        pieces.pop()
    for piece in pieces:
        state.num_sent += len(piece)
        try:
            request.wfile.write(piece)
            request.wfile.flush()
        except OSError:  # the client went away
            return
        _wait(pause if piece is pieces[0] else 0.0, request)


def _wait(seconds: float, request: BaseHTTPRequestHandler) -> None:
    """Wait, but no longer than the client does."""
    end = time.monotonic() + seconds
    request.connection.settimeout(0.01)
    while time.monotonic() < end:
        try:
            if request.connection.recv(1) == b"":
                return
        except TimeoutError:
            continue
        except OSError:
            return
