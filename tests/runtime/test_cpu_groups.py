from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posedistill.runtime.cpu_groups import LARGEST, group_starts, groups_at_once
from posedistill.runtime.session import OnnxSession

WriteModel = Callable[..., Path]


@given(num_crops=st.integers(1, 300), at_once=st.integers(1, 8))
def test_groups_cover_all_crops_are_small_and_nearly_even(num_crops: int, at_once: int) -> None:
    starts = group_starts(num_crops, at_once=at_once)
    sizes = [stop - start for start, stop in pairwise([*starts, num_crops])]
    assert starts[0] == 0
    assert sum(sizes) == num_crops
    assert 1 <= min(sizes) <= max(sizes) <= LARGEST
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) % at_once == 0 or set(sizes) == {1}


def test_no_more_groups_run_at_once_than_threads_were_asked_for() -> None:
    assert [groups_at_once(threads) for threads in (1, 2, 3)] == [1, 2, 3]
    assert 1 <= groups_at_once(None) <= groups_at_once(1000)


@pytest.mark.parametrize("threads", [None, 1, 2, 3], ids=str)
@pytest.mark.parametrize("batch", ["batch", 1, 3], ids=str)
def test_groups_side_by_side_give_what_single_crops_give_in_their_order(
    write_dot_model: WriteModel, threads: int | None, batch: int | str
) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (11, 3, 64, 48), dtype=np.uint8)
    session = OnnxSession(write_dot_model(batch=batch), threads=threads, device="cpu")
    together = session(crops)
    alone = [session(crops[n : n + 1]) for n in range(11)]
    for axis in (0, 1):
        assert np.array_equal(together[axis], np.concatenate([one[axis] for one in alone]))


def test_an_error_in_one_of_several_groups_reaches_the_caller(write_dot_model: WriteModel) -> None:
    session = OnnxSession(write_dot_model(), threads=2, device="cpu")
    session.close()
    with pytest.raises(ValueError, match="closed"):
        session(np.zeros((9, 3, 64, 48), np.uint8))
