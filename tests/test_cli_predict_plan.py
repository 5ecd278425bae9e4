"""What the inputs of `posedistill predict` are, and what their results are called."""

from pathlib import Path

import pytest

from posedistill.cli_picture import Picture
from posedistill.cli_predict_job import People, PredictJob
from posedistill.cli_predict_plan import RESULTS, Plan, make_plan, results_file


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def _plan(tmp_path: Path, *inputs: str | Path, out: str = "out", formats: str = "coco") -> Plan:
    words = [str(word) for word in inputs]
    return make_plan(PredictJob(words, tmp_path / out, formats=formats.split()))


def test_a_folder_gives_its_images_and_videos_by_name(tmp_path: Path) -> None:
    _touch(tmp_path, "in/b.jpg", "in/a.MP4", "in/c.png", "in/notes.txt", "in/.d.jpg", "in/e/f.jpg")
    plan = _plan(tmp_path, tmp_path / "in")
    assert [photo.name for photo in plan.photos] == ["b.jpg", "c.png"]
    assert [photo.image_id for photo in plan.photos] == [1, 2]
    assert [video.name for video in plan.videos] == ["a.MP4"]
    assert [photo.picture.name for photo in plan.photos] == ["b.png", "c.png"]
    assert [video.picture.name for video in plan.videos] == ["a.mp4"]


def test_what_is_given_twice_is_done_once(tmp_path: Path) -> None:
    _touch(tmp_path, "in/a.jpg", "in/b.jpg")
    plan = _plan(tmp_path, tmp_path / "in" / "b.jpg", tmp_path / "in")
    assert [photo.name for photo in plan.photos] == ["b.jpg", "a.jpg"]


def test_webcams_and_streams_need_no_file(tmp_path: Path) -> None:
    plan = _plan(tmp_path, "webcam:1", "0", "rtsp://camera/live")
    assert [video.source for video in plan.videos] == [1, 0, "rtsp://camera/live"]
    assert [video.name for video in plan.videos] == ["webcam:1", "webcam:0", "rtsp://camera/live"]
    pictures = [video.picture.name for video in plan.videos]
    assert pictures == ["webcam-1.mp4", "webcam-0.mp4", "stream.mp4"]


def test_a_file_that_is_called_by_a_number_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _touch(tmp_path, "0")
    monkeypatch.chdir(tmp_path)
    assert [photo.path for photo in _plan(tmp_path, "0").photos] == [Path("0")]


def test_no_two_results_have_the_same_name(tmp_path: Path) -> None:
    _touch(tmp_path, "a/x.jpg", "a/x.mp4", "b/X.avi", "b/poses.mov", "b/x-2.png")
    plan = _plan(tmp_path, tmp_path / "a", tmp_path / "b")
    stems = [photo.picture.stem for photo in plan.photos]
    stems += [video.picture.stem for video in plan.videos]
    assert sorted(stems) == ["X-3", "poses-2", "x", "x-2", "x-2-2"]


@pytest.mark.parametrize(
    ("formats", "stem", "expected"),
    [
        ("coco", RESULTS, "out/poses.json"),
        ("csv", "clip", "out/clip.csv"),
        ("openpose", RESULTS, "out"),
        ("openpose", "clip", "out/clip"),
    ],
)
def test_results_are_called_by_their_format(formats: str, stem: str, expected: str) -> None:
    assert results_file(PredictJob([], Path("out")), stem, name=formats) == Path(expected)


@pytest.mark.parametrize("name", ["a.mp4", "a.png", "poses.json.png"])
def test_an_input_is_never_overwritten(tmp_path: Path, name: str) -> None:
    _touch(tmp_path, f"in/{name}")
    target = (tmp_path / "in" / name).with_suffix(Path(name).suffix)
    with pytest.raises(ValueError, match="would be overwritten by its own result"):
        _plan(tmp_path, target, out="in")


def test_a_missing_input_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file or folder: none.mp4"):
        _plan(tmp_path, "none.mp4")
    (tmp_path / "bare").mkdir()
    with pytest.raises(ValueError, match="no images in .*bare, nor videos"):
        _plan(tmp_path, tmp_path / "bare")


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ({"detector": "none", "det_score": 0.5}, "--det-score is for a detector"),
        ({"mask": Path("m.png"), "det_score": 0.5}, "--det-score is for a detector"),
        ({"detector": "yolox-m", "det_score": 1.0}, "expected 0 or more and below 1"),
        ({"detector": "yolox-m", "det_score": -0.1}, "expected 0 or more and below 1"),
    ],
)
def test_a_score_of_boxes_that_nobody_finds_is_refused(
    people: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        People(**people)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["controlnet", "none"])
def test_boxes_are_drawn_on_photos_alone(kind: str) -> None:
    with pytest.raises(ValueError, match="--draw-boxes is for --draw overlay alone"):
        Picture(kind, boxes=True)
