"""Errors that callers are told: a status, a code for programs and a sentence for people."""

from starlette.responses import JSONResponse

RETRY_AFTER_S = 1


class ApiError(Exception):
    """Tell a caller what was wrong, what is allowed and what to do.

    status: of HTTP. code: one word that stays the same. message: one sentence. closes: do not read
    what else the caller is about to send.

    >>> ApiError(404, "unknown_model", message="no model 'x'").record()
    {'error': {'code': 'unknown_model', 'message': "no model 'x'"}}
    """

    def __init__(self, status: int, code: str, *, message: str, closes: bool = False) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self._closes = closes

    def record(self) -> dict[str, dict[str, str]]:
        """Give what is sent as JSON."""
        return {"error": {"code": self.code, "message": self.message}}

    def response(self) -> JSONResponse:
        """Give the answer of HTTP.

        >>> busy("too many").response().headers["retry-after"]
        '1'
        """
        headers = {}
        if self.code == "busy":
            headers["Retry-After"] = str(RETRY_AFTER_S)
        if self._closes:
            headers["Connection"] = "close"
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.record(), self.status, headers)


def busy(message: str) -> ApiError:
    """Give the error of what may be tried again in a moment.

    >>> busy("all streams are taken").status
    503
    """
    return ApiError(503, "busy", message=message)
