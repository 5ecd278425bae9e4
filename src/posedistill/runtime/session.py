"""Session: a network as a callable over uint8 crops; an `.onnx` file as one."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from posedistill.spec import METADATA_KEY, Spec

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Floats = NDArray[np.float32]
_ASSETS = Path(__file__).parent.parent / "assets"
_PREFERRED = ("CUDAExecutionProvider", "CPUExecutionProvider")
_logger = logging.getLogger(__name__)


@runtime_checkable
class Session(Protocol):
    """Run a network over crops, whatever it runs on."""

    @property
    def spec(self) -> Spec:
        """Give what surrounds the network."""

    @property
    def provider(self) -> str:
        """Give the name of what the network really runs on."""

    def __call__(self, crops: NDArray[np.uint8]) -> tuple[Floats, ...]:
        """Give the outputs named by ``spec.codec.output_names``.

        crops: (N, 3, h, w) uint8 RGB.
        """


@runtime_checkable
class HasSession(Protocol):
    """Be able to give a session, as a `PoseModel` of the torch half is."""

    def session(self) -> Session:
        """Give the session."""


Model = Session | HasSession | str | os.PathLike[str]


class OnnxSession:
    """Run an `.onnx` file that carries a `Spec`, by onnxruntime.

    threads: threads within an operator, onnxruntime's own choice when None. providers: onnxruntime
    names, the most wanted first; CUDA where it is installed, else the CPU, when None.
    Raises FileNotFoundError when the file is missing, and ValueError when it is damaged, carries
    no `Spec` or does not fit it. Logs a warning when another provider than the first was obtained.

    >>> session = OnnxSession("pose.onnx")  # doctest: +SKIP
    >>> session.provider, session.spec.input_size_wh  # doctest: +SKIP
    ('CPUExecutionProvider', (192, 256))
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int | None = None,
        providers: Sequence[str] | None = None,
    ) -> None:
        self.path = Path(path)
        if threads is not None and threads < 1:
            raise ValueError(f"threads is {threads}; expected 1 or more, or None")
        self._session = _load(self.path, threads, _choose_providers(providers))
        self.provider: str = self._session.get_providers()[0]
        wanted = _wanted(providers)
        if self.provider != wanted:
            _logger.warning("%s runs on %s, not on %s", self.path.name, self.provider, wanted)
        self.spec = _read_spec(self._session, self.path)
        _check_graph(self._session, self.spec, self.path)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, crops: NDArray[np.uint8]) -> tuple[Floats, ...]:
        """Give the outputs named by ``spec.codec.output_names``.

        crops: (N, 3, h, w) uint8 RGB of the size of the spec; ValueError otherwise.
        """
        w, h = self.spec.input_size_wh
        if crops.ndim != 4 or crops.shape[1:] != (3, h, w) or crops.dtype != np.uint8:
            raise ValueError(
                f"crops have shape {crops.shape} and type {crops.dtype}; "
                f"expected (N, 3, {h}, {w}) uint8"
            )
        names = list(self.spec.codec.output_names)
        outputs = self._session.run(names, {self._input: self._prepare(crops)})
        return tuple(np.asarray(output, dtype=np.float32) for output in outputs)

    def _prepare(self, crops: NDArray[np.uint8]) -> NDArray[np.uint8] | Floats:
        if self.spec.mean is None or self.spec.std is None:
            return np.ascontiguousarray(crops)
        mean, std = (
            np.array(values, np.float32)[:, None, None]
            for values in (self.spec.mean, self.spec.std)
        )
        return np.asarray((crops - mean) / std, dtype=np.float32)


def _wanted(providers: Sequence[str] | None) -> str:
    import onnxruntime

    if providers:
        return providers[0]
    available = onnxruntime.get_available_providers()
    return next(name for name in _PREFERRED if name in available)


def _choose_providers(providers: Sequence[str] | None) -> list[str]:
    import onnxruntime

    known = onnxruntime.get_all_providers()
    for name in providers or ():
        if name not in known:
            raise ValueError(f"unknown provider {name!r}; onnxruntime knows {', '.join(known)}")
    available = onnxruntime.get_available_providers()
    chosen = [name for name in providers or _PREFERRED if name in available]
    return chosen if "CPUExecutionProvider" in chosen else [*chosen, "CPUExecutionProvider"]


def _load(path: Path, threads: int | None, providers: list[str]) -> "InferenceSession":
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    if not path.is_file():
        raise FileNotFoundError(f"no such model file: {path}")
    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    damaged = (state.InvalidProtobuf, state.InvalidArgument, state.InvalidGraph, state.Fail)
    unsupported = (state.NoModel, state.NotImplemented, state.RuntimeException, state.NoSuchFile)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except (*damaged, *unsupported) as error:
        raise ValueError(
            f"{path} is damaged or no ONNX model that onnxruntime can run: {_one_line(error)}"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _read_spec(session: "InferenceSession", path: Path) -> Spec:
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ValueError(
            f"{path} carries no posedistill Spec, so input size, codec and skeleton are unknown; "
            "write it with `posedistill export MODEL --out FILE.onnx`"
        )
    try:
        return Spec.from_json(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _check_graph(session: "InferenceSession", spec: Spec, path: Path) -> None:
    entry = session.get_inputs()[0]
    w, h = spec.input_size_wh
    expected_type = "tensor(uint8)" if spec.mean is None else "tensor(float)"
    fits = all(
        not isinstance(seen, int) or seen == size
        for seen, size in zip(entry.shape[1:], (3, h, w), strict=False)
    )
    if entry.type != expected_type or len(entry.shape) != 4 or not fits:
        raise ValueError(
            f"{path}: input is {entry.type} {entry.shape}; "
            f"its Spec says {expected_type} (N, 3, {h}, {w})"
        )
    if isinstance(entry.shape[0], int):
        raise ValueError(f"{path}: the batch size is fixed at {entry.shape[0]}; export it dynamic")
    names = {output.name for output in session.get_outputs()}
    if missing := [name for name in spec.codec.output_names if name not in names]:
        raise ValueError(f"{path}: no output {', '.join(missing)}; the graph has {sorted(names)}")


def open_session(model: Model) -> Session:
    """Give the session of whatever holds one.

    model: a session, an object with a ``session()`` method such as a `PoseModel`, the name of an
    embedded model, or the path of an `.onnx` file with a `Spec`. Raises FileNotFoundError for a
    missing file and ValueError for anything else.

    >>> open_session("no-such-model")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: unknown model 'no-such-model'; embedded are ...
    """
    if isinstance(model, str | os.PathLike):
        return OnnxSession(_model_file(os.fspath(model)))
    if isinstance(model, HasSession):
        return model.session()
    if isinstance(model, Session):
        return model
    raise ValueError(
        f"cannot run a {type(model).__name__}; expected a session, a PoseModel, "
        "the name of an embedded model or the path of an .onnx file"
    )


def embedded_models() -> list[str]:
    """Give the names of the models that come with the package.

    >>> isinstance(embedded_models(), list)
    True
    """
    return sorted(path.stem for path in _ASSETS.glob("*.onnx"))


def _model_file(name: str) -> Path:
    if name in embedded_models():
        return _ASSETS / f"{name}.onnx"
    path = Path(name)
    if path.suffix == ".safetensors" or path.is_dir():
        raise ValueError(
            f"{path} is a torch model; open it with posedistill.models.load, then pass that"
        )
    if path.suffix == ".onnx" or path.is_file():
        return path
    names = ", ".join(embedded_models()) or "none"
    raise ValueError(
        f"unknown model {name!r}; embedded are {names}; or give the path of an .onnx file"
    )
