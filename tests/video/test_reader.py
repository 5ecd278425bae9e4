"""Frames of video files: the right ones, upright, at their times, also from damaged files."""

import logging
import threading
import weakref
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("av")

import av

from posedistill.video import Frame, VideoReader, VideoWriter, is_video, open_video
from tests.ubody_tree import SIZE_WH, picture, shown_index, write_video
from tests.video_files import noise, turn, write_tone


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize("rate", [30, 12, Fraction(24000, 1001)], ids=str)
def test_all_frames_come_in_order_each_at_its_time(tmp_path: Path, rate: Fraction | int) -> None:
    write_video(tmp_path / "a.mp4", rate=rate)
    with VideoReader(tmp_path / "a.mp4") as video:
        frames = list(video)
    assert (video.size_wh, video.num_frames, video.has_audio) == (SIZE_WH, 60, False)
    assert video.fps == pytest.approx(float(rate))
    assert video.duration_s == pytest.approx(60 / float(rate), abs=1e-3)
    assert [frame.index for frame in frames] == list(range(60))
    assert [shown_index(frame.image_rgb) for frame in frames] == list(range(60))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(60) / float(rate), atol=1e-4)


def test_frames_are_rgb_as_they_were_encoded(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4")
    with VideoReader(tmp_path / "a.mp4") as video:
        image = next(iter(video)).image_rgb
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert np.abs(image.astype(int) - picture(0)).mean() < 3  # grey levels, of MPEG-4


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_frames_come_upright(tmp_path: Path, degrees: int) -> None:
    write_video(tmp_path / "a.mp4", indices=[0])
    turn(tmp_path / "a.mp4", degrees)
    with VideoReader(tmp_path / "a.mp4") as video:
        image = next(iter(video)).image_rgb
    shown = np.rot90(picture(0), -degrees // 90)  # clockwise, as players do
    assert video.size_wh == (shown.shape[1], shown.shape[0])
    assert np.abs(image.astype(int) - shown).mean() < 3


def test_a_video_can_be_gone_through_again_and_again(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", indices=range(5))
    with VideoReader(tmp_path / "a.mp4") as video:
        first = next(iter(video))
        both = [[frame.index for frame in video] for _ in range(2)]
        side_by_side = [(a.index, b.index) for a, b in zip(video, video, strict=True)]
    assert first.index == 0
    assert both == [[0, 1, 2, 3, 4]] * 2
    assert side_by_side == [(i, i) for i in range(5)]


def test_times_count_from_the_start_of_a_stream_that_begins_later(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mkv", size_wh=(64, 48), fps=30) as writer:
        for index in range(10):
            image = np.zeros((48, 64, 3), np.uint8)
            writer.write(Frame(index, 100 + index / 30, image))
    with av.open(str(tmp_path / "a.mkv")) as container:
        assert container.start_time == 100_000_000
    with VideoReader(tmp_path / "a.mkv") as video:
        times = [frame.time_s for frame in video]
    np.testing.assert_allclose(times, np.arange(10) / 30, atol=1e-3)


def test_no_frame_is_kept_by_the_reader(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4")
    with VideoReader(tmp_path / "a.mp4") as video:
        alive = [weakref.ref(frame.image_rgb) for frame in video]
    assert sum(reference() is not None for reference in alive) <= 1


def test_sizes_that_are_odd_are_read(tmp_path: Path, rng: np.random.Generator) -> None:
    image = noise(rng, (33, 17))
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=30)
        stream.width, stream.height, stream.pix_fmt = 33, 17, "bgr0"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    with VideoReader(tmp_path / "a.mkv") as video:
        np.testing.assert_array_equal(next(iter(video)).image_rgb, image)
    assert video.size_wh == (33, 17)


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path: Path) -> None:
    small, large = tmp_path / "small.ts", tmp_path / "large.ts"
    for path, size in ((small, (64, 48)), (large, (128, 96))):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg2video", rate=30)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            grey = np.full((size[1], size[0], 3), 100, np.uint8)
            for _ in range(3):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
            container.mux(stream.encode(None))
    (tmp_path / "both.ts").write_bytes(small.read_bytes() + large.read_bytes())
    with VideoReader(tmp_path / "both.ts") as video:
        shapes = [frame.image_rgb.shape for frame in video]
    assert len(shapes) > 3
    assert set(shapes) == {(48, 64, 3)}


def _write_noise(path: Path, **options: str) -> None:
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.bit_rate, stream.gop_size = 2_000_000, 5
        for _ in range(60):
            image = av.VideoFrame.from_ndarray(noise(rng, (96, 64)), format="rgb24")
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("suffix", "told"), [(".mp4", "of 60 frames"), (".avi", "of 60 frames"), (".mkv", "of 2.0 s")]
)
def test_a_truncated_file_gives_what_it_has_and_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str, told: str
) -> None:
    path = tmp_path / f"a{suffix}"
    _write_noise(path, **({"movflags": "faststart"} if suffix == ".mp4" else {}))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with VideoReader(path) as video:
        times = [frame.time_s for frame in video]
    assert 12 <= len(times) <= 28
    np.testing.assert_allclose(times, np.arange(len(times)) / 30, atol=2e-3)
    assert len(_warnings(caplog)) == 1
    assert f"gave {len(times)} frames {told}" in _warnings(caplog)[0]


def test_damage_in_the_middle_does_not_end_a_video(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.mp4"
    _write_noise(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 6000] = bytes(6000)
    path.write_bytes(data)
    with VideoReader(path) as video:
        times = [frame.time_s for frame in video]
    assert len(times) >= 50
    assert times[-1] == pytest.approx(59 / 30, abs=1e-3)
    assert len(_warnings(caplog)) <= 1


def test_a_whole_file_gives_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for suffix in (".mp4", ".avi", ".mkv"):
        _write_noise(tmp_path / f"a{suffix}")
        with VideoReader(tmp_path / f"a{suffix}") as video:
            assert len(list(video)) == 60
    assert _warnings(caplog) == []


def _write_text(path: Path) -> None:
    path.write_text("no video at all\n" * 50)


def _write_half_mp4(path: Path) -> None:
    _write_noise(path.with_name("whole.mp4"))
    path.write_bytes(path.with_name("whole.mp4").read_bytes()[:5000])


def _write_image(path: Path) -> None:
    cv2.imwrite(str(path.with_suffix(".png")), np.zeros((8, 8, 3), np.uint8))
    path.with_suffix(".png").rename(path)


def _write_random(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(5000))


@pytest.mark.parametrize(
    ("name", "write", "told"),
    [
        ("a.mp4", Path.touch, "is empty"),
        ("a.mp4", _write_text, r"looks like text \('no video"),
        ("a.txt", _write_text, r"is no video; it looks like text \('no video"),
        ("a.mp4", _write_image, "is no video; it is an image"),
        ("a.mp4", _write_half_mp4, "MP4 or MOV file without its index"),
        ("a.mp4", _write_random, "binary data of an unknown or damaged format"),
        ("a.mp4", Path.mkdir, "is a folder"),
        ("a.m4a", write_tone, "holds no pictures, but audio"),
    ],
)
def test_what_is_no_video_is_told(
    tmp_path: Path, name: str, write: Callable[[Path], object], told: str
) -> None:
    write(tmp_path / name)
    with pytest.raises(ValueError, match=told):
        VideoReader(tmp_path / name)


def test_a_missing_file_is_told() -> None:
    with pytest.raises(FileNotFoundError, match=r"no such video: none\.mp4"):
        VideoReader("none.mp4")


def test_a_playlist_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    line = "#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"
    (tmp_path / "a.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{line}#EXT-X-ENDLIST\n")
    with pytest.raises(ValueError, match="cannot be read as a video|holds no pictures"):
        VideoReader(tmp_path / "a.m3u8")


def test_huge_frames_are_refused_unless_allowed(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", indices=[0])
    w, h = SIZE_WH
    with pytest.raises(ValueError, match=f"{w} x {h} pixels, more than 1000"):
        VideoReader(tmp_path / "a.mp4", max_pixels=1000)
    with VideoReader(tmp_path / "a.mp4", max_pixels=w * h) as video:
        assert len(list(video)) == 1


def test_closing_ends_the_frames_also_from_another_thread(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4")
    video = VideoReader(tmp_path / "a.mp4")
    frames = iter(video)
    next(frames)
    thread = threading.Thread(target=video.close)
    thread.start()
    thread.join()
    assert list(frames) == []
    with pytest.raises(ValueError, match="the reader is closed"):
        next(iter(video))


def test_a_file_whose_times_stand_still_still_goes_forward(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        for pts in (0, 1, 1, 1, 6):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            for packet in stream.encode(frame):
                packet.pts = packet.dts = pts
                container.mux(packet)
    with VideoReader(tmp_path / "a.mkv") as video:
        times = [frame.time_s for frame in video]
    assert len(times) == 5
    assert (np.diff(times) > 0).all()
    assert times[-1] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("name", "count", "rate", "size_wh"),
    [
        ("walk_in_200", 200, 10, (640, 360)),
        ("asl_learn", 61, 30, (640, 480)),
        ("juggle_120", 120, 24, (640, 360)),
    ],
)
def test_real_clips_give_all_their_frames(
    shared_dir: Path, name: str, count: int, rate: int, size_wh: tuple[int, int]
) -> None:
    with VideoReader(shared_dir / "data" / "video" / f"{name}.mp4") as video:
        times = [frame.time_s for frame in video]
    assert (video.size_wh, video.num_frames) == (size_wh, count)
    np.testing.assert_allclose(times, np.arange(count) / rate, atol=1e-3)


def test_open_video_takes_files_and_refuses_what_only_looks_like_a_source(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", indices=[0])
    with open_video(tmp_path / "a.mp4") as video:
        assert isinstance(video, VideoReader)
    with pytest.raises(ValueError, match="webcam is 'front'; expected its number"):
        open_video("webcam:front")
    with pytest.raises(ValueError, match="download it and give the file"):
        open_video("https://example.org/clips/walk.mp4?size=large")


@pytest.mark.parametrize(("name", "expected"), [("a.MOV", True), ("a.mkv", True), ("a.png", False)])
def test_videos_are_known_by_their_suffix(name: str, expected: bool) -> None:
    assert is_video(name) == expected


def test_a_frame_written_is_the_frame_read(tmp_path: Path) -> None:
    flat = np.zeros((48, 64, 3), np.uint8)
    flat[:, :32], flat[:, 32:] = (200, 60, 30), (20, 120, 220)
    with VideoWriter(tmp_path / "a.mp4", size_wh=(64, 48), fps=10) as writer:
        writer.write(Frame(0, 0.0, flat))
    with VideoReader(tmp_path / "a.mp4") as video:
        image = next(iter(video)).image_rgb
    assert np.abs(image[10:40, 8:24].astype(int) - (200, 60, 30)).max() <= 4
    assert np.abs(image[10:40, 40:56].astype(int) - (20, 120, 220)).max() <= 4
