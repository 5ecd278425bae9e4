"""Unlabelled people: photos in folders, frames of videos, boxes that are found once."""

import itertools
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.datasets.instance import PoseDataset
from posedistill.datasets.unlabelled import (
    UnlabelledPeople,
    boxes_from_file,
    extract_frames,
    find_boxes,
    list_photos,
    whole_images,
)
from posedistill.formats.boxes_json import read_boxes
from posedistill.media import read_image, write_image

WritePhotos = Callable[..., dict[str, Path]]
NAMES = ("a.jpg", "b.png", "deep/er/Ü c.JPG")


@pytest.fixture
def write_photos(tmp_path: Path) -> WritePhotos:
    """Write photos 40 wide and 30, 31, ... high; give them as `list_photos` does."""

    def write(*names: str, folder: str = "photos") -> dict[str, Path]:
        for index, name in enumerate(names or NAMES):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, np.full((30 + index, 40, 3), index % 256, np.uint8))
        return list_photos(tmp_path / folder)

    return write


class _Finder:
    """Find two people in each image; remember how many images it saw."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        self.seen += len(images)
        sides = [np.array(image.shape[1::-1], np.float32) for image in images]
        return [np.array([[0, 0, *side], [1, 2, *side / 3]], np.float32) for side in sides]


def _write_video(path: Path, num_frames: int = 25) -> Path:
    """Write frames of 64x48 whose grey level tells their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    assert writer.isOpened()
    for number in range(num_frames):
        writer.write(np.full((48, 64, 3), 4 * number, np.uint8))
    writer.release()
    return path


def test_photos_are_listed_by_their_path_in_the_folder(write_photos: WritePhotos) -> None:
    photos = write_photos()
    assert list(photos) == list(NAMES)
    assert all(path.is_file() for path in photos.values())


def test_hidden_files_and_other_files_are_no_photos(
    write_photos: WritePhotos, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "notes.txt").write_text("no photo", encoding="utf-8")
    assert list(write_photos("a.jpg", ".b.jpg", ".trash/c.jpg", "d/.e.jpg")) == ["a.jpg"]


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no images in"):
        list_photos(tmp_path)


def test_unlabelled_people_are_a_data_set_without_keypoints(write_photos: WritePhotos) -> None:
    boxes = {"b.png": np.array([[1.0, 2, 11, 22], [-3, 0, 5, 9]]), "a.jpg": np.zeros((0, 4))}
    dataset: PoseDataset = UnlabelledPeople(write_photos(), boxes)
    assert dataset.skeleton.name == "wholebody133"
    first, second = dataset.instances
    assert (first.image_id, second.image_id) == (2, 2)
    assert (first.annotation_id, second.annotation_id) == (1, 2)
    assert first.box_xyxy.tolist() == [1, 2, 11, 22]
    assert (first.area, second.area) == (200, 72)
    assert first.keypoints.shape == (133, 2)
    assert not first.keypoints.any()
    assert first.visible.shape == (133,)
    assert not first.visible.any()
    assert dataset.image(2).shape == (31, 40, 3)


def test_they_may_have_another_skeleton(write_photos: WritePhotos) -> None:
    boxes = {"a.jpg": np.array([[0, 0, 9.0, 9]])}
    people = UnlabelledPeople(write_photos(), boxes, skeleton="coco17")
    assert people.instances[0].keypoints.shape == (17, 2)


@pytest.mark.parametrize("box", [[5, 5, 5, 9], [5, 5, 9, 4], [0, 0, np.nan, 9]])
def test_a_box_without_area_is_named(box: list[float], write_photos: WritePhotos) -> None:
    with pytest.raises(ValueError, match=r"b\.png has the box"):
        UnlabelledPeople(write_photos(), {"b.png": np.array([box], np.float64)})


def test_nobody_at_all_is_refused(write_photos: WritePhotos) -> None:
    with pytest.raises(ValueError, match="nobody in the 3 photos"):
        UnlabelledPeople(write_photos(), {"a.jpg": np.zeros((0, 4))})


def test_boxes_of_a_file_go_by_name_or_by_file_name(
    write_photos: WritePhotos, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "boxes.json"
    file.write_text('{"a.jpg": [[0, 0, 5, 5]], "Ü c.JPG": [[0, 0, 6, 6]]}', encoding="utf-8")
    boxes = boxes_from_file(file, write_photos())
    assert {name: rows.tolist() for name, rows in boxes.items()} == {
        "a.jpg": [[0, 0, 5, 5]],
        "deep/er/Ü c.JPG": [[0, 0, 6, 6]],
    }
    assert "no entry for 1 of 3 photos, such as b.png" in caplog.text


def test_boxes_of_other_photos_are_refused(write_photos: WritePhotos, tmp_path: Path) -> None:
    file = tmp_path / "boxes.json"
    file.write_text('{"other.jpg": [[0, 0, 5, 5]]}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"names none of the 3 photos; it has other\.jpg"):
        boxes_from_file(file, write_photos())


def test_whole_images_reach_from_corner_to_corner() -> None:
    images = [np.zeros((20, 10, 3), np.uint8), np.zeros((7, 9, 3), np.uint8)]
    assert [boxes.tolist() for boxes in whole_images(images)] == [[[0, 0, 10, 20]], [[0, 0, 9, 7]]]


def test_boxes_are_found_for_all_photos_and_kept(write_photos: WritePhotos, tmp_path: Path) -> None:
    photos = write_photos(*(f"{index:02d}.png" for index in range(19)))
    finder, cache = _Finder(), tmp_path / "new" / "boxes.json"
    boxes = find_boxes(photos, finder, cache=cache, progress=False)
    assert list(boxes) == list(photos)
    assert boxes["07.png"].tolist() == _Finder()([read_image(photos["07.png"])])[0].tolist()
    assert finder.seen == 19
    again = find_boxes(photos, finder, cache=cache, progress=False)
    assert finder.seen == 19
    for name in photos:
        assert np.array_equal(again[name].astype(np.float32), boxes[name])


def test_only_new_and_changed_photos_are_looked_at_again(
    write_photos: WritePhotos, tmp_path: Path
) -> None:
    finder, cache = _Finder(), tmp_path / "boxes.json"
    find_boxes(write_photos(), finder, cache=cache, progress=False)
    photos = write_photos("new.png", folder="photos")
    os.utime(photos["new.png"], (0, 0))  # older than the cache, but not in it
    find_boxes(photos, finder, cache=cache, progress=False)
    assert finder.seen == 3 + 1
    write_image(photos["b.png"], np.zeros((90, 60, 3), np.uint8))
    later = cache.stat().st_mtime + 5
    os.utime(photos["b.png"], (later, later))
    boxes = find_boxes(photos, finder, cache=cache, progress=False)
    assert finder.seen == 3 + 1 + 1
    assert boxes["b.png"][0].tolist() == [0, 0, 60, 90]


def test_a_search_that_breaks_off_keeps_what_it_found(
    write_photos: WritePhotos, tmp_path: Path
) -> None:
    photos = write_photos(*(f"{index:02d}.png" for index in range(20)))
    cache, finder = tmp_path / "boxes.json", _Finder()

    def breaks(images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        if finder.seen == 16:
            raise KeyboardInterrupt
        return finder(images)

    with pytest.raises(KeyboardInterrupt):
        find_boxes(photos, breaks, cache=cache, progress=False)
    assert len(read_boxes(cache)) == 16
    find_boxes(photos, finder, cache=cache, progress=False)
    assert finder.seen == 20


def test_a_long_search_saves_now_and_then(
    write_photos: WritePhotos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0, 61)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    photos = write_photos(*(f"{index:02d}.png" for index in range(20)))
    cache, saved = tmp_path / "boxes.json", []

    def looks(images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        saved.append(len(read_boxes(cache)) if cache.exists() else 0)
        return whole_images(images)

    find_boxes(photos, looks, cache=cache, progress=False)
    assert saved == [0, 8, 16]


def test_a_photo_that_cannot_be_read_is_left_out_and_named(
    write_photos: WritePhotos, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photos = write_photos()
    photos["b.png"].write_bytes(b"broken")
    boxes = find_boxes(photos, whole_images, cache=tmp_path / "boxes.json", progress=False)
    assert list(boxes) == ["a.jpg", "deep/er/Ü c.JPG"]
    assert "left out" in caplog.text
    assert "b.png" in caplog.text


def test_when_no_photo_can_be_read_it_is_said(write_photos: WritePhotos, tmp_path: Path) -> None:
    photos = write_photos("a.jpg")
    photos["a.jpg"].write_bytes(b"broken")
    with pytest.raises(ValueError, match="none of the 1 photos can be read"):
        find_boxes(photos, whole_images, cache=tmp_path / "boxes.json", progress=False)


@pytest.mark.parametrize(("every", "numbers"), [(10, [0, 10, 20]), (1, [*range(25)]), (99, [0])])
def test_each_so_many_frames_of_a_video_become_photos(
    every: int, numbers: list[int], tmp_path: Path
) -> None:
    video = _write_video(tmp_path / "ein Video mit ü.avi")
    extract_frames(video, tmp_path / "new" / "frames", every=every)
    photos = list_photos(tmp_path / "new" / "frames")
    assert list(photos) == [f"{number:07d}.jpg" for number in numbers]
    for number, path in zip(numbers, photos.values(), strict=True):
        image = read_image(path)
        assert image.shape == (48, 64, 3)
        assert abs(image.mean() - 4 * number) < 2  # JPEG, twice


def test_colors_of_frames_are_kept(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(
        str(tmp_path / "red.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48)
    )
    writer.write(np.full((48, 64, 3), (0, 0, 255), np.uint8))  # BGR
    writer.release()
    extract_frames(tmp_path / "red.avi", tmp_path / "frames", every=1)
    red, green, blue = read_image(tmp_path / "frames" / "0000000.jpg").mean(axis=(0, 1))
    assert red > 240
    assert max(green, blue) < 15


def test_frames_are_extracted_once(tmp_path: Path) -> None:
    video, folder = _write_video(tmp_path / "video.avi"), tmp_path / "frames"
    extract_frames(video, folder, every=5)
    (folder / "0000000.jpg").unlink()
    extract_frames(video, folder, every=5)
    assert not (folder / "0000000.jpg").exists()
    assert not list(tmp_path.glob(".*.part"))


def test_a_broken_extraction_leaves_no_frames_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, folder = _write_video(tmp_path / "video.avi"), tmp_path / "frames"

    def full(path: Path, target: Path) -> None:
        if target.name == "0000010.jpg":
            raise OSError(28, "No space left on device")
        os.replace(path, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        extract_frames(video, folder, every=5)
    assert [path.name for path in tmp_path.iterdir()] == ["video.avi"]


def test_a_file_that_is_no_video_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("not a video", encoding="utf-8")
    with pytest.raises(ValueError, match=r"notes\.mp4 has no frames"):
        extract_frames(tmp_path / "notes.mp4", tmp_path / "frames", every=5)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.mp4"]


def test_a_video_that_breaks_off_gives_its_first_frames_and_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video = _write_video(tmp_path / "video.avi", 60)
    data = video.read_bytes()
    video.write_bytes(data[: len(data) // 2])
    with caplog.at_level(logging.WARNING):
        extract_frames(video, tmp_path / "frames", every=5)
    assert 1 <= len(list_photos(tmp_path / "frames")) < 12
    assert "frames could be read" in caplog.text


def test_every_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="every is 0"):
        extract_frames(tmp_path / "video.avi", tmp_path / "frames", every=0)
