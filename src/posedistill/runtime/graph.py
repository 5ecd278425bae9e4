"""Graphs of `.onnx` files: what they take and give, and whether a `Spec` fits them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.codecs import SimCC
from posedistill.skeleton import Skeleton
from posedistill.spec import Spec

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

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


class Graph:
    """Hold a loaded `.onnx` file: its ports, its metadata, and runs of it.

    >>> from onnxruntime import InferenceSession  # doctest: +SKIP
    >>> Graph(InferenceSession("pose.onnx"), Path("pose.onnx")).batch  # doctest: +SKIP
    1
    """

    def __init__(self, session: "InferenceSession", path: Path) -> None:
        self.path = path
        self.inputs = tuple(Port(*_fields(port)) for port in session.get_inputs())
        self.outputs = tuple(Port(*_fields(port)) for port in session.get_outputs())
        self.metadata: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
        self._session = session

    @property
    def batch(self) -> int | None:
        """Give the number of crops that every run must have; None where any will do."""
        return self.inputs[0].sizes[0]

    @property
    def dtype(self) -> type[np.uint8 | np.float32]:
        """Give the type of the pixels that the graph takes."""
        return _TYPES[self.inputs[0].type]

    def run(self, images: Images, names: tuple[str, ...]) -> list[Floats]:
        """Give the named outputs. images: (batch, 3, h, w) of `dtype`."""
        return list(self._session.run(list(names), {self.inputs[0].name: images}))

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
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        w, h = size_wh
        zeros = np.zeros((self.batch or 1, 3, h, w), self.dtype)
        try:
            return tuple(output.shape[1:] for output in self.run(zeros, names))
        except (state.InvalidArgument, state.RuntimeException, state.Fail) as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"{self.path} does not run on crops of {w}x{h}: {reason}; {WAY_OUT}"
            ) from error


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
