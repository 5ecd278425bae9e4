"""Batches: requests that come together are done together, with the answers they had alone."""

import json
from collections.abc import Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Event

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.poses import Poses
from posedistill.skeleton import Skeleton
from posedistill.web.batcher import Batcher
from posedistill.web.errors import ApiError
from posedistill.web.networks import Choice
from posedistill.web.settings import Settings
from tests.web.running import PNG, GatedSession, dots, png, running, wait_until

Images = Sequence[NDArray[np.uint8]]
NOBODY = Poses.empty(Skeleton.get("coco17"))
ONE, OTHER = Choice("a", "none"), Choice("b", "none")


def _post(client: httpx.Client, content: bytes) -> list[object]:
    answer = client.post("/v1/pose", content=content, headers=PNG)
    assert answer.status_code == 200, answer.text
    people: list[object] = answer.json()["people"]
    return people


def _metric(client: httpx.Client, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith(f"{name} ")))


def test_requests_that_wait_together_take_one_call_and_answer_as_alone(
    settings: Settings, session: GatedSession
) -> None:
    pictures = [png(dots(seed, (48 + 7 * seed, 64 + 5 * seed))) for seed in range(9)]
    with running(settings, session) as client, ThreadPoolExecutor(9) as pool:
        alone = [_post(client, picture) for picture in pictures]
        assert len({json.dumps(people) for people in alone}) == 9
        assert session.sizes == [1] * 9
        session.gate.clear()
        first = pool.submit(_post, client, pictures[0])
        wait_until(lambda: len(session.sizes) == 10, "the first is under way")
        others = [pool.submit(_post, client, picture) for picture in pictures[1:]]
        wait_until(lambda: _metric(client, "posedistill_queue_images") == 8, "the others wait")
        session.gate.set()
        together = [done.result() for done in (first, *others)]
        assert _metric(client, "posedistill_batch_images_count") == 11
        assert _metric(client, "posedistill_batch_images_sum") == 18
    assert session.sizes[9:] == [1, 8]  # eight pictures in one call
    assert together == alone


class _Work:
    """Keep what came in which batch, and wait before each."""

    def __init__(self) -> None:
        self.batches: list[tuple[Choice, list[int]]] = []
        self.gate = Event()

    def __call__(self, choice: Choice, images_rgb: Images) -> list[Poses]:
        self.batches.append((choice, [int(image[0, 0, 0]) for image in images_rgb]))
        assert self.gate.wait(30)
        if any(image[0, 0, 0] == 13 for image in images_rgb):
            raise ValueError("13 cannot be done")
        return [NOBODY for _ in images_rgb]


def _image(number: int) -> NDArray[np.uint8]:
    return np.full((2, 2, 3), number, np.uint8)


def _held(batcher: Batcher, work: _Work) -> None:
    """Have a first picture under way, so that all others wait."""
    batcher.submit(ONE, _image(0))
    wait_until(lambda: work.batches, "the first is under way")


def test_only_what_is_for_the_same_networks_is_done_together_oldest_first() -> None:
    work = _Work()
    with Batcher(work, max_batch=3) as batcher:
        _held(batcher, work)
        choices = [ONE, OTHER, ONE, ONE, ONE, OTHER]
        done = [batcher.submit(choice, _image(n)) for n, choice in enumerate(choices, start=1)]
        work.gate.set()
        assert all(len(one.result().poses) == 0 for one in done)
    assert work.batches[1:] == [(ONE, [1, 3, 4]), (OTHER, [2, 6]), (ONE, [5])]


def test_a_picture_that_cannot_be_done_fails_no_other() -> None:
    work = _Work()
    with Batcher(work) as batcher:
        _held(batcher, work)
        good, bad, also = (batcher.submit(ONE, _image(number)) for number in (1, 13, 2))
        work.gate.set()
        assert good.result().poses is NOBODY
        assert also.result().poses is NOBODY
        with pytest.raises(ValueError, match="13 cannot be done"):
            bad.result()


def test_a_fault_of_the_work_reaches_all_that_wait_for_it_and_later_ones_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faults = iter([True, False])

    def work(choice: Choice, images_rgb: Images) -> list[Poses]:
        if next(faults):
            raise KeyError("odd")
        return [NOBODY]

    with Batcher(work) as batcher:
        with pytest.raises(ValueError, match="log"):
            batcher.submit(ONE, _image(0)).result()
        assert batcher.submit(ONE, _image(1)).result().poses is NOBODY
    assert "a batch failed" in caplog.text


def test_what_nobody_waits_for_any_more_is_not_done() -> None:
    work = _Work()
    with Batcher(work) as batcher:
        _held(batcher, work)
        left, kept = batcher.submit(ONE, _image(1)), batcher.submit(ONE, _image(2))
        assert left.cancel()
        work.gate.set()
        kept.result()
        with pytest.raises(CancelledError):
            left.result()
    assert work.batches[1:] == [(ONE, [2])]


def test_more_than_may_wait_are_refused_and_room_comes_back() -> None:
    work = _Work()
    with Batcher(work, max_waiting=2) as batcher:
        _held(batcher, work)
        waiting = [batcher.submit(ONE, _image(number)) for number in (1, 2)]
        with pytest.raises(ApiError, match="2 pictures wait already"):
            batcher.submit(ONE, _image(3))
        work.gate.set()
        assert all(one.result().poses is NOBODY for one in waiting)
        assert batcher.submit(ONE, _image(4)).result().wait_s >= 0


def test_closing_does_all_that_was_taken() -> None:
    work = _Work()
    batcher = Batcher(work, max_batch=2)
    _held(batcher, work)
    waiting = [batcher.submit(ONE, _image(number)) for number in range(1, 6)]
    work.gate.set()
    batcher.close()
    assert all(one.done() and one.result().poses is NOBODY for one in waiting)
