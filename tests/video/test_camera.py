"""Cameras: the newest frame, in time, to a clean end; files stand in for a webcam."""

import logging
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("av")

from posedistill.video import Camera, open_video
from tests.ubody_tree import SIZE_WH, picture, shown_index


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    """Write forty pictures, which OpenCV reads as it reads a webcam, only much faster."""
    for index in range(40):
        image_bgr = cv2.cvtColor(picture(index), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(tmp_path / f"{index:03d}.png"), image_bgr)
    return str(tmp_path / "%03d.png")


def test_frames_go_forward_in_colour_and_time_to_a_clean_end(
    pictures: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Camera(pictures) as camera:
        frames = list(camera)
    shown = [shown_index(frame.image_rgb) for frame in frames]
    assert (camera.size_wh, camera.num_frames, camera.has_audio) == (SIZE_WH, None, False)
    np.testing.assert_array_equal(frames[-1].image_rgb, picture(39))
    assert shown == sorted(set(shown))
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert frames[0].time_s == 0.0
    assert (np.diff([frame.time_s for frame in frames]) > 0).all()
    assert len(frames) + camera.num_missed == 40
    assert "gives no more pictures" in caplog.text


def test_who_is_slow_gets_the_newest_frame(pictures: str) -> None:
    with Camera(pictures) as camera:
        frames = iter(camera)
        given = [next(frames)]
        deadline = time.monotonic() + 60
        while camera.num_missed < 38 and time.monotonic() < deadline:
            time.sleep(0.01)  # the other pictures come and go
        given += frames
    assert len(given) <= 2
    assert shown_index(given[-1].image_rgb) == 39


def test_closing_ends_the_frames_without_a_warning(
    pictures: str, caplog: pytest.LogCaptureFixture
) -> None:
    camera = Camera(pictures)
    frames = iter(camera)
    next(frames)
    camera.close()
    camera.close()
    assert list(frames) == []
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_camera_that_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match=r"webcam 97 cannot be opened; check that it is plugged"):
        Camera(97)


@pytest.mark.parametrize("source", [97, "97", "webcam:97"], ids=repr)
def test_open_video_takes_a_number_for_a_webcam(source: int | str) -> None:
    with pytest.raises(ValueError, match="webcam 97 cannot be opened"):
        open_video(source)


def test_open_video_takes_an_address_for_a_stream() -> None:
    with pytest.raises(ValueError, match=r"stream rtsp://127\.0\.0\.1:9/none cannot be opened"):
        open_video("rtsp://127.0.0.1:9/none")
