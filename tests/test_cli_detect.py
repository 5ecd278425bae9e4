"""The commands of the person detector's making, from photos to a score."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from posedistill.cli_detect import add_detect
from posedistill.media import write_image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Write one photo of one person, a background and the labels."""
    for folder in ("street", "empty"):
        (tmp_path / folder).mkdir()
        write_image(tmp_path / folder / "one.png", np.full((64, 64, 3), 99, np.uint8))
    image = {"id": 1, "file_name": "street/one.png", "width": 64, "height": 64}
    person = {"image_id": 1, "bbox": [16, 8, 32, 48], "iscrowd": 0, "keypoints": [0] * 51}
    record = {"images": [image], "annotations": [person]}
    (tmp_path / "labels.json").write_text(json.dumps(record))
    return tmp_path


def _run(*words: str | Path) -> int:
    parser = argparse.ArgumentParser()
    add_detect(parser.add_subparsers())
    arguments = parser.parse_args(["detect", *map(str, words)])
    return int(arguments.run(arguments))


def _pack(photos: Path, *more: str) -> Path:
    labels = ("--data", photos / "labels.json", "--images", photos)
    empty = ("--backgrounds", photos / "empty")
    assert _run("pack", *labels, *empty, "--out", photos / "some.npz", *more) == 0
    return photos / "some.npz"


def test_a_detector_is_packed_trained_and_scored(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack, run = _pack(photos), photos / "run"
    assert "2 pictures, 1 people, 0 of them cut out" in capsys.readouterr().out
    tiny = ("--steps", "2", "--batch", "2", "--side", "32", "--device", "cpu")
    assert _run("train", pack, "--run", run, *tiny, "--val", pack, "--weight", "street=2") == 0
    told = capsys.readouterr().out
    assert "100.0% step 2" in told
    assert "AP50" in told
    labels = ("--data", photos / "labels.json", "--images", photos)
    assert _run("evaluate", run, *labels) == 0
    assert capsys.readouterr().out.startswith("street: AP50 ")


@pytest.mark.parametrize("word", ["lspet", "=3", "lspet=-1"])
def test_a_limit_that_is_none_is_refused(photos: Path, word: str) -> None:
    with pytest.raises(ValueError, match="FOLDER=N"):
        _pack(photos, "--most", word)


def test_weights_are_numbers_of_sources_that_are_there(photos: Path) -> None:
    words = ("train", _pack(photos), "--run", photos / "run", "--steps", "1", "--device", "cpu")
    with pytest.raises(ValueError, match="SOURCE=W"):
        _run(*words, "--weight", "street=much")
    with pytest.raises(ValueError, match="--device is 'gpu'"):
        _run(*words[:-1], "gpu")
    with pytest.raises(ValueError, match="sources are"):
        _run(*words, "--weight", "road=2")


def test_labels_need_their_folder(photos: Path) -> None:
    with pytest.raises(ValueError, match="needs its folder"):
        _run("pack", "--data", photos / "labels.json", "--out", photos / "some.npz")
