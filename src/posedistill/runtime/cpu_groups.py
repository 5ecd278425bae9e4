"""Groups of crops on the CPU: few at a time, so that they fit its caches, and some groups at once.

Layers of one crop rarely keep all cores busy, and what a thread of one group waits for, another
group can use. On two cores that other work shared, two groups of four at once ran RTMPose-t and -m
in two thirds of the time of one call with 16 crops (`benchmarks/inference_groups.py`).
"""

import math
import os

LARGEST = 4
_MOST_AT_ONCE = 4


def groups_at_once(threads: int | None) -> int:
    """Give how many groups may run at the same time; threads: as `OnnxSession` takes them.

    >>> groups_at_once(2), groups_at_once(64)
    (2, 4)
    """
    return min(threads or _num_cores(), _MOST_AT_ONCE)


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def group_starts(num_crops: int, *, at_once: int) -> list[int]:
    """Give where groups start: of at most four, of one size or nearly, a multiple of `at_once`.

    >>> group_starts(3, at_once=2), group_starts(9, at_once=2)
    ([0, 2], [0, 2, 4, 7])
    """
    rounds = math.ceil(num_crops / LARGEST / at_once)
    count = min(rounds * at_once, num_crops)
    return [round(number * num_crops / count) for number in range(count)]
