"""Videos that are written: playable however the writing ends, times and sound kept."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")

import av

from posedistill.video import Frame, VideoReader, VideoWriter
from tests.ubody_tree import SIZE_WH, picture, shown_index
from tests.video_files import sound_of, write_tone

UNEVEN = [0.0, 0.04, 0.05, 0.3, 0.31, 0.9, 2.0, 2.5]


def _frames(times_s: Sequence[float]) -> list[Frame]:
    return [Frame(index, time_s, picture(index)) for index, time_s in enumerate(times_s)]


def _write(path: Path, times_s: Sequence[float] = UNEVEN, *, sound: Path | None = None) -> Path:
    with VideoWriter(path, size_wh=SIZE_WH, fps=10, audio_from=sound) as writer:
        for frame in _frames(times_s):
            writer.write(frame)
    return path


def _read(path: Path) -> list[Frame]:
    with VideoReader(path) as video:
        return list(video)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".MP4"])
def test_frames_keep_their_order_and_their_uneven_times(tmp_path: Path, suffix: str) -> None:
    frames = _read(_write(tmp_path / f"a{suffix}"))
    assert [shown_index(frame.image_rgb) for frame in frames] == list(range(len(UNEVEN)))
    np.testing.assert_allclose([f.time_s for f in frames], UNEVEN, atol=1e-3)  # Matroska's unit


def test_an_mp4_tells_how_long_it_is(tmp_path: Path) -> None:
    with VideoReader(_write(tmp_path / "a.mp4")) as video:
        assert video.duration_s == pytest.approx(2.6, abs=1e-3)  # the last frame for a usual time


def test_what_players_need_is_written(tmp_path: Path) -> None:
    with av.open(str(_write(tmp_path / "a.mp4"))) as container:
        context = container.streams.video[0].codec_context
        assert context.codec.canonical_name in ("h264", "mpeg4")
        assert context.pix_fmt == "yuv420p"
        assert (context.colorspace, context.color_range) == (1, 1)  # BT.709, limited


def test_an_odd_side_is_doubled_at_its_end_and_nothing_moves(tmp_path: Path) -> None:
    image = np.full((33, 47, 3), 60, np.uint8)
    image[10:20, 12:30], image[:, -1], image[-1] = 220, 180, 180
    with VideoWriter(tmp_path / "a.mp4", size_wh=(47, 33), fps=10) as writer:
        writer.write(Frame(0, 0.0, image))
    shown = _read(tmp_path / "a.mp4")[0].image_rgb.astype(int)
    assert shown.shape == (34, 48, 3)
    assert np.abs(shown[:33, :47] - image).mean() < 6
    assert np.abs(shown[:, -1] - 180).mean() < 12


def test_sound_is_copied_bit_by_bit_where_the_file_can_hold_it(tmp_path: Path) -> None:
    source = write_tone(tmp_path / "source.mp4", seconds=2.5, with_video=30)
    made = _write(tmp_path / "made.mp4", sound=source)
    codec, packets, end = sound_of(source)
    assert codec == "aac"
    assert sound_of(made)[:2] == (codec, packets[-len(sound_of(made)[1]) :])
    assert len(packets) - len(sound_of(made)[1]) <= 1  # the encoder's run-up
    assert sound_of(made)[2] == pytest.approx(end, abs=0.025)


@pytest.mark.parametrize(
    ("source", "codec", "made", "expected"),
    [
        ("a.mkv", "libmp3lame", "b.mkv", "mp3"),
        ("a.mov", "pcm_s16le", "b.mp4", "aac"),
        ("a.mp4", "aac", "b.webm", "opus"),
    ],
)
def test_sound_of_any_kind_is_kept_as_long_as_it_was(
    tmp_path: Path, source: str, codec: str, made: str, expected: str
) -> None:
    write_tone(tmp_path / source, codec)
    _write(tmp_path / made, [0, 0.5], sound=tmp_path / source)
    found, _, end = sound_of(tmp_path / made)
    assert found == expected
    assert end == pytest.approx(sound_of(tmp_path / source)[2], abs=0.06)


def test_sound_stays_in_step_with_the_frames(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.mp4", with_video=30)
    with av.open(str(_write(tmp_path / "b.mp4", sound=tmp_path / "a.mp4"))) as container:
        heard = next(container.decode(audio=0)).time
        assert heard is not None
        assert abs(heard - (container.start_time or 0) / 1e6) < 0.025


def test_a_source_without_sound_gives_a_video_without_sound(tmp_path: Path) -> None:
    silent = _write(tmp_path / "a.mp4")
    with VideoReader(_write(tmp_path / "b.mp4", sound=silent)) as video:
        assert not video.has_audio


def _write_some(writer: VideoWriter, error: type[BaseException]) -> None:
    for frame in _frames(UNEVEN[:6]):
        writer.write(frame)
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_video_can_be_played_up_to_its_last_frame(
    tmp_path: Path, error: type[BaseException]
) -> None:
    source = write_tone(tmp_path / "source.mp4", seconds=2.5, with_video=30)
    writer = VideoWriter(tmp_path / "a.mp4", size_wh=SIZE_WH, fps=10, audio_from=source)
    with pytest.raises(error), writer:
        _write_some(writer, error)
    assert [frame.time_s for frame in _read(tmp_path / "a.mp4")] == pytest.approx(UNEVEN[:6])
    assert sound_of(tmp_path / "a.mp4")[2] == pytest.approx(1.0, abs=0.03)  # 0.9 s and its 0.1 s
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "source.mp4"}


def test_nothing_unfinished_has_the_name_of_the_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"an older one")
    writer = VideoWriter(path, size_wh=SIZE_WH, fps=10)
    for frame in _frames(UNEVEN):
        writer.write(frame)
    assert path.read_bytes() == b"an older one"
    writer.close()
    writer.close()
    assert len(_read(path)) == len(UNEVEN)
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_a_writer_without_frames_leaves_nothing(tmp_path: Path) -> None:
    source = write_tone(tmp_path / "sound.m4a")
    with VideoWriter(tmp_path / "a.mp4", size_wh=SIZE_WH, fps=10, audio_from=source):
        pass
    with (
        pytest.raises(RuntimeError),
        VideoWriter(tmp_path / "b.webm", size_wh=SIZE_WH, fps=10),
    ):
        raise RuntimeError
    assert [file.name for file in tmp_path.iterdir()] == ["sound.m4a"]


def test_frames_may_come_from_another_thread(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", size_wh=SIZE_WH, fps=10)
    with writer, ThreadPoolExecutor(1) as pool:
        list(pool.map(writer.write, _frames(UNEVEN)))
    assert len(_read(tmp_path / "a.mp4")) == len(UNEVEN)


def test_a_frame_that_is_not_later_comes_right_after_the_last(tmp_path: Path) -> None:
    frames = _read(_write(tmp_path / "a.mp4", [0.0, 0.5, 0.5, 0.4, 1.0]))
    times = [frame.time_s for frame in frames]
    assert times == pytest.approx([0.0, 0.5, 0.5, 0.5, 1.0], abs=1e-3)
    assert (np.diff(times) > 0).all()


def test_a_frame_of_another_size_or_after_the_end_is_refused(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", size_wh=SIZE_WH, fps=10)
    with pytest.raises(ValueError, match=r"frame 3 has shape \(2, 2, 3\) and type uint8"):
        writer.write(Frame(3, 0.0, np.zeros((2, 2, 3), np.uint8)))
    writer.close()
    with pytest.raises(ValueError, match="the writer is closed"):
        writer.write(_frames([0.0])[0])


@pytest.mark.parametrize(
    ("name", "size_wh", "fps", "told"),
    [
        ("a.avi", (8, 8), 10, r"suffix '\.avi'; use one of \.mp4"),
        ("a.mp4", (0, 8), 10, "at least 1 pixel"),
        ("a.mp4", (8, 8), 0, "fps is 0"),
        ("a.mp4", (8, 8), float("nan"), "fps is nan"),
        ("folder.mp4", (8, 8), 10, "is a folder"),
        ("sound.mp4", (8, 8), 10, "would overwrite the video it is made of"),
    ],
)
def test_what_cannot_be_written_is_told(
    tmp_path: Path, name: str, size_wh: tuple[int, int], fps: float, told: str
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    sound = write_tone(tmp_path / "sound.mp4")
    with pytest.raises(ValueError, match=told):
        VideoWriter(tmp_path / name, size_wh=size_wh, fps=fps, audio_from=sound)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_missing_folder_or_sound_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        VideoWriter(tmp_path / "none" / "a.mp4", size_wh=(8, 8), fps=10)
    with pytest.raises(FileNotFoundError, match="no such video"):
        VideoWriter(tmp_path / "a.mp4", size_wh=(8, 8), fps=10, audio_from=tmp_path / "none.mp4")
    assert list(tmp_path.iterdir()) == []
