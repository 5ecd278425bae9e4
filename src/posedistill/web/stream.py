"""Stream: frames of one camera, each answered before the next, with ids and smoothing."""

import asyncio
import json
from time import monotonic

from starlette.websockets import WebSocket, WebSocketDisconnect

from posedistill.poses import Poses
from posedistill.runtime.smoother import Smoother
from posedistill.runtime.tracker import Tracker
from posedistill.skeleton import Skeleton
from posedistill.web.answers import Record, poses_record
from posedistill.web.batcher import Estimated
from posedistill.web.errors import ApiError, busy
from posedistill.web.guard import check_caller
from posedistill.web.networks import Choice
from posedistill.web.service import Service

IDLE_S = 60.0  # without a frame; then the place is given to others
_REFUSED, _LATER = 1008, 1013  # codes of RFC 6455 and of its registry
_LEAST_STEP_S = 0.001


class _Followed:
    """Give the people of one stream ids, and smooth their keypoints."""

    def __init__(self, skeleton: Skeleton) -> None:
        self._tracker, self._smoother = Tracker(), Smoother(skeleton)
        self._time_s = 0.0

    def __call__(self, poses: Poses, time_s: float) -> Poses:
        self._time_s = max(time_s, self._time_s + _LEAST_STEP_S)
        return self._smoother(self._tracker(poses, self._time_s), self._time_s)


class Streams:
    """Answer streams of frames, as many at a time as the settings let."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._open = 0

    async def __call__(self, websocket: WebSocket) -> None:
        """Answer the frames of one stream until its end; errors are told as JSON."""
        await websocket.accept()
        try:
            await self._run(websocket)
        except ApiError as error:
            await websocket.send_json(error.record())
            await websocket.close(_LATER if error.code in ("busy", "timeout") else _REFUSED)
        except WebSocketDisconnect:
            return

    async def _run(self, websocket: WebSocket) -> None:
        settings = self._service.settings
        check_caller(websocket.scope, settings.token)
        options = websocket.query_params
        choice = self._service.networks.choose(options.get("model"), options.get("detector"))
        if self._open >= settings.max_streams:
            raise busy(f"all {settings.max_streams} streams are taken; try again in a moment")
        self._open += 1
        self._service.metrics.streams.set(self._open)
        try:
            await self._answer_all(websocket, choice)
        finally:
            self._open -= 1
            self._service.metrics.streams.set(self._open)

    async def _answer_all(self, websocket: WebSocket, choice: Choice) -> None:
        session = self._service.networks.sessions[choice.model]
        followed = _Followed(Skeleton.get(session.spec.skeleton))
        while True:
            data = await _next_frame(websocket)
            try:
                record = await self._answer(data, choice, followed)
            except ApiError as error:
                record = dict(error.record())
            await websocket.send_text(json.dumps(record))

    async def _answer(self, data: bytes | None, choice: Choice, followed: _Followed) -> Record:
        if data is None:
            raise ApiError(415, "bad_image", message="frames are binary messages, each a picture")
        settings, came_at = self._service.settings, monotonic()
        if len(data) > settings.max_bytes:
            raise ApiError(
                413, "too_large", message=f"the frame is larger than {settings.max_bytes} bytes"
            )
        with self._service.memory.share() as share:
            share.take(len(data))
            found, size_wh = await self._service.estimate(
                data, choice, share, ends_at=came_at + settings.timeout_s
            )
        poses = await self._service.in_thread(followed, found.poses, came_at)
        self._service.metrics.frames.inc()
        done = Estimated(poses, found.wait_s, found.work_s)
        return poses_record(choice, size_wh, done=done)


async def _next_frame(websocket: WebSocket) -> bytes | None:
    """Give the bytes of the next message, None where it is text."""
    try:
        message = await asyncio.wait_for(websocket.receive(), IDLE_S)
    except asyncio.TimeoutError as error:  # noqa: UP041 - another class before Python 3.11
        raise ApiError(
            408, "timeout", message=f"no frame came for {IDLE_S:g} s; connect again"
        ) from error
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    data: bytes | None = message.get("bytes")
    return data
