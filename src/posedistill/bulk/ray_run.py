"""Bulk work on Ray Data: units spread over workers, which hold a network each.

A worker that dies is replaced and its unit done again, a few times; then its items are done one by
one, and what kills a worker even so is said to have failed: such a file does not hold up the rest.
"""

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.bulk.items import Item
from posedistill.bulk.places import open_place
from posedistill.bulk.units import Report, Unit, UnitSettings, do_unit, done_names, make_units
from posedistill.runtime.pipeline import Pipeline

_MOST_BLOCKS = 4000  # that Ray has to keep the books of
_STORE_BYTES = 200_000_000  # only names pass through Ray
_DIED = "its worker died, again and again"
_Batch = dict[str, NDArray[np.object_]]


@dataclass(frozen=True)
class BulkSettings:
    """Say how the work is spread, and how it is done.

    Attributes:
        workers: how many there are, each with a network of its own. cpus, gpus: of each worker;
            parts of a GPU are shared. retries: how often a unit is done again whose worker died.
        address: of a Ray cluster, ``auto`` for the one this machine is part of, None for one that
            is started here, unless the environment variable RAY_ADDRESS names one.
        unit: how units are done.
    """

    workers: int | None = None
    cpus: int = 1
    gpus: float = 0
    retries: int = 2
    address: str | None = None
    unit: UnitSettings = field(default_factory=UnitSettings)


def run_bulk(
    items: Sequence[Item],
    out: str,
    *,
    open_pipeline: Callable[[], Pipeline],
    settings: BulkSettings,
) -> Iterator[list[Report]]:
    """Do items on a cluster, and give what became of them, unit by unit, in any order.

    out: folder that all machines share, or url of one in an object store, for the parts.
    open_pipeline: called once in every worker. Needs the extra ``bulk``. Every item is reported
    once, whatever dies; what is reported as done is written. Raises ValueError where the cluster
    has no room for a worker, and ModuleNotFoundError without Ray.
    """
    left = {item.name: item for item in items}
    if not left:
        return
    with _cluster(settings) as num_workers, _data_context():
        work = _Work(open_pipeline, out, settings.unit)
        for is_alone in (False, True):  # each by itself in the end, to find the one that kills
            units = make_units(left.values(), num_workers=num_workers)
            units = [[item] for item in left.values()] if is_alone else units
            for text in _texts(units, work, settings=settings, num_workers=num_workers):
                reports = [Report(*entry) for entry in json.loads(text)]
                yield [report for report in reports if left.pop(report.name, None) is not None]
            if left:  # some that died had written before
                written = done_names(open_place(out)) & left.keys()
                yield [Report(left.pop(name).name, None) for name in sorted(written)]
    if left:
        yield [Report(name, _DIED) for name in left]


def _texts(
    units: Sequence[Unit], work: "_Work", *, settings: BulkSettings, num_workers: int
) -> Iterator[str]:
    """Give the reports of units as JSON, as they come."""
    import ray

    if not units:
        return
    rows = [{"unit": json.dumps(unit)} for unit in units]
    blocks = ray.data.from_items(rows, override_num_blocks=min(len(rows), _MOST_BLOCKS))
    with warnings.catch_warnings():
        # There is no other name yet for how often to try again, and without one it is for ever.
        warnings.filterwarnings("ignore", message=".*ray_remote_args.* is deprecated")
        results = blocks.map_batches(
            _Worker,
            fn_constructor_args=tuple(work),
            batch_size=1,
            # One at a time, as all that wait for a worker fail with what kills it.
            compute=ray.data.ActorPoolStrategy(
                size=min(num_workers, len(rows)), max_tasks_in_flight_per_actor=1
            ),
            num_cpus=settings.cpus,
            num_gpus=settings.gpus,
            max_restarts=-1,
            max_task_retries=settings.retries,
        )
    for row in results.iter_rows():
        yield row["reports"]


@contextmanager
def _cluster(settings: BulkSettings) -> Iterator[int]:
    """Join or start a cluster; give how many workers to have there."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    is_ours = not ray.is_initialized()
    if is_ours:
        _start(settings)
    try:
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        yield _num_workers(settings, resources)
    finally:
        if is_ours:
            ray.shutdown()


def _start(settings: BulkSettings) -> None:
    import ray

    options: dict[str, Any] = {"logging_level": logging.WARNING, "log_to_driver": False}
    if settings.address is None and "RAY_ADDRESS" not in os.environ:
        options |= {"object_store_memory": _STORE_BYTES, "include_dashboard": False}
        options |= {"address": "local"}
        if settings.workers is not None:
            options |= {"num_cpus": settings.workers * settings.cpus}
    elif settings.address is not None:
        options |= {"address": settings.address}
    try:
        ray.init(**options)
    except ConnectionError as error:
        raise ValueError(f"no Ray cluster answers at {settings.address}: {error}") from error


def _num_workers(settings: BulkSettings, resources: dict[str, float]) -> int:
    if settings.workers is not None:
        return settings.workers
    cpus, gpus = resources.get("CPU", 0), resources.get("GPU", 0)
    room = int(cpus // settings.cpus)
    if settings.gpus > 0:
        room = min(room, int(gpus // settings.gpus))
    if room < 1:
        raise ValueError(
            f"the cluster has {cpus:g} CPUs and {gpus:g} GPUs; a worker is to have "
            f"{settings.cpus} and {settings.gpus:g}"
        )
    return room


@contextmanager
def _data_context() -> Iterator[None]:
    """Have failed blocks passed over, and nothing shown, of what the block does."""
    from ray.data import DataContext

    context = DataContext.get_current()
    before = context.max_errored_blocks, context.enable_progress_bars
    context.max_errored_blocks, context.enable_progress_bars = -1, False
    level = logging.getLogger("ray.data").level
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.max_errored_blocks, context.enable_progress_bars = before
        logging.getLogger("ray.data").setLevel(level)


class _Work(NamedTuple):
    """Hold what a worker is made with."""

    open_pipeline: Callable[[], Pipeline]
    out: str
    settings: UnitSettings


class _Worker:
    """Do units in one process of the cluster, with networks that are loaded once."""

    def __init__(self, *work: Any) -> None:  # Any: Ray passes the fields of _Work on
        open_pipeline, out, self._settings = _Work(*work)
        self._pipeline, self._out = open_pipeline(), open_place(out)

    def __call__(self, batch: _Batch) -> _Batch:
        """Give the reports of units."""
        return {"reports": np.array([self._do(text) for text in batch["unit"]], dtype=object)}

    def _do(self, text: str) -> str:
        unit = [Item(*entry) for entry in json.loads(text)]
        return json.dumps(do_unit(unit, self._pipeline, out=self._out, settings=self._settings))
