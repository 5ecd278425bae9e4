"""docs/server.md: its commands and its Python run, and its tables are those of the code."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from posedistill.web.photo import MAX_SIDE
from posedistill.web.settings import Settings
from tests.web.running import GatedSession, running

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
PHOTO = ROOT / "src" / "posedistill" / "assets" / "demo" / "grace_hopper.jpg"
SERVER = "127.0.0.1:8000"
PRINTED = ("posedistill_queue_images", '"keypoints"', '"licence"', '"link_colors"', '"ok"')


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def server() -> Iterator[httpx.Client]:
    with running(Settings()) as client:
        yield client


def _run(command: list[str], folder: Path) -> str:
    shutil.copy(PHOTO, folder / "photo.jpg")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _here(text: str, server: httpx.Client) -> str:
    assert SERVER in text
    return text.replace(SERVER, server.base_url.netloc.decode())


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_of_the_page_run(server: httpx.Client, tmp_path: Path) -> None:
    script = _here("set -e\n" + "".join(_blocks("bash")), server)
    printed = _run(["sh", "-c", script], tmp_path)
    assert [words for words in PRINTED if words not in printed] == []
    assert '"annotations"' in (tmp_path / "poses.json").read_text(encoding="utf-8")
    assert '"people"' in (tmp_path / "openpose.json").read_text(encoding="utf-8")
    assert (tmp_path / "control.png").read_bytes().startswith(b"\x89PNG")


def test_the_python_of_the_page_runs(server: httpx.Client, tmp_path: Path) -> None:
    photo, camera = (_here(block, server) for block in _blocks("py"))
    assert re.match(r"0\.\d+ \[\d", _run([sys.executable, "-c", photo], tmp_path))
    assert _run([sys.executable, "-c", camera], tmp_path).splitlines()[-1].startswith("[1")


def test_the_limits_of_the_page_are_the_defaults_of_the_code() -> None:
    rows = re.findall(r"^\| [a-z][^|]* \| ([\d,]+) \| (?:`--([a-z-]+)`)? ?\|$", PAGE, flags=re.M)
    told = [int(value.replace(",", "")) for value, _ in rows]
    assert sorted(told) == sorted([MAX_SIDE, *Settings().limits().values()])
    for value, option in rows:
        if option:
            name = {"timeout": "timeout_s"}.get(option, option.replace("-", "_"))
            assert Settings().limits()[name] == int(value.replace(",", ""))


def test_the_page_tells_every_code_that_the_server_may_give() -> None:
    source = "".join(
        file.read_text(encoding="utf-8") for file in (ROOT / "src/posedistill/web").glob("*.py")
    )
    given = set(re.findall(r'ApiError\(\s*\d+,\s*"([a-z_]+)"', source)) - {"http_error"}
    given |= {"not_found", "method_not_allowed", "unknown_model", "unknown_detector", "busy"}
    table = PAGE[PAGE.index("| status | code") : PAGE.index("| limit |")]
    assert set(re.findall(r"`([a-z_]+)`", table)) - {"image"} == given


def test_the_page_tells_every_metric(client: httpx.Client, session: GatedSession) -> None:
    kinds = re.findall(r"^# TYPE (posedistill_\w+) (\w+)$", client.get("/metrics").text, flags=re.M)
    names = {name for name, _ in kinds if not name.endswith("_created")}
    assert set(re.findall(r"^\| `(posedistill_\w+)` \|", PAGE, flags=re.M)) == names


def test_the_version_of_the_interface_is_that_of_the_package(client: httpx.Client) -> None:
    from posedistill import __version__

    assert client.get("/openapi.json").json()["info"]["version"] == __version__
