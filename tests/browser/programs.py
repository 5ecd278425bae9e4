"""Programs that the browser tests start: the server and Chromium."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.site import ROOT, Site

if TYPE_CHECKING:  # absent where no browser test runs
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def serving(*options: str) -> Iterator[Site]:
    """Run `posedistill web` on a free port."""
    command = [sys.executable, "-m", "posedistill", "web", "--port", "0", *options]
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, f"the server has not started: {line!r}"
        try:
            yield Site(found.group(), process)
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def browsing(webcam_file: Path) -> Iterator["Browser"]:
    """Run Chromium with a film for a webcam."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)  # a busy machine is no failure
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={webcam_file}",
            ],
        )
        try:
            yield browser
        finally:
            browser.close()
