"""Worker processes: they end with who started them, silently."""

import multiprocessing
import os
import signal
import threading


def end_with_parent() -> None:
    """Make this process end at once, and silently, at Ctrl-C and when its parent dies.

    For worker processes alone, as the `initializer` of a pool.

    >>> ProcessPoolExecutor(2, initializer=end_with_parent)  # doctest: +SKIP
    """
    signal.signal(signal.SIGINT, _leave)
    threading.Thread(target=_await_parent, daemon=True).start()


def _leave(*_arguments: object) -> None:
    os._exit(130)


def _await_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
