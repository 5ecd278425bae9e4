"""Who is let in: the token, pages of other sites, and what browsers are told of every answer."""

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from posedistill.web.settings import Settings
from tests.web.running import GatedSession, dots, png, running

PICTURE = png(dots())
BEARER = {"Authorization": "Bearer secret"}


@pytest.fixture
def locked(settings: Settings, session: GatedSession) -> Iterator[httpx.Client]:
    with running(replace(settings, token="secret"), session) as client:
        yield client


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer Secret"},
        {"Authorization": "Bearer"},
        {"Authorization": "secret"},
        {"Authorization": "Basic secret"},
        {"Authorization": "Bearer s\u00e9cret".encode("latin-1")},
    ],
)
def test_without_the_token_nothing_is_done(
    locked: httpx.Client, session: GatedSession, headers: dict[str, str]
) -> None:
    answers = [
        locked.post("/v1/pose", content=PICTURE, headers=headers),
        locked.post("/v1/controlnet", content=PICTURE, headers=headers),
        *(locked.get(path, headers=headers) for path in ("/v1/models", "/metrics")),
        locked.get("/v1/skeletons/coco17", headers=headers),
        locked.get("/v1/nothing", headers=headers),
    ]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"]["code"] == "unauthorized"
    assert session.sizes == []


def test_with_the_token_all_is_done(locked: httpx.Client) -> None:
    assert locked.post("/v1/pose", content=PICTURE, headers=BEARER).status_code == 200
    assert locked.get("/v1/models", headers={"Authorization": "bearer secret"}).status_code == 200
    assert locked.get("/metrics", headers=BEARER).status_code == 200


def test_a_token_in_the_address_is_for_streams_alone(locked: httpx.Client) -> None:
    assert locked.get("/v1/models?token=secret").status_code == 401


def test_the_page_and_the_health_are_for_everyone(locked: httpx.Client) -> None:
    for path in ("/", "/docs", "/openapi.json", "/healthz"):
        assert locked.get(path).status_code == 200


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://127.0.0.1:1"])
def test_a_page_of_another_site_may_not_post(
    client: httpx.Client, session: GatedSession, origin: str
) -> None:
    answer = client.post("/v1/pose", content=PICTURE, headers={"Origin": origin})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "foreign_origin"
    assert "access-control-allow-origin" not in answer.headers
    assert session.sizes == []


def test_the_own_page_may_post(client: httpx.Client) -> None:
    own = str(client.base_url).rstrip("/")
    answer = client.post("/v1/pose", content=PICTURE, headers={"Origin": own})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/nothing", "/docs", "/metrics"])
def test_every_answer_tells_browsers_to_be_careful(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "server" not in headers


def test_requests_are_counted_by_route_and_status(client: httpx.Client) -> None:
    client.post("/v1/pose", content=PICTURE)
    client.post("/v1/pose", content=b"no picture")
    client.get("/v1/skeletons/coco17")
    client.get("/v1/a/b/c")
    client.get("/wp-login.php")
    lines = set(client.get("/metrics").text.splitlines())
    for route, status, count in (
        ("/v1/pose", 200, 1.0),
        ("/v1/pose", 415, 1.0),
        ("/v1/skeletons/{name}", 200, 1.0),
        ("other", 404, 2.0),
    ):
        assert f'posedistill_requests_total{{route="{route}",status="{status}"}} {count}' in lines
    assert 'posedistill_request_seconds_count{route="/v1/pose"} 2.0' in lines
    assert "posedistill_people_total 1.0" in lines
    assert "posedistill_batch_images_count 1.0" in lines
