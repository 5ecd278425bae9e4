"""Loading: an `.onnx` file on the device that was asked for or, with the cause, the next best."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from posedistill.runtime.graph import Network, one_line, runtime_errors
from posedistill.runtime.openvino_session import OpenvinoSession
from posedistill.runtime.providers import (
    CPU,
    DIRECTML,
    ONNXRUNTIME_WHEELS,
    Chain,
    Device,
    choose_providers,
    fallback_cause,
    installed_versions,
    prepare,
)

_CPU = Device("cpu")


class Loaded(NamedTuple):
    """Hold a network that is ready to run.

    Attributes:
        network: the loaded file. provider: what it really runs on. cause: why that is not what
        was asked for, and what to do; None where it is.
    """

    network: Network
    provider: str
    cause: str | None


def load_network(
    path: Path, wanted: Device | Sequence[str], *, threads: int | None = None
) -> Loaded:
    """Load an `.onnx` file on a device or, by onnxruntime's own names, the first of providers.

    threads: as `posedistill.runtime.session.OnnxSession` takes it. Raises FileNotFoundError when
    the file is missing, ValueError when it is damaged and for an unknown name.

    >>> load_network(Path("none.onnx"), Device("cpu"))
    Traceback (most recent call last):
    FileNotFoundError: no such model file: none.onnx
    """
    if not path.is_file():
        raise FileNotFoundError(f"no such model file: {path}")
    if not isinstance(wanted, Device):
        return _load_onnxruntime(path, _named_chain(wanted), threads)
    if wanted.name == "openvino":
        return _load_openvino(path, wanted, threads)
    return _load_onnxruntime(path, _chain(wanted), threads)


def _chain(device: Device) -> Chain:
    import onnxruntime

    return choose_providers(device, onnxruntime.get_available_providers())


def _named_chain(names: Sequence[str]) -> Chain:
    import onnxruntime

    known = onnxruntime.get_all_providers()
    for name in names:
        if name not in known:
            raise ValueError(f"unknown provider {name!r}; onnxruntime knows {', '.join(known)}")
    available = onnxruntime.get_available_providers()
    tried = dict.fromkeys([*(name for name in names if name in available), CPU])
    return Chain(tuple(names[:1]), [(name, {}) for name in tried])


def _load_openvino(path: Path, device: Device, threads: int | None) -> Loaded:
    try:
        network = OpenvinoSession(path, unit=device.part or "CPU", threads=threads)
    except ModuleNotFoundError as error:
        cause = f"there is no package {error.name}; `pip install openvino`"
    except (RuntimeError, UnicodeDecodeError) as error:
        cause = one_line(error)
    else:
        return Loaded(network, network.provider, None)
    # Also tells a damaged file from one that OpenVINO alone cannot run.
    return _load_onnxruntime(path, _chain(_CPU), threads)._replace(cause=cause)


def _load_onnxruntime(path: Path, chain: Chain, threads: int | None) -> Loaded:
    import onnxruntime

    prepare([name for name, _ in chain.providers])
    session, failure = _start(path, chain.providers, threads)
    provider: str = session.get_providers()[0]
    if provider in chain.wanted:
        return Loaded(session, provider, None)
    cause = fallback_cause(
        chain.wanted[0],
        available=onnxruntime.get_available_providers(),
        installed=installed_versions(ONNXRUNTIME_WHEELS),
        failure=failure,
    )
    return Loaded(session, provider, cause)


def _start(
    path: Path, providers: list[tuple[str, dict[str, str]]], threads: int | None
) -> tuple[Any, str | None]:  # Any: onnxruntime is not typed
    """Give a session of the first providers that start, and what was wrong with those before."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    if providers[0][0] == DIRECTML:
        options.enable_mem_pattern = False  # which it does not support
    try:
        # Its own fallback would print to stdout.
        session = onnxruntime.InferenceSession(
            str(path), options, providers=providers, enable_fallback=0
        )
    except runtime_errors() as error:
        failure = one_line(error)
        if len(providers) == 1:
            raise ValueError(
                f"{path} is damaged or no ONNX model that onnxruntime can run: {failure}"
            ) from error
    else:
        return session, None
    session, _ = _start(path, providers[1:], threads)
    return session, failure
