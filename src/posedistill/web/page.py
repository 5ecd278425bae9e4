"""Page: the files of the web page, and a page that shows the interface for programs."""

import base64
import hashlib
from html import escape
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from posedistill.web.errors import ApiError

STATIC = Path(__file__).parent / "static"
_TYPES = {  # those that a system has for files may be others
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
}
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; font-size: 1.1rem; }
code { font-family: ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: 0.25rem 1rem 0.25rem 0; }
tr { border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_Json = dict[str, Any]  # Any: JSON of OpenAPI


def static_files() -> dict[str, Path]:
    """Give the files of the page by name; nothing else is ever sent.

    >>> all(path.is_file() for path in static_files().values())
    True
    """
    files = (path for path in STATIC.rglob("*") if path.suffix in _TYPES and path.is_file())
    return {path.relative_to(STATIC).as_posix(): path for path in files}


class Page:
    """Send the files of the page by the names they had at the start."""

    def __init__(self) -> None:
        self._files = static_files()

    async def index(self) -> Response:
        """Send the page itself."""
        return self._send("index.html")

    async def static(self, name: str) -> Response:
        """Send a file of the page; 404 for any other name."""
        return self._send(name)

    def _send(self, name: str) -> Response:
        path = self._files.get(name)
        if path is None:
            raise ApiError(404, "not_found", message=f"the page has no file {name[:60]!r}")
        return FileResponse(
            path, media_type=_TYPES[path.suffix], headers={"Cache-Control": "no-cache"}
        )


async def docs(request: Request) -> Response:
    """Send a page that shows the interface, made from its OpenAPI description."""
    policy = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'"
    page = docs_html(request.app.openapi())
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


def docs_html(description: _Json) -> str:
    """Give an OpenAPI description as a page of HTML.

    >>> docs_html({"info": {"title": "a < b"}, "paths": {}}).count("a &lt; b")
    2
    """
    title = escape(description["info"]["title"])
    about = escape(description["info"].get("description", ""))
    sections = [
        _operation(method, path, operation)
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><p>{about}</p>"
        '<p>As a file for programs: <a href="openapi.json">openapi.json</a>. '
        '<a href=".">Back to the page</a></p>'
        f"{''.join(sections)}</body></html>"
    )


def _operation(method: str, path: str, operation: _Json) -> str:
    heading = f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
    about = f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>"
    body = operation.get("requestBody", {}).get("content", {})
    takes = f"<p>Body: {escape(', '.join(body))}</p>" if body else ""
    options = [
        (one["name"], _kind(one["schema"]), one.get("description", ""))
        for one in operation.get("parameters", [])
    ]
    answers = [
        (status, ", ".join(one.get("content", {})), one.get("description", ""))
        for status, one in sorted(operation.get("responses", {}).items())
    ]
    tables = _table("Option", options) + _table("Answer", answers)
    return heading + about + takes + tables


def _kind(schema: _Json) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(_kind(one) for one in schema["anyOf"] if one.get("type") != "null")
    return str(schema.get("const", schema.get("type", "")))


def _table(title: str, rows: list[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    body = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{escape(text)}</td></tr>"
        for name, kind, text in rows
    )
    return f"<table><tr><th>{title}</th><th></th><th></th></tr>{body}</table>"
