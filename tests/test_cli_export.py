"""`export` to smaller files and `prune`, as they are called."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from posedistill.cli import build_parser, main
from posedistill.datasets.drawn import DrawnPeople
from posedistill.models import build, load, save
from posedistill.recipes import get
from posedistill.runtime.session import OnnxSession
from posedistill.train.recipe import override
from tests.weight_rule import fill


def test_an_embedded_model_is_written_smaller_with_its_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "small.onnx"
    words = ["export", "wholebody-t", "--precision", "fp16", "--out", str(out)]
    assert main([*words, "--licence", "for tests"]) == 0
    printed = capsys.readouterr().out
    assert "times smaller" in printed
    assert f"model is in {out}, what it loses in {out}.report.json" in printed
    record = json.loads(Path(f"{out}.report.json").read_text(encoding="utf-8"))
    assert (record["kind"], record["source"]) == ("fp16", "wholebody-t.onnx")
    with OnnxSession(out, device="cpu") as session:
        assert session.spec.licence == "for tests"


def test_a_model_is_pruned_and_the_line_to_train_it_on_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch_pruning")
    torch.manual_seed(0)
    save(build("rtmpose-n", "coco17", (64, 64)), tmp_path / "whole.safetensors")
    source, out = str(tmp_path / "whole.safetensors"), tmp_path / "pruned.safetensors"
    assert main(["prune", source, "--ratio", "0.4", "--out", str(out)]) == 0
    assert load(out).spec.architecture == "rtmpose-n-pruned"
    printed = capsys.readouterr().out
    assert "parameters: 1.75 M -> 0.98 M (56%)" in printed
    launch = shlex.split(printed.splitlines()[-1])
    arguments = build_parser().parse_args(launch[1:])
    recipe = override(get(arguments.recipe), arguments.overrides)
    assert launch[:3] == ["posedistill", "train", "pruned-body"]
    assert (recipe.model.start, recipe.model.name) == (str(out), "rtmpose-n")
    assert (recipe.model.skeleton, recipe.model.input_size_wh) == ("coco17", (64, 64))
    assert f"teacher={source}" in arguments.overrides
    record = json.loads(Path(f"{out}.report.json").read_text(encoding="utf-8"))
    assert record["parameters"] == [1754395, 981475]
    assert record["multiplications"][1] < 0.7 * record["multiplications"][0]


def test_calibrated_scores_are_those_of_the_model_times_what_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = build("rtmpose-n", "wholebody133", (48, 64))
    fill(model, 1.6)
    save(model, tmp_path / "model.safetensors")
    annotations, images = DrawnPeople(6, size=96).write(tmp_path / "people")
    out = tmp_path / "model.onnx"
    words = ["export", str(tmp_path / "model.safetensors"), "--out", str(out), "--calibrate"]
    assert main([*words, "--data", str(annotations), "--images", str(images)]) == 0
    factor = float(capsys.readouterr().out.split("scores are ")[1].split()[0])
    crops = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 48), np.uint8)
    with OnnxSession(out, device="cpu") as session:
        scaled = session(crops)
    for got, plain in zip(scaled, model.session()(crops), strict=True):
        np.testing.assert_allclose(got, factor * plain, rtol=0.01, atol=1e-3)


FAULTS = {
    "an .onnx file as it is": (
        ["export", "a.onnx", "--out", "b.onnx"],
        "a.onnx is an .onnx file already; a smaller one is made of it with --quantize int8",
    ),
    "data without images": (
        ["export", "wholebody-t", "--quantize", "int8", "--data", "a.json", "--out", "b.onnx"],
        "--data and --images go together",
    ),
    "data for a plain export": (
        ["export", "run", "--data", "a.json", "--images", "b", "--out", "b.onnx"],
        "--data goes with --quantize or --precision, or with --calibrate",
    ),
    "calibration on nothing": (
        ["export", "run", "--calibrate", "--out", "b.onnx"],
        "--calibrate needs annotated photos: --data ANN.json --images DIR",
    ),
    "calibration of a smaller file": (
        ["export", "run", "--calibrate", "--precision", "fp16", "--out", "b.onnx"],
        "--calibrate and --mean go with a plain export",
    ),
    "loss": (
        ["export", "a", "--precision", "fp16", "--max-loss", "x", "--out", "b.onnx"],
        "'x' is no number of points from 0 to 100",
    ),
    "both": (
        ["export", "a", "--precision", "fp16", "--quantize", "int8", "--out", "b.onnx"],
        "not allowed with",
    ),
    "no such model": (
        ["export", "none.onnx", "--precision", "fp16", "--out", "b.onnx"],
        "no such model file: none.onnx",
    ),
    "over itself": (
        ["prune", "a.safetensors", "--out", "a.safetensors"],
        "a.safetensors is the model itself; it is needed as the teacher",
    ),
    "pruned name": (
        ["prune", "a.safetensors", "--out", "a.onnx"],
        "expected the name of a file ending in .safetensors, got a.onnx",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_are_told_in_a_line(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words, told = FAULTS[case]
    assert main(words) == 2
    message = capsys.readouterr().err
    assert told in message
    assert message.count("\n") == 1
    assert not list(tmp_path.iterdir())
