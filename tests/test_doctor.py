import argparse
import os
import platform
from pathlib import Path

import numpy as np
import pytest

from posedistill import doctor
from posedistill.cli_doctor import add_doctor, report
from posedistill.doctor import Finding, diagnose
from posedistill.runtime.providers import installed_versions

SOUND = {"numpy": "2.4.6", "opencv-python-headless": "5.0.0.93", "onnxruntime": "1.31.1"}


def _texts(findings: list[Finding]) -> dict[str, str]:
    return {finding.topic: finding.text for finding in findings}


def test_versions_are_those_that_are_installed() -> None:
    texts = _texts(list(doctor.versions(installed_versions(["numpy"]))))
    assert texts["numpy"] == np.__version__
    assert texts["python"].startswith(platform.python_version())


def test_what_is_not_installed_is_said_to_be_so() -> None:
    texts = _texts(list(doctor.versions(SOUND)))
    assert texts["opencv"] == "opencv-python-headless 5.0.0.93"
    assert texts["torch"] == texts["openvino"] == texts["av"] == "not installed"
    assert _texts(list(doctor.versions({})))["onnxruntime"] == "no wheel of it"


def test_one_wheel_of_each_is_no_conflict() -> None:
    others = {"onnxruntime-extensions": "0.15", "onnxruntime-genai": "0.18", "opencv-stubs": "1"}
    assert not list(doctor.conflicts(SOUND | others))


@pytest.mark.parametrize(
    ("extra", "topic", "remedy"),
    [
        (
            "opencv-python",
            "opencv",
            "`pip uninstall -y opencv-python-headless opencv-python`, then "
            "`pip install opencv-python-headless`",
        ),
        (
            "onnxruntime-gpu",
            "onnxruntime",
            "`pip uninstall -y onnxruntime onnxruntime-gpu`, then "
            '`pip install "onnxruntime-gpu[cuda,cudnn]"`',
        ),
        (
            "onnxruntime-directml",
            "onnxruntime",
            "`pip uninstall -y onnxruntime onnxruntime-directml`, then "
            "`pip install onnxruntime-directml`",
        ),
    ],
)
def test_two_wheels_in_one_folder_are_a_problem_with_the_lines_that_mend_it(
    extra: str, topic: str, remedy: str
) -> None:
    (finding,) = doctor.conflicts(SOUND | {extra: "1.0"})
    assert (finding.topic, finding.remedy, finding.is_problem) == (topic, remedy, True)
    assert extra in finding.text


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "AttributeError"),
        ("import no_such_library", "No module named 'no_such_library'"),
        ("import os; os._exit(3)", "exit code 3"),
    ],
    ids=["hollow", "a part missing", "ends the process"],
)
def test_an_import_that_fails_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    (tmp_path / "cv2.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    (finding,) = doctor.broken_imports({"opencv-python": "4.9"})
    assert (finding.topic, finding.is_problem) == ("cv2", True)
    assert reason in finding.text
    assert finding.remedy == "`pip install --force-reinstall opencv-python`"


@pytest.mark.parametrize(
    ("group", "files", "limit"),
    [
        ("/", {}, None),
        ("/", {"cpu.max": "max 100000"}, None),
        ("/", {"cpu.max": "250000 100000"}, 2.5),
        ("/a/b", {"a/cpu.max": "100000 50000", "a/b/cpu.max": "max 100000"}, 2.0),
        ("/a/b", {"a/cpu.max": "400000 100000", "a/b/cpu.max": "100000 100000"}, 1.0),
        ("/", {"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1.5),
        ("/", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
    ],
    ids=["none", "no limit", "own", "of the parent", "the tightest", "version 1", "1, no limit"],
)
def test_the_limit_of_a_container_is_the_tightest_of_its_groups(
    tmp_path: Path, group: str, files: dict[str, str], limit: float | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    membership = tmp_path / "membership"
    membership.write_text(f"1:cpu:/\n0::{group}\n")
    assert doctor.container_limit(tmp_path, membership) == limit


def test_threads_are_told_as_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert "OMP_NUM_THREADS is 7" in _texts(list(doctor.cpus()))["threads"]
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert "OMP_NUM_THREADS is not set" in _texts(list(doctor.cpus()))["threads"]


def test_the_cache_is_measured(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_bytes(bytes(1_500_000))
    (tmp_path / "b").write_bytes(bytes(1_000_000))
    finding = doctor.cache(tmp_path)
    assert finding.text == f"{tmp_path}: 2 files, 2.5 MB"
    assert not finding.is_problem


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything is writable to root"
)
def test_a_cache_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    finding = doctor.cache(tmp_path / "new")
    tmp_path.chmod(0o700)
    assert finding.is_problem
    assert "POSEDISTILL_CACHE" in str(finding.remedy)


def test_a_diagnosis_of_wheels_in_conflict_holds_the_problem_and_the_rest() -> None:
    findings = diagnose(device="cpu", installed=SOUND | {"opencv-python": "4.9"})
    assert [finding.topic for finding in findings if finding.is_problem] == ["opencv"]
    topics = {finding.topic for finding in findings}
    assert topics >= {"python", "system", "cpus", "cache", "providers", "auto", "run"}


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown device 'gpu'"):
        diagnose(device="gpu")


def test_the_command_tells_of_a_device_that_is_not_to_be_had_and_times_the_cpu(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parser = argparse.ArgumentParser()
    add_doctor(parser.add_subparsers())
    arguments = parser.parse_args(["doctor", "--device", "openvino:GPU.99"])
    assert arguments.run(arguments) == 1
    *printed, problem, timed, _, last = capsys.readouterr().out.splitlines()
    assert problem.split()[:2] == ["!", "run"]
    assert "cannot run on openvino:GPU.99: " in problem
    assert "on CPUExecutionProvider: 1 person " in timed
    assert last == "problems, marked by !: 1"
    assert any(line.split()[0] == "numpy" for line in printed)


def test_a_report_without_problems_says_so_by_word_and_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert report([Finding("cpus", "64", "set threads to 2")]) == 0
    assert capsys.readouterr().out == (
        "  cpus  64\n        -> set threads to 2\n\nno problems found\n"
    )
