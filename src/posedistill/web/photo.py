"""Photos of callers: checked by their headers, then decoded."""

import numpy as np
from numpy.typing import NDArray

from posedistill.image_header import image_size
from posedistill.media import decode_image, looks_like
from posedistill.web.errors import ApiError

KINDS = "JPEG, PNG, WebP or BMP"
MAX_SIDE = 16384  # pixels; the estimator takes twice as much
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"BM")


def check_photo(data: bytes, *, max_pixels: int) -> int:
    """Give how many bytes a picture takes once it is decoded, by its header alone.

    Raises ApiError for no picture, for one of another kind, and for one of too many pixels.

    >>> header = b"BM" + bytes(12) + bytes([40, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0])
    >>> check_photo(header, max_pixels=8)
    24
    """
    if not data:
        raise ApiError(400, "bad_image", message=f"the body is empty; send a {KINDS} picture")
    if not data.startswith(_SIGNATURES):
        found = looks_like(data)
        raise ApiError(415, "bad_image", message=f"the picture looks like {found}; send {KINDS}")
    w, h = image_size(data) or (0, 0)
    if w * h == 0:
        raise ApiError(
            400, "bad_image", message=f"the header of the picture is damaged; send a whole {KINDS}"
        )
    if w * h > max_pixels or max(w, h) > MAX_SIDE:
        raise ApiError(
            413,
            "too_large",
            message=f"the picture is {w}x{h}; up to {max_pixels} pixels and sides of {MAX_SIDE} "
            "are taken, so make it smaller",
        )
    return 3 * w * h


def decode_photo(data: bytes) -> NDArray[np.uint8]:
    """Give a checked picture as (H, W, 3) uint8 RGB, turned upright; ApiError where it is broken.

    >>> decode_photo(b"BM")
    Traceback (most recent call last):
    posedistill.web.errors.ApiError: the picture: cannot be read as an image; it looks like ...
    """
    try:
        return decode_image(data, "the picture")
    except ValueError as error:
        raise ApiError(400, "bad_image", message=str(error)) from error
