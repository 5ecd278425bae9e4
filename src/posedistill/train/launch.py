"""Launch: the processes, the device and the precision of a run."""

import logging
import os
from datetime import timedelta
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision.amp import MixedPrecision
from lightning_fabric.plugins.precision.precision import Precision
from lightning_fabric.strategies.ddp import DDPStrategy

logger = logging.getLogger(__name__)
# The others wait while the first process prepares data or evaluates; torchrun sees a lost one.
_LONGEST_WAIT = timedelta(hours=6)
PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")


class World(NamedTuple):
    """Say which process this is, and how many there are."""

    rank: int
    size: int
    local_size: int  # on this machine


def world() -> World:
    """Give this process's place, as torchrun says it; alone without torchrun.

    >>> world()
    World(rank=0, size=1, local_size=1)
    """
    read = os.environ.get
    size = int(read("WORLD_SIZE", "1"))
    return World(int(read("RANK", "0")), size, int(read("LOCAL_WORLD_SIZE", str(size))))


def launch(precision: str) -> Fabric:
    """Set up Fabric for the processes there are.

    precision: one of `PRECISIONS`; ``auto`` takes bf16 where the device has it.
    """
    _, size, local_size = world()
    fabric = Fabric(
        devices=local_size,
        num_nodes=size // local_size,
        strategy=DDPStrategy(timeout=_LONGEST_WAIT) if size > 1 else "auto",
        plugins=_plugin(_resolved(precision)),
    )
    if size > 1:
        _meet_after_a_restart(size // local_size)
    fabric.launch()
    torch.backends.cudnn.benchmark = True  # all batches of a run are of one shape
    return fabric


def _meet_after_a_restart(num_machines: int) -> None:
    """Let processes that torchrun started again find each other, and not those that are gone.

    torchrun keeps one store for all its restarts, in which a restart finds the addresses of the
    processes before it and waits for them (torch 2.5 to 2.13 at least). On one machine the number
    of the restart tells them apart; machines do not agree on it.
    """
    read = os.environ.get
    if read("TORCHELASTIC_USE_AGENT_STORE") != "True" or read("TORCHELASTIC_MAX_RESTARTS") == "0":
        return
    if num_machines > 1:
        logger.warning(
            "restarts on several machines need TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in the "
            "environment of torchrun; without it they cannot find each other again"
        )
        return
    from torch.distributed import (  # type: ignore[attr-defined]  # missing in the stub
        PrefixStore,
        TCPStore,
        init_process_group,
    )

    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = TCPStore(host, port, is_master=False, timeout=_LONGEST_WAIT)
    init_process_group(
        "nccl" if torch.cuda.is_available() else "gloo",
        store=PrefixStore(f"restart-{read('TORCHELASTIC_RESTART_COUNT')}", store),
        rank=world().rank,
        world_size=world().size,
        timeout=_LONGEST_WAIT,
    )


class _Mixed(MixedPrecision):
    """Autocast as Fabric does, but leave what a batch holds as it is.

    Fabric would round targets and weights to 16 bits before the loss sees them.
    """

    def convert_input(self, data: Any) -> Any:  # Any: as Fabric has it
        return data


def _plugin(precision: str) -> Precision:
    if precision in ("bf16-mixed", "16-mixed"):
        return _Mixed(precision, _device_type())  # type: ignore[arg-type]  # it is one of the two
    return Precision()


def _device_type() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _resolved(precision: str) -> str:
    if precision != "auto":
        return precision
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    return "bf16-mixed" if cpu_has_bf16() else "32-true"


def cpu_has_bf16() -> bool:
    """Say whether this processor multiplies bf16 by itself.

    >>> cpu_has_bf16() in (True, False)
    True
    """
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
