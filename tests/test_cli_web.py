"""The command `posedistill web`: what it is asked for reaches the server, and errors are told."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from posedistill.cli import build_parser, main
from tests.web.running import PNG, dots, png, process

WriteModel = Callable[..., Path]


def test_options_reach_the_server(write_dot_model: WriteModel) -> None:
    words = ("--port", "0", "--model", write_dot_model(), "--model", "wholebody-t")
    limits = ("--max-bytes", "20000", "--max-pixels", "4000", "--token", "secret")
    with process(*words, "--detector", "none", *limits, "--host", "127.0.0.1") as (_, url):
        client = httpx.Client(base_url=url, headers={"Authorization": "Bearer secret"})
        record = client.get("/v1/models").json()
        assert [model["name"] for model in record["models"]] == ["dot", "wholebody-t"]
        assert [detector["name"] for detector in record["detectors"]] == ["none"]
        assert record["limits"] == {"bytes": 20000, "pixels": 4000}
        assert httpx.get(f"{url}/v1/models").status_code == 401
        picture = png(dots())
        answer = client.post("/v1/pose?model=wholebody-t", content=picture, headers=PNG)
        assert len(answer.json()["people"][0]["keypoints"]) == 133
        assert client.post("/v1/pose", content=bytes(20001), headers=PNG).status_code == 413


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "no-such-model"], "unknown model 'no-such-model'"),
        (["--model", "none.onnx"], "no such model file: none.onnx"),
        (["--detector", "none.onnx"], "no such model file: none.onnx"),
        (["--max-queue", "0", "--detector", "none"], "max_queue is 0"),
        (["--token", "", "--detector", "none"], "the token is empty"),
        (["--port", "99999", "--detector", "none"], "cannot listen on port 99999"),
        (["--port", "many"], "invalid int value"),
    ],
)
def test_what_cannot_be_served_is_told_in_a_line(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["web", *words]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.startswith("posedistill: error: ")
    assert len(error.splitlines()) == 1


def test_by_default_only_this_machine_can_reach_it() -> None:
    arguments = build_parser().parse_args(["web"])
    assert (arguments.host, arguments.port, arguments.token) == ("127.0.0.1", 8000, None)


def test_a_server_for_others_without_a_token_warns(write_dot_model: WriteModel) -> None:
    words = ("--port", "0", "--host", "0.0.0.0", "--model", write_dot_model())
    with process(*words, "--detector", "none") as (started, url):
        assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
        started.terminate()
        _, errors = started.communicate(timeout=30)
    assert started.returncode == 0
    assert "without --token" in errors
    assert len(errors.splitlines()) == 1


def test_the_token_may_come_from_the_environment(
    write_dot_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSEDISTILL_TOKEN", "secret")
    with process("--port", "0", "--model", write_dot_model(), "--detector", "none") as (_, url):
        assert httpx.get(f"{url}/v1/models").status_code == 401
        headers = {"Authorization": "Bearer secret"}
        assert httpx.get(f"{url}/v1/models", headers=headers).status_code == 200


def test_without_the_extra_the_command_says_what_to_install() -> None:
    script = (
        "import sys\nsys.modules['uvicorn'] = None\nfrom posedistill.cli import main\n"
        "sys.exit(main(['web']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install posedistill[web]" in done.stderr
