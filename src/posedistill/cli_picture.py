"""The pictures of `posedistill predict`: what is drawn of an image, or of a frame of a video."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posedistill.draw import controlnet
from posedistill.draw.overlay import draw_overlay
from posedistill.poses import Poses

MIN_SCORE = 0.3
_CONTROL_STEP = 64  # pixels; the sides that ControlNets take are multiples of it
_LARGEST_CONTROL = 8192  # pixels; of the short side, and squared of the picture


@dataclass(frozen=True)
class Picture:
    """Say what is drawn: ``overlay``, with min_score and boxes, ``controlnet``, or ``none``.

    min_score: 0.3 when None. hands, face, resolution: of control pictures. Raises ValueError for
    options that do not belong together.
    """

    kind: str = "overlay"
    min_score: float | None = None
    boxes: bool = False
    hands: bool = True
    face: bool = True
    resolution: int | None = None

    def __post_init__(self) -> None:
        is_plain = self.hands and self.face and self.resolution is None
        if self.kind != "controlnet" and not is_plain:
            raise ValueError(
                "--no-hands, --no-face and --resolution are for --draw controlnet alone"
            )
        if self.kind != "overlay" and self.min_score is not None:
            raise ValueError("--min-score is for --draw overlay alone; controlnet has its own")
        if self.kind != "overlay" and self.boxes:
            raise ValueError("--draw-boxes is for --draw overlay alone")
        least, most = _CONTROL_STEP, _LARGEST_CONTROL
        if self.resolution is not None and not least <= self.resolution <= most:
            raise ValueError(f"--resolution is {self.resolution}; expected {least} to {most}")

    def size_wh(self, image_size_wh: tuple[int, int]) -> tuple[int, int]:
        """Give the size of the picture of an image, pixels; ValueError where it would be huge.

        >>> Picture("controlnet", resolution=512).size_wh((640, 480))
        (704, 512)
        """
        if self.resolution is None:
            return image_size_wh
        # The sides that ControlNet's annotators work at.
        factor = self.resolution / min(image_size_wh) / _CONTROL_STEP
        w, h = (max(round(side * factor), 1) * _CONTROL_STEP for side in image_size_wh)
        if w * h > _LARGEST_CONTROL**2:
            raise ValueError(
                f"its picture at --resolution {self.resolution} would be too large: {w}x{h}"
            )
        return w, h

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
        return controlnet(
            poses, self.size_wh((w, h)), hands=self.hands, face=self.face, image_size_wh=(w, h)
        )
