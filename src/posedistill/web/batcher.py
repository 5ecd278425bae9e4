"""Batcher: pictures that wait at the same time are estimated together.

Nothing is waited for: a picture that comes alone is taken at once, and those that come while it is
worked on are taken together after it. So batches grow with the load, and only with it.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from posedistill.poses import Poses
from posedistill.web.errors import busy
from posedistill.web.networks import Choice

Images = Sequence[NDArray[np.uint8]]
Work = Callable[[Choice, Images], Sequence[Poses]]
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Estimated:
    """Hold the poses of a picture, and the seconds that it waited and was worked on."""

    poses: Poses
    wait_s: float
    work_s: float


@dataclass(frozen=True, eq=False)
class _Job:
    choice: Choice
    image_rgb: NDArray[np.uint8]
    future: "Future[Estimated]" = field(default_factory=Future)
    came_at: float = field(default_factory=perf_counter)


class Batcher:
    """Estimate pictures in a thread of its own, those that wait together in one call.

    work: from a choice and images to the poses of each. max_batch: images in a call. max_waiting:
    images that may wait. tell: called with the number of images of each batch.
    `close`, or the end of a ``with`` block, ends when all that was taken is done.

    >>> from posedistill.skeleton import Skeleton
    >>> nobody = Poses.empty(Skeleton.get("coco17"))
    >>> with Batcher(lambda choice, images: [nobody] * len(images)) as batcher:
    ...     done = batcher.submit(Choice("a", "none"), np.zeros((4, 5, 3), np.uint8))
    ...     len(done.result().poses)
    0
    """

    def __init__(
        self,
        work: Work,
        *,
        max_batch: int = 8,
        max_waiting: int = 64,
        tell: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._work, self._tell = work, tell
        self._max_batch, self._max_waiting = max_batch, max_waiting
        self._waiting: deque[_Job] = deque()
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="posedistill estimate")

    @property
    def num_waiting(self) -> int:
        """Give how many pictures wait."""
        return len(self._waiting)

    def submit(self, choice: Choice, image_rgb: NDArray[np.uint8]) -> "Future[Estimated]":
        """Take a picture, (H, W, 3) uint8 RGB; give what will hold its poses.

        Raises `busy` where too many wait. Who cancels the future in time saves the work.
        """
        job = _Job(choice, image_rgb)
        with self._lock:
            self.check_room()
            self._waiting.append(job)
        # One call for each picture: it finds nothing to do where an earlier one took that along.
        self._thread.submit(self._do_next).add_done_callback(_log_fault)
        return job.future

    def check_room(self) -> None:
        """Raise `busy` where as many pictures wait as may."""
        if len(self._waiting) >= self._max_waiting:
            raise busy(
                f"{self._max_waiting} pictures wait already, as many as may; send it again in a "
                "moment"
            )

    def close(self) -> None:
        """Do all that was taken, and end the thread."""
        self._thread.shutdown()

    def __enter__(self) -> "Batcher":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _do_next(self) -> None:
        jobs = self._take()
        try:
            if jobs:
                self._do(jobs)
        finally:  # whatever goes wrong, nobody waits in vain
            for job in jobs:
                if not job.future.done():
                    job.future.set_exception(ValueError("the batch failed; see the server's log"))

    def _take(self) -> list[_Job]:
        """Give the oldest job, and what else waits for the same networks."""
        with self._lock:
            alike = [job for job in self._waiting if job.choice == self._waiting[0].choice]
            taken = alike[: self._max_batch]
            for job in taken:
                self._waiting.remove(job)
        return [job for job in taken if job.future.set_running_or_notify_cancel()]

    def _do(self, jobs: Sequence[_Job]) -> None:
        started_at = perf_counter()
        self._tell(len(jobs))
        try:
            found = self._work(jobs[0].choice, [job.image_rgb for job in jobs])
        except ValueError as error:
            self._do_each(jobs, error)
            return
        work_s = perf_counter() - started_at
        for job, poses in zip(jobs, found, strict=True):
            job.future.set_result(Estimated(poses, started_at - job.came_at, work_s))

    def _do_each(self, jobs: Sequence[_Job], error: ValueError) -> None:
        """Do the pictures one by one, so that one that cannot be done fails no other."""
        if len(jobs) == 1:
            jobs[0].future.set_exception(error)
            return
        for job in jobs:
            self._do([job])


def _log_fault(done: "Future[None]") -> None:
    if (error := done.exception()) is not None:
        _logger.error("a batch failed", exc_info=error)
