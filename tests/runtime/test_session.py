import logging
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

import posedistill
from posedistill.codecs import SimCC
from posedistill.runtime.session import OnnxSession, Session, open_graph, open_session
from posedistill.spec import IMAGENET_MEAN, IMAGENET_STD, Spec

WriteModel = Callable[..., Path]
CODEC = SimCC((48, 64), (4.9, 5.66), split_ratio=1.0)
CHANNELS = [2] + 8 * [0, 1]  # of the dot finder: nose blue, left red, right green


def _crops(n: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, 3, 64, 48), dtype=np.uint8)


def test_outputs_are_those_of_the_graph_in_the_order_of_the_spec(
    write_dot_model: WriteModel,
) -> None:
    crops = _crops()
    logits_x, logits_y = OnnxSession(write_dot_model())(crops)
    maps = crops[:, CHANNELS].astype(np.float64) / 255
    np.testing.assert_allclose(logits_x, maps.max(axis=2), atol=1e-6)
    np.testing.assert_allclose(logits_y, maps.max(axis=3), atol=1e-6)
    assert logits_x.dtype == logits_y.dtype == np.float32


def test_crops_are_normalised_where_the_spec_has_mean_and_std(write_dot_model: WriteModel) -> None:
    spec = Spec("dot-finder", "coco17", CODEC, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    crops = _crops()
    logits_x, _ = OnnxSession(write_dot_model(spec=spec))(crops)
    mean, std = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
    normal = (crops.transpose(0, 2, 3, 1) - mean) / std
    expected = normal.transpose(0, 3, 1, 2)[:, CHANNELS].max(axis=2) / 255
    np.testing.assert_allclose(logits_x, expected, atol=1e-6)


def test_a_view_of_mirrored_crops_is_taken_as_it_looks(write_dot_model: WriteModel) -> None:
    session, crops = OnnxSession(write_dot_model()), _crops()
    mirrored, plain = session(crops[..., ::-1])[0], session(crops)[0]
    np.testing.assert_array_equal(mirrored, plain[..., ::-1])


def test_the_spec_comes_from_the_file(write_dot_model: WriteModel) -> None:
    spec = Spec("dot-finder", "coco17", CODEC, padding=1.1, licence="CC0", data_card="dots")
    assert OnnxSession(write_dot_model(spec=spec)).spec == spec


def test_the_provider_is_the_one_in_use(write_dot_model: WriteModel) -> None:
    session = OnnxSession(write_dot_model(), providers=["CPUExecutionProvider"], threads=1)
    assert session.provider == "CPUExecutionProvider"


def test_a_provider_that_is_not_to_be_had_is_warned_about_once(
    write_dot_model: WriteModel, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = next(
        name
        for name in onnxruntime.get_all_providers()
        if name not in onnxruntime.get_available_providers()
    )
    with caplog.at_level(logging.WARNING):
        session = OnnxSession(write_dot_model(), providers=[wanted])
    assert session.provider == "CPUExecutionProvider"
    (record,) = caplog.records
    expected = f"dot.onnx runs on CPUExecutionProvider, not on {wanted}: "
    assert record.getMessage().startswith(expected)


without_cuda = pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(),
    reason="this onnxruntime has CUDA",
)


@without_cuda
def test_a_device_that_is_not_to_be_had_is_one_warning_with_its_cause(
    write_dot_model: WriteModel, caplog: pytest.LogCaptureFixture
) -> None:
    session = OnnxSession(write_dot_model(), device="cuda:1")
    assert session.provider == "CPUExecutionProvider"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    message = record.getMessage()
    assert message.startswith("dot.onnx runs on CPUExecutionProvider, not on cuda:1: the installed")
    assert "`pip install" in message
    assert "\n" not in message
    np.testing.assert_array_equal(session(_crops())[0], OnnxSession(session.path)(_crops())[0])


@without_cuda
def test_a_device_that_is_not_to_be_had_is_refused_where_it_is_strict(
    write_dot_model: WriteModel,
) -> None:
    with pytest.raises(ValueError, match=r"dot\.onnx cannot run on cuda: the installed .*`pip"):
        OnnxSession(write_dot_model(), device="cuda", strict_device=True)
    with pytest.raises(ValueError, match="cannot run on CUDAExecutionProvider: the installed"):
        OnnxSession(write_dot_model(), providers=["CUDAExecutionProvider"], strict_device=True)


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_devices_that_are_there_are_taken_without_a_word(
    write_dot_model: WriteModel, caplog: pytest.LogCaptureFixture, device: str
) -> None:
    OnnxSession(write_dot_model(), device=device, strict_device=device == "cpu")
    assert not caplog.records


def test_an_unknown_device_is_refused_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown device 'gpu'; expected one of auto, cpu"):
        OnnxSession(tmp_path / "none.onnx", device="gpu")


def test_device_and_providers_exclude_each_other(write_dot_model: WriteModel) -> None:
    with pytest.raises(ValueError, match="device is 'cpu' and providers are given"):
        OnnxSession(write_dot_model(), device="cpu", providers=["CPUExecutionProvider"])


def test_a_closed_session_says_so(write_dot_model: WriteModel) -> None:
    with OnnxSession(write_dot_model()) as session:
        session(_crops())
    with pytest.raises(ValueError, match=r"dot\.onnx is closed"):
        session(_crops())
    session.close()


def test_closing_frees_the_network(write_dot_model: WriteModel) -> None:
    session = OnnxSession(write_dot_model(), device="cpu")
    network = weakref.ref(session._graph._open_network())
    assert network() is not None
    session.close()
    assert network() is None


def test_an_unknown_provider_is_refused(write_dot_model: WriteModel) -> None:
    with pytest.raises(ValueError, match="unknown provider 'GpuPlease'"):
        OnnxSession(write_dot_model(), providers=["GpuPlease"])


@pytest.mark.parametrize(
    "crops",
    [
        np.zeros((2, 3, 48, 64), np.uint8),
        np.zeros((2, 64, 48, 3), np.uint8),
        np.zeros((3, 64, 48), np.uint8),
        np.zeros((2, 3, 64, 48), np.float32),
    ],
    ids=["width before height", "channels last", "no batch", "float"],
)
def test_crops_of_another_shape_or_type_are_refused(
    write_dot_model: WriteModel, crops: NDArray[np.uint8]
) -> None:
    with pytest.raises(ValueError, match=r"expected \(N, 3, 64, 48\) uint8"):
        OnnxSession(write_dot_model())(crops)


def test_a_file_without_a_spec_says_how_to_get_one(write_dot_model: WriteModel) -> None:
    with pytest.raises(ValueError, match=r"bare\.onnx carries no .*posedistill export"):
        OnnxSession(write_dot_model("bare.onnx", metadata=""))


def test_a_file_with_a_damaged_spec_is_named(write_dot_model: WriteModel) -> None:
    with pytest.raises(ValueError, match=r"odd\.onnx: not a posedistill spec"):
        OnnxSession(write_dot_model("odd.onnx", metadata="{}"))


@pytest.mark.parametrize("content", [b"", b"no model" * 50], ids=["empty", "noise"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.onnx is damaged or no ONNX model"):
        OnnxSession(tmp_path / "bad.onnx")


@pytest.mark.parametrize("device", ["cpu", "openvino"])
def test_a_file_with_any_byte_changed_runs_or_is_refused(
    write_dot_model: WriteModel, device: str
) -> None:
    path = write_dot_model()
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    logging.getLogger("posedistill").setLevel(logging.ERROR)  # of devices that are not here
    outcomes = []
    for place in range(0, len(content), 67):
        changed = bytearray(content)
        changed[place] = generator.integers(256)
        path.write_bytes(changed)
        outcomes.append(_outcome(path, device))
    logging.getLogger("posedistill").setLevel(logging.NOTSET)
    assert set(outcomes) == {"runs", "refused"}


def _outcome(path: Path, device: str) -> str:
    try:
        OnnxSession(path, device=device, threads=1)(_crops(1))
    except ValueError as error:
        # Anything else is an error of this test; also a UnicodeError, which is a ValueError.
        return "refused" if path.name in str(error) else repr(error)
    return "runs"


def test_a_text_that_is_no_utf8_is_told_with_the_file(write_dot_model: WriteModel) -> None:
    path = write_dot_model()
    path.write_bytes(path.read_bytes().replace(b"posedistill_spec", b"posedistill_s\xff\xfe\xfd"))
    with pytest.raises(ValueError, match=r"dot\.onnx is damaged: .* no UTF-8"):
        OnnxSession(path)


def test_a_run_that_fails_is_told_with_the_file_and_the_batch(write_dot_model: WriteModel) -> None:
    graph, _ = open_graph(write_dot_model(), device="cpu")
    with pytest.raises(ValueError, match=r"dot\.onnx fails on images of shape \(1, 3, 5, 48\): "):
        graph.run(np.zeros((1, 3, 5, 48), np.uint8), ("simcc_x",))


def test_a_cut_file_is_named(write_dot_model: WriteModel) -> None:
    path = write_dot_model()
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"dot\.onnx is damaged or no ONNX model"):
        OnnxSession(path)


def test_a_graph_that_contradicts_its_spec_is_refused(write_dot_model: WriteModel) -> None:
    other = Spec("dot-finder", "coco17", SimCC((64, 48), (4.9, 5.66), split_ratio=1.0))
    with pytest.raises(ValueError, match=r"Spec says tensor\(uint8\) \(N, 3, 48, 64\)"):
        OnnxSession(write_dot_model(spec=other))


def test_a_graph_without_the_outputs_of_its_codec_is_refused(write_dot_model: WriteModel) -> None:
    with pytest.raises(ValueError, match=r"no output simcc_y; the graph has \['simcc_x', 'y'\]"):
        OnnxSession(write_dot_model(output_names=("simcc_x", "y")))


def test_less_than_one_thread_is_refused(write_dot_model: WriteModel) -> None:
    with pytest.raises(ValueError, match="threads is 0"):
        OnnxSession(write_dot_model(), threads=0)


def test_open_session_takes_paths_sessions_and_what_gives_a_session(
    write_dot_model: WriteModel,
) -> None:
    path = write_dot_model()
    session = open_session(path)

    class Holder:
        def session(self) -> Session:
            return session

    assert open_session(str(path)).spec == session.spec
    assert open_session(session) is session
    assert open_session(Holder()) is session


def test_open_session_hands_device_and_threads_on_to_files(write_dot_model: WriteModel) -> None:
    path = write_dot_model()
    assert open_session(path, device="cpu", threads=1).provider == "CPUExecutionProvider"
    with pytest.raises(ValueError, match="threads is 0"):
        open_session(path, threads=0)


@pytest.mark.parametrize("wish", [{"device": "cpu"}, {"threads": 1}], ids=["device", "threads"])
def test_open_session_does_not_move_what_is_open(
    write_dot_model: WriteModel, wish: dict[str, Any]
) -> None:
    session = OnnxSession(write_dot_model())
    with pytest.raises(ValueError, match="a OnnxSession is where it was put"):
        open_session(session, **wish)


def test_open_session_says_that_torch_models_are_loaded_elsewhere(tmp_path: Path) -> None:
    for model in (tmp_path, tmp_path / "model.safetensors"):
        with pytest.raises(ValueError, match=r"posedistill\.models\.load"):
            open_session(model)


def test_open_session_names_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown model 'wholebody-q'; embedded are"):
        open_session("wholebody-q")
    with pytest.raises(FileNotFoundError, match=r"none\.onnx"):
        open_session(tmp_path / "none.onnx")
    with pytest.raises(ValueError, match="cannot run a int"):
        open_session(7)  # type: ignore[arg-type]


def test_importing_the_module_does_not_import_onnxruntime() -> None:
    source = str(Path(posedistill.__file__).parents[1])
    code = (
        f"import sys; sys.path.insert(0, {source!r}); import posedistill.runtime.session; "
        "print('onnxruntime' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_the_fixture_is_a_valid_onnx_model(write_dot_model: WriteModel) -> None:
    onnx.checker.check_model(onnx.load(write_dot_model()))
