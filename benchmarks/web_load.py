"""Load the server: many clients beside one at a time, its memory, and a kill under load.

    python benchmarks/web_load.py --seconds 60

starts `posedistill web` on loopback with the embedded networks and prints how many photos a second
it does for one client and for sixteen, how long they wait, what failed, the memory of the server at
each quarter, and what becomes of the requests of clients whose server is killed and started again.
Clients are threads of this process and share the cores with the server. Each posts the bundled
photos in turn, as they are, and reads the whole answer.
"""

import argparse
import http.client
import json
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, Popen

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.goals import Goal, print_goals

_DEMO = Path(__file__).resolve().parents[1] / "src/posedistill/assets/demo"
_HOST = "127.0.0.1"
_PATIENCE_S = 60.0
_PAUSE_S = 0.05  # of a client whose server is gone
_FLAT = 0.05  # of the memory half-way: what may come on top of it
_WARM_UP_S = 2.0


@dataclass
class Tally:
    """Count what one client saw: seconds of each answer, and reasons of what failed."""

    seconds: list[float] = field(default_factory=list)
    ended_at: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    sent: int = 0


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of the load")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2, help="of each network")
    arguments = parser.parse_args()
    photos = [path.read_bytes() for path in sorted(_DEMO.glob("*.jpg"))]
    seconds, clients = arguments.seconds, arguments.clients
    with server(arguments.threads) as (started, port):
        load(port, photos, clients=clients, seconds=min(_WARM_UP_S, seconds))
        one = load(port, photos, clients=1, seconds=seconds / 4)
        before = _batches(port)
        many, memory = load_and_watch(started.pid, port, photos, arguments)
        images, calls = np.subtract(_batches(port), before)
    print("| clients | photos | photos/s | p50, ms | p95, ms | errors |")
    print("| --: | --: | --: | --: | --: | --: |")
    print(_row(1, one, seconds / 4))
    print(_row(clients, many, seconds))
    print(f"\n{images / calls:.1f} photos a call of the networks with {clients} clients\n")
    print("| part of the time | memory of the server, MB |\n| --: | --: |")
    for part, size in zip(("0", "1/4", "1/2", "3/4", "1"), memory, strict=True):
        print(f"| {part} | {size / 1e6:.1f} |")
    killed = kill_and_restart(photos, arguments)
    print_goals([*_load_goals(many, memory), *_kill_goals(killed, clients)])


@contextmanager
def server(threads: int, port: int = 0) -> Iterator[tuple[Popen[str], int]]:
    """Run the server; give its process and its port once it serves."""
    words = ["web", "--port", str(port), "--threads", str(threads)]
    with Popen([sys.executable, "-m", "posedistill", *words], stdout=PIPE, text=True) as started:
        try:
            assert started.stdout is not None
            found = re.search(r":(\d+) ", started.stdout.readline())
            if found is None:
                raise SystemExit("the server does not start; see above")
            yield started, int(found.group(1))
        finally:
            started.terminate()


def ask_on(port: int, photos: Sequence[bytes], *, over: threading.Event, tally: Tally) -> None:
    """Post photos, one after the other, until it is over; what fails is noted, and gone on from."""
    connection = http.client.HTTPConnection(_HOST, port, timeout=_PATIENCE_S)
    while not over.is_set():
        photo = photos[tally.sent % len(photos)]
        tally.sent += 1
        started_at = time.perf_counter()
        try:
            connection.request("POST", "/v1/pose", photo, {"Content-Type": "image/jpeg"})
            answer = connection.getresponse()
            people = json.loads(answer.read()).get("people")
        except (OSError, http.client.HTTPException) as error:
            tally.errors.append(type(error).__name__)
            connection.close()
            over.wait(_PAUSE_S)
            continue
        if answer.status != 200 or not isinstance(people, list):
            tally.errors.append(str(answer.status))
            continue
        tally.ended_at.append(time.perf_counter())
        tally.seconds.append(tally.ended_at[-1] - started_at)
    connection.close()


@contextmanager
def asking(port: int, photos: Sequence[bytes], clients: int) -> Iterator[list[Tally]]:
    """Have clients ask until the end of the block; their tallies are whole after it."""
    over, tallies = threading.Event(), [Tally() for _ in range(clients)]
    threads = [
        threading.Thread(target=ask_on, args=(port, photos), kwargs={"over": over, "tally": tally})
        for tally in tallies
    ]
    for thread in threads:
        thread.start()
    try:
        yield tallies
    finally:
        over.set()
        for thread in threads:
            thread.join()


def load(port: int, photos: Sequence[bytes], *, clients: int, seconds: float) -> list[Tally]:
    """Have clients ask for that long."""
    with asking(port, photos, clients) as tallies:
        time.sleep(seconds)
    return tallies


def load_and_watch(
    pid: int, port: int, photos: Sequence[bytes], arguments: argparse.Namespace
) -> tuple[list[Tally], list[int]]:  # house rule: which server, where, and with what
    """Have all clients ask; give also the server's memory at the start and after each quarter."""
    with asking(port, photos, arguments.clients) as tallies:
        memory = [resident(pid)]
        for _ in range(4):
            time.sleep(arguments.seconds / 4)
            memory.append(resident(pid))
    return tallies, memory


def resident(pid: int) -> int:
    """Give the bytes of a process that are in memory; Linux alone tells them so."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return 1024 * int(found.group(1))


@dataclass(frozen=True)
class Killed:
    """Say what became of the requests around a kill.

    before, after: how many were answered by either server. lost: how many were broken off.
    refused: how many found no server. silent: how many got neither an answer nor an error for a
    minute. gap_s: from the kill to the first answer of the new server.
    """

    before: int
    after: int
    lost: int
    refused: int
    silent: int
    gap_s: float


def kill_and_restart(photos: Sequence[bytes], arguments: argparse.Namespace) -> Killed:
    """Kill a server under load, start another on its port, and see what the clients were told."""
    part, clients = max(arguments.seconds / 4, 1.0), arguments.clients
    with server(arguments.threads) as (started, port), asking(port, photos, clients) as tallies:
        time.sleep(part)
        started.kill()
        started.wait()
        killed_at = time.perf_counter()
        with server(arguments.threads, port):
            time.sleep(part)
            while not any(later := _later(tallies, killed_at)):  # a busy machine is no failure
                if time.perf_counter() > killed_at + _PATIENCE_S:
                    raise SystemExit("the new server answers nobody")
                time.sleep(0.1)
            errors = [error for tally in tallies for error in tally.errors]
            answered = sum(len(tally.seconds) for tally in tallies)
    refused, silent = errors.count("ConnectionRefusedError"), errors.count("TimeoutError")
    return Killed(
        before=answered - len(later),
        after=len(later),
        lost=len(errors) - refused - silent,
        refused=refused,
        silent=silent,
        gap_s=min(later) - killed_at,
    )


def _later(tallies: Sequence[Tally], killed_at: float) -> list[float]:
    return [ended for tally in tallies for ended in tally.ended_at if ended > killed_at]


def _row(clients: int, tallies: Sequence[Tally], seconds: float) -> str:
    times = np.concatenate([tally.seconds for tally in tallies])
    p50, p95 = 1000 * np.percentile(times, [50, 95])
    errors = sum(len(tally.errors) for tally in tallies)
    rate = len(times) / seconds
    return f"| {clients} | {len(times)} | {rate:.1f} | {p50:.0f} | {p95:.0f} | {errors} |"


def _batches(port: int) -> tuple[float, float]:
    """Give how many photos have been done, and in how many calls."""
    connection = http.client.HTTPConnection(_HOST, port, timeout=_PATIENCE_S)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    sums = re.search(r"posedistill_batch_images_sum (\S+)", text)
    counts = re.search(r"posedistill_batch_images_count (\S+)", text)
    assert sums is not None
    assert counts is not None
    return float(sums.group(1)), float(counts.group(1))


def _load_goals(tallies: Sequence[Tally], memory: Sequence[int]) -> list[Goal]:
    errors = sum(len(tally.errors) for tally in tallies)
    growth = (memory[-1] - memory[2]) / memory[2]
    flat = f"under {100 * _FLAT:.0f} %"
    return [
        Goal("errors under load", "0", str(errors), errors == 0),
        Goal("growth of memory in the second half", flat, f"{100 * growth:+.1f} %", growth < _FLAT),
    ]


def _kill_goals(killed: Killed, clients: int) -> list[Goal]:
    lost = f"{killed.lost} of {killed.before + killed.lost}, each told of it"
    after = f"{killed.after}, the first {killed.gap_s:.1f} s after the kill"
    return [
        Goal("requests that a kill breaks off", f"up to {clients}", lost, killed.lost <= clients),
        Goal("requests told nothing for a minute", "0", str(killed.silent), not killed.silent),
        Goal("answers of the server started again", "some", after, killed.after > 0),
    ]


if __name__ == "__main__":
    main()
