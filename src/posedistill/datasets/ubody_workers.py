"""Processes that extract the frames of many videos side by side."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from posedistill.datasets.ubody_frames import VideoResult, VideoTask, extract_frames
from posedistill.datasets.worker_process import end_with_parent

Done = Callable[[VideoTask, VideoResult], None]


def extract_videos(tasks: Sequence[VideoTask], *, workers: int, done: Done) -> None:
    """Extract the frames of videos; `done` is called with each result, in the order they end.

    workers: processes; with 1 it is this one. A video whose process dies is tried again by itself;
    dies that one, too, the result says so. Raises OSError when a frame cannot be written.

    >>> extract_videos([], workers=1, done=print)
    """
    if workers == 1:
        for task in tasks:
            done(task, extract_frames(task))
        return
    for task in _in_pool(tasks, workers=workers, done=done):
        if _in_pool([task], workers=1, done=done):
            done(task, VideoResult(error="decoding it ended the process, twice"))


def _in_pool(tasks: Sequence[VideoTask], *, workers: int, done: Done) -> list[VideoTask]:
    """Give the tasks that are not done because a process died."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        max(1, min(workers, len(tasks))), mp_context=context, initializer=end_with_parent
    )
    try:
        _check_start(pool)
        futures = {future: task for task, future in _submitted(pool, tasks)}
        lost = [task for task in tasks if task not in set(futures.values())]
        for future in as_completed(futures):
            if isinstance(future.exception(), BrokenProcessPool):
                lost.append(futures[future])
            else:
                done(futures[future], future.result())
    finally:
        pool.shutdown(cancel_futures=True)
    return lost


def _submitted(
    pool: ProcessPoolExecutor, tasks: Sequence[VideoTask]
) -> Iterable[tuple[VideoTask, Future[VideoResult]]]:
    for task in tasks:
        try:
            yield task, pool.submit(extract_frames, task)
        except BrokenProcessPool:
            return


def _check_start(pool: ProcessPoolExecutor) -> None:
    try:
        pool.submit(os.getpid).result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            "worker processes cannot start: a script must call this below "
            '`if __name__ == "__main__":`, or with workers=1'
        ) from error
