"""Stages run in threads, keep the order, and end together."""

import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from posedistill.runtime.stages import Stage, Stages, each, groups

DEADLINE_S = 20.0  # of what takes milliseconds on an idle machine


def _threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("posedistill ")]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert _threads() == []


def _wait_until_more_are_made_than(seen: list[int], count: int) -> None:
    end = time.monotonic() + DEADLINE_S
    while len(seen) <= count and time.monotonic() < end:
        time.sleep(0.001)


def test_results_come_in_order_however_long_each_takes() -> None:
    def doze(n: int) -> int:
        time.sleep(0.004 if n % 3 == 0 else 0.0)
        return n

    stages = [Stage("first", each(doze)), Stage("second", each(lambda n: doze(n + 1)))]
    with Stages(range(30), stages, queue_size=2) as run:
        assert list(run) == list(range(1, 31))


def test_each_stage_has_a_thread_of_its_own() -> None:
    def name(_: object) -> str:
        return threading.current_thread().name

    stages = [Stage("one", each(name)), Stage("two", each(lambda other: (other, name(other))))]
    with Stages([0], stages, source_name="read") as run:
        assert list(run) == [("posedistill one", "posedistill two")]


def test_stages_work_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=DEADLINE_S)

    def meet(n: int, is_due: bool) -> int:
        if is_due:
            both.wait()
        return n

    # Each but the first can only be done while the one before it is in the next stage.
    stages = [
        Stage("first", each(lambda n: meet(n, n > 0))),
        Stage("second", each(lambda n: meet(n, n < 9))),
    ]
    with Stages(range(10), stages) as run:
        assert list(run) == list(range(10))


def test_a_stage_may_take_items_in_groups_and_give_them_one_by_one() -> None:
    sizes = []

    def work(items: Iterator[int]) -> Iterator[int]:
        for group in groups(items, 4):
            sizes.append(len(group))
            yield from group

    with Stages(range(10), [Stage("groups", work)]) as run:
        assert list(run) == list(range(10))
    assert sizes == [4, 4, 2]


def test_no_more_is_made_ahead_than_the_queues_hold() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for n in range(1000):
            made.append(n)
            yield n

    with Stages(numbers(), [Stage("same", each(lambda n: n))], queue_size=3) as run:
        next(iter(run))
        _wait_until_more_are_made_than(made, 8)
        time.sleep(0.05)
        # One taken, three in each of two queues, one in the hands of each of two threads.
        assert len(made) == 9


@pytest.mark.parametrize("place", ["source", "first", "second"])
def test_an_error_is_raised_after_the_results_made_before_it(place: str) -> None:
    def check(name: str, n: int) -> int:
        if name == place and n == 5:
            raise ValueError(f"{name} cannot do {n}")
        return n

    source = (check("source", n) for n in range(10))
    stages = [Stage(name, each(partial(check, name))) for name in ("first", "second")]
    taken: list[int] = []
    with Stages(source, stages) as run, pytest.raises(ValueError, match=f"{place} cannot do 5"):
        taken.extend(run)
    assert taken == [0, 1, 2, 3, 4]


class _Stop(BaseException):
    """Stand for what is no Exception, such as SystemExit."""


def test_an_error_of_any_kind_reaches_who_takes_the_results() -> None:
    def fail(_: int) -> int:
        raise _Stop

    with pytest.raises(_Stop), Stages(range(3), [Stage("fail", each(fail))]) as run:
        list(run)


def _raise_at(count: int, run: Stages, error: type[BaseException]) -> None:
    for n in run:
        if n == count:
            raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, RuntimeError])
def test_leaving_early_stops_every_thread_and_closes_the_source(
    error: type[BaseException],
) -> None:
    is_closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            n = 0
            while True:
                yield n
                n += 1
        finally:
            is_closed.set()

    stages = [Stage("one", each(lambda n: n)), Stage("two", each(lambda n: n))]
    with pytest.raises(error), Stages(endless(), stages) as run:
        _raise_at(3, run, error)
    assert is_closed.is_set()
    assert _threads() == []


def test_a_stage_that_is_stopped_does_not_work_on_a_group_that_is_not_full() -> None:
    seen = []
    more = threading.Event()

    def source() -> Iterator[int]:
        yield from range(3)
        more.wait(DEADLINE_S)
        yield 3

    def work(items: Iterator[int]) -> Iterator[int]:
        for group in groups(items, 2):
            seen.append(group)
            yield from group

    with Stages(source(), [Stage("pairs", work)]) as run:
        next(iter(run))
        threading.Timer(0.1, more.set).start()
    assert seen == [[0, 1]]


def test_nothing_in_gives_nothing_out() -> None:
    with Stages([], [Stage("same", each(lambda n: n))]) as run:
        assert list(run) == []
        assert [timing.items for timing in run.timings] == [0, 0]
        assert run.timings[0].per_second is None


def test_a_stage_counts_its_work_and_not_its_waiting() -> None:
    def doze(n: int) -> int:
        time.sleep(0.02)
        return n

    stages = [Stage("slow", each(doze)), Stage("fast", each(lambda n: n))]
    with Stages(range(10), stages, source_name="count") as run:
        list(run)
    count, slow, fast = run.timings
    assert [timing.name for timing in run.timings] == ["count", "slow", "fast"]
    assert [timing.items for timing in run.timings] == [10, 10, 10]
    assert slow.busy_s >= 0.2
    assert slow.per_second == pytest.approx(10 / slow.busy_s)
    # Both waited 0.2 s: one for items, the other for room.
    assert fast.busy_s < 0.1
    assert count.busy_s < 0.1


def test_queues_must_hold_something() -> None:
    with pytest.raises(ValueError, match="queue_size is 0; expected 1 or more"):
        Stages([], [], queue_size=0)
