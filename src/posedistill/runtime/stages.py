"""Stages: work on a stream, each kind of work in a thread of its own, joined by short queues.

While one frame is encoded, the next is drawn, a third estimated and a fourth decoded. Order is
kept; a stream is as fast as its slowest stage, as long as the work leaves Python's lock alone, as
that of OpenCV, onnxruntime and FFmpeg does.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Condition, Thread
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
# Any: what passes differs from one stage to the next.
Work = Callable[[Iterator[Any]], Iterator[Any]]

_END = object()
_PATIENCE_S = 10.0  # for a thread to notice that nobody wants its work any more
_GLANCE_S = 0.2  # some systems tell of Ctrl-C only between two waits
_logger = logging.getLogger(__name__)


class Stage(NamedTuple):
    """Name one kind of work on a stream.

    Attributes:
        name: what it is called in timings.
        work: from an iterator over what comes in to an iterator over what goes out.
    """

    name: str
    work: Work


@dataclass
class Timing:
    """Count what a stage has done so far.

    Attributes:
        name: of the stage. items: how many it gave.
        busy_s: seconds it worked, neither waiting for items nor for room to leave them.
    """

    name: str
    items: int = 0
    busy_s: float = 0.0

    @property
    def per_second(self) -> float | None:
        """Give how many items a second the stage makes when it never waits; None before the first.

        >>> Timing("draw", items=10, busy_s=0.5).per_second
        20.0
        """
        return self.items / self.busy_s if self.items and self.busy_s > 0 else None


def each(function: Callable[[Any], Any]) -> Work:  # Any: as for Work
    """Give work that does the same to every item.

    >>> list(each(str.upper)(iter(["a", "b"])))
    ['A', 'B']
    """
    return lambda items: map(function, items)


def groups(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Give the items in lists of that many; the last may be shorter.

    >>> list(groups(range(5), 2))
    [[0, 1], [2, 3], [4]]
    """
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group


class Stages:
    """Run a stream through stages; iterate to take what the last one gives.

    source: where the stream starts; it is iterated in a thread of its own, named first in the
    timings. stages: in order. queue_size: how many items may wait between two of them.
    Leaving the ``with`` block stops all threads and closes the source, whatever is still under
    way. An error in one of them is raised where the results are taken, after all results that
    were made before it.

    >>> with Stages(range(4), [Stage("double", each(lambda n: 2 * n))], source_name="count") as run:
    ...     print(list(run), [timing.name for timing in run.timings])
    [0, 2, 4, 6] ['count', 'double']
    """

    def __init__(
        self,
        source: Iterable[Any],
        stages: Sequence[Stage],
        *,
        source_name: str = "source",
        queue_size: int = 4,
    ) -> None:
        if queue_size < 1:
            raise ValueError(f"queue_size is {queue_size}; expected 1 or more")
        works = [Stage(source_name, lambda _: iter(source)), *stages]
        self._queues = [_Queue(queue_size) for _ in works]
        inputs = [_Queue(0), *self._queues]  # the first is never read
        self._pumps = [
            _Pump(stage, inputs=inputs[index], outputs=self._queues[index])
            for index, stage in enumerate(works)
        ]

    @property
    def timings(self) -> list[Timing]:
        """Give what each stage has done so far, the source first; they go on counting."""
        return [pump.timing for pump in self._pumps]

    def __enter__(self) -> "Stages":
        for pump in self._pumps:
            pump.start()
        return self

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._queues[-1]
        except _StoppedError:
            return
        for pump in self._pumps:
            if pump.error is not None:
                raise pump.error

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop all threads, and wait until they have; what waits in the queues is dropped."""
        for queue in self._queues:
            queue.close()
        for pump in self._pumps:
            pump.join(_PATIENCE_S)
            if pump.is_alive():
                _logger.warning("%s does not end; going on without it", pump.timing.name)


class _StoppedError(Exception):
    """Tell a thread that nobody wants its work any more."""


class _Queue:
    """Hand items from one thread to the next."""

    def __init__(self, size: int) -> None:
        self._items: deque[Any] = deque()
        self._size = size
        self._changed = Condition()
        self._is_ended = self._is_closed = False

    def put(self, item: object) -> None:
        """Leave an item as soon as there is room."""
        with self._changed:
            while len(self._items) >= self._size and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                raise _StoppedError
            self._items.append(item)
            self._changed.notify_all()

    def end(self) -> None:
        """Say that no more items come."""
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """Say that no more items are wanted, by whoever takes or leaves them."""
        with self._changed:
            self._is_closed = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Any]:
        while (item := self._get()) is not _END:
            yield item

    def _get(self) -> object:
        with self._changed:
            while not (self._items or self._is_ended or self._is_closed):
                self._changed.wait(_GLANCE_S)
            if self._is_closed:
                raise _StoppedError
            if not self._items:
                return _END
            self._changed.notify_all()
            return self._items.popleft()


class _Pump(Thread):
    """Run one stage: from a queue, through its work, into the next queue."""

    def __init__(self, stage: Stage, *, inputs: _Queue, outputs: _Queue) -> None:
        super().__init__(name=f"posedistill {stage.name}", daemon=True)
        self.timing = Timing(stage.name)
        self.error: BaseException | None = None
        self._work, self._inputs, self._outputs = stage.work, inputs, outputs
        self._waited_s = 0.0

    def run(self) -> None:
        """Work until the inputs end or nobody wants the outputs."""
        try:
            self._move()
        except _StoppedError:
            pass
        except BaseException as error:  # whatever it is: it is raised again in another thread
            self.error = error
        finally:
            self._inputs.close()
            self._outputs.end()

    def _move(self) -> None:
        results = self._work(self._waiting())
        try:
            while (item := self._timed_next(results)) is not _END:
                self.timing.items += 1
                self._outputs.put(item)
        finally:
            if hasattr(results, "close"):  # a generator, which may hold a file open
                results.close()

    def _timed_next(self, results: Iterator[Any]) -> object:
        start, waited_s = perf_counter(), self._waited_s
        item = next(results, _END)
        self.timing.busy_s += perf_counter() - start - (self._waited_s - waited_s)
        return item

    def _waiting(self) -> Iterator[Any]:
        """Give the inputs, and count how long each let us wait."""
        inputs = iter(self._inputs)
        while True:
            start = perf_counter()
            item = next(inputs, _END)
            self._waited_s += perf_counter() - start
            if item is _END:
                return
            yield item
