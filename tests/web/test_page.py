"""The page: its files are sent as what they are, and nothing else is sent."""

import re
from pathlib import Path

import httpx
import pytest

from posedistill.web.demo import PHOTOS
from posedistill.web.page import STATIC, static_files

PAGES = ("/", "/docs")


def test_the_page_is_sent_to_get_and_head(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.content == (STATIC / "index.html").read_bytes()
    head = client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == page.headers["content-length"]


def test_every_file_of_the_page_is_sent_with_its_type(client: httpx.Client) -> None:
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    assert static_files()
    for name, path in static_files().items():
        answer = client.get(f"/static/{name}")
        assert answer.content == path.read_bytes()
        assert answer.headers["content-type"].startswith(kinds.get(path.suffix, ""))


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/static/%00",
        "/static/",
        "/static/none.js",
    ],
)
def test_no_other_file_is_ever_sent(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_asks_nothing_of_other_servers(client: httpx.Client, path: str) -> None:
    text = client.get(path).text
    assert not re.findall(r"""(?:src|href|action)=["']?(?:https?:)?//""", text)


def test_the_bundled_photos_are_sent_by_number_and_no_others(client: httpx.Client) -> None:
    for number, name in enumerate(PHOTOS):
        photo = client.get(f"/v1/demo/{number}")
        assert photo.headers["content-type"] == "image/jpeg"
        assert photo.content == (STATIC.parents[1] / "assets" / "demo" / name).read_bytes()
    for number in (-1, len(PHOTOS), 10**30):
        assert client.get(f"/v1/demo/{number}").json()["error"]["code"] == "unknown_photo"


def test_the_docs_show_every_address_and_option(client: httpx.Client) -> None:
    text = client.get("/docs").text
    description = client.get("/openapi.json").json()
    assert {"/v1/pose", "/v1/controlnet", "/v1/models", "/healthz", "/metrics"} <= set(
        description["paths"]
    )
    for path, operations in description["paths"].items():
        assert path in text
        for operation in operations.values():
            for option in operation.get("parameters", []):
                assert f"<code>{option['name']}</code>" in text
    assert "/static/" not in str(description["paths"])


def test_the_files_of_the_page_lie_in_the_package() -> None:
    import posedistill

    assert STATIC.parent.parent == Path(posedistill.__file__).parent
    assert STATIC.joinpath("index.html").is_file()
