"""Graphs of `.onnx` files: what they take and give, and whether a `Spec` fits them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from posedistill.codecs import SimCC
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec

WAY_OUT = "name its Spec with --spec NAME, or pass spec= to OnnxSession"
Floats = NDArray[np.float32]
Images = NDArray[np.uint8 | np.float32]
Shapes = tuple[tuple[int, ...], ...]
_TYPES: dict[str, type[np.uint8 | np.float32]] = {
    "tensor(uint8)": np.uint8,
    "tensor(float)": np.float32,
}
_HINTS = {  # by the type of an input whose shape fits but whose type does not
    "tensor(float)": "; the file expects normalised input, so its Spec needs mean and std",
    "tensor(uint8)": "; the file normalises by itself, so its Spec has no mean and std",
}


class Port(NamedTuple):
    """Name an input or output of a graph, with the type and the shape that the file declares.

    >>> Port("input", "tensor(float)", ("batch", 3, 256, None)).sizes
    (None, 3, 256, None)
    """

    name: str
    type: str
    shape: tuple[int | str | None, ...]

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """Give the shape with None for what the file leaves open."""
        return tuple(size if isinstance(size, int) and size > 0 else None for size in self.shape)

    def __str__(self) -> str:
        return f"{self.name} {self.type} {list(self.shape)}"


class Metadata(Protocol):
    """Carry what stands in a file beside the graph."""

    @property
    def custom_metadata_map(self) -> Mapping[str, str]:
        """Give texts by name."""


class Network(Protocol):
    """Run a loaded file: the part of onnxruntime's InferenceSession that a `Graph` uses."""

    def get_inputs(self) -> Sequence[object]:
        """Give the inputs, each with a name, a type and a shape."""

    def get_outputs(self) -> Sequence[object]:
        """Give the outputs, likewise."""

    def get_modelmeta(self) -> Metadata:
        """Give the metadata."""

    def run(self, names: list[str], images_by_name: dict[str, Images]) -> Sequence[Floats]:
        """Give the named outputs."""


class Graph:
    """Hold a loaded `.onnx` file: its ports, its metadata, and runs of it until it is closed.

    >>> from onnxruntime import InferenceSession  # doctest: +SKIP
    >>> Graph(InferenceSession("pose.onnx"), Path("pose.onnx")).batch  # doctest: +SKIP
    1
    """

    def __init__(self, network: Network, path: Path) -> None:
        self.path = path
        self.inputs = tuple(Port(*_fields(port)) for port in network.get_inputs())
        self.outputs = tuple(Port(*_fields(port)) for port in network.get_outputs())
        self.metadata: Mapping[str, str] = network.get_modelmeta().custom_metadata_map
        self._network: Network | None = network

    @property
    def batch(self) -> int | None:
        """Give the number of crops that every run must have; None where any will do."""
        return self.inputs[0].sizes[0]

    @property
    def dtype(self) -> type[np.uint8 | np.float32]:
        """Give the type of the pixels that the graph takes."""
        return _TYPES[self.inputs[0].type]

    def run(self, images: Images, names: tuple[str, ...]) -> list[Floats]:
        """Give the named outputs. images: (batch, 3, h, w) of `dtype`.

        Raises ValueError when the graph is closed or the run fails.
        """
        network = self._open_network()
        try:
            return list(network.run(list(names), {self.inputs[0].name: images}))
        except runtime_errors() as error:
            raise ValueError(
                f"{self.path} fails on images of shape {images.shape}: {one_line(error)}"
            ) from error

    def _open_network(self) -> Network:
        if self._network is None:
            raise ValueError(f"{self.path.name} is closed; open it again to run it")
        return self._network

    def close(self) -> None:
        """Free the memory of the network."""
        self._network = None

    def output_shapes(self, names: tuple[str, ...], size_wh: tuple[int, int]) -> Shapes:
        """Give the shapes of the named outputs for one crop of that size, in pixels.

        They are what the file declares or, where it leaves a size open, those of a run on zeros.
        Raises ValueError when that run fails or contradicts the file.
        """
        sizes_by_name = {port.name: port.sizes for port in self.outputs}
        declared = [sizes_by_name[name][1:] for name in names]
        known = tuple(tuple(size for size in sizes if size) for sizes in declared)
        if all(known) and known == tuple(declared) and all(self.inputs[0].sizes[1:]):
            return known
        seen = self._try(names, size_wh)
        for name, sizes, shape in zip(names, declared, seen, strict=True):
            if sizes and not _agree(sizes, shape):
                raise ValueError(
                    f"{self.path}: {name} of a {size_wh[0]}x{size_wh[1]} crop is {shape}, but the "
                    f"file declares {sizes}; {WAY_OUT}"
                )
        return seen

    def _try(self, names: tuple[str, ...], size_wh: tuple[int, int]) -> Shapes:
        w, h = size_wh
        zeros = np.zeros((self.batch or 1, 3, h, w), self.dtype)
        try:
            outputs = self._open_network().run(list(names), {self.inputs[0].name: zeros})
        except runtime_errors() as error:
            raise ValueError(
                f"{self.path} does not run on crops of {w}x{h}: {one_line(error)}; {WAY_OUT}"
            ) from error
        return tuple(output.shape[1:] for output in outputs)


def runtime_errors() -> tuple[type[Exception], ...]:
    """Give all that onnxruntime and OpenVINO raise for a file that they cannot load or run.

    >>> RuntimeError in runtime_errors()
    True
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = (kind for kind in vars(state).values() if isinstance(kind, type))
    # The rest is what pybind11 makes of the exceptions of C++'s standard library.
    standard = (RuntimeError, ValueError, MemoryError, IndexError, OverflowError)
    return (*(kind for kind in own if issubclass(kind, Exception)), *standard)


def one_line(error: Exception) -> str:
    r"""Give what an error says, in one line.

    >>> one_line(ValueError("a,\n   b"))
    'a, b'
    """
    return " ".join(str(error).split()) or type(error).__name__


def _fields(port: object) -> tuple[str, str, tuple[int | str | None, ...]]:
    name, kind, shape = (getattr(port, field) for field in ("name", "type", "shape"))
    return name, kind, tuple(shape)


def _agree(declared: tuple[int | None, ...], seen: tuple[int, ...]) -> bool:
    same = (size in (None, other) for size, other in zip(declared, seen, strict=False))
    return len(declared) == len(seen) and all(same)


def output_shapes(spec: Spec) -> Shapes:
    """Give the shape of each output for one crop, as a Spec asks for it.

    >>> output_shapes(Spec("rtmpose-t", "coco17", SimCC((192, 256), (4.9, 5.66))))
    ((17, 384), (17, 512))
    """
    joints, codec = len(Skeleton.get(spec.skeleton)), spec.codec
    if isinstance(codec, SimCC):
        bins_x, bins_y = codec.bins_xy
        return (joints, bins_x), (joints, bins_y)
    w, h = codec.map_size_wh
    return ((joints, h, w),)


def check_fit(graph: Graph, spec: Spec) -> None:
    """Raise ValueError unless the Spec describes the graph: type, size, joints and bins.

    Runs the graph once, on zeros, where the file leaves sizes open.

    >>> check_fit(Graph(session, path), spec)  # doctest: +SKIP
    """
    _check_input(graph, spec)
    names = spec.codec.output_names
    given = [port.name for port in graph.outputs]
    if missing := [name for name in names if name not in given]:
        raise ValueError(f"{graph.path}: no output {', '.join(missing)}; the graph has {given}")
    wanted = output_shapes(spec)
    seen = graph.output_shapes(names, spec.input_size_wh)
    if seen != wanted:
        w, h = spec.input_size_wh
        raise ValueError(
            f"{graph.path} gives {said(names, seen)} a crop; the Spec ({spec.skeleton}, "
            f"{spec.codec.name} at {w}x{h}) says {said(names, wanted)}; give the Spec of this file"
        )


def said(names: tuple[str, ...], shapes: Shapes) -> str:
    """Give shapes in words, by the name of the output.

    >>> said(("heatmap",), ((17, 64, 48),))
    'heatmap (17, 64, 48)'
    """
    return ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes, strict=True))


def _check_input(graph: Graph, spec: Spec) -> None:
    w, h = spec.input_size_wh
    expected = "tensor(uint8)" if spec.mean is None else "tensor(float)"
    fits = len(graph.inputs) == 1 and _agree(graph.inputs[0].sizes[1:], (3, h, w))
    if fits and graph.inputs[0].type == expected:
        return
    hint = _HINTS.get(graph.inputs[0].type, "") if fits else ""
    raise ValueError(
        f"{graph.path} takes {listed(graph.inputs)}; "
        f"the Spec says {expected} (N, 3, {h}, {w}){hint}"
    )


def listed(ports: tuple[Port, ...]) -> str:
    """Give ports in words.

    >>> listed(())
    'none'
    """
    return ", ".join(map(str, ports)) or "none"
