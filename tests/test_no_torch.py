"""The numpy half works without torch, and importing the package loads next to nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"
TORCH_HALF = {
    "models",
    "losses",
    "teachers",
    "objectives",
    "train",
    "detect",
    "synth",
    "recipes",
    "export",
}
BLOCKED = ("torch", "lightning_fabric", "safetensors", "onnx", "onnxscript", "matplotlib")
PEOPLE_IN_NUMPY = """
import numpy as np
from posedistill.codecs import SimCC
from posedistill.datasets.drawn import DrawnPeople
people = DrawnPeople(1, size=64)
codec = SimCC((64, 64), (3.0, 3.0))
x, y, _ = codec.encode(people.instances[0].keypoints, people.instances[0].visible)
assert np.isfinite(codec.decode(x, y)[0]).all()
"""


def _run(script: str) -> str:
    """Run a script in a fresh interpreter; give what it prints."""
    block = f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n"
    result = subprocess.run(
        [sys.executable, "-c", block + script], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def _numpy_half() -> list[str]:
    """Give all modules but those of the torch half and what runs when imported as a program."""
    package = SOURCE / "posedistill"
    names = []
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package).with_suffix("").parts
        if parts[0] not in TORCH_HALF | {"__main__"}:
            names.append(".".join(["posedistill", *parts]).removesuffix(".__init__"))
    return names


@pytest.fixture(scope="module")
def blocked() -> str:
    return "".join(f"sys.modules[{name!r}] = None\n" for name in BLOCKED)


def test_every_module_of_the_numpy_half_imports_with_torch_blocked(blocked: str) -> None:
    names = _numpy_half()
    assert "posedistill.crop" in names
    assert "posedistill.runtime.estimator" in names
    script = f"import importlib\nfor name in {names!r}: importlib.import_module(name)\n"
    _run(blocked + script)


def test_the_numpy_half_works_with_torch_blocked(blocked: str) -> None:
    _run(blocked + PEOPLE_IN_NUMPY)


def test_importing_the_package_loads_neither_torch_nor_onnxruntime() -> None:
    heavy = (*BLOCKED, "onnxruntime", "faster_coco_eval", "tqdm")
    loaded = _run(f"import posedistill\nprint([n for n in {heavy!r} if n in sys.modules])")
    assert loaded.strip() == "[]"


def test_the_exported_names_exist() -> None:
    missing = _run(
        "import posedistill as p\nprint([name for name in p.__all__ if not hasattr(p, name)])"
    )
    assert missing.strip() == "[]"


def test_importing_takes_less_than_two_fifths_of_a_second_more_than_numpy_and_opencv() -> None:
    script = (
        "import time, numpy, cv2\nstart = time.perf_counter()\nimport posedistill\n"
        "print(time.perf_counter() - start)"
    )
    # The best of a few: what disturbs an import only ever makes it slower.
    assert min(float(_run(script)) for _ in range(3)) < 0.4
