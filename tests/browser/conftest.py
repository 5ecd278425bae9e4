"""Fixtures of the browser tests: the server as a process, Chromium, and pages that are watched."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

import posedistill
from tests.browser.fake_webcam import write_y4m
from tests.browser.programs import CHROMIUM, browsing, serving
from tests.browser.site import DEMO, SHIFTED_BINS, Site, Watched

if TYPE_CHECKING:  # absent where no browser test runs
    from playwright.sync_api import Browser, BrowserContext

HAS_PLAYWRIGHT = find_spec("playwright") is not None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    reason = _why_not(config)
    for item in here:
        item.add_marker(pytest.mark.browser)
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


def _why_not(config: pytest.Config) -> str:
    """Say why no browser test can run here; empty where they can."""
    if not HAS_PLAYWRIGHT:
        return "playwright is not installed"
    if CHROMIUM is None:
        return "no chromium on this machine"
    # Playwright's event loop runs as long as the browser; asyncio.run of other tests would fail.
    is_alone = "browser" in str(config.getoption("markexpr"))
    return "" if is_alone else "browser tests run by themselves: pytest -m browser tests/browser"


@pytest.fixture(scope="session")
def shifted_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the embedded model with all its joints moved right by a few bins."""
    model = onnx.load(Path(posedistill.__file__).parent / "assets" / "wholebody-t.onnx")
    last = next(node for node in model.graph.node if node.output[0] == "simcc_x")
    last.output[0] = "unmoved"
    pads = np.array([0, 0, SHIFTED_BINS, 0, 0, -SHIFTED_BINS], np.int64)
    far_below = np.array(-100, np.float32)
    arrays: dict[str, NDArray[Any]] = {"pads": pads, "far_below": far_below}  # Any: two types
    added = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    model.graph.initializer.extend(added)
    inputs = ["unmoved", *arrays]
    model.graph.node.append(helper.make_node("Pad", inputs, ["simcc_x"]))
    path = tmp_path_factory.mktemp("model") / "shifted.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def site(shifted_model: Path) -> Iterator[Site]:
    """Give a server with two models, for the whole session."""
    with serving("--model", "wholebody-t", "--model", str(shifted_model)) as site:
        yield site


@pytest.fixture(scope="session")
def guarded_site() -> Iterator[Site]:
    """Give a server with a token and small limits."""
    with serving("--token", "open-sesame", "--max-bytes", "200000") as site:
        yield site


@pytest.fixture
def fleeting_site() -> Iterator[Site]:
    """Give a server that the test ends."""
    with serving() as site:
        yield site


@pytest.fixture(scope="session")
def webcam_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("webcam") / "webcam.y4m"
    write_y4m(path, DEMO / "grace_hopper.jpg")
    return path


@pytest.fixture(scope="session")
def browser(webcam_file: Path) -> Iterator["Browser"]:
    with browsing(webcam_file) as browser:
        yield browser


@pytest.fixture
def context(browser: "Browser") -> Iterator["BrowserContext"]:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        context.set_default_timeout(20_000)
        yield context


@pytest.fixture
def watched(site: Site, context: "BrowserContext") -> Iterator[Watched]:
    """Give the page, open; no request may leave the server, no script fail, no rule be broken."""
    watched = Watched.open(site, context)
    yield watched
    watched.check()
