"""Session: a network as a callable over uint8 crops; an `.onnx` file as one."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from posedistill.runtime.graph import Graph, Images, check_fit, output_shapes
from posedistill.runtime.published import recognise
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
    """Run an `.onnx` file by onnxruntime.

    spec: what surrounds the network; by default the `Spec` that the file carries or, for a
    published file without one, what `posedistill.runtime.published.recognise` makes of it. One
    that is given wins over the one in the file. threads: threads within an operator,
    onnxruntime's own choice when None. providers: onnxruntime names, the most wanted first; CUDA
    where it is installed, else the CPU, when None.
    Raises FileNotFoundError when the file is missing, and ValueError when it is damaged, does not
    fit the `Spec`, or has none and is not recognised. Logs a warning when another provider than
    the first was obtained.

    >>> session = OnnxSession("pose.onnx")  # doctest: +SKIP
    >>> session.provider, session.spec.input_size_wh  # doctest: +SKIP
    ('CPUExecutionProvider', (192, 256))
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        spec: Spec | None = None,
        threads: int | None = None,
        providers: Sequence[str] | None = None,
    ) -> None:
        self.path = Path(path)
        self._graph, self.provider = open_graph(self.path, threads=threads, providers=providers)
        self.spec = _find_spec(self._graph, spec)

    def __call__(self, crops: NDArray[np.uint8]) -> tuple[Floats, ...]:
        """Give the outputs named by ``spec.codec.output_names``.

        crops: (N, 3, h, w) uint8 RGB of the size of the spec; ValueError otherwise. Where the
        file fixes its batch, they run in groups of that many.
        """
        w, h = self.spec.input_size_wh
        if crops.ndim != 4 or crops.shape[1:] != (3, h, w) or crops.dtype != np.uint8:
            raise ValueError(
                f"crops have shape {crops.shape} and type {crops.dtype}; "
                f"expected (N, 3, {h}, {w}) uint8"
            )
        if not len(crops):
            return tuple(np.zeros((0, *shape), np.float32) for shape in output_shapes(self.spec))
        rows = self._graph.batch or len(crops)
        images = np.zeros((rows, 3, h, w), self._graph.dtype)
        groups = []
        for start in range(0, len(crops), rows):
            group = crops[start : start + rows]
            self._prepare(group, images[: len(group)])  # rows beyond it hold what does not matter
            outputs = self._graph.run(images, self.spec.codec.output_names)
            groups.append([output[: len(group)] for output in outputs])
        columns = groups[0] if len(groups) == 1 else map(np.concatenate, zip(*groups, strict=True))
        return tuple(np.asarray(column, dtype=np.float32) for column in columns)

    def _prepare(self, crops: NDArray[np.uint8], images: Images) -> None:
        """Write the crops into the network's input, normalised where the spec says so."""
        if self.spec.mean is None or self.spec.std is None:
            images[:] = crops
            return
        mean, std = (
            np.array(values, np.float32)[:, None, None]
            for values in (self.spec.mean, self.spec.std)
        )
        np.subtract(crops, mean, out=images)
        np.divide(images, std, out=images)


def open_graph(
    path: Path, *, threads: int | None = None, providers: Sequence[str] | None = None
) -> tuple[Graph, str]:
    """Load an `.onnx` file; give its graph and the provider that it really runs on.

    threads, providers: as `OnnxSession` takes them; it raises and warns of the same.

    >>> open_graph(Path("none.onnx"))
    Traceback (most recent call last):
    FileNotFoundError: no such model file: none.onnx
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}; expected 1 or more, or None")
    session = _load(path, threads, _choose_providers(providers))
    provider: str = session.get_providers()[0]
    wanted = _wanted(providers)
    if provider != wanted:
        _logger.warning("%s runs on %s, not on %s", path.name, provider, wanted)
    return Graph(session, path), provider


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


def _find_spec(graph: Graph, given: Spec | None) -> Spec:
    spec = _stored_spec(graph) if given is None else given
    if spec is None:
        return recognise(graph)
    check_fit(graph, spec)
    return spec


def _stored_spec(graph: Graph) -> Spec | None:
    text = graph.metadata.get(METADATA_KEY)
    try:
        return None if text is None else Spec.from_json(text)
    except ValueError as error:
        raise ValueError(f"{graph.path}: {error}") from error


def open_session(model: Model, *, spec: Spec | None = None) -> Session:
    """Give the session of whatever holds one.

    model: a session, an object with a ``session()`` method such as a `PoseModel`, the name of an
    embedded model, or the path of an `.onnx` file. spec: of an `.onnx` file, as `OnnxSession`
    takes it. Raises FileNotFoundError for a missing file and ValueError for anything else.

    >>> open_session("no-such-model")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: unknown model 'no-such-model'; embedded are ...
    """
    if isinstance(model, str | os.PathLike):
        return OnnxSession(_model_file(os.fspath(model)), spec=spec)
    if spec is not None:
        raise ValueError(
            f"a {type(model).__name__} has a Spec of its own; spec is for .onnx files only"
        )
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
