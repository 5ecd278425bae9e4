"""Video: files, webcams and streams in, files out, each frame with its time."""

from posedistill.video.camera import Camera
from posedistill.video.frame import Frame
from posedistill.video.reader import VideoReader
from posedistill.video.source import VIDEO_SUFFIXES, is_video, open_video
from posedistill.video.writer import VideoWriter

__all__ = [
    "VIDEO_SUFFIXES",
    "Camera",
    "Frame",
    "VideoReader",
    "VideoWriter",
    "is_video",
    "open_video",
]
