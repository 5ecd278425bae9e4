"""Compilation of numeric loops by numba, kept on disk where there is a place for it."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

_P = ParamSpec("_P")
_R = TypeVar("_R")


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile a function of arrays and numbers to machine code, at its first call.

    The machine code is cached beside the file, else in the folder of NUMBA_CACHE_DIR or in the
    user's cache folder; where none can be written it is made again in each process.

    >>> import numpy as np
    >>> @compiled
    ... def total(values):
    ...     result = 0.0
    ...     for value in values:
    ...         result += value
    ...     return result
    >>> total(np.arange(4.0))
    6.0
    """
    try:
        made = njit(cache=True, nogil=True, fastmath=True, error_model="numpy")(function)
    except RuntimeError:  # numba: no place for the cache can be written
        made = njit(nogil=True, fastmath=True, error_model="numpy")(function)
    return cast(Callable[_P, _R], made)
