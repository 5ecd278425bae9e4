"""Metrics: what the server has done, in the text format of Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Count requests, batches and people of one server.

    num_waiting: gives how many pictures wait. memory: gives how many bytes are held for callers.

    >>> metrics = Metrics(lambda: 0, lambda: 0)
    >>> metrics.people.inc(3)
    >>> "posedistill_people_total 3.0" in metrics.text().decode()
    True
    """

    def __init__(self, num_waiting: Callable[[], float], memory: Callable[[], float]) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "posedistill_requests",
            "Requests answered, by route and status.",
            ("route", "status"),
            registry=registry,
        )
        self.seconds = Histogram(
            "posedistill_request_seconds",
            "Time from a request to its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.batches = Histogram(
            "posedistill_batch_images",
            "Pictures estimated together.",
            buckets=_SIZES,
            registry=registry,
        )
        self.people = Counter("posedistill_people", "People found.", registry=registry)
        self.frames = Counter("posedistill_frames", "Frames of streams done.", registry=registry)
        self.streams = Gauge("posedistill_streams", "Open streams.", registry=registry)
        queue = Gauge("posedistill_queue_images", "Pictures that wait.", registry=registry)
        queue.set_function(num_waiting)
        held = Gauge(
            "posedistill_memory_bytes", "Bytes of bodies and pictures held.", registry=registry
        )
        held.set_function(memory)
        ProcessCollector(registry=registry)

    def text(self) -> bytes:
        """Give all of them as text."""
        return generate_latest(self._registry)
