import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import posedistill
from posedistill.cli import main
from posedistill.codecs import SimCC
from posedistill.formats.coco_json import read_annotations
from posedistill.media import read_image, write_image
from posedistill.runtime.session import OnnxSession
from posedistill.spec import Spec

WriteModel = Callable[..., Path]
SOURCE = str(Path(posedistill.__file__).parents[1])


def _photo(x: int = 24, y: int = 32) -> NDArray[np.uint8]:
    """Paint a dot that all joints are at, on a photo of the size of the network input."""
    image = np.zeros((64, 48, 3), np.uint8)
    image[y, x] = 255
    return image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    write_image(folder / "a.png", _photo(10, 20))
    write_image(folder / "b.png", _photo(30, 40))
    return folder


def _predict(*words: str | Path) -> int:
    return main(["predict", *map(str, words)])


def test_predict_writes_an_overlay_for_each_photo_and_one_json_file(
    photos: Path, tmp_path: Path, write_dot_model: WriteModel
) -> None:
    out = tmp_path / "deep" / "out"
    code = _predict(photos, "--model", write_dot_model(), "--out", out, "--whole-image")
    assert code == 0
    assert sorted(os.listdir(out)) == ["a.png", "b.png", "poses.json"]
    first, second = read_annotations(out / "poses.json")
    assert (first.poses.keypoints == (10, 20)).all()
    assert (second.poses.keypoints == (30, 40)).all()
    assert (first.file_name, first.size_wh) == ("a.png", (48, 64))
    assert json.loads((out / "poses.json").read_text())["info"]["skeleton"] == "coco17"
    assert (read_image(out / "a.png") != read_image(photos / "a.png")).any()


def test_predict_prints_scores_times_and_where_the_results_are(
    photos: Path, tmp_path: Path, write_dot_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    _predict(photos, "--model", write_dot_model(), "--out", tmp_path / "out", "--whole-image")
    header, first, *_, last = capsys.readouterr().out.splitlines()
    assert header.split() == ["photo", "persons", "body"] + [
        word for stage in ("read", "estimate", "draw", "write") for word in (stage, "ms")
    ]
    assert first.split()[:3] == ["a.png", "1", "1.00"]
    assert len(first.split()) == 7
    assert "2 of 2 photos" in last
    assert "CPUExecutionProvider" in last
    assert str(tmp_path / "out") in last


def test_predict_takes_boxes_from_a_file(
    photos: Path, tmp_path: Path, write_dot_model: WriteModel
) -> None:
    boxes = {"a.png": [[0, 0, 48, 64], [2, 2, 40, 60]], "b.png": [], "other.png": [[0, 0, 1, 1]]}
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    words = ("--model", write_dot_model(), "--boxes", tmp_path / "boxes.json")
    assert _predict(photos, *words, "--out", tmp_path / "out") == 0
    first, second = read_annotations(tmp_path / "out" / "poses.json")
    assert first.poses.boxes_xyxy.tolist() == boxes["a.png"]
    assert len(second.poses) == 0


def test_predict_knows_the_flip_test(
    tmp_path: Path, write_dot_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    image = np.zeros((64, 48, 3), np.uint8)
    image[32, 24] = (
        255,
        0,
        0,
    )  # only left joints see it; with the flip test, both sides do by half
    write_image(tmp_path / "red.png", image)
    words = (tmp_path / "red.png", "--model", write_dot_model(), "--whole-image", "--flip-test")
    assert _predict(*words, "--out", tmp_path / "out") == 0
    (read,) = read_annotations(tmp_path / "out" / "poses.json")
    np.testing.assert_allclose(read.poses.scores[0], [0] + 16 * [0.5])


def test_photos_of_the_same_name_get_pictures_of_their_own(
    photos: Path, tmp_path: Path, write_dot_model: WriteModel
) -> None:
    (tmp_path / "more").mkdir()
    write_image(tmp_path / "more" / "A.png", _photo())
    write_image(photos / "a.bmp", _photo())
    out = tmp_path / "out"
    words = ("--model", write_dot_model(), "--out", out, "--whole-image")
    assert _predict(photos, tmp_path / "more", *words) == 0
    pictures = sorted(name for name in os.listdir(out) if name.endswith(".png"))
    assert pictures == ["A-3.png", "a-2.png", "a.png", "b.png"]
    names = [image.file_name for image in read_annotations(out / "poses.json")]
    assert names == ["photos/a.bmp", "photos/a.png", "photos/b.png", "more/A.png"]


def test_joints_below_the_minimum_score_are_not_drawn_but_are_written(
    photos: Path, tmp_path: Path, write_dot_model: WriteModel
) -> None:
    words = (photos / "a.png", "--model", write_dot_model(), "--whole-image", "--min-score", "1.5")
    assert _predict(*words, "--out", tmp_path / "out") == 0
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "a.png"), _photo(10, 20))
    (read,) = read_annotations(tmp_path / "out" / "poses.json")
    assert (read.poses.scores == 1).all()


def test_recipes_lists_every_recipe_with_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    from posedistill.recipes import RECIPES

    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    assert all(len(line.split()) > 3 and "partial" not in line for line in lines)


def test_recipes_with_a_name_shows_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    assert main(["recipes", "rtmpose-t"]) == 0
    assert "name = 'rtmpose-t'" in capsys.readouterr().out


@pytest.fixture
def annotated(tmp_path: Path) -> Path:
    """Write one photo whose 133 joints are all at its dot, labelled so."""
    write_image(tmp_path / "a.png", _photo(10, 20))
    counts = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68}
    counts |= {"lefthand_kpts": 21, "righthand_kpts": 21}
    person: dict[str, object] = {name: [10, 20, 2] * count for name, count in counts.items()}
    person |= {"id": 1, "image_id": 5, "category_id": 1, "bbox": [0, 0, 48, 64], "area": 900}
    person |= {"iscrowd": 0, "num_keypoints": 17}
    images = [{"id": 5, "file_name": "a.png", "width": 48, "height": 64}]
    content = {"images": images, "annotations": [person]}
    (tmp_path / "truth.json").write_text(json.dumps(content))
    return tmp_path / "truth.json"


def test_evaluate_and_score_print_the_same_table(
    annotated: Path, tmp_path: Path, write_dot_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("faster_coco_eval", reason="needs the extra evaluate")
    codec = SimCC((48, 64), (4.9, 5.66), split_ratio=1.0)
    model = write_dot_model(spec=Spec("dot-finder", "wholebody133", codec, padding=1.0))
    out = tmp_path / "pred.json"
    data = ["--data", str(annotated)]
    images = ["--images", str(tmp_path), "--boxes", "gt", "--out", str(out)]
    assert main(["evaluate", str(model), *data, *images]) == 0
    table = capsys.readouterr().out
    assert len(json.loads(out.read_text())[0]["keypoints"]) == 399
    assert "100.0" in table
    assert main(["score", str(out), *data]) == 0
    assert table.startswith(capsys.readouterr().out.rstrip("\n"))


def test_evaluate_and_score_know_mpii(
    tmp_path: Path, write_dot_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tqdm", reason="needs the extra evaluate")
    codec = SimCC((48, 64), (4.9, 5.66), split_ratio=1.0)
    model = write_dot_model(spec=Spec("dot-finder", "mpii16", codec, padding=1.0))
    write_image(tmp_path / "a.png", _photo(10, 20))
    person = {"image": "a.png", "center": [25, 30.6], "scale": 0.32, "head_box": [1, 1, 16, 21]}
    person |= {"joints": [[11, 21]] * 16, "joints_vis": [1] * 16}
    valid, out = tmp_path / "valid.json", tmp_path / "pred.json"
    valid.write_text(json.dumps([person]))
    words = ["--data", str(valid), "--images", str(tmp_path), "--boxes", "gt", "--out", str(out)]
    assert main(["evaluate", str(model), *words]) == 0
    table = capsys.readouterr().out
    assert table.splitlines()[1].split() == ["PCKh@0.5", *["100.0"] * 8, "1"]
    assert main(["score", str(out), "--data", str(valid)]) == 0
    assert table.startswith(capsys.readouterr().out.rstrip("\n"))


def test_evaluate_takes_boxes_of_a_detector_with_their_scores(
    annotated: Path, tmp_path: Path, write_dot_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("faster_coco_eval", reason="needs the extra evaluate")
    boxes, out = tmp_path / "boxes.json", tmp_path / "pred.json"
    box = {"image_id": 5, "category_id": 1, "bbox": [0, 0, 48, 64], "score": 0.5}
    boxes.write_text(json.dumps([box]))
    words = ["evaluate", str(write_dot_model()), "--images", str(tmp_path), "--out", str(out)]
    tables = []
    for source in (str(boxes), "gt"):
        assert main([*words, "--data", str(annotated), "--boxes", source]) == 0
        (person,) = json.loads(out.read_text())
        tables.append((person["box_score"], capsys.readouterr().out))
    assert [score for score, _ in tables] == [0.5, 1.0]
    assert tables[0][1] == tables[1][1]  # one person: its rank does not matter
    assert len(person["keypoints"]) == 51  # the model is of 17 joints
    assert "100.0" in tables[0][1]
    assert main(["score", str(out), "--data", str(annotated)]) == 0
    assert tables[0][1].startswith(capsys.readouterr().out.rstrip("\n"))


@pytest.mark.parametrize("taken", ["truth.json", "boxes.json", "dot.onnx", "."])
def test_evaluate_refuses_to_overwrite_what_it_reads(
    annotated: Path,
    tmp_path: Path,
    write_dot_model: WriteModel,
    capsys: pytest.CaptureFixture[str],
    taken: str,
) -> None:
    (tmp_path / "boxes.json").write_text("[]")
    words = ["evaluate", str(write_dot_model()), "--data", str(annotated)]
    words += ["--boxes", str(tmp_path / "boxes.json"), "--images", str(tmp_path)]
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main([*words, "--out", str(tmp_path / taken)]) == 2
    assert "would overwrite" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.slow
def test_a_torch_model_can_be_exported_and_both_predict_alike(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    pytest.importorskip("onnxscript", reason="needs the extra train")
    from posedistill.models import build, save

    save(build("rtmpose-t", input_size_wh=(96, 128)), tmp_path / "model.safetensors")
    onnx_file = tmp_path / "model.onnx"
    assert main(["export", str(tmp_path / "model.safetensors"), "--out", str(onnx_file)]) == 0
    assert OnnxSession(onnx_file).spec.input_size_wh == (96, 128)
    scores = []
    for model in ("model.safetensors", "model.onnx"):
        out = tmp_path / f"out-{model}"
        assert _predict(photos, "--model", tmp_path / model, "--out", out, "--whole-image") == 0
        scores.append(read_annotations(out / "poses.json")[0].poses.scores)
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-4)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_an_interrupted_run_ends_with_130_and_leaves_nothing(
    tmp_path: Path, write_dot_model: WriteModel
) -> None:
    os.mkfifo(tmp_path / "endless.png")
    words = ["endless.png", "--model", str(write_dot_model()), "--out", "out", "--whole-image"]
    process = subprocess.Popen(
        [sys.executable, "-m", "posedistill", "predict", *words],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": SOURCE},
        cwd=tmp_path,
    )
    with (tmp_path / "endless.png").open("wb"):  # waits until the other side reads
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "posedistill: interrupted\n")
    assert not (tmp_path / "out").exists()


def _python(*words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": SOURCE}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment, check=False
    )


COMMANDS = ["", "predict", "train", "recipes", "evaluate", "score", "export", "convert", "models"]


@pytest.mark.parametrize("command", [*COMMANDS, "models list", "models show", "models fetch"])
def test_help_is_given_for_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--help"])
    assert stop.value.code == 0
    assert f"usage: posedistill {command}".strip() in capsys.readouterr().out


@pytest.mark.parametrize(("words", "missing"), [([], "SUB-COMMAND"), (["models"], "fetch")])
def test_a_command_without_its_sub_command_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], words: list[str], missing: str
) -> None:
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert missing in line
    assert f"see `{' '.join(['posedistill', *words])} --help`" in line


@pytest.mark.parametrize("place", range(4))
def test_traceback_may_stand_at_each_level(capsys: pytest.CaptureFixture[str], place: int) -> None:
    words = ["models", "show", "dwpose-xl"]
    assert main([*words[:place], "--traceback", *words[place:]]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("Traceback (most recent call last)")
    assert errors.splitlines()[-1].startswith("posedistill: error: unknown published model")


@pytest.mark.skipif(os.name != "posix", reason="needs pipes that can break")
def test_it_ends_quietly_when_nobody_reads_its_output_any_more() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "posedistill", "models", "list"]
    environment = os.environ | {"PYTHONPATH": SOURCE}
    with os.fdopen(writer, "wb") as pipe:
        result = subprocess.run(
            words, stdout=pipe, stderr=subprocess.PIPE, env=environment, check=False
        )
    assert (result.returncode, result.stderr) == (141, b"")


def test_the_module_runs_and_its_help_needs_neither_torch_nor_onnxruntime() -> None:
    blocked = (
        "import sys; sys.modules.update(torch=None, onnxruntime=None); sys.argv[1:] = ['-h']; "
    )
    code = f"{blocked}import runpy; runpy.run_module('posedistill', run_name='__main__')"
    result = _python("-c", code)
    assert result.returncode == 0
    assert result.stdout.startswith("usage: posedistill")
    assert _python("-m", "posedistill", "recipes", "-h").returncode == 0


def test_a_missing_extra_is_told_with_how_to_install_it(photos: Path, tmp_path: Path) -> None:
    words = ["predict", str(photos), "--model", "model.safetensors", "--whole-image"]
    words += ["--out", str(tmp_path / "out")]
    code = "import sys; sys.modules['torch'] = None; from posedistill.cli import main; "
    result = _python("-c", f"{code}sys.exit(main({words!r}))")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.endswith("this needs torch; install it with `pip install posedistill[train]`")


def test_main_leaves_a_configured_log_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    level = logging.getLogger().level
    main(["score", "none.json", "--data", "none.json"])
    assert logging.getLogger().level == level
    assert capsys.readouterr().out == ""
