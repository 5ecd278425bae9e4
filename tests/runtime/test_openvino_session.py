import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.codecs import SimCC
from posedistill.runtime.openvino_session import OpenvinoSession
from posedistill.runtime.session import OnnxSession, embedded_models, open_session
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD, Spec

pytest.importorskip("openvino", reason="needs the extra openvino")
WriteModel = Callable[..., Path]


def _crops(n: int, size_wh: tuple[int, int] = (48, 64)) -> NDArray[np.uint8]:
    w, h = size_wh
    return np.random.default_rng(0).integers(0, 256, (n, 3, h, w), dtype=np.uint8)


@pytest.mark.parametrize("name", embedded_models())
def test_an_embedded_model_gives_what_it_gives_on_onnxruntime(name: str) -> None:
    ours = open_session(name, device="openvino", threads=1)
    theirs = open_session(name, device="cpu", threads=1)
    assert (ours.spec, ours.provider) == (theirs.spec, "openvino-cpu")
    crops = _crops(3, ours.spec.input_size_wh)
    for got, wanted in zip(ours(crops), theirs(crops), strict=True):
        # Both add up float32, in orders of their own.
        np.testing.assert_allclose(got, wanted, atol=1e-5 * np.abs(wanted).max())
        np.testing.assert_array_equal(got.argmax(axis=-1), wanted.argmax(axis=-1))


def test_the_ports_are_those_that_onnxruntime_sees(write_dot_model: WriteModel) -> None:
    path = write_dot_model()
    network = OpenvinoSession(path)
    assert network.get_inputs() == [("images", "tensor(uint8)", (None, 3, 64, 48))]
    assert network.get_outputs() == [
        ("simcc_x", "tensor(float)", (None, 17, 48)),
        ("simcc_y", "tensor(float)", (None, 17, 64)),
    ]


@pytest.mark.parametrize("batch", ["batch", 1, 4], ids=["open", "one", "four"])
def test_published_files_are_recognised_and_run_in_groups_of_their_batch(
    write_dot_model: WriteModel, batch: int | str
) -> None:
    codec = SimCC((48, 64), (4.9, 5.66))
    spec = Spec("published-simcc", "coco17", codec, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    path = write_dot_model(spec=spec, metadata="", batch=batch)
    ours, theirs = OnnxSession(path, device="openvino"), OnnxSession(path, device="cpu")
    assert ours.spec == theirs.spec
    for got, wanted in zip(ours(_crops(6)), theirs(_crops(6)), strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_what_it_gave_before_stays_after_another_run(write_dot_model: WriteModel) -> None:
    session = OnnxSession(write_dot_model(), device="openvino")
    first = session(_crops(2))[0]
    kept = first.copy()
    session(255 - _crops(2))
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("content", [b"", b"no model" * 50], ids=["empty", "noise"])
def test_a_damaged_file_is_told_as_onnxruntime_does(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.onnx is damaged or no ONNX model"):
        OnnxSession(tmp_path / "bad.onnx", device="openvino")


def test_a_missing_file_is_told_as_onnxruntime_does(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.onnx"):
        OnnxSession(tmp_path / "none.onnx", device="openvino")


def test_a_unit_that_is_not_there_is_replaced_with_one_warning(
    write_dot_model: WriteModel, caplog: pytest.LogCaptureFixture
) -> None:
    session = OnnxSession(write_dot_model(), device="openvino:GPU.99")
    assert session.provider == "CPUExecutionProvider"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(
        "dot.onnx runs on CPUExecutionProvider, not on openvino:GPU.99: OpenVINO finds no GPU.99"
    )


def test_a_unit_that_is_not_there_is_refused_where_the_device_is_strict(
    write_dot_model: WriteModel,
) -> None:
    with pytest.raises(ValueError, match=r"cannot run on openvino:GPU\.99: OpenVINO finds no"):
        OnnxSession(write_dot_model(), device="openvino:GPU.99", strict_device=True)
