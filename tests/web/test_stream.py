"""Streams: frames are answered with ids that stay, smoothed, one camera apart from the next."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from posedistill.runtime.pipeline import Pipeline
from posedistill.web import stream
from posedistill.web.settings import Settings
from tests.web.running import GatedSession, dots, jpeg, png, running

Record = dict[str, Any]  # Any: a JSON object


@contextmanager
def _stream(client: httpx.Client, query: str = "", **options: Any) -> Iterator[ClientConnection]:
    url = str(client.base_url).replace("http", "ws", 1).rstrip("/")
    with connect(f"{url}/v1/stream{query}", open_timeout=30, **options) as connection:
        yield connection


def _ask(connection: ClientConnection, frame: bytes | str) -> Record:
    connection.send(frame)
    return _told(connection)


def _told(connection: ClientConnection) -> Record:
    record: Record = json.loads(connection.recv(timeout=30))
    return record


def test_the_first_frame_is_answered_as_a_photo_is_but_with_an_id(client: httpx.Client) -> None:
    frame = png(dots(1))
    with _stream(client, "?model=dot&detector=none") as connection:
        record = _ask(connection, frame)
    photo = client.post("/v1/pose", content=frame).json()
    assert [person.pop("id") for person in record["people"]] == [1]
    assert [person.pop("id") for person in photo["people"]] == [None]
    assert {**record, "timing_ms": None} == {**photo, "timing_ms": None}


def test_ids_stay_and_keypoints_are_smoothed(client: httpx.Client, settings: Settings) -> None:
    frames = [dots(2), np.roll(dots(2), 4, axis=1)]
    with _stream(client) as connection:
        records = [_ask(connection, png(frame)) for frame in frames * 3]
    assert [record["people"][0]["id"] for record in records] == [1] * 6
    with Pipeline(settings.models[0], detector="none", threads=1) as pipeline:
        raw = pipeline(frames[1])
    seen = np.array(records[1]["people"][0]["keypoints"])[:, 0]
    before = np.array(records[0]["people"][0]["keypoints"])[:, 0]
    sure = raw.scores[0] >= 0.3
    # Between where the joints were and where they are.
    moved = (seen - before)[sure] / (raw.keypoints[0, :, 0] - before)[sure]
    assert ((moved > 0) & (moved < 0.999)).all()


def test_two_streams_count_their_people_apart(client: httpx.Client) -> None:
    with _stream(client) as first, _stream(client) as second:
        for connection in (first, second, first):
            assert _ask(connection, jpeg(dots()))["people"][0]["id"] == 1
        assert "posedistill_streams 2.0" in client.get("/metrics").text
    assert "posedistill_frames_total 3.0" in client.get("/metrics").text


def test_a_broken_frame_is_told_and_the_next_goes_on(client: httpx.Client) -> None:
    with _stream(client) as connection:
        assert _ask(connection, jpeg(dots())[:200])["error"]["code"] == "bad_image"
        assert _ask(connection, "no bytes at all")["error"]["code"] == "bad_image"
        assert _ask(connection, b"")["error"]["code"] == "bad_image"
        assert len(_ask(connection, jpeg(dots()))["people"]) == 1


@pytest.mark.parametrize(
    ("query", "code"),
    [("?model=other", "unknown_model"), ("?detector=/dev/null", "unknown_detector")],
)
def test_unknown_networks_are_told_and_the_stream_ends(
    client: httpx.Client, query: str, code: str
) -> None:
    with _stream(client, query) as connection:
        assert _told(connection)["error"]["code"] == code
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=30)


def test_no_more_streams_than_may_be_and_a_place_comes_back(
    settings: Settings, session: GatedSession
) -> None:
    with running(replace(settings, max_streams=1), session) as client:
        with _stream(client) as first:
            _ask(first, jpeg(dots()))
            with _stream(client) as second:
                assert _told(second)["error"]["code"] == "busy"
        with _stream(client) as third:
            assert len(_ask(third, jpeg(dots()))["people"]) == 1


def test_a_frame_that_is_too_large_ends_the_stream(
    settings: Settings, session: GatedSession
) -> None:
    with running(replace(settings, max_bytes=2000), session) as client:
        with _stream(client) as connection:
            connection.send(bytes(2001))
            with pytest.raises(ConnectionClosed) as ended:
                connection.recv(timeout=30)
            assert ended.value.rcvd is not None
            assert ended.value.rcvd.code == 1009
        assert client.get("/healthz").status_code == 200


def test_a_stream_without_frames_gives_its_place_to_others(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "IDLE_S", 0.2)
    with _stream(client) as connection:
        assert _told(connection)["error"]["code"] == "timeout"


def test_a_stream_needs_the_token(settings: Settings, session: GatedSession) -> None:
    bearer = {"Authorization": "Bearer secret"}
    with running(replace(settings, token="secret"), session) as client:
        for query, headers in (("?token=secret", {}), ("", bearer)):
            with _stream(client, query, additional_headers=headers) as connection:
                assert len(_ask(connection, jpeg(dots()))["people"]) == 1
        for query in ("", "?token=Secret"):
            with _stream(client, query) as connection:
                assert _told(connection)["error"]["code"] == "unauthorized"


def test_a_page_of_another_site_gets_no_stream(client: httpx.Client) -> None:
    with _stream(client, origin="https://elsewhere.example") as connection:
        assert _told(connection)["error"]["code"] == "foreign_origin"
    own = str(client.base_url).rstrip("/")
    with _stream(client, origin=own) as connection:
        assert len(_ask(connection, jpeg(dots()))["people"]) == 1
