"""Presets: the size, the width of lines and the parts that common pose ControlNets take.

Of each is stated only what its authors published, and where; see `Preset.source`. How wide the
lines were in training is known of one of them alone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from posedistill.draw.controlnet import Canvas, ControlStyle, draw_styled
from posedistill.poses import Poses

MIN_RESOLUTION, MAX_RESOLUTION = 64, 8192  # pixels
LARGEST_AREA = MAX_RESOLUTION**2  # pixels; of a picture

_AS_USUAL = ((0, 1.0),)
# The steps of the drawing function in the model card of xinsir/controlnet-openpose-sdxl-1.0.
_BY_XINSIR = ((0, 1.0), (500, 2.0), (1000, 3.0), (2000, 4.0), (3000, 5.0), (4000, 6.0), (5000, 7.0))


@dataclass(frozen=True)
class Preset:
    """Say how a ControlNet takes its pictures.

    resolution: pixels, None for the size of the photo. measure: what the resolution is: the short
    side, or the square root of the area. multiple: both sides are whole multiples of it.
    body_scales: from which long side of the picture on, in pixels, `ControlStyle.body_scale` is
    how large. body, hands, face: what it shows. source: where these facts come from.
    """

    name: str
    title: str
    resolution: int | None = None
    measure: Literal["short side", "area"] = "short side"
    multiple: int = 64
    body_scales: tuple[tuple[int, float], ...] = _AS_USUAL
    body: bool = True
    hands: bool = True
    face: bool = True
    source: str = ""

    def at(self, resolution: int | None) -> "Preset":
        """Give the preset at another resolution, pixels; the same at None.

        >>> PRESETS["photo"].at(512).size_wh((640, 480))
        (704, 512)
        """
        return self if resolution is None else replace(self, resolution=resolution)

    def size_wh(self, image_size_wh: tuple[int, int]) -> tuple[int, int]:
        """Give the size in pixels of the picture of an image of that size.

        Raises ValueError for a resolution below 64 or above 8192, and where the picture would
        have more pixels than 8192 squared.

        >>> PRESETS["sd15-openpose"].size_wh((640, 480))
        (704, 512)
        >>> PRESETS["sdxl-openpose"].size_wh((640, 480))
        (1152, 896)
        """
        if self.resolution is None:
            return image_size_wh
        if not MIN_RESOLUTION <= self.resolution <= MAX_RESOLUTION:
            raise ValueError(
                f"resolution is {self.resolution}; expected {MIN_RESOLUTION} to {MAX_RESOLUTION}"
            )
        w, h = image_size_wh
        length = min(w, h) if self.measure == "short side" else math.sqrt(w * h)
        factor = self.resolution / length / self.multiple
        size = (max(round(w * factor), 1), max(round(h * factor), 1))
        size = (size[0] * self.multiple, size[1] * self.multiple)
        if size[0] * size[1] > LARGEST_AREA:
            raise ValueError(
                f"its picture at a resolution of {self.resolution} would be too large: "
                f"{size[0]}x{size[1]}"
            )
        return size

    def style(self, size_wh: tuple[int, int]) -> ControlStyle:
        """Give what is drawn on a picture of that size, and how wide.

        >>> PRESETS["sdxl-openpose-xinsir"].style((1024, 1024)).body_scale
        3.0
        """
        scale = max(step for step in self.body_scales if step[0] <= max(size_wh))[1]
        return ControlStyle(body=self.body, hands=self.hands, face=self.face, body_scale=scale)


_ALL = (
    Preset(
        name="photo",
        title="At the size of the photo",
        source="the annotator published with DWPose (Yang et al., 2023): lines of one width",
    ),
    Preset(
        name="sd15-openpose",
        title="Stable Diffusion 1.5, OpenPose 1.1",
        resolution=512,
        source="lllyasviel/control_v11p_sd15_openpose; its annotator works at a short side of 512, "
        "in multiples of 64",
    ),
    Preset(
        name="sdxl-openpose",
        title="SDXL, OpenPose by thibaud",
        resolution=1024,
        measure="area",
        body_scales=((0, 2.0),),
        hands=False,
        face=False,
        source="thibaud/controlnet-openpose-sdxl-1.0; the example of its card draws bodies at 512 "
        "and enlarges the drawing to 1024, lines with it",
    ),
    Preset(
        name="sdxl-openpose-xinsir",
        title="SDXL, OpenPose by xinsir",
        resolution=1024,
        measure="area",
        body_scales=_BY_XINSIR,
        hands=False,
        face=False,
        source="xinsir/controlnet-openpose-sdxl-1.0: trained with wider lines than usual; the card "
        "gives the drawing function, bodies without hands and faces, and an area of 1024 x 1024",
    ),
    Preset(
        name="flux-openpose",
        title="FLUX.1, pose by Shakker Labs",
        resolution=512,
        measure="area",
        source="Shakker-Labs/FLUX.1-dev-ControlNet-Pose and -Union-Pro-2.0: trained at 512 x 512, "
        "the latter on drawings of DWPose",
    ),
)
PRESETS: Mapping[str, Preset] = MappingProxyType({preset.name: preset for preset in _ALL})


def draw_preset(  # house rule: a preset stands beside its two, and three parts can be overruled
    poses: Poses,
    image_size_wh: tuple[int, int],
    preset: Preset | str,
    *,
    resolution: int | None = None,
    body: bool | None = None,
    hands: bool | None = None,
    face: bool | None = None,
) -> Canvas:
    """Draw the control picture of an image as a preset has it: (H, W, 3) uint8 RGB.

    Keypoints are pixels of the image, of image_size_wh. resolution, body, hands, face: as the
    preset has them when None. Raises ValueError for a name that no preset has, a size that is
    none, and a skeleton without OpenPose's body joints.

    >>> from posedistill.skeleton import Skeleton
    >>> nobody = Poses.empty(Skeleton.get("wholebody133"))
    >>> draw_preset(nobody, (640, 480), "sd15-openpose").shape
    (512, 704, 3)
    """
    known = get_preset(preset)
    size_wh = known.at(resolution).size_wh(image_size_wh)
    usual = known.style(size_wh)
    style = replace(
        usual,
        body=usual.body if body is None else body,
        hands=usual.hands if hands is None else hands,
        face=usual.face if face is None else face,
    )
    return draw_styled(poses, size_wh, style=style, image_size_wh=image_size_wh)


def get_preset(preset: Preset | str) -> Preset:
    """Give the preset of that name; ValueError lists the names where there is none.

    >>> get_preset("photo").resolution is None
    True
    """
    if isinstance(preset, Preset):
        return preset
    if preset not in PRESETS:
        raise ValueError(f"no preset is called {preset!r}; expected one of {', '.join(PRESETS)}")
    return PRESETS[preset]
