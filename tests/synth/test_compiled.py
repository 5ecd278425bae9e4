from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("numba")

from posedistill.synth.compiled import compiled

_SOURCE = """
def doubled(values):
    return values * 2
"""


def test_a_function_without_a_place_for_its_cache_is_compiled_all_the_same() -> None:
    namespace: dict[str, Callable[..., np.ndarray]] = {}
    exec(compile(_SOURCE, "<nowhere>", "exec"), namespace)
    doubled = compiled(namespace["doubled"])
    assert doubled(np.arange(3)).tolist() == [0, 2, 4]
    assert hasattr(doubled, "py_func")  # numba's mark


def test_a_compiled_function_still_knows_what_it_is_for() -> None:
    @compiled
    def tripled(values: np.ndarray) -> np.ndarray:
        """Multiply by three."""
        return values * 3

    assert tripled.__doc__ == "Multiply by three."
    assert tripled(np.ones(1)).tolist() == [3.0]
