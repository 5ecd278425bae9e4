"""Devices: what onnxruntime calls the places to run on, and why one of them was not to be had."""

import contextlib
import ctypes
import importlib.util
import io
import logging
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
COREML = "CoreMLExecutionProvider"
DIRECTML = "DmlExecutionProvider"
MIGRAPHX = "MIGraphXExecutionProvider"
ROCM = "ROCMExecutionProvider"
_PROVIDERS_BY_DEVICE = {  # any of them is what was asked for, the first is the most wanted
    "auto": (),
    "cpu": (CPU,),
    "cuda": (CUDA,),
    "tensorrt": (TENSORRT,),
    "coreml": (COREML,),
    "directml": (DIRECTML,),
    "rocm": (MIGRAPHX, ROCM),
    "openvino": (),
}
DEVICES = tuple(_PROVIDERS_BY_DEVICE)
# What "auto" looks for before the CPU. TensorRT builds an engine for minutes at first, CoreML may
# compute in half precision, OpenVINO is another package: these are for those who ask for them.
_AUTOMATIC = ("cuda", "rocm", "directml")
_WITHOUT_PART = ("auto", "cpu", "coreml")
_NEXT_BEST = {TENSORRT: CUDA}
_OPENVINO_UNIT = re.compile(r"(CPU|GPU|NPU)(\.\d+)?")
# The distribution that has a provider, as pip takes it.
_WHEELS = {
    CUDA: "onnxruntime-gpu[cuda,cudnn]",
    TENSORRT: "onnxruntime-gpu[cuda,cudnn]",
    COREML: "onnxruntime",
    DIRECTML: "onnxruntime-directml",
    MIGRAPHX: "onnxruntime-migraphx",
    ROCM: "onnxruntime-rocm",
}
_SYSTEMS = {
    COREML: ("darwin", "CoreML is a part of macOS"),
    DIRECTML: ("win32", "DirectML is a part of Windows"),
}
# All unpack into the one folder `onnxruntime`, so that only one of them can be there.
ONNXRUNTIME_WHEELS = (
    "onnxruntime",
    *(f"onnxruntime-{kind}" for kind in ("gpu", "directml", "migraphx", "rocm", "openvino")),
    *(f"onnxruntime-{kind}" for kind in ("silicon", "coreml", "training", "qnn", "cann")),
)
_LIBRARIES = {CUDA: "cuda", TENSORRT: "tensorrt", MIGRAPHX: "migraphx", ROCM: "rocm"}
_NO_DEVICE = (
    "no such device was found, or its driver is too old for it; onnxruntime says more on stderr"
)
_logger = logging.getLogger(__name__)


class Device(NamedTuple):
    """Name a place to run on.

    Attributes:
        name: one of `DEVICES`. part: which of several: an index or, of OpenVINO, a unit such as
        GPU or GPU.1; empty for the first.

    >>> Device.parse("cuda:1")
    Device(name='cuda', part='1')
    """

    name: str
    part: str = ""

    @classmethod
    def parse(cls, text: str) -> "Device":
        """Give the device that a text such as ``cuda:1`` names; ValueError where none is.

        >>> str(Device.parse("OpenVINO:gpu"))
        'openvino:GPU'
        """
        name, colon, part = text.partition(":")
        device = cls(name.lower(), part.upper())
        if device.name not in DEVICES:
            raise ValueError(
                f"unknown device {text!r}; expected one of {', '.join(DEVICES)}; "
                "several of a kind are told apart as cuda:0, cuda:1"
            )
        if colon and not device._is_part_right:
            expected = "openvino:CPU, :GPU, :GPU.1 or :NPU" if name == "openvino" else "cuda:1"
            if device.name in _WITHOUT_PART:
                expected = f"{device.name} alone"
            raise ValueError(f"device is {text!r}; expected such as {expected}")
        return device

    @property
    def _is_part_right(self) -> bool:
        if self.name == "openvino":
            return _OPENVINO_UNIT.fullmatch(self.part) is not None
        return self.name not in _WITHOUT_PART and re.fullmatch("[0-9]+", self.part) is not None

    def __str__(self) -> str:
        return f"{self.name}:{self.part}" if self.part else self.name


class Chain(NamedTuple):
    """Hold which providers of onnxruntime to try.

    Attributes:
        wanted: names of which any is what was asked for, the best first. providers: to hand to
        onnxruntime, names with options; the last is the CPU.
    """

    wanted: tuple[str, ...]
    providers: list[tuple[str, dict[str, str]]]


def choose_providers(device: Device, available: Sequence[str]) -> Chain:
    """Give the providers to try for a device, out of those that onnxruntime reports.

    available: as `onnxruntime.get_available_providers` gives them.

    >>> choose_providers(Device("auto"), ["AzureExecutionProvider", "CPUExecutionProvider"]).wanted
    ('CPUExecutionProvider',)
    """
    name = device.name
    if name == "auto":
        reported = (kind for kind in _AUTOMATIC if {*_PROVIDERS_BY_DEVICE[kind]} & {*available})
        name = next(reported, "cpu")
    wanted = _PROVIDERS_BY_DEVICE[name]
    chain = list(dict.fromkeys([*wanted, *(_NEXT_BEST.get(wanted[0], CPU),), CPU]))
    tried = [(kind, _options(kind, device.part)) for kind in chain if kind in available]
    return Chain(wanted, tried)


def _options(provider: str, index: str) -> dict[str, str]:
    options = {"device_id": index} if index and provider not in (CPU, COREML) else {}
    if provider == CUDA:
        # The arena would double with every growth, and the exhaustive search start over with
        # every new number of persons.
        options |= {"arena_extend_strategy": "kSameAsRequested"}
        options |= {"cudnn_conv_algo_search": "HEURISTIC"}
    if provider == TENSORRT:
        folder = str(_engine_folder())
        options |= {"trt_engine_cache_enable": "True", "trt_engine_cache_path": folder}
        options |= {"trt_timing_cache_enable": "True", "trt_timing_cache_path": folder}
    return options


def _engine_folder() -> Path:
    from posedistill.weights import cache_dir  # slow, and for TensorRT only

    return cache_dir() / "tensorrt"


def prepare(providers: Sequence[str]) -> None:
    """Make ready what providers need before a session: libraries loaded, folders made.

    >>> prepare(["CPUExecutionProvider"])
    """
    import onnxruntime

    if TENSORRT in providers:
        _engine_folder().mkdir(parents=True, exist_ok=True)
    # From 1.21 on: loads the CUDA and cuDNN that pip installed, which no library path names.
    if CUDA in providers and hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            onnxruntime.preload_dlls()
        _logger.debug("onnxruntime.preload_dlls: %s", said.getvalue())


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Give the versions of those of the named distributions that are installed.

    >>> list(installed_versions(["numpy", "no-such-package"]))
    ['numpy']
    """
    import importlib.metadata  # slow, and for mishaps only

    versions = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def fallback_cause(
    provider: str,
    *,
    available: Sequence[str],
    installed: Mapping[str, str],
    failure: str | None = None,
    platform: str = sys.platform,
) -> str:
    """Say in one line why a provider was likely not to be had, and what to do.

    provider: the wanted one. available: those that onnxruntime reports. installed: as
    `installed_versions` gives them. failure: what was said when it was tried. platform: as
    `sys.platform`.

    >>> fallback_cause("CUDAExecutionProvider", available=[], installed={"onnxruntime": "1.31.1"})
    'the installed onnxruntime 1.31.1 has none; `pip uninstall -y onnxruntime`, then \
`pip install "onnxruntime-gpu[cuda,cudnn]"`'
    """
    system, whose = _SYSTEMS.get(provider, (platform, ""))
    if system != platform:
        return f"{whose}, and this is {platform}"
    wheels = [name for name in ONNXRUNTIME_WHEELS if name in installed]
    if provider in available:
        return _failed(provider, failure)
    wheel = _WHEELS.get(provider, "")
    advice = exchange_advice(wheels, wheel) if wheel else "another build of onnxruntime has it"
    if len(wheels) > 1:
        return f"{' and '.join(wheels)} are installed together, one over the other; {advice}"
    if wheel.partition("[")[0] in wheels:
        return f"{wheels[0]} {installed[wheels[0]]} has none on this system ({platform})"
    seen = f"{wheels[0]} {installed[wheels[0]]}" if wheels else "onnxruntime"
    return f"the installed {seen} has none; {advice}"


def exchange_advice(wheels: Sequence[str], wanted: str) -> str:
    """Give the lines for pip that leave one wheel of several that exclude each other.

    >>> exchange_advice(["a", "b"], "b")
    '`pip uninstall -y a b`, then `pip install b`'
    """
    quoted = f'"{wanted}"' if "[" in wanted else wanted  # shells take brackets for patterns
    install = f"`pip install {quoted}`"
    return f"`pip uninstall -y {' '.join(wheels)}`, then {install}" if wheels else install


def pip_name(wheel: str) -> str:
    """Give what to hand to pip for a wheel of onnxruntime, with the extras that it needs.

    >>> pip_name("onnxruntime-gpu")
    'onnxruntime-gpu[cuda,cudnn]'
    """
    return next((full for full in _WHEELS.values() if full.partition("[")[0] == wheel), wheel)


def _failed(provider: str, failure: str | None) -> str:
    missing = load_problem(provider)
    if missing is None:
        return failure or _NO_DEVICE
    advice = {
        CUDA: f"install CUDA and cuDNN: {exchange_advice([], _WHEELS[CUDA])}",
        TENSORRT: "install TensorRT and let the library path name its folder",
    }.get(provider, "install it, or let the library path name its folder")
    return f"a library cannot be loaded: {missing}; {advice}"


def load_problem(provider: str) -> str | None:
    """Say what keeps the library of a provider from loading; None where nothing does.

    The loader of the system names the file that is missing, such as libcudnn.so.9.

    >>> load_problem("CPUExecutionProvider")
    """
    spec = importlib.util.find_spec("onnxruntime")
    if provider not in _LIBRARIES or spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "capi"
    pattern = (
        "onnxruntime_providers_{}.dll"
        if sys.platform == "win32"
        else ("libonnxruntime_providers_{}.so")
    )
    files = [folder / pattern.format(kind) for kind in ("shared", _LIBRARIES[provider])]
    try:
        for file in files:
            ctypes.CDLL(str(file), ctypes.RTLD_GLOBAL)
    except OSError as error:
        return " ".join(str(error).split())
    return None
