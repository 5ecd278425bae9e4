"""Limits: each has its status and its message, and nothing beyond it is read or decoded."""

import http.client
import socket
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import numpy as np
import pytest

from posedistill.web.errors import ApiError
from posedistill.web.memory import Memory
from posedistill.web.photo import check_photo, decode_photo
from posedistill.web.settings import Settings, is_loopback
from tests.web.running import PNG, GatedSession, dots, jpeg, png, running, wait_until

PICTURE = png(dots())


def _problem(answer: httpx.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert set(error) == {"code", "message"}
    return answer.status_code, error["code"]


def _bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """Give a small PNG whose header claims very many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1 << 20))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


BROKEN = {
    "empty": (b"", 400, "empty"),
    "text": (b"hello, I am no picture", 415, "looks like text"),
    "zeros": (bytes(1000), 415, "binary data"),
    "pdf": (b"%PDF-1.7 ...", 415, "a PDF file"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(100), 415, "a HEIC photo"),
    "bomb": (_bomb(), 413, "60000x60000"),
    "thin": (_bomb(40_000, 10), 413, "sides of"),
    "no pixels": (_bomb(0, 0), 400, "header"),
    "header alone": (PICTURE[:30], 400, "truncated"),
    "half a PNG": (PICTURE[: len(PICTURE) // 2], 400, "truncated"),
    "half a JPEG": (jpeg(dots(1, (480, 640)))[:9000], 400, "truncated"),
    "start of a JPEG": (b"\xff\xd8\xff\xe0" + bytes(40), 400, "header"),
    "noise after a PNG header": (PICTURE[:60] + bytes(500), 400, "truncated"),
}


@pytest.mark.parametrize(("data", "status", "words"), BROKEN.values(), ids=list(BROKEN))
def test_a_broken_picture_is_told_apart(
    client: httpx.Client, data: bytes, status: int, words: str
) -> None:
    answer = client.post("/v1/pose", content=data, headers=PNG)
    code = "too_large" if status == 413 else "bad_image"
    assert _problem(answer) == (status, code)
    assert words in answer.json()["error"]["message"]


def test_a_damaged_picture_is_no_fault_of_the_server(client: httpx.Client) -> None:
    rng = np.random.default_rng(0)
    for whole in (PICTURE, jpeg(dots())):
        for _ in range(15):
            data = bytearray(whole)
            for place in rng.integers(2, len(data), 4):
                data[place] = rng.integers(0, 256)
            answer = client.post("/v1/pose", content=bytes(data), headers=PNG)
            assert answer.status_code in (200, 400, 413, 415), answer.text


def test_the_memory_of_a_picture_is_told_by_its_header_alone() -> None:
    assert check_photo(_bomb(5000, 4000), max_pixels=20_000_000) == 3 * 20_000_000
    with pytest.raises(ApiError, match="up to 19999999 pixels"):
        check_photo(_bomb(5000, 4000), max_pixels=19_999_999)


def test_a_picture_of_16_bits_and_of_grey_becomes_rgb() -> None:
    import cv2

    deep = cv2.imencode(".png", np.full((3, 4), 40_000, np.uint16))[1].tobytes()
    assert decode_photo(deep).shape == (3, 4, 3)
    assert decode_photo(deep).dtype == np.uint8


def test_a_body_that_says_it_is_too_large_is_not_read(
    settings: Settings, session: GatedSession
) -> None:
    with running(replace(settings, max_bytes=1000), session) as client:
        assert client.post("/v1/pose", content=PICTURE[:900], headers=PNG).status_code == 400
        # The client waits for an answer and has sent no byte of the body.
        connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port)
        connection.putrequest("POST", "/v1/pose")
        connection.putheader("Content-Type", "image/png")
        connection.putheader("Content-Length", "1001")
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 413
        assert b"1000 bytes" in answer.read()
        connection.close()


def test_a_body_of_unknown_length_is_read_no_further_than_the_limit(
    settings: Settings, session: GatedSession
) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 1 << 16
            yield bytes(1 << 16)

    with running(replace(settings, max_bytes=1 << 18), session) as client:
        answer = client.post("/v1/pose", content=chunks(), headers=PNG)
        assert _problem(answer) == (413, "too_large")
        assert session.sizes == []
    assert sent < 500 << 16  # what fits the buffers of sockets


def test_a_large_body_is_told_to_a_client_that_sends_all_of_it(
    settings: Settings, session: GatedSession
) -> None:
    with running(replace(settings, max_bytes=1 << 20), session) as client:
        for size in ((1 << 20) + 1, 3 << 20):
            answer = client.post("/v1/pose", content=bytes(size), headers=PNG)
            assert _problem(answer) == (413, "too_large")


def test_more_pixels_than_are_taken_are_refused(settings: Settings, session: GatedSession) -> None:
    with running(replace(settings, max_pixels=48 * 64), session) as client:
        assert client.post("/v1/pose", content=PICTURE, headers=PNG).status_code == 200
        larger = png(dots(0, (49, 64)))
        answer = client.post("/v1/pose", content=larger, headers=PNG)
        assert _problem(answer) == (413, "too_large")
        drawing = client.post("/v1/controlnet?resolution=128", content=PICTURE, headers=PNG)
        assert _problem(drawing) == (422, "bad_option")


def test_a_full_queue_is_told_with_when_to_try_again(
    settings: Settings, session: GatedSession
) -> None:
    limited = replace(settings, max_queue=2, max_batch=1)
    with running(limited, session) as client, ThreadPoolExecutor(3) as pool:
        session.gate.clear()

        def post() -> httpx.Response:
            return client.post("/v1/pose", content=PICTURE, headers=PNG)

        taken = [pool.submit(post)]
        wait_until(lambda: session.sizes, "the first is under way")
        taken += [pool.submit(post) for _ in range(2)]
        wait_until(
            lambda: "posedistill_queue_images 2.0" in client.get("/metrics").text, "two wait"
        )
        refused = post()
        assert _problem(refused) == (503, "busy")
        assert int(refused.headers["retry-after"]) >= 1
        session.gate.set()
        assert [one.result().status_code for one in taken] == [200] * 3
        assert post().status_code == 200


def test_pictures_that_would_fill_the_memory_are_refused(
    settings: Settings, session: GatedSession
) -> None:
    with running(replace(settings, max_memory=1_000_000), session) as client:
        large = png(np.zeros((600, 600, 3), np.uint8))  # little to send, 1.08 MB decoded
        assert _problem(client.post("/v1/pose", content=large, headers=PNG)) == (503, "busy")
        assert client.post("/v1/pose", content=PICTURE, headers=PNG).status_code == 200
        assert "posedistill_memory_bytes 0.0" in client.get("/metrics").text


def test_what_takes_too_long_is_told_and_later_requests_go_on(
    settings: Settings, session: GatedSession
) -> None:
    with running(replace(settings, timeout_s=0.3), session) as client:
        session.gate.clear()
        answer = client.post("/v1/pose", content=PICTURE, headers=PNG)
        assert _problem(answer) == (504, "timeout")
        assert "0.3 s" in answer.json()["error"]["message"]
        session.gate.set()
        assert client.post("/v1/pose", content=PICTURE, headers=PNG).status_code == 200


def test_a_body_that_does_not_come_is_told(settings: Settings, session: GatedSession) -> None:
    with running(replace(settings, timeout_s=0.3), session) as client:
        host, port = client.base_url.host, client.base_url.port
        assert port is not None
        with socket.create_connection((host, port), timeout=30) as slow:
            slow.sendall(
                b"POST /v1/pose HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n"
                b"Content-Type: image/png\r\n\r\nabc"
            )
            answer = b""
            while b'"timeout"' not in answer and (part := slow.recv(65536)):
                answer += part
        assert b" 408 " in answer.splitlines()[0]
        assert b'"timeout"' in answer


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        ("application/json", b"{}", 415, "unsupported_type"),
        ("text/plain", b"x", 415, "unsupported_type"),
        ("application/x-www-form-urlencoded", PICTURE, 415, "unsupported_type"),
        ("multipart/form-data", PICTURE, 400, "bad_form"),
        ("multipart/form-data; boundary=b", b"no form", 400, "bad_form"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="photo"\r\n\r\nx\r\n--b--\r\n',
            400,
            "bad_form",
        ),
        (f"multipart/form-data; boundary={'b' * 600}", b"x", 400, "bad_form"),
    ],
)
def test_a_body_of_another_kind_is_told(  # house rule: a case has four parts
    client: httpx.Client, kind: str, body: bytes, status: int, code: str
) -> None:
    answer = client.post("/v1/pose", content=body, headers={"Content-Type": kind})
    assert _problem(answer) == (status, code)


def test_memory_is_given_back_also_after_an_error() -> None:
    memory = Memory(10)
    with memory.share() as share:
        share.take(8)
        with pytest.raises(ApiError, match="limit of 10"):
            share.take(3)
        assert memory.held == 8
    assert memory.held == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"models": ()}, "no model"),
        ({"max_bytes": 0}, "max_bytes is 0"),
        ({"timeout_s": float("nan")}, "timeout_s is nan"),
        ({"token": ""}, "the token is empty"),
        ({"token": "schlüssel"}, "not ASCII"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(Settings(), **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.1.1"])
def test_loopback_addresses_are_known(host: str) -> None:
    assert is_loopback(host)
    assert not is_loopback(host.replace("1", "8") + "x")
