"""Demo: the bundled photos, for whoever has none at hand."""

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse

from posedistill.web.api import Problem
from posedistill.web.errors import ApiError

PHOTOS = ("grace_hopper.jpg", "camera.jpg", "astronaut.jpg")  # public domain and CC0
_FOLDER = Path(__file__).parents[1] / "assets" / "demo"

router = APIRouter()


@router.get(
    "/v1/demo/{number}",
    response_class=FileResponse,
    responses={
        200: {"description": "The photo.", "content": {"image/jpeg": {}}},
        401: {"model": Problem, "description": "The token is missing or wrong."},
        404: {"model": Problem, "description": "No such photo."},
        422: {"model": Problem, "description": "The number is none."},
    },
)
async def demo(number: int) -> FileResponse:
    """Give a bundled photo by its number, from 0.

    >>> import asyncio
    >>> asyncio.run(demo(0)).media_type
    'image/jpeg'
    """
    if not 0 <= number < len(PHOTOS):
        message = f"there is no demo photo {number}; the numbers are 0 to {len(PHOTOS) - 1}"
        raise ApiError(404, "unknown_photo", message=message)
    return FileResponse(_FOLDER / PHOTOS[number], media_type="image/jpeg")
