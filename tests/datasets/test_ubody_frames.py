"""The right frames of a video are written, once, whole, and only if they are not there yet."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")

from posedistill.datasets.ubody_frames import VideoTask, extract_frames, frame_name
from posedistill.media import read_image
from tests.ubody_tree import SIZE_WH, picture, shown_index, write_video

# The place of the frame and what is shown there, worked out from the rule of FFmpeg.
AT_25 = [0, 1, 2, 2, 3, 4, 5, 6, 7, 7, 8, 9, 10]
AT_60 = [0, 1, 2, 3, 5, 7, 9, 11, 13]


def _task(tmp_path: Path, numbers: Sequence[int], *, video: str = "Ein Käse.mp4") -> VideoTask:
    return VideoTask(
        tmp_path / video, tmp_path / "frames", tmp_path / "record.json", tuple(numbers)
    )


def _shown(task: VideoTask) -> dict[int, int]:
    """Give the index that each written frame shows, by its number."""
    return {
        number: shown_index(read_image(path))
        for number in task.numbers
        if (path := task.frames_dir / frame_name(number)).is_file()
    }


def _state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Tell each file from another, or from itself written again."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.iterdir()
    }


def test_only_the_wanted_frames_are_written_and_they_are_the_right_ones(tmp_path: Path) -> None:
    task = _task(tmp_path, (1, 10, 33, 60))
    write_video(task.video)
    result = extract_frames(task)
    assert _shown(task) == {1: 0, 10: 9, 33: 32, 60: 59}
    assert len(list(task.frames_dir.iterdir())) == 4
    assert result.sizes_wh == dict.fromkeys(task.numbers, SIZE_WH)
    assert (result.end, result.error) == (None, None)


def test_a_frame_looks_as_it_was_encoded(tmp_path: Path) -> None:
    task = _task(tmp_path, (20,))
    write_video(task.video)
    extract_frames(task)
    image = read_image(task.frames_dir / "000020.jpg").astype(int)
    assert np.abs(image - picture(19)).mean() < 4  # of MPEG-4 and JPEG together; grey levels


@pytest.mark.parametrize(("rate", "expected"), [(25, AT_25), (60, AT_60)])
def test_other_frame_rates_become_30_a_second(
    tmp_path: Path, rate: int, expected: list[int]
) -> None:
    task = _task(tmp_path, range(1, len(expected) + 1))
    write_video(task.video, rate=rate)
    extract_frames(task)
    assert list(_shown(task).values()) == expected


def test_ntsc_rate_gives_each_frame_once(tmp_path: Path) -> None:
    task = _task(tmp_path, range(1, 61))
    write_video(task.video, rate=Fraction(30000, 1001))
    extract_frames(task)
    assert list(_shown(task).values()) == list(range(60))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_containers_give_the_same_frames(tmp_path: Path, suffix: str) -> None:
    task = _task(tmp_path, (1, 31), video=f"a b{suffix}")
    write_video(task.video)
    extract_frames(task)
    assert _shown(task) == {1: 0, 31: 30}


def test_frames_beyond_the_end_are_told(tmp_path: Path) -> None:
    task = _task(tmp_path, (5, 60, 61, 200))
    write_video(task.video)
    result = extract_frames(task)
    assert sorted(result.sizes_wh) == [5, 60]
    assert (result.end, result.error) == (60, None)
    assert extract_frames(task) == result


def _turned(path: Path) -> None:
    """Say in the track header that the pictures are to be shown turned clockwise by 90 degrees."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44  # 4 of the name, 40 of fields (ISO 14496-12, 8.3.2)
    clockwise = [(0, 1, 0), (-1, 0, 0), (0, 0, 16384)]
    for index, value in enumerate(np.ravel(clockwise)):
        number = int(value) * 65536
        data[matrix + 4 * index : matrix + 4 * index + 4] = number.to_bytes(4, "big", signed=True)
    path.write_bytes(data)


def test_a_turned_video_is_written_upright(tmp_path: Path) -> None:
    task = _task(tmp_path, (3,))
    write_video(task.video)
    _turned(task.video)
    assert extract_frames(task).sizes_wh == {3: SIZE_WH[::-1]}
    image = read_image(task.frames_dir / "000003.jpg")
    assert shown_index(np.rot90(image)) == 2  # turned back, that is counter-clockwise


def test_text_in_an_unknown_encoding_does_not_matter(tmp_path: Path) -> None:
    task = _task(tmp_path, (2,))
    write_video(task.video)
    data = task.video.read_bytes()
    assert b"A title in ASCII" in data
    task.video.write_bytes(
        data.replace(b"A title in ASCII", "这是一个标题吧".encode("gbk") + b"\xff\xfe")
    )
    assert extract_frames(task).error is None
    assert _shown(task) == {2: 1}


BROKEN = {"empty": b"", "random": bytes(range(256)) * 40, "text": b"not a video"}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_video_is_told(tmp_path: Path, name: str) -> None:
    task = _task(tmp_path, (1, 2))
    task.video.write_bytes(BROKEN[name])
    result = extract_frames(task)
    assert result.sizes_wh == {}
    assert result.error


def test_a_cut_video_gives_the_frames_before_the_cut(tmp_path: Path) -> None:
    task = _task(tmp_path, (1, 20, 59, 60))
    write_video(task.video, movflags="faststart")
    data = task.video.read_bytes()
    task.video.write_bytes(data[: len(data) * 2 // 3])
    result = extract_frames(task)
    assert _shown(task) == {1: 0, 20: 19}
    assert sorted(result.sizes_wh) == [1, 20]
    assert result.error or result.end


def test_a_video_whose_index_is_cut_off_is_told(tmp_path: Path) -> None:
    task = _task(tmp_path, (1,))
    write_video(task.video)
    task.video.write_bytes(task.video.read_bytes()[:-2000])
    assert extract_frames(task).error


def test_a_second_time_nothing_is_written_again(tmp_path: Path) -> None:
    task = _task(tmp_path, (1, 10, 20))
    write_video(task.video)
    first = extract_frames(task)
    state = _state(task.frames_dir)
    assert extract_frames(task) == first
    assert _state(task.frames_dir) == state


def test_a_truncated_a_replaced_and_a_deleted_frame_are_made_again(tmp_path: Path) -> None:
    task = _task(tmp_path, (1, 10, 20, 30))
    write_video(task.video)
    extract_frames(task)
    state = _state(task.frames_dir)
    paths = [task.frames_dir / frame_name(number) for number in task.numbers]
    paths[0].write_bytes(paths[0].read_bytes()[:-100])
    paths[1].write_bytes(paths[1].read_bytes()[:-100] + bytes(100))
    paths[2].unlink()
    result = extract_frames(task)
    after = _state(task.frames_dir)
    assert sorted(result.sizes_wh) == list(task.numbers)
    assert {name: part[2] for name, part in after.items()} == {
        name: part[2] for name, part in state.items()
    }
    assert after["000030.jpg"] == state["000030.jpg"]


def test_after_a_stop_in_the_middle_whole_frames_stay_and_truncated_ones_go(tmp_path: Path) -> None:
    task = _task(tmp_path, (1, 10, 20, 30))
    write_video(task.video)
    extract_frames(task)
    before = _state(task.frames_dir)
    # What a killed run leaves: the record of a video begun, frames, and a half-written file.
    begun = task.record.read_text(encoding="utf-8").partition('"frames"')[0]
    task.record.write_text(begun + '"frames": []}', encoding="utf-8")
    cut = task.frames_dir / "000020.jpg"
    cut.write_bytes(cut.read_bytes()[:300])
    (task.frames_dir / "000030.jpg").unlink()
    (task.frames_dir / ".0123.part").write_bytes(b"half")
    extract_frames(task)
    after = _state(task.frames_dir)
    assert {name: part[2] for name, part in after.items()} == {
        name: part[2] for name, part in before.items()
    }
    assert [after[name] == before[name] for name in sorted(before)] == [True, True, False, False]


def test_frames_of_another_video_are_not_taken_for_those_of_this_one(tmp_path: Path) -> None:
    task = _task(tmp_path, (1, 10))
    write_video(task.video)
    extract_frames(task)
    write_video(task.video, indices=range(30, 60))
    extract_frames(task)
    assert _shown(task) == {1: 30, 10: 39}


def test_frames_without_a_record_are_not_trusted(tmp_path: Path) -> None:
    task = _task(tmp_path, (1, 10))
    write_video(task.video)
    extract_frames(task)
    for damaged in ("", "[]", '{"fingerprint": "x", "end": null, "frames": [[1]]}'):
        task.record.write_text(damaged, encoding="utf-8")
        (task.frames_dir / "000001.jpg").write_bytes((task.frames_dir / "000010.jpg").read_bytes())
        extract_frames(task)
        assert _shown(task) == {1: 0, 10: 9}


def test_more_frames_of_the_same_video_are_added(tmp_path: Path) -> None:
    task = _task(tmp_path, (10,))
    write_video(task.video)
    extract_frames(task)
    state = _state(task.frames_dir)
    extract_frames(replace(task, numbers=(5, 10)))
    after = _state(task.frames_dir)
    assert after["000010.jpg"] == state["000010.jpg"]
    assert sorted(after) == ["000005.jpg", "000010.jpg"]
    assert sorted(extract_frames(task).sizes_wh) == [10]
    assert sorted(extract_frames(replace(task, numbers=(5, 10))).sizes_wh) == [5, 10]
