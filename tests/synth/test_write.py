"""Synthetic people as files: the same by any number of processes, and after any stop."""

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from posedistill.datasets.wholebody import read_wholebody
from posedistill.media import read_image
from posedistill.synth.annotations import annotations
from posedistill.synth.dataset import SynthPeople
from posedistill.synth.write import BLOCK, write_people

pytest.importorskip("anny")
pytest.importorskip("numba")
COUNT, SEED, SIZE = BLOCK + 3, 4, 64


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    done = write_people(folder, COUNT, seed=SEED, size=SIZE, workers=1)
    assert (done.num_images, done.num_new) == (COUNT, COUNT)
    return folder


@pytest.fixture
def copy(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "copy"))


def _content(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _write(folder: Path, count: int = COUNT) -> int:
    return write_people(folder, count, seed=SEED, size=SIZE, workers=1).num_new


def test_files_hold_the_images_and_the_people_of_the_data_set(written: Path) -> None:
    people = SynthPeople(COUNT, seed=SEED, size=SIZE)
    content = json.loads((written / "annotations.json").read_text(encoding="utf-8"))
    assert [image["id"] for image in content["images"]] == list(people.image_ids)
    for image_id in (1, COUNT):
        scene = people.scene(image_id)
        image = read_image(written / "images" / content["images"][image_id - 1]["file_name"])
        off = np.abs(image.astype(int) - scene.image_rgb)
        assert off.mean() < 6  # a JPEG of a small picture with noise
        found = [row for row in content["annotations"] if row["image_id"] == image_id]
        for row, wanted in zip(found, annotations(scene.people, image_id), strict=True):
            del row["id"]
            assert row == json.loads(json.dumps(wanted))


def test_files_are_read_as_coco_wholebody(written: Path) -> None:
    data = read_wholebody(written / "annotations.json", written / "images")
    content = json.loads((written / "annotations.json").read_text(encoding="utf-8"))
    ids = [row["id"] for row in content["annotations"]]
    assert ids == list(range(1, len(ids) + 1))
    assert {person.image_id for person in data.instances} == set(range(1, COUNT + 1))
    assert len(data.instances) == sum(row["num_keypoints"] > 0 for row in content["annotations"])
    assert all(data.image(image_id).shape == (SIZE, SIZE, 3) for image_id in (1, COUNT))


def test_two_processes_write_what_one_does(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")  # of this process, not of those
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    done = write_people(tmp_path, COUNT, seed=SEED, size=SIZE, workers=2)
    assert done.num_new == COUNT
    assert _content(tmp_path) == _content(written)
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_what_is_done_is_not_done_again(copy: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (copy / "images").iterdir()}
    assert _write(copy) == 0
    assert {path: path.stat().st_mtime_ns for path in (copy / "images").iterdir()} == before


def test_a_stopped_run_goes_on_and_ends_as_if_it_had_not_been_stopped(
    copy: Path, written: Path
) -> None:
    (copy / "annotations.json").unlink()
    (copy / "parts" / "000001.jsonl").unlink()
    (copy / "images" / f"{BLOCK + 2:08d}.jpg").unlink()
    assert _write(copy) == 3
    assert _content(copy) == _content(written)


def test_a_higher_count_adds_to_what_there_is_and_a_lower_one_lists_fewer(
    copy: Path, written: Path
) -> None:
    for name in ("annotations.json", "parts/000001.jsonl"):
        (copy / name).unlink()
    for image_id in range(BLOCK + 1, COUNT + 1):
        (copy / "images" / f"{image_id:08d}.jpg").unlink()
    assert _write(copy, BLOCK) == 0
    few = json.loads((copy / "annotations.json").read_text(encoding="utf-8"))
    assert len(few["images"]) == BLOCK
    assert _write(copy, COUNT) == 3
    assert _content(copy) == _content(written)


def test_other_people_are_not_mixed_in(copy: Path, written: Path) -> None:
    with pytest.raises(ValueError, match="holds people with other seed, size"):
        write_people(copy, COUNT, seed=SEED + 1, size=96, workers=1)
    assert _content(copy) == _content(written)


def test_more_than_the_disk_holds_is_refused_before_it_is_begun(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"may take \d.* GB, and .* GB free; ask for fewer"):
        write_people(tmp_path, 200_000, size=16384, workers=1)
    assert not list((tmp_path / "images").iterdir())


@pytest.mark.parametrize("workers", [0, -2])
def test_no_workers_are_refused(tmp_path: Path, workers: int) -> None:
    with pytest.raises(ValueError, match=f"workers is {workers}; expected 1 or more"):
        write_people(tmp_path, 1, workers=workers)
    assert os.listdir(tmp_path) == []


def test_images_are_jpeg_that_opencv_reads(written: Path) -> None:
    for path in (written / "images").iterdir():
        assert path.suffix == ".jpg"
        assert cv2.imread(str(path)) is not None
