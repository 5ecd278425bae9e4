"""Guard: what holds for every request: the token, pages of other sites, headers and counting."""

import hmac
from time import perf_counter
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from posedistill.web.errors import ApiError
from posedistill.web.metrics import Metrics

_GUARDED = ("/v1/", "/metrics")
_SAFE = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}


class Guard:
    """Let requests through to an application that come with the token and from no foreign page.

    token: None lets everyone in. metrics: count each request by its route and status.
    A page of another site is known by the header Origin, which browsers send with whatever may
    change something; programs need none.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, metrics: Metrics) -> None:
        self._app, self._token, self._metrics = app, token, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        else:  # streams check for themselves: browsers are told nothing of a refusal
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_at, status = perf_counter(), 500

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message)
            await send(message)

        try:
            check_caller(scope, self._token)
            await self._app(scope, receive, send_on)
        except ApiError as error:
            await error.response()(scope, receive, send_on)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(perf_counter() - started_at)


def _add_headers(message: Message) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")


def check_caller(scope: Scope, token: str | None) -> None:
    """Raise ApiError for a caller without the token and for a page of another site.

    scope: of a request or a stream, as ASGI has it.

    >>> check_caller({"type": "http", "method": "GET", "path": "/", "headers": []}, "secret")
    >>> check_caller({"type": "http", "method": "GET", "path": "/metrics", "headers": []}, "secret")
    Traceback (most recent call last):
    posedistill.web.errors.ApiError: this server wants its token; send it as Authorization: Bearer
    """
    headers = Headers(scope=scope)
    is_stream = scope["type"] == "websocket"
    if is_stream or scope["method"] not in _SAFE:
        _check_origin(headers)
    if token is not None and scope["path"].startswith(_GUARDED):
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            given = ""
        if is_stream and not given:
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise ApiError(
                401,
                "unauthorized",
                message="this server wants its token; send it as Authorization: Bearer",
            )


def _check_origin(headers: Headers) -> None:
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        raise ApiError(
            403,
            "foreign_origin",
            message=f"pages of {origin[:80]!r} may not use this server; open the page it serves",
        )
