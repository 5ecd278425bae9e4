"""Whatever is asked of the server, as its own OpenAPI description says or not: no fault of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, openapi
from schemathesis.config import SchemathesisConfig
from schemathesis.schemas import BaseSchema

from posedistill.web.settings import Settings
from tests.web.running import running

AnyCase = Case[Any]  # Any: of whatever operation
STATUSES = {200, 400, 404, 405, 408, 413, 415, 422}  # of what can be wrong with a request alone
PICTURES = ("/v1/pose", "/v1/controlnet")
NETWORKS = ("model", "detector", "preset")
few = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def schema() -> Iterator[BaseSchema]:
    kinds = {"generation": {"mode": "all", "deterministic": True}}  # what is right and what is not
    with running(Settings(detectors=("none",))) as client:
        url = f"{str(client.base_url).rstrip('/')}/openapi.json"
        config = SchemathesisConfig.from_dict(kinds)
        yield openapi.from_url(url, config=config)


def _check(case: AnyCase) -> int:
    answer = case.call()
    assert answer.status_code in STATUSES, (case, answer.text)
    if answer.status_code != 200 and case.method != "HEAD":
        assert set(answer.json()) == {"error"}
        assert set(answer.json()["error"]) == {"code", "message"}
    return int(answer.status_code)


@pytest.mark.parametrize("path", PICTURES)
def test_requests_for_known_networks_are_answered_or_told_what_is_wrong(
    schema: BaseSchema, path: str
) -> None:
    seen = set()

    @few
    @given(case=schema[path]["POST"].as_strategy())
    def run(case: AnyCase) -> None:
        case.query = {
            key: value for key, value in (case.query or {}).items() if key not in NETWORKS
        }
        seen.add(_check(case))

    run()
    assert {200, 415} <= seen  # so that both ways were gone


def test_requests_for_anything_are_answered_or_told_what_is_wrong(
    schema: BaseSchema,
) -> None:
    seen = set()
    paths = schema.raw_schema["paths"]
    operations = [schema[path][method.upper()] for path in paths for method in paths[path]]
    for operation in operations:

        @few
        @given(case=operation.as_strategy())
        def run(case: AnyCase) -> None:
            seen.add((case.path, _check(case)))

        run()
    assert {path for path, _ in seen} >= {*PICTURES, "/v1/models", "/v1/skeletons/{name}"}
    assert {status for _, status in seen} >= {200, 404, 415}
