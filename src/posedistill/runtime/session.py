"""Session: a network as a callable over uint8 crops; an `.onnx` file as one."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from posedistill.runtime.graph import Graph, Images, check_fit, output_shapes
from posedistill.runtime.loading import Loaded, load_network
from posedistill.runtime.providers import Device
from posedistill.runtime.published import recognise
from posedistill.spec import METADATA_KEY, Spec

Floats = NDArray[np.float32]
_ASSETS = Path(__file__).parent.parent / "assets"
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

    def close(self) -> None:
        """Free the memory; a call after that raises ValueError."""


@runtime_checkable
class HasSession(Protocol):
    """Be able to give a session, as a `PoseModel` of the torch half is."""

    def session(self) -> Session:
        """Give the session."""


Model = Session | HasSession | str | os.PathLike[str]


class OnnxSession:
    """Run an `.onnx` file by onnxruntime or OpenVINO, until it is closed.

    spec: what surrounds the network; by default the `Spec` that the file carries or, for a
    published file without one, what `posedistill.runtime.published.recognise` makes of it. One
    that is given wins over the one in the file. threads: threads within an operator, the
    runtime's own choice when None. device: one of `posedistill.runtime.providers.DEVICES`, also
    as ``cuda:1`` or ``openvino:GPU``; auto is CUDA, ROCm or DirectML where onnxruntime has them,
    else the CPU. providers: instead, onnxruntime's own names, the most wanted first.
    A device that is not to be had is replaced by the next best with one warning that says why (by
    none for auto); it is a ValueError where strict_device is set.
    Raises FileNotFoundError when the file is missing, and ValueError when it is damaged, does not
    fit the `Spec`, or has none and is not recognised.

    >>> with OnnxSession("pose.onnx", device="cuda") as session:  # doctest: +SKIP
    ...     print(session.provider, session.spec.input_size_wh)
    CUDAExecutionProvider (192, 256)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        spec: Spec | None = None,
        threads: int | None = None,
        device: str = "auto",
        strict_device: bool = False,
        providers: Sequence[str] | None = None,
    ) -> None:
        self.path = Path(path)
        self._graph, self.provider = open_graph(
            self.path,
            threads=threads,
            device=device,
            strict_device=strict_device,
            providers=providers,
        )
        self.spec = _find_spec(self._graph, spec)

    def __enter__(self) -> "OnnxSession":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory; a call after that raises ValueError."""
        self._graph.close()

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
        groups = [crops[start : start + rows] for start in range(0, len(crops), rows)]
        outputs = list(map(self._run, groups))
        if len(outputs) > 1:
            outputs = [[np.concatenate(column) for column in zip(*outputs, strict=True)]]
        return tuple(np.asarray(column, dtype=np.float32) for column in outputs[0])

    def _run(self, crops: NDArray[np.uint8]) -> list[Floats]:
        w, h = self.spec.input_size_wh
        images = np.zeros((self._graph.batch or len(crops), 3, h, w), self._graph.dtype)
        self._prepare(crops, images[: len(crops)])  # rows beyond it hold what does not matter
        outputs = self._graph.run(images, self.spec.codec.output_names)
        return [output[: len(crops)] for output in outputs]

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
    path: Path,
    *,
    threads: int | None = None,
    device: str = "auto",
    strict_device: bool = False,
    providers: Sequence[str] | None = None,
) -> tuple[Graph, str]:
    """Load an `.onnx` file; give its graph and the provider that it really runs on.

    threads, device, strict_device, providers: as `OnnxSession` takes them; it raises and warns of
    the same.

    >>> open_graph(Path("none.onnx"))
    Traceback (most recent call last):
    FileNotFoundError: no such model file: none.onnx
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}; expected 1 or more, or None")
    if providers is not None and device != "auto":
        raise ValueError(f"device is {device!r} and providers are given; expected one of them")
    wanted = list(providers) if providers else Device.parse(device)
    loaded = load_network(path, wanted, threads=threads)
    label = str(wanted) if isinstance(wanted, Device) else wanted[0]
    _tell_fallback(path, label, loaded, is_strict=strict_device)
    try:
        return Graph(loaded.network, path), loaded.provider
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is damaged: a text in it is no UTF-8: {error}") from error


def _tell_fallback(path: Path, label: str, loaded: Loaded, *, is_strict: bool) -> None:
    if loaded.cause is None:
        return
    if is_strict:
        raise ValueError(f"{path.name} cannot run on {label}: {loaded.cause}")
    level = logging.INFO if label == "auto" else logging.WARNING
    _logger.log(
        level, "%s runs on %s, not on %s: %s", path.name, loaded.provider, label, loaded.cause
    )


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


def open_session(
    model: Model,
    *,
    spec: Spec | None = None,
    device: str = "auto",
    strict_device: bool = False,
    threads: int | None = None,
) -> Session:
    """Give the session of whatever holds one.

    model: a session, an object with a ``session()`` method such as a `PoseModel`, the name of an
    embedded model, or the path of an `.onnx` file. spec, device, strict_device, threads: of an
    `.onnx` file, as `OnnxSession` takes them. Raises FileNotFoundError for a missing file and
    ValueError for anything else.

    >>> open_session("no-such-model")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: unknown model 'no-such-model'; embedded are ...
    """
    if isinstance(model, str | os.PathLike):
        return OnnxSession(
            _model_file(os.fspath(model)),
            spec=spec,
            device=device,
            strict_device=strict_device,
            threads=threads,
        )
    if spec is not None:
        raise ValueError(
            f"a {type(model).__name__} has a Spec of its own; spec is for .onnx files only"
        )
    if device != "auto" or threads is not None:
        raise ValueError(
            f"a {type(model).__name__} is where it was put; device ({device!r}) and threads "
            f"({threads}) are for .onnx files only"
        )
    if isinstance(model, HasSession):
        return model.session()
    if not callable(model) or not isinstance(getattr(model, "spec", None), Spec):
        raise ValueError(
            f"cannot run a {type(model).__name__}; expected a session, a PoseModel, "
            "the name of an embedded model or the path of an .onnx file"
        )
    return model


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
