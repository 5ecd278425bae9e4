"""The network that bulk work is tested with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from posedistill.codecs import SimCC
from posedistill.spec import Spec


@pytest.fixture
def dots(write_dot_model: Callable[..., Path]) -> Path:
    """Write a model that finds left joints at red, right at green, the others at blue."""
    return write_dot_model(
        spec=Spec("dot", "coco17", SimCC((48, 64), (4.9, 5.66), split_ratio=1.0), padding=1.0)
    )
