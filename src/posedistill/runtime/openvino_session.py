"""OpenVINO: runs `.onnx` files on the processors of Intel; other CPUs do as well.

It has the part of onnxruntime's InferenceSession that a `Graph` uses, so that all that surrounds a
network (spec, groups of a fixed batch, normalisation) is the same. Numbers are float32 on the CPU;
other units choose for themselves.
"""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from posedistill.runtime.graph import Floats, Images, Port, one_line

if TYPE_CHECKING:
    from openvino import ConstOutput, Core, Model

_TYPES = {"u8": "tensor(uint8)", "f32": "tensor(float)", "i64": "tensor(int64)"}


class Metadata(NamedTuple):
    """Hold the texts that stand in a file beside the graph, by name."""

    custom_metadata_map: Mapping[str, str]


class OpenvinoSession:
    """Run an `.onnx` file by OpenVINO.

    unit: CPU, GPU, GPU.1, NPU as OpenVINO names them. threads: of the CPU; its own choice when
    None. Raises ModuleNotFoundError without the package `openvino`, and RuntimeError for a unit
    that is not there and a file that is damaged or has what OpenVINO does not know.

    >>> OpenvinoSession(Path("pose.onnx")).provider  # doctest: +SKIP
    'openvino-cpu'
    """

    def __init__(self, path: Path, *, unit: str = "CPU", threads: int | None = None) -> None:
        from openvino import Core

        core = Core()
        _check_unit(core, unit)
        model = _read(path)
        config: dict[str, str | int] = {}
        if unit == "CPU":
            config["INFERENCE_PRECISION_HINT"] = "f32"
            if threads is not None:
                config["INFERENCE_NUM_THREADS"] = threads
        self.provider = f"openvino-{unit.lower()}"
        self._compiled = core.compile_model(model, unit, config)
        self._metadata = Metadata(_texts(model))
        self._request = self._compiled.create_infer_request()
        self._lock = threading.Lock()  # a request holds its inputs and outputs

    def get_inputs(self) -> Sequence[object]:
        """Give the inputs, each with a name, a type and a shape."""
        return [_port(port) for port in self._compiled.inputs]

    def get_outputs(self) -> Sequence[object]:
        """Give the outputs, likewise."""
        return [_port(port) for port in self._compiled.outputs]

    def get_modelmeta(self) -> Metadata:
        """Give the metadata."""
        return self._metadata

    def run(self, names: list[str], images_by_name: dict[str, Images]) -> list[Floats]:
        """Give copies of the named outputs."""
        with self._lock:
            self._request.infer(images_by_name)
            return [np.array(self._request.get_tensor(name).data) for name in names]


def _check_unit(core: "Core", unit: str) -> None:
    seen = core.available_devices
    if not any(name == unit or name.startswith(f"{unit}.") for name in seen):
        raise RuntimeError(
            f"OpenVINO finds no {unit} here; it finds {', '.join(seen) or 'nothing'}"
        )


def _read(path: Path) -> "Model":
    from openvino.frontend import (
        FrontEndManager,
        GeneralFailure,
        InitializationFailure,
        NotImplementedFailure,
        OpConversionFailure,
        OpValidationFailure,
    )

    # Core.read_model would let the readers of all other formats try a damaged file.
    reader = FrontEndManager().load_by_framework("onnx")
    failures = (GeneralFailure, InitializationFailure, NotImplementedFailure)
    try:
        model = reader.convert(reader.load(str(path)))
    except (*failures, OpConversionFailure, OpValidationFailure) as error:
        raise RuntimeError(f"OpenVINO cannot read it: {one_line(error)}") from error
    if not model.inputs:  # an empty file is read without complaint
        raise RuntimeError("OpenVINO finds no network in it")
    return model


def _texts(model: "Model") -> dict[str, str]:
    if not model.has_rt_info("framework"):
        return {}
    entries = model.get_rt_info("framework").value
    return {name: str(entry) for name, entry in entries.items()}


def _port(port: "ConstOutput") -> Port:
    kind = port.get_element_type().get_type_name()
    sizes = [size.get_length() if size.is_static else None for size in port.get_partial_shape()]
    return Port(port.get_any_name(), _TYPES.get(kind, f"tensor({kind})"), tuple(sizes))
