"""Videos through `posedistill predict`."""

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from posedistill.cli import main
from posedistill.cli_predict_job import PredictJob
from posedistill.cli_predict_plan import make_plan
from posedistill.cli_video import VideoDone, predict_video, video_report
from posedistill.codecs import SimCC
from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.table import FORMATS
from posedistill.media import write_image
from posedistill.runtime.pipeline import Pipeline
from posedistill.runtime.session import Floats, OnnxSession
from posedistill.runtime.video_stages import VideoSettings
from posedistill.spec import Spec
from posedistill.video import Frame, VideoReader, VideoWriter

pytest.importorskip("av", reason="needs the extra video")

WriteModel = Callable[..., Path]
SIZE_WH = (64, 48)
FPS = 20.0
SPEC = Spec("dot", "coco17", SimCC((48, 64), (4.9, 5.66), split_ratio=1.0), padding=1.25)


@pytest.fixture
def model(write_dot_model: WriteModel) -> Path:
    return write_dot_model(spec=SPEC)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return _write_clip(tmp_path / "in" / "clip.mp4", 10)


def _write_clip(path: Path, count: int) -> Path:
    """Write frames with a red, a green and a blue square that move to the right."""
    path.parent.mkdir(exist_ok=True)
    with VideoWriter(path, size_wh=SIZE_WH, fps=FPS) as writer:
        for index in range(count):
            image = np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
            for channel, (x, y) in enumerate([(8, 8), (24, 12), (14, 30)]):
                left = x + index % 30
                image[y : y + 8, left : left + 8, channel] = 255
            writer.write(Frame(index, index / FPS, image))
    return path


def _predict(*words: str | Path) -> int:
    return main(["predict", *map(str, words), "--threads", "1"])


def _frames(path: Path) -> list[NDArray[np.uint8]]:
    with VideoReader(path) as reader:
        return [frame.image_rgb for frame in reader]


def test_a_video_gives_a_drawn_video_and_the_poses_of_each_frame(
    clip: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert _predict(clip, "--model", model, "--one-person", "--out", out) == 0
    assert sorted(os.listdir(out)) == ["clip.json", "clip.mp4"]
    images = FORMATS["coco"].read(out / "clip.json")
    with Pipeline(model, detector="none", threads=1) as pipeline:
        done = list(pipeline.video(clip, settings=VideoSettings(one_person=True)))
    assert len(images) == len(done) == 10
    for image, expected in zip(images, done, strict=True):
        assert (image.image_id, image.file_name) == (expected.frame.index, "clip.mp4")
        assert image.time_s == pytest.approx(expected.frame.index / FPS, abs=1e-4)
        assert image.size_wh == SIZE_WH
        np.testing.assert_allclose(image.poses.keypoints, expected.poses.keypoints, atol=1e-3)
        assert image.poses.ids is not None
        assert image.poses.ids.tolist() == [1]
        assert image.poses.raw_keypoints is not None
    originals, drawn = _frames(clip), _frames(out / "clip.mp4")
    assert len(drawn) == 10
    assert all(np.abs(a.astype(int) - b).max() > 60 for a, b in zip(originals, drawn, strict=True))
    printed = capsys.readouterr().out
    assert printed.startswith("clip.mp4: 10 frames in ")
    stages = [line.split()[0] for line in printed.splitlines()[2:6]]
    assert stages == ["decode", "estimate", "draw", "encode"]
    last = printed.splitlines()[-1]
    assert last.startswith("1 of 1 videos done by ")
    assert "CPUExecutionProvider" in last


def test_all_formats_hold_the_same(clip: Path, model: Path, tmp_path: Path) -> None:
    names = [name for name in FORMATS if name != "parquet"]  # pyarrow may be missing
    words = [word for name in names for word in ("--format", name)]
    out = tmp_path / "out"
    assert (
        _predict(clip, "--model", model, "--one-person", "--out", out, "--draw", "none", *words)
        == 0
    )
    assert not (out / "clip.mp4").exists()
    first, *others = [FORMATS[name].read(out / f"clip{FORMATS[name].suffix}") for name in names]
    for images in others:
        assert [image.image_id for image in images] == [image.image_id for image in first]
        for image, expected in zip(images, first, strict=True):
            present = expected.poses.scores > 0
            np.testing.assert_allclose(
                image.poses.keypoints[present], expected.poses.keypoints[present], atol=1e-3
            )


def test_photos_and_videos_of_a_folder_are_both_done(
    clip: Path, model: Path, tmp_path: Path
) -> None:
    write_image(clip.parent / "photo.png", _frames(clip)[0])
    out = tmp_path / "out"
    assert _predict(clip.parent, "--model", model, "--whole-image", "--out", out) == 0
    assert sorted(os.listdir(out)) == ["clip.json", "clip.mp4", "photo.png", "poses.json"]
    (photo,) = FORMATS["coco"].read(out / "poses.json")
    assert photo.file_name == "photo.png"


def test_a_bad_video_does_not_stop_the_others(
    clip: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clip.parent / "bad.mp4").write_bytes(b"\0" * 1000)
    out = tmp_path / "out"
    words = ("--model", model, "--one-person", "--out", out)
    assert _predict(clip.parent, *words) == 1
    assert sorted(os.listdir(out)) == ["clip.json", "clip.mp4"]
    told = capsys.readouterr()
    assert "skipped bad.mp4: " in told.err
    assert "not done:\n  bad.mp4: " in told.out
    assert "1 of 2 videos done" in told.out
    assert _predict(clip.parent / "bad.mp4", *words) == 2
    assert "none of the 1 videos could be done" in capsys.readouterr().err


def test_offline_smoothing_changes_the_poses_and_not_the_raw_ones(
    clip: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read: dict[str, list[ImagePoses]] = {}
    for smooth in ("offline", "none"):
        words = ("--model", model, "--one-person", "--smooth", smooth)
        assert _predict(clip, *words, "--out", tmp_path / smooth) == 0
        read[smooth] = FORMATS["coco"].read(tmp_path / smooth / "clip.json")
        assert len(_frames(tmp_path / smooth / "clip.mp4")) == 10
    moved = False
    for image, plain in zip(read["offline"], read["none"], strict=True):
        assert plain.poses.raw_keypoints is None
        assert image.poses.raw_keypoints is not None
        np.testing.assert_allclose(image.poses.raw_keypoints, plain.poses.keypoints, atol=1e-3)
        moved |= bool((image.poses.keypoints != plain.poses.keypoints).any())
    assert moved


def test_the_sound_is_kept_unless_it_is_not_wanted(model: Path, tmp_path: Path) -> None:
    from tests.video_files import sound_of, write_tone

    path = write_tone(tmp_path / "tone.mp4", with_video=10)
    words = (path, "--model", model, "--whole-image")
    assert _predict(*words, "--out", tmp_path / "loud") == 0
    _, before, _ = sound_of(path)
    _, after, _ = sound_of(tmp_path / "loud" / "tone.mp4")
    assert after[-40:] == before[-40:]  # all but the run-up of the encoder
    assert _predict(*words, "--no-audio", "--out", tmp_path / "still") == 0
    with VideoReader(tmp_path / "still" / "tone.mp4") as reader:
        assert not reader.has_audio


def test_without_tracking_there_are_no_ids(clip: Path, model: Path, tmp_path: Path) -> None:
    words = ("--model", model, "--one-person", "--no-track", "--draw", "none")
    assert _predict(clip, *words, "--out", tmp_path / "out") == 0
    for image in FORMATS["coco"].read(tmp_path / "out" / "clip.json"):
        assert image.poses.ids is None
        assert image.poses.raw_keypoints is None


def test_a_control_video_is_drawn_on_black_at_its_size(
    clip: Path, write_dot_model: WriteModel, tmp_path: Path
) -> None:
    spec = Spec("dot", "wholebody133", SPEC.codec, padding=1.25)
    words = ("--model", write_dot_model(spec=spec), "--one-person", "--draw", "controlnet")
    assert _predict(clip, *words, "--resolution", "128", "--out", tmp_path / "out") == 0
    with VideoReader(tmp_path / "out" / "clip.mp4") as reader:
        assert reader.size_wh == (192, 128)
        frames = [frame.image_rgb for frame in reader]
    assert len(frames) == 10
    assert all((frame.max(axis=-1) < 40).mean() > 0.4 for frame in frames)
    assert all(frame.max() > 100 for frame in frames)


def test_a_terminal_shows_progress_by_stage(
    clip: Path,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    words = ("--model", model, "--one-person", "--out", tmp_path / "out")
    assert _predict(clip, *words) == 0
    errors = capsys.readouterr().err
    first = errors.split("\r\x1b[K")[1]
    assert re.fullmatch(r"clip.mp4: \d+/10 frames, [\d.]+ frames/s \(decode .*encode .*\)", first)
    assert errors.endswith("\r\x1b[K")


class _Disturbed:
    """Run a model whose twentieth call does something else before."""

    def __init__(self, session: OnnxSession, disturb: Callable[[], None]) -> None:
        self.spec, self.provider = session.spec, session.provider
        self._session, self._disturb = session, disturb
        self._calls = 0

    def __call__(self, crops: NDArray[np.uint8]) -> tuple[Floats, ...]:
        self._calls += 1
        if self._calls == 20:
            self._disturb()
        return self._session(crops)

    def close(self) -> None:
        self._session.close()


def _disturbed(path: Path, model: Path, tmp_path: Path, disturb: Callable[[], None]) -> VideoDone:
    session = _Disturbed(OnnxSession(model, threads=1), disturb)
    job = PredictJob([str(path)], tmp_path / "out", video=VideoSettings(one_person=True))
    with Pipeline(session, detector="none") as pipeline:
        return predict_video(make_plan(job).videos[0], job, pipeline=pipeline)


def _assert_complete_up_to_there(done: VideoDone, tmp_path: Path) -> None:
    count = len(done.images)
    assert 5 <= count < 20
    assert [image.image_id for image in done.images] == list(range(count))
    assert len(_frames(tmp_path / "out" / "clip.mp4")) == count
    assert len(FORMATS["coco"].read(tmp_path / "out" / "clip.json")) == count
    assert not [t for t in threading.enumerate() if t.name.startswith("posedistill ")]


def test_ctrl_c_leaves_a_playable_video_and_the_poses_of_its_frames(
    model: Path, tmp_path: Path
) -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)  # so that the other threads see it before the next frame

    path = _write_clip(tmp_path / "in" / "clip.mp4", 40)
    done = _disturbed(path, model, tmp_path, interrupt)
    assert done.is_interrupted
    _assert_complete_up_to_there(done, tmp_path)


def test_an_error_leaves_a_playable_video_and_the_poses_of_its_frames(
    model: Path, tmp_path: Path
) -> None:
    def fail() -> None:
        raise ValueError("the network gives NaN")

    path = _write_clip(tmp_path / "in" / "clip.mp4", 40)
    done = _disturbed(path, model, tmp_path, fail)
    assert done.stopped == "the network gives NaN"
    assert not done.is_interrupted
    assert len(done.images) == 19  # all that was estimated before
    _assert_complete_up_to_there(done, tmp_path)
    assert "19 frames" in video_report(done)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--no-track", "--smooth", "offline", "--one-person"), "leave out --no-track"),
        (("--detect-every", "3", "--whole-image"), "there is no detector"),
        (("--boxes", "boxes.json"), "--boxes and --mask are for photos; clip.mp4 is a video"),
        (("--det-score", "0.5", "--whole-image"), "--det-score is for a detector"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    clip: Path,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    assert _predict(clip, "--model", model, "--out", tmp_path / "out", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
