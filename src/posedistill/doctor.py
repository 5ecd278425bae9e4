"""Doctor: what this machine runs models with, what is wrong with that, and what mends it."""

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import posedistill
from posedistill.runtime.providers import (
    CUDA,
    ONNXRUNTIME_WHEELS,
    Device,
    choose_providers,
    exchange_advice,
    fallback_cause,
    installed_versions,
    pip_name,
)
from posedistill.runtime.session import Session, embedded_models, open_session
from posedistill.weights import cache_dir

# All unpack into the one folder `cv2`.
OPENCV_WHEELS = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
    "opencv-python-rolling",
    "opencv-contrib-python-rolling",
)
_OTHERS = ("numpy", "torch", "openvino", "av")
_DISTRIBUTIONS = (*OPENCV_WHEELS, *ONNXRUNTIME_WHEELS, *_OTHERS)
# What to look up in a module after its import: of two wheels at once, one may leave a hollow one.
_ATTRIBUTES = {
    "numpy": "ndarray",
    "cv2": "warpAffine",
    "onnxruntime": "InferenceSession",
    "openvino": "Core",
    "av": "open",
}
_WHEELS = {"cv2": OPENCV_WHEELS, "onnxruntime": ONNXRUNTIME_WHEELS}
_NEEDED = ("numpy", "cv2", "onnxruntime")
_PERSONS = 8
_RUNS = 3


@dataclass(frozen=True)
class Finding:
    """Hold one thing that was looked at.

    Attributes:
        topic: what it is about, a word. text: what was seen. remedy: what to do, or None.
        is_problem: whether something does not work as it should.
    """

    topic: str
    text: str
    remedy: str | None = None
    is_problem: bool = False


def diagnose(*, device: str = "auto", installed: Mapping[str, str] | None = None) -> list[Finding]:
    """Look at all that decides how models run here, and run an embedded one.

    device: to run it on, as `posedistill.runtime.session.open_session` takes it; ValueError for
    an unknown one. installed: versions by distribution to judge; those of this machine when None.

    >>> any(finding.topic == "onnxruntime" for finding in diagnose())  # doctest: +SKIP
    True
    """
    Device.parse(device)
    packages = installed_versions(_DISTRIBUTIONS) if installed is None else installed
    broken = broken_imports(packages)
    findings = [*versions(packages), *conflicts(packages), *broken]
    findings += [*cpus(), cache(cache_dir())]
    if not any(finding.topic in _NEEDED for finding in broken):
        findings += [*accelerators(packages), *trial(device)]
    return findings


def versions(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Give the versions of what matters here.

    installed: as `posedistill.runtime.providers.installed_versions` gives them.

    >>> [finding.text for finding in versions({"av": "15.0"}) if finding.topic == "av"]
    ['15.0']
    """
    yield Finding("python", f"{platform.python_version()} at {sys.executable}")
    yield Finding("system", platform.platform())
    yield Finding("posedistill", posedistill.__version__)
    for topic, wheels in (("opencv", OPENCV_WHEELS), ("onnxruntime", ONNXRUNTIME_WHEELS)):
        seen = [f"{name} {installed[name]}" for name in wheels if name in installed]
        yield Finding(topic, ", ".join(seen) or "no wheel of it")
    for name in _OTHERS:
        yield Finding(name, installed.get(name, "not installed"))


def conflicts(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Give the wheels that unpack into one folder, so that each spoils the others.

    >>> next(conflicts({"opencv-python": "4.9", "opencv-python-headless": "4.9"})).remedy
    '`pip uninstall -y opencv-python-headless opencv-python`, then \
`pip install opencv-python-headless`'
    """
    wheels = [name for name in OPENCV_WHEELS if name in installed]
    if len(wheels) > 1:
        yield _conflict("opencv", wheels, OPENCV_WHEELS[0])
    wheels = [name for name in ONNXRUNTIME_WHEELS if name in installed]
    if len(wheels) > 1:  # whoever added one to the plain one wanted what it has
        yield _conflict("onnxruntime", wheels, pip_name(wheels[1]))


def _conflict(topic: str, wheels: Sequence[str], wanted: str) -> Finding:
    text = f"{' and '.join(wheels)} are installed together, the files of one over the other's"
    return Finding(topic, text, exchange_advice(wheels, wanted), is_problem=True)


def broken_imports(installed: Mapping[str, str]) -> list[Finding]:
    """Import what is needed or installed, each in a process of its own; give what fails.

    installed: as for `versions`.

    >>> broken_imports({})
    []
    """
    names = [name for name in _ATTRIBUTES if name in _NEEDED or name in installed]
    running = [(name, _start_import(name)) for name in names]
    findings = []
    for name, process in running:
        said = process.communicate()[1].strip()
        if process.returncode:
            reason = said.splitlines()[-1] if said else f"exit code {process.returncode}"
            wheels = _WHEELS.get(name, (name,))
            wheel = next((wheel for wheel in wheels if wheel in installed), wheels[0])
            advice = f"`pip install --force-reinstall {wheel}`"
            findings.append(Finding(name, f"its import fails: {reason}", advice, is_problem=True))
    return findings


def _start_import(module: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", f"import {module}; {module}.{_ATTRIBUTES[module]}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def accelerators(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Give what onnxruntime reports, what `auto` makes of it, and a GPU that it cannot use.

    installed: as for `versions`.

    >>> [finding.topic for finding in accelerators({})][:2]
    ['providers', 'auto']
    """
    import onnxruntime

    available = onnxruntime.get_available_providers()
    yield Finding("providers", ", ".join(available))
    yield Finding("auto", f"takes {choose_providers(Device('auto'), available).wanted[0]}")
    if CUDA not in available and _has_nvidia_driver():
        cause = fallback_cause(CUDA, available=available, installed=installed)
        yield Finding("gpu", "the driver of an NVIDIA GPU is here, which onnxruntime lacks", cause)


def _has_nvidia_driver() -> bool:
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def trial(device: str) -> Iterator[Finding]:
    """Run an embedded model on a device and give the time that takes.

    device: as for `diagnose`.

    >>> [finding.is_problem for finding in trial("cpu")]
    [False]
    """
    name = embedded_models()[0]
    try:
        session = open_session(name, device=device, strict_device=True)
    except (ValueError, OSError) as error:
        yield Finding("run", str(error), is_problem=True)
        if device == "cpu":
            return
        yield from trial("cpu")
        return
    yield Finding("run", f"{name} on {session.provider}: {_timed(session)}")


def _timed(session: Session) -> str:
    w, h = session.spec.input_size_wh
    crops = np.random.default_rng(0).integers(0, 256, (_PERSONS, 3, h, w), dtype=np.uint8)
    texts = []
    for n in (1, _PERSONS):
        session(crops[:n])  # the first run of a size takes longer
        milliseconds = min(_milliseconds(session, crops[:n]) for _ in range(_RUNS))
        texts.append(f"{n} person{'s' * (n > 1)} {milliseconds:.1f} ms")
    return ", ".join(texts)


def _milliseconds(session: Session, crops: NDArray[np.uint8]) -> float:
    start = time.perf_counter()
    session(crops)
    return (time.perf_counter() - start) * 1000


def cpus() -> Iterator[Finding]:
    """Give how many CPUs there are, how many may be used, and what caps threads.

    >>> next(cpus()).topic
    'cpus'
    """
    count = os.cpu_count() or 1
    # Not on macOS and Windows.
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else count
    limit = container_limit(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"))
    usable = max(1, min(allowed, count if limit is None else int(limit)))
    shown = "none" if limit is None else f"{limit:g}"
    text = f"{count}; this process may use {allowed}, limit of the container: {shown}"
    # onnxruntime starts a thread for each core of the machine, whatever the limits are.
    remedy = f"set threads to {usable}, or they get in each other's way"
    yield Finding("cpus", text, remedy if usable < count else None)
    value = os.environ.get("OMP_NUM_THREADS")
    yield Finding("threads", f"OMP_NUM_THREADS is {value or 'not set'}; onnxruntime ignores it")


def container_limit(root: Path, membership: Path) -> float | None:
    """Give how many CPUs the control groups of Linux leave to this process; None for no limit.

    root: where they are mounted; membership: the file that names the group of the process.

    >>> container_limit(Path("none"), Path("none"))
    """
    group = "/"
    if membership.is_file():
        lines = membership.read_text(encoding="utf-8").splitlines()
        group = next((line[3:] for line in lines if line.startswith("0::")), "/")
    folder = root / group.lstrip("/")
    folders = [folder, *folder.parents][: len(Path(group).parts)]
    limits = [_quota(place / "cpu.max") for place in folders]  # version 2
    limits.append(_quota(root / "cpu" / "cpu.cfs_quota_us", root / "cpu" / "cpu.cfs_period_us"))
    return min((limit for limit in limits if limit is not None), default=None)


def _quota(*files: Path) -> float | None:
    if not all(file.is_file() for file in files):
        return None
    quota, period = " ".join(file.read_text(encoding="ascii") for file in files).split()
    return None if quota in ("max", "-1") else int(quota) / int(period)


def cache(folder: Path) -> Finding:
    """Give what is in the folder of fetched files, and whether more can be put there.

    >>> cache(Path("none")).text
    'none: empty'
    """
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    held = f"{len(sizes)} files, {sum(sizes) / 1e6:.1f} MB" if sizes else "empty"
    there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    if os.access(there, os.W_OK):
        return Finding("cache", f"{folder}: {held}")
    remedy = "make it writable, or name another folder by POSEDISTILL_CACHE"
    return Finding("cache", f"{folder}: {held}; it cannot be written", remedy, is_problem=True)
