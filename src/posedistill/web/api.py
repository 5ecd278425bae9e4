"""Api: what each address of the server does."""

from typing import Annotated, Any, Literal

import cv2
import numpy as np
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, PlainTextResponse, Response

from posedistill.draw.presets import MAX_RESOLUTION, MIN_RESOLUTION, PRESETS, draw_preset
from posedistill.web.answers import models_record, poses_json, skeleton_record
from posedistill.web.body import FIELD
from posedistill.web.errors import ApiError
from posedistill.web.photo import KINDS
from posedistill.web.service import Answer, Service

_PNG_SPEED = 1  # of 9: control pictures are flat and small whatever it is
_FILE = {"schema": {"type": "string", "format": "binary"}}
_FORM = {"type": "object", "properties": {FIELD: _FILE["schema"]}, "required": [FIELD]}
_BODY: dict[str, Any] = {  # Any: JSON of OpenAPI
    "requestBody": {
        "required": True,
        "description": f"A {KINDS} picture.",
        "content": {
            "image/*": _FILE,
            "application/octet-stream": _FILE,
            "multipart/form-data": {"schema": _FORM},
        },
    }
}


class _Detail(BaseModel):
    code: str = Field(description="one word for programs, which stays the same")
    message: str = Field(description="what was wrong, what is allowed and what to do")


class Problem(BaseModel):
    """Describe an error as it is sent."""

    error: _Detail


def _problems(**reasons: str) -> dict[int | str, dict[str, Any]]:  # Any: JSON of OpenAPI
    return {
        int(status[1:]): {"model": Problem, "description": reason}
        for status, reason in reasons.items()
    }


_UNAUTHORIZED = _problems(_401="The token is missing or wrong.")
_PICTURE_PROBLEMS = _UNAUTHORIZED | _problems(
    _400="The picture or the form is broken or empty.",
    _403="The request comes from a page of another site.",
    _404="No such model or detector is served.",
    _408="The body did not come in time.",
    _413="The body is too large, or the picture has too many pixels.",
    _415="The body is of another type, or no picture of a known kind.",
    _422="An option has a value that it cannot have.",
    _503="Too many wait; Retry-After says when to try again.",
    _504="It took too long.",
)


class Wanted(BaseModel):
    """Say which networks a caller wants."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(None, description="name of a model of /v1/models; else the default")
    detector: str | None = Field(
        None,
        description="name of a detector of /v1/models, none for the whole image; else the default",
    )


class PoseWanted(Wanted):
    """Say what a caller of /v1/pose wants."""

    format: Literal["posedistill", "coco", "openpose"] = Field(
        "posedistill", description="of the answer; coco and openpose are those files' JSON"
    )


class ControlWanted(Wanted):
    """Say what a caller of /v1/controlnet wants."""

    preset: str = Field("photo", description="name of a preset of /v1/models")
    body: bool | None = Field(None, description="draw bodies; as the preset has it")
    hands: bool | None = Field(None, description="draw hands; as the preset has it")
    face: bool | None = Field(None, description="draw faces; as the preset has it")
    resolution: int | None = Field(
        None, ge=MIN_RESOLUTION, le=MAX_RESOLUTION, description="pixels; as the preset has it"
    )


class Api:
    """Answer requests by a service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def router(self) -> APIRouter:
        """Give the addresses and what answers them."""
        router = APIRouter()
        add = router.add_api_route
        picture: dict[str, Any] = {"methods": ["POST"], "openapi_extra": _BODY}  # Any: options
        json_answer: dict[int | str, dict[str, Any]] = {200: {"description": "People and joints."}}
        png_answer: dict[int | str, dict[str, Any]] = {
            200: {"description": "The picture.", "content": {"image/png": {}}}
        }
        add("/v1/pose", self.pose, responses=json_answer | _PICTURE_PROBLEMS, **picture)
        add(
            "/v1/controlnet",
            self.controlnet,
            response_class=Response,
            responses=png_answer | _PICTURE_PROBLEMS,
            **picture,
        )
        add("/v1/models", self.models, responses=_UNAUTHORIZED)
        add(
            "/v1/skeletons/{name}",
            self.skeleton,
            responses=_UNAUTHORIZED | _problems(_404="No such skeleton."),
        )
        add("/healthz", self.health)
        add("/metrics", self.metrics, response_class=PlainTextResponse, responses=_UNAUTHORIZED)
        return router

    async def pose(self, request: Request, wanted: Annotated[PoseWanted, Query()]) -> Response:
        """Find the people in a picture and give their joints as JSON."""
        service = self._service
        choice = service.networks.choose(wanted.model, wanted.detector)
        with service.memory.share() as share:
            done, size_wh = await service.answer(request, choice, share)
            text = await service.in_thread(poses_json, wanted.format, choice, size_wh, done)
        return Response(text, media_type="application/json")

    async def controlnet(
        self, request: Request, wanted: Annotated[ControlWanted, Query()]
    ) -> Response:
        """Find the people in a picture and draw them as ControlNets take them, as PNG."""
        service = self._service
        choice = service.networks.choose(wanted.model, wanted.detector)
        if wanted.preset not in PRESETS:
            raise ApiError(
                404,
                "unknown_preset",
                message=f"no preset {wanted.preset[:60]!r}; ask for one of {', '.join(PRESETS)}",
            )
        with service.memory.share() as share:
            found = await service.answer(request, choice, share)
            share.take(3 * self._num_pixels(found, wanted))
            png = await service.in_thread(_draw, found, wanted)
        return Response(png, media_type="image/png")

    def _num_pixels(self, found: Answer, wanted: ControlWanted) -> int:
        """Give how many pixels the control picture has; ApiError for too many."""
        try:
            w, h = PRESETS[wanted.preset].at(wanted.resolution).size_wh(found.size_wh)
        except ValueError as error:
            raise ApiError(422, "bad_option", message=str(error)) from error
        most = self._service.settings.max_pixels
        if w * h > most:
            raise ApiError(
                422,
                "bad_option",
                message=f"the drawing would be {w}x{h}; up to {most} pixels are drawn, so ask for "
                "a lower resolution",
            )
        return w * h

    async def models(self) -> JSONResponse:
        """Give the models, detectors and presets that may be asked for, and the limits."""
        return JSONResponse(models_record(self._service.networks, self._service.settings))

    async def skeleton(self, name: str) -> JSONResponse:
        """Give the joints of a skeleton, with links, colours and groups."""
        return JSONResponse(skeleton_record(name))

    async def health(self) -> JSONResponse:
        """Tell that the server answers."""
        return JSONResponse({"status": "ok"})

    async def metrics(self) -> PlainTextResponse:
        """Give what the server has done, as Prometheus reads it."""
        return PlainTextResponse(
            self._service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8"
        )


def _draw(found: Answer, wanted: ControlWanted) -> bytes:
    try:
        picture = draw_preset(
            found.done.poses,
            found.size_wh,
            wanted.preset,
            resolution=wanted.resolution,
            body=wanted.body,
            hands=wanted.hands,
            face=wanted.face,
        )
    except ValueError as error:
        raise ApiError(422, "bad_option", message=str(error)) from error
    options = [cv2.IMWRITE_PNG_COMPRESSION, _PNG_SPEED]
    _, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]), options)
    return data.tobytes()
