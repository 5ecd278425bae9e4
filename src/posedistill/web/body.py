"""Bodies of requests: read within limits; the picture is the body, or a part of a form."""

import asyncio
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from posedistill.web.errors import ApiError
from posedistill.web.memory import Share

FIELD = "image"
_FORM = "multipart/form-data"
_RAW = "application/octet-stream"


async def read_photo(request: Request, share: Share, *, max_bytes: int, timeout_s: float) -> bytes:
    """Give the bytes of the picture of a request, counted in the share.

    Raises ApiError for a body that is too large, too slow, of another type, or a form without
    the field ``image``. No more than max_bytes are ever taken.
    """
    kind, options = parse_options_header(request.headers.get("content-type", _RAW))
    form = kind == _FORM.encode()
    if not form and kind != _RAW.encode() and not kind.startswith(b"image/"):
        raise ApiError(
            415,
            "unsupported_type",
            message=f"Content-Type is {kind.decode('latin-1')[:60]!r}; send the picture as "
            f"image/jpeg, image/png or {_RAW}, or as the field {FIELD!r} of {_FORM}",
        )
    try:
        data = await asyncio.wait_for(_read(request, share, max_bytes), timeout_s)
    except ClientDisconnect as error:
        raise ApiError(
            400, "disconnected", message="the body ends early; send all of it"
        ) from error
    except asyncio.TimeoutError as error:  # noqa: UP041 - another class before Python 3.11
        raise ApiError(
            408, "timeout", message=f"the body did not come within {timeout_s:g} s; send it again"
        ) from error
    return _image_field(data, options.get(b"boundary")) if form else data


async def _read(request: Request, share: Share, max_bytes: int) -> bytes:
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > max_bytes:
        raise _too_large(max_bytes, is_told=True)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes, is_told=False)
        share.take(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(max_bytes: int, *, is_told: bool) -> ApiError:
    return ApiError(
        413,
        "too_large",
        message=f"the body is larger than the {max_bytes} bytes that are taken; make the picture "
        "smaller",
        closes=not is_told,  # else the end is known, and who sends it all surely gets the answer
    )


@dataclass
class _Form:
    """Hold what has been read of a form, part by part."""

    image: bytearray | None = None
    is_image: bool = False
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)

    def header_field(self, data: bytes, start: int, end: int) -> None:  # house rule: of the parser
        self.name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:  # house rule: of the parser
        self.value += data[start:end]

    def header_end(self) -> None:
        if self.name.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self.value))
            self.is_image = options.get(b"name") == FIELD.encode() and self.image is None
            if self.is_image:
                self.image = bytearray()
        self.name, self.value = bytearray(), bytearray()

    def part_data(self, data: bytes, start: int, end: int) -> None:  # house rule: of the parser
        if self.is_image and self.image is not None:
            self.image += data[start:end]

    def part_end(self) -> None:
        self.is_image = False


def _image_field(data: bytes, boundary: bytes | None) -> bytes:
    form = _Form()
    try:
        parser = MultipartParser(
            boundary or b"",
            {
                "on_header_field": form.header_field,
                "on_header_value": form.header_value,
                "on_header_end": form.header_end,
                "on_part_data": form.part_data,
                "on_part_end": form.part_end,
            },
        )
        parser.write(data)
        parser.finalize()
    except FormParserError as error:
        raise ApiError(400, "bad_form", message=f"the form cannot be read: {error}") from error
    if form.image is None:
        raise ApiError(
            400, "bad_form", message=f"the form has no field {FIELD!r}; send the picture as that"
        )
    return bytes(form.image)
