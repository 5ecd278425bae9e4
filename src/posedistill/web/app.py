"""App: the page, the interface for programs and the streams as one ASGI application."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute

from posedistill import __version__
from posedistill.web import demo
from posedistill.web.api import Api
from posedistill.web.errors import ApiError
from posedistill.web.guard import Guard
from posedistill.web.networks import Networks, Openers
from posedistill.web.page import Page, docs
from posedistill.web.service import Service
from posedistill.web.settings import Settings
from posedistill.web.stream import Streams

_ABOUT = (
    "People and their joints in pictures. Errors are JSON with a code for programs and a message "
    "for people. Frames of a camera go to the WebSocket /v1/stream, one at a time."
)
_Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_CODES = {404: "not_found", 405: "method_not_allowed"}


def build_app(settings: Settings, openers: Openers | None = None) -> FastAPI:
    """Give the application, with all networks of the settings open.

    openers: how models and detectors are opened, when not as `Openers` does. Networks are closed
    when the application ends. Raises ValueError and FileNotFoundError for what cannot be opened.

    >>> "/v1/pose" in build_app(Settings(detectors=("none",))).openapi()["paths"]
    True
    """
    networks = Networks(settings, openers)
    service = Service(settings, networks)
    app = FastAPI(
        title="posedistill",
        version=__version__,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=_closing(service, networks),
    )
    app.include_router(Api(service).router())
    app.include_router(demo.router)
    app.router.routes.append(WebSocketRoute("/v1/stream", Streams(service).__call__))
    page = Page()
    for path, answer in (("/", page.index), ("/static/{name:path}", page.static), ("/docs", docs)):
        app.add_api_route(path, answer, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_exception_handler(ApiError, _tell_api_error)
    app.add_exception_handler(RequestValidationError, _tell_bad_option)
    app.add_exception_handler(HTTPException, _tell_http_error)
    app.add_exception_handler(Exception, _tell_fault)
    app.add_middleware(Guard, token=settings.token, metrics=service.metrics)
    return app


def _closing(service: Service, networks: Networks) -> _Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()
        networks.close()

    return lifespan


async def _tell_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response()


async def _tell_bad_option(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1])[:60]
    message = f"{name} is {str(first.get('input'))[:60]!r}: {first['msg']}"
    return ApiError(422, "bad_option", message=message).response()


async def _tell_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "http_error")
    message = f"{request.method} {request.url.path[:80]}: {error.detail}; /docs says what there is"
    response = ApiError(error.status_code, code, message=message).response()
    response.headers.update(error.headers or {})
    return response


async def _tell_fault(request: Request, error: Exception) -> Response:
    message = "the server failed at this; its log says how"
    return ApiError(500, "failed", message=message).response()
