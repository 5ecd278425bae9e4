"""Command line of `web`: the page and the server behind it."""

import argparse
import logging
import os
from functools import partial
from typing import TypeVar

from posedistill.cli_options import MODEL

_Parser = TypeVar("_Parser", bound=argparse.ArgumentParser)
_logger = logging.getLogger(__name__)


def add_web(commands: "argparse._SubParsersAction[_Parser]") -> _Parser:
    """Add the sub-command `web`."""
    command = commands.add_parser("web", help="a page in the browser, and a server for programs")
    command.set_defaults(run=_web)
    add = command.add_argument
    add("--host", default="127.0.0.1", help="address to listen on; default %(default)s")
    add("--port", type=int, default=8000, help="0: any that is free; default %(default)s")
    add(
        "--model",
        action="append",
        dest="models",
        metavar="NAME",
        help=f"{MODEL}; may be given several times, the first is the default; default wholebody-t",
    )
    add(
        "--detector",
        action="append",
        dest="detectors",
        metavar="NAME|FILE|none",
        help="likewise; default the one that comes with the package",
    )
    add(
        "--token",
        metavar="TEXT",
        help="let in only who gives it; by default what POSEDISTILL_TOKEN is in the environment",
    )
    _add_network(command)
    _add_limits(command)
    return command


def _add_network(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("what runs")
    add = group.add_argument
    add("--device", default="auto", metavar="NAME", help="as for `posedistill predict`")
    add("--threads", type=int, metavar="N", help="of each network on the CPU")


def _add_limits(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("limits")
    add = group.add_argument
    add("--max-bytes", type=int, metavar="N", help="of a body; default 20 MiB")
    add("--max-pixels", type=int, metavar="N", help="of a picture; default 50 million")
    add("--max-queue", type=int, metavar="N", help="pictures that may wait; default 64")
    add("--max-streams", type=int, metavar="N", help="cameras at a time; default 8")
    add("--timeout", type=float, dest="timeout_s", metavar="S", help="of a request; default 30")


def _web(arguments: argparse.Namespace) -> int:
    import uvicorn  # noqa: F401 - told first, where the extra is missing

    from posedistill.cli_open import open_any_session
    from posedistill.runtime.detector import Detector
    from posedistill.web.app import build_app
    from posedistill.web.networks import Openers
    from posedistill.web.serve import open_port, serve
    from posedistill.web.settings import Settings, is_loopback

    names = ("token", "max_bytes", "max_pixels", "max_queue", "max_streams", "timeout_s")
    given = {name: getattr(arguments, name) for name in names}
    if arguments.token is None:
        given["token"] = os.environ.get("POSEDISTILL_TOKEN") or None
    settings = Settings(
        models=tuple(arguments.models or ["wholebody-t"]),
        detectors=tuple(arguments.detectors or []),
        **{name: value for name, value in given.items() if value is not None},
    )
    device, threads = arguments.device, arguments.threads
    openers = Openers(
        partial(open_any_session, device=device, threads=threads),
        partial(Detector, device=device, threads=threads),
    )
    app = build_app(settings, openers)
    with open_port(arguments.host, arguments.port) as listening:
        host, port = listening.getsockname()[:2]
        if settings.token is None and not is_loopback(arguments.host):
            _logger.warning("%s", _OPEN_TO_ALL)
        address = f"[{host}]" if ":" in host else host
        print(f"posedistill: http://{address}:{port} (Ctrl-C stops it)", flush=True)
        serve(app, listening, settings=settings)
    return 0


_OPEN_TO_ALL = (
    "whoever reaches this machine may use the server, as it listens beyond it without --token"
)
