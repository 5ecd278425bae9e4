"""Serve: an application on a port, until a signal asks it to stop."""

import signal
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from posedistill.web.settings import Settings

_BACKLOG = 256


def open_port(host: str, port: int) -> socket.socket:
    """Give a socket that listens; port 0 takes any that is free.

    Raises ValueError where the port is taken or the host is none of this machine.

    >>> with open_port("127.0.0.1", 0) as listening:
    ...     listening.getsockname()[0]
    '127.0.0.1'
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"cannot listen on port {port} of {host}: {error}; choose another with --port or --host"
        ) from error


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Give how uvicorn runs the application.

    >>> from posedistill.web.app import build_app
    >>> settings = Settings(detectors=("none",))
    >>> server_config(build_app(settings), settings).ws_max_size == settings.max_bytes
    True
    """
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=int(settings.timeout_s) + 1,
        ws_max_size=settings.max_bytes,
        ws_max_queue=1,
        ws_per_message_deflate=False,
    )


def serve(app: FastAPI, listening: socket.socket, *, settings: Settings) -> None:
    """Answer requests until SIGTERM or Ctrl-C; then finish those that were taken, and return.

    Connections that are still open after the time that a request may take are cut.
    """
    server = uvicorn.Server(server_config(app, settings))

    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn raises a signal that it has caught once more at its end, for whoever was there before.
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(sockets=[listening])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
