"""From meshes, camera and background to a clean picture."""

import cv2
import numpy as np
from numpy.typing import NDArray

from posedistill.synth.camera import Camera
from posedistill.synth.ground import floor_light
from posedistill.synth.lights import draw_lights
from posedistill.synth.mesh import Mesh
from posedistill.synth.raster import Raster, rasterise
from posedistill.synth.shading import FINER, Stage, shade
from posedistill.synth.textures import Palette


def render(
    rng: np.random.Generator,
    mesh: Mesh,
    *,
    camera: Camera,
    palette: Palette,
    background: NDArray[np.uint8],
) -> tuple[Raster, NDArray[np.uint8]]:
    """Light and draw a mesh over a background.

    Gives the raster, `FINER` times as fine as the picture, and the picture, (H, W, 3).
    """
    height, width = background.shape[:2]
    finer = camera.scaled(FINER)
    points = finer.project(mesh.vertices)
    raster = rasterise(
        points,
        mesh.faces,
        size_wh=(width * FINER, height * FINER),
        coverage=mesh.coverage,
        is_closed=mesh.is_closed,
    )
    tint = (np.array(cv2.mean(background)[:3]) / 255) ** 2
    lights = draw_lights(rng, mesh, backward=-camera.rotation[2], tint=tint)
    stage = Stage(
        mesh=mesh,
        points=points,
        eye=camera.position.astype(np.float32),
        materials=palette.table(),
        prints=palette.pictures(),
        lights=lights,
    )
    people, share = shade(raster, stage)
    behind = background.astype(np.float32)
    if rng.random() < 0.2:  # out of focus
        blur = rng.uniform(0.004, 0.02) * width + 0.3
        behind = np.asarray(cv2.GaussianBlur(behind, (0, 0), blur), np.float32)
    if rng.random() < 0.6:
        depth = rng.uniform(0.2, 0.7)
        floor = floor_light(camera, lights, size_wh=(width, height))
        behind *= (1 - depth * (1 - floor))[:, :, None]
    picture = behind * (1 - share[:, :, None]) + people * 255
    return raster, np.clip(picture + 0.5, 0, 255).astype(np.uint8)
