"""Fixtures: a network whose answer is known, served as the whole of each picture."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from posedistill.web.settings import Settings
from tests.web.running import GatedSession, gated, running


@pytest.fixture
def model(write_dot_model: Callable[..., Path]) -> Path:
    return write_dot_model()


@pytest.fixture
def settings(model: Path) -> Settings:
    return Settings(models=(str(model),), detectors=("none",))


@pytest.fixture
def session(model: Path) -> GatedSession:
    return gated(model)


@pytest.fixture
def client(settings: Settings, session: GatedSession) -> Iterator[httpx.Client]:
    with running(settings, session) as client:
        yield client
