"""Service: a picture of a caller on its way through the limits, the decoder and the batcher."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import NamedTuple, ParamSpec, TypeVar

from starlette.requests import Request

from posedistill.web.batcher import Batcher, Estimated
from posedistill.web.body import read_photo
from posedistill.web.errors import ApiError
from posedistill.web.memory import Memory, Share
from posedistill.web.metrics import Metrics
from posedistill.web.networks import Choice, Networks
from posedistill.web.photo import check_photo, decode_photo
from posedistill.web.settings import Settings

_DECODERS = 2  # threads
_P = ParamSpec("_P")
_R = TypeVar("_R")
_logger = logging.getLogger(__name__)


class Answer(NamedTuple):
    """Hold what became of a picture, and its size in pixels as it is displayed."""

    done: Estimated
    size_wh: tuple[int, int]


class Service:
    """Estimate pictures of callers within the limits of the settings, until it is closed.

    networks: what may be asked for; they are left open.

    >>> with Networks(Settings()) as networks:
    ...     service = Service(Settings(), networks)
    ...     service.close()
    """

    def __init__(self, settings: Settings, networks: Networks) -> None:
        self.settings, self.networks = settings, networks
        self.memory = Memory(settings.max_memory)
        self.metrics = Metrics(lambda: self.batcher.num_waiting, lambda: self.memory.held)
        self.batcher = Batcher(
            networks.estimate,
            max_batch=settings.max_batch,
            max_waiting=settings.max_queue,
            tell=self.metrics.batches.observe,
        )
        self._threads = ThreadPoolExecutor(_DECODERS, thread_name_prefix="posedistill decode")

    def close(self) -> None:
        """Finish what was taken."""
        self.batcher.close()
        self._threads.shutdown()

    async def answer(
        self, request: Request, choice: Choice, share: Share
    ) -> Answer:  # house rule: who asks, for what, at whose cost
        """Give the poses of the picture in a request; ApiError for all that may go wrong."""
        self.batcher.check_room()
        limit = self.settings.timeout_s
        ends_at = monotonic() + limit
        data = await read_photo(request, share, max_bytes=self.settings.max_bytes, timeout_s=limit)
        return await self.estimate(data, choice, share, ends_at=ends_at)

    async def estimate(
        self, data: bytes, choice: Choice, share: Share, *, ends_at: float
    ) -> Answer:  # house rule: as answer
        """Give the poses of a picture, counted in the share; ApiError for what may go wrong.

        ends_at: by time.monotonic, when nobody waits for it any longer.
        """
        try:
            return await asyncio.wait_for(
                self._estimate(data, choice, share), max(ends_at - monotonic(), 0.001)
            )
        except asyncio.TimeoutError as error:  # noqa: UP041 - another class before Python 3.11
            raise ApiError(
                504,
                "timeout",
                message=f"the answer took longer than {self.settings.timeout_s:g} s; the server is "
                "busy, so send it again later, or send a smaller picture",
            ) from error
        except ValueError as error:  # a network that fails; its message may name files
            _logger.error("%s with %s: %s", choice.model, choice.detector, error)
            raise ApiError(
                500, "failed", message=f"{choice.model} could not do this picture; see the log"
            ) from error

    async def _estimate(self, data: bytes, choice: Choice, share: Share) -> Answer:
        share.take(check_photo(data, max_pixels=self.settings.max_pixels))
        image_rgb = await self.in_thread(decode_photo, data)
        done = await asyncio.wrap_future(self.batcher.submit(choice, image_rgb))
        self.metrics.people.inc(len(done.poses))
        h, w = image_rgb.shape[:2]
        return Answer(done, (w, h))

    async def in_thread(self, work: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Give what work gives, done beside the loop that answers requests."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))
