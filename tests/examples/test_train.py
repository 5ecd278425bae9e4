"""Examples that train and shrink: a student of an own teacher, MPII's branches, int8, torchrun."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posedistill.codecs import SimCC
from posedistill.datasets.drawn import DrawnPeople
from posedistill.media import write_image
from posedistill.models import load
from posedistill.spec import Spec
from tests.examples.load import EXAMPLES, example, write_spots
from tests.mpii_files import row, write_ground_truth, write_list
from tests.train.tiny import OVERRIDES, losses

WriteModel = Callable[..., Path]
ROOT = EXAMPLES.parent
_BRANCHES = ("branch 1", "branch 2", "branch 3")


def _sets(*assignments: str) -> list[str]:
    return [word for assignment in assignments for word in ("--set", assignment)]


def test_a_student_learns_from_photos_and_an_onnx_teacher(
    tmp_path: Path, write_dot_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    codec = SimCC((48, 64), (4.9, 5.66), split_ratio=1.0)
    teacher = write_dot_model(spec=Spec("dot", "wholebody133", codec, padding=1.0))
    photos, run = write_spots(tmp_path / "photos", 8), tmp_path / "run"
    tiny = ("model.name=rtmpose-n", "model.input_size_wh=(96, 128)", "batch_size=4", "epochs=2")
    quick = ("num_workers=0", "precision=32-true", "late_epochs=0", "optim.warmup_steps=0")
    words = [str(teacher), str(photos), "--whole-image", "--run", str(run)]
    example("distil_from_onnx").main([*words, *_sets(*tiny, *quick)])
    said = capsys.readouterr().out
    assert f"posedistill export {run} --out student.onnx" in said
    assert f"compare_models.py {teacher} student.onnx {photos}" in said
    spec = load(run).spec
    assert (spec.architecture, spec.skeleton) == ("rtmpose-n", "wholebody133")
    assert len(losses(run, "logit")) > 0  # of the teacher, and of nothing else


def _write_mpii(root: Path) -> Path:
    """Write eight people on noise, to train and to validate on alike."""
    rng = np.random.default_rng(0)
    for name in ("annot", "images"):
        (root / name).mkdir(parents=True)
    rows = [row(number, image=f"{number}.png") for number in range(8)]
    for record in rows:
        noise = rng.integers(0, 256, (180, 240, 3)).astype(np.uint8)
        write_image(root / "images" / record["image"], noise)
    for name in ("train", "valid"):
        write_list(root / "annot" / f"{name}.json", rows, with_images=False)
    write_ground_truth(root / "annot" / "gt_valid.mat", rows)
    return root


def test_branches_teach_each_other_on_mpii(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = _write_mpii(tmp_path / "mpii"), tmp_path / "run"
    tiny = ("model.name=hourglass-2-narrow", "model.input_size_wh=(64, 64)", "batch_size=4")
    quick = ("epochs=1", "num_workers=0", "precision=32-true")
    words = ["--data", str(data), "--run", str(run)]
    example("online_mpii").main([*words, *_sets(*tiny, *quick)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[:4]] == [*_BRANCHES, "ensemble"]
    assert lines[-1] == f"kept: hourglass-2-narrow in {run}"


def test_a_quantised_file_is_written_with_what_it_costs(
    tmp_path: Path, write_dot_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    codec = SimCC((48, 64), (4.9, 5.66), split_ratio=1.0)
    network = write_dot_model(spec=Spec("dot", "wholebody133", codec, padding=1.0))
    annotations, images = DrawnPeople(3, size=96).write(tmp_path / "people")
    out = tmp_path / "small.onnx"
    words = [str(network), str(out), "--data", str(annotations), "--images", str(images)]
    example("quantise_and_check").main([*words, "--max-loss", "100"])
    said = capsys.readouterr().out
    assert "group alone in 8 bits" in said
    assert "shift of joints on 3 crops" in said
    assert "score before -> after:" in said
    assert f"wrote {out}" in said
    assert out.is_file()
    record = json.loads(Path(f"{out}.report.json").read_text(encoding="utf-8"))
    assert record["kind"] == "int8"


def test_a_file_that_loses_too_much_is_told_and_not_written(
    tmp_path: Path, write_dot_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    annotations, images = DrawnPeople(3, size=96).write(tmp_path / "people")
    out = tmp_path / "small.onnx"
    words = [str(write_dot_model()), str(out), "--data", str(annotations), "--images", str(images)]
    with pytest.raises(SystemExit, match="was not written: .* falls from"):
        example("quantise_and_check").main([*words, "--max-loss", "-1"])
    assert "score before -> after:" in capsys.readouterr().out
    assert not out.exists()


def test_half_of_the_photos_is_refused(tmp_path: Path) -> None:
    words = ["a.onnx", str(tmp_path / "small.onnx"), "--data", "val.json"]
    with pytest.raises(SystemExit):
        example("quantise_and_check").main(words)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt" or shutil.which("sh") is None, reason="needs a shell")
def test_two_machines_train_together(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    words = ["sh", str(EXAMPLES / "torchrun.sh"), endpoint, "drawn-rtmpose-n", str(run)]
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "OMP_NUM_THREADS": "1",
        "PROCESSES": "1",
    }
    tiny = _sets(*OVERRIDES, "epochs=1", "data.train_count=16")
    machines = [
        subprocess.Popen(
            [*words, *tiny], env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [machine.communicate(timeout=240)[1].decode() for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], "\n".join(said)[-3000:]
    assert load(run).spec.architecture == "rtmpose-n"
    versions = json.loads((run / "versions.json").read_text(encoding="utf-8"))
    assert versions["processes"] == "2"


def test_the_script_for_two_machines_says_how_to_call_it() -> None:
    done = subprocess.run(
        ["sh", str(EXAMPLES / "torchrun.sh"), "here:29500"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "usage: sh" in done.stderr
