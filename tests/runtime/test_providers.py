import onnxruntime
import pytest

from posedistill.runtime.providers import (
    CPU,
    CUDA,
    DEVICES,
    DIRECTML,
    MIGRAPHX,
    ROCM,
    TENSORRT,
    Device,
    choose_providers,
    exchange_advice,
    fallback_cause,
    installed_versions,
    load_problem,
    pip_name,
)
from posedistill.weights import cache_dir

COREML = "CoreMLExecutionProvider"
OF_THE_GPU_WHEEL = [TENSORRT, CUDA, CPU]


def _names(device: str, available: list[str]) -> list[str]:
    return [name for name, _ in choose_providers(Device.parse(device), available).providers]


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("auto", Device("auto")),
        ("CUDA", Device("cuda")),
        ("cuda:1", Device("cuda", "1")),
        ("directml:0", Device("directml", "0")),
        ("OpenVINO:npu", Device("openvino", "NPU")),
        ("openvino:GPU.1", Device("openvino", "GPU.1")),
    ],
)
def test_a_text_names_a_device(text: str, device: Device) -> None:
    assert Device.parse(text) == device
    assert Device.parse(str(device)) == device


@pytest.mark.parametrize("text", ["gpu", "", ":1", "cuda1", "CUDAExecutionProvider"])
def test_an_unknown_device_is_refused_with_all_that_are_known(text: str) -> None:
    with pytest.raises(ValueError, match=f"unknown device '{text}'; expected .*auto, cpu, cuda"):
        Device.parse(text)


@pytest.mark.parametrize(
    "text", ["cuda:", "cuda:-1", "cuda:one", "cuda:²", "cpu:0", "auto:1", "coreml:0", "openvino:1"]
)
def test_a_wrong_index_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"device is '{text}'; expected such as"):
        Device.parse(text)


@pytest.mark.parametrize(
    ("available", "wanted"),
    [
        ([CPU], CPU),
        (["AzureExecutionProvider", CPU], CPU),
        (OF_THE_GPU_WHEEL, CUDA),
        ([DIRECTML, CPU], DIRECTML),
        ([MIGRAPHX, ROCM, CPU], MIGRAPHX),
        ([COREML, CPU], CPU),
    ],
    ids=["cpu", "no accelerator", "cuda", "directml", "rocm", "coreml is for those who ask"],
)
def test_auto_takes_the_best_that_onnxruntime_reports(available: list[str], wanted: str) -> None:
    chain = choose_providers(Device("auto"), available)
    assert chain.wanted[0] == chain.providers[0][0] == wanted


@pytest.mark.parametrize("device", [name for name in DEVICES if name != "openvino"])
def test_every_device_ends_at_the_cpu(device: str) -> None:
    everything = [*OF_THE_GPU_WHEEL, COREML, DIRECTML, MIGRAPHX, ROCM]
    chain = choose_providers(Device(device), everything)
    assert chain.providers[-1] == (CPU, {})
    assert chain.providers[0][0] in chain.wanted


def test_the_providers_of_a_device_are_names_that_onnxruntime_knows() -> None:
    known = {*onnxruntime.get_all_providers(), ROCM}  # newer versions have MIGraphX alone
    devices = [Device(name) for name in DEVICES if name != "openvino"]
    wanted = [name for device in devices for name in choose_providers(device, [CPU]).wanted]
    assert set(wanted) <= known


def test_tensorrt_tries_cuda_before_the_cpu() -> None:
    assert _names("tensorrt", OF_THE_GPU_WHEEL) == [TENSORRT, CUDA, CPU]
    assert choose_providers(Device("tensorrt"), OF_THE_GPU_WHEEL).wanted == (TENSORRT,)


def test_rocm_is_either_of_its_two_providers() -> None:
    chain = choose_providers(Device("rocm"), [ROCM, CPU])
    assert [name for name, _ in chain.providers] == [ROCM, CPU]
    assert ROCM in chain.wanted


def test_only_what_onnxruntime_reports_is_tried() -> None:
    assert _names("cuda", [CPU]) == [CPU]


def test_an_index_goes_to_the_accelerator_and_not_to_the_cpu() -> None:
    options = dict(choose_providers(Device("tensorrt", "2"), OF_THE_GPU_WHEEL).providers)
    assert options[TENSORRT]["device_id"] == options[CUDA]["device_id"] == "2"
    assert options[CPU] == {}


def test_cuda_takes_no_more_memory_than_asked_for_and_no_exhaustive_search() -> None:
    options = dict(choose_providers(Device("cuda"), OF_THE_GPU_WHEEL).providers)[CUDA]
    assert options == {
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "HEURISTIC",
    }


def test_engines_of_tensorrt_are_kept_in_the_cache() -> None:
    options = dict(choose_providers(Device("tensorrt"), OF_THE_GPU_WHEEL).providers)[TENSORRT]
    assert options["trt_engine_cache_enable"] == "True"
    assert options["trt_engine_cache_path"] == str(cache_dir() / "tensorrt")
    assert "trt_fp16_enable" not in options


@pytest.mark.parametrize(
    ("provider", "available", "installed", "expected"),
    [
        (
            CUDA,
            [CPU],
            {"onnxruntime": "1.31.1"},
            "the installed onnxruntime 1.31.1 has none; `pip uninstall -y onnxruntime`, then "
            '`pip install "onnxruntime-gpu[cuda,cudnn]"`',
        ),
        (
            CUDA,
            [CPU],
            {"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.30.0"},
            "onnxruntime and onnxruntime-gpu are installed together, one over the other; "
            "`pip uninstall -y onnxruntime onnxruntime-gpu`, then "
            '`pip install "onnxruntime-gpu[cuda,cudnn]"`',
        ),
        (CUDA, [CPU], {"onnxruntime-gpu": "1.31.1"}, "onnxruntime-gpu 1.31.1 has none on this"),
        (CUDA, [CPU], {}, "the installed onnxruntime has none; `pip install"),
        (MIGRAPHX, [CPU], {"onnxruntime": "1"}, "`pip install onnxruntime-migraphx`"),
        (COREML, [CPU], {"onnxruntime": "1"}, "CoreML is a part of macOS, and this is linux"),
        (DIRECTML, [CPU], {"onnxruntime": "1"}, "DirectML is a part of Windows"),
        ("QNNExecutionProvider", [CPU], {"onnxruntime": "1"}, "another build of onnxruntime"),
    ],
    ids=["cpu wheel", "two", "no cuda", "unknown", "rocm", "coreml", "directml", "other"],
)
def test_a_provider_that_is_not_reported_has_its_cause_in_what_is_installed(
    provider: str, available: list[str], installed: dict[str, str], expected: str
) -> None:
    cause = fallback_cause(provider, available=available, installed=installed, platform="linux")
    assert expected in cause


def test_a_reported_provider_whose_library_cannot_be_loaded_names_it() -> None:
    # This build reports CPU alone, so the library of CUDA is not there to be loaded.
    cause = fallback_cause(CUDA, available=OF_THE_GPU_WHEEL, installed={"onnxruntime-gpu": "1"})
    assert "a library cannot be loaded: " in cause
    assert "onnxruntime_providers_" in cause
    assert '`pip install "onnxruntime-gpu[cuda,cudnn]"`' in cause


def test_a_reported_provider_that_does_not_start_tells_what_was_said() -> None:
    told = fallback_cause(COREML, available=[COREML], installed={}, failure="x", platform="darwin")
    silent = fallback_cause(COREML, available=[COREML], installed={}, platform="darwin")
    assert told == "x"
    assert "no such device was found" in silent


def test_a_library_is_looked_for_where_a_provider_has_one() -> None:
    assert load_problem(CPU) is None
    if CUDA not in onnxruntime.get_available_providers():
        assert "onnxruntime_providers_" in str(load_problem(CUDA))


def test_advice_names_what_to_remove_and_what_to_install() -> None:
    assert exchange_advice(["a", "b"], pip_name("onnxruntime-gpu")) == (
        '`pip uninstall -y a b`, then `pip install "onnxruntime-gpu[cuda,cudnn]"`'
    )
    assert exchange_advice([], pip_name("onnxruntime-training")) == (
        "`pip install onnxruntime-training`"
    )


def test_versions_are_those_of_the_named_packages_that_are_installed() -> None:
    assert installed_versions(["pytest", "no-such-package"]) == {"pytest": pytest.__version__}
