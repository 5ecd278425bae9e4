"""Servers for tests: one in a thread of the test, whose networks can be held; pictures to send."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, Popen

import cv2
import httpx
import numpy as np
import uvicorn
from numpy.typing import NDArray

from posedistill.runtime.session import Floats, OnnxSession
from posedistill.spec import Spec
from posedistill.web.app import build_app
from posedistill.web.networks import Openers
from posedistill.web.serve import open_port, server_config
from posedistill.web.settings import Settings

PATIENCE_S = 30.0
PNG = {"Content-Type": "image/png"}


@dataclass
class GatedSession:
    """Run a network, count its calls, and wait before each while the gate is shut."""

    network: OnnxSession
    gate: threading.Event = field(default_factory=threading.Event)
    sizes: list[int] = field(default_factory=list)

    @property
    def spec(self) -> Spec:
        return self.network.spec

    @property
    def provider(self) -> str:
        return self.network.provider

    def __call__(self, crops: NDArray[np.uint8]) -> tuple[Floats, ...]:
        self.sizes.append(len(crops))
        assert self.gate.wait(PATIENCE_S)
        return self.network(crops)

    def close(self) -> None:
        self.network.close()


def gated(model: Path) -> GatedSession:
    """Open a network with an open gate."""
    session = GatedSession(OnnxSession(model, threads=1))
    session.gate.set()
    return session


@contextmanager
def running(settings: Settings, session: GatedSession | None = None) -> Iterator[httpx.Client]:
    """Serve on a free port in a thread; give a client of it. session: taken for every model."""
    openers = None if session is None else Openers(session=lambda name: session)
    app = build_app(settings, openers)
    with open_port("127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(server_config(app, settings))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
    assert not thread.is_alive()


@contextmanager
def process(*words: str | Path) -> Iterator[tuple[Popen[str], str]]:
    """Run `posedistill web` as a process of its own; give it, and its url once it serves."""
    command = [sys.executable, "-m", "posedistill", "web", "--threads", "1", *map(str, words)]
    with Popen(command, stdout=PIPE, stderr=PIPE, text=True) as started:
        try:
            assert started.stdout is not None
            line = started.stdout.readline()
            assert line, started.stderr and started.stderr.read()
            yield started, line.split()[1]
        finally:
            started.kill()


def wait_until(is_so: object, what: str) -> None:
    """Wait until a function gives true."""
    assert callable(is_so)
    ends_at = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < ends_at, f"waited in vain until {what}"
        time.sleep(0.005)


def dots(seed: int = 0, size_wh: tuple[int, int] = (48, 64)) -> NDArray[np.uint8]:
    """Draw a dark picture with one bright spot in each channel, (H, W, 3) RGB."""
    rng = np.random.default_rng(seed)
    w, h = size_wh
    image = rng.integers(0, 40, (h, w, 3)).astype(np.uint8)
    for channel in range(3):
        x, y = rng.integers(0, w - 5), rng.integers(0, h - 5)
        image[y : y + 5, x : x + 5, channel] = 250
    return image


def png(image_rgb: NDArray[np.uint8]) -> bytes:
    """Give a picture as PNG."""
    return cv2.imencode(".png", np.ascontiguousarray(image_rgb[..., ::-1]))[1].tobytes()


def jpeg(image_rgb: NDArray[np.uint8]) -> bytes:
    """Give a picture as JPEG."""
    return cv2.imencode(".jpg", np.ascontiguousarray(image_rgb[..., ::-1]))[1].tobytes()
