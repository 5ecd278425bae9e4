"""The pictures of `posedistill predict`: what is drawn of an image, or of a frame of a video."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posedistill.draw.overlay import draw_overlay
from posedistill.draw.presets import MAX_RESOLUTION, MIN_RESOLUTION, draw_preset, get_preset
from posedistill.poses import Poses

MIN_SCORE = 0.3
_PLAIN_PRESET = "photo"


@dataclass(frozen=True)
class Picture:
    """Say what is drawn: ``overlay``, with min_score and boxes, ``controlnet``, or ``none``.

    min_score: 0.3 when None. hands, face, resolution, preset: of control pictures; the last is a
    name of `posedistill.draw.presets.PRESETS`. Raises ValueError for options that do not belong
    together.
    """

    kind: str = "overlay"
    min_score: float | None = None
    boxes: bool = False
    hands: bool = True
    face: bool = True
    resolution: int | None = None
    preset: str = _PLAIN_PRESET

    def __post_init__(self) -> None:
        is_plain = self.hands and self.face and self.resolution is None
        if self.kind != "controlnet" and not (is_plain and self.preset == _PLAIN_PRESET):
            raise ValueError(
                "--preset, --no-hands, --no-face and --resolution are for --draw controlnet alone"
            )
        get_preset(self.preset)
        if self.kind != "overlay" and self.min_score is not None:
            raise ValueError("--min-score is for --draw overlay alone; controlnet has its own")
        if self.kind != "overlay" and self.boxes:
            raise ValueError("--draw-boxes is for --draw overlay alone")
        least, most = MIN_RESOLUTION, MAX_RESOLUTION
        if self.resolution is not None and not least <= self.resolution <= most:
            raise ValueError(f"--resolution is {self.resolution}; expected {least} to {most}")

    def size_wh(self, image_size_wh: tuple[int, int]) -> tuple[int, int]:
        """Give the size of the picture of an image, pixels; ValueError where it would be huge.

        >>> Picture("controlnet", resolution=512).size_wh((640, 480))
        (704, 512)
        """
        return get_preset(self.preset).at(self.resolution).size_wh(image_size_wh)

    def draw(self, image_rgb: NDArray[np.uint8], poses: Poses) -> NDArray[np.uint8]:
        """Give the picture of an image, (H, W, 3) uint8 RGB.

        >>> from posedistill.skeleton import Skeleton
        >>> photo = np.zeros((48, 64, 3), np.uint8)
        >>> Picture("controlnet").draw(photo, Poses.empty(Skeleton.get("coco17"))).shape
        (48, 64, 3)
        """
        if self.kind == "overlay":
            min_score = MIN_SCORE if self.min_score is None else self.min_score
            return draw_overlay(image_rgb, poses, min_score=min_score, boxes=self.boxes)
        h, w = image_rgb.shape[:2]
        preset = get_preset(self.preset)
        return draw_preset(  # what a preset leaves out stays out
            poses,
            (w, h),
            preset,
            resolution=self.resolution,
            hands=self.hands and preset.hands,
            face=self.face and preset.face,
        )
