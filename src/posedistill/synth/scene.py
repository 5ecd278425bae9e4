"""Scenes: people, camera, light and background drawn at random, as a picture with its labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.annotate import ScenePerson, behind, mask_box, owner_masks, visibility
from posedistill.synth.backgrounds import Backgrounds
from posedistill.synth.body import Body
from posedistill.synth.camera import Camera
from posedistill.synth.figure import draw_figure
from posedistill.synth.finish import finish
from posedistill.synth.mesh import Mesh, join
from posedistill.synth.occluders import draw_cutouts, paint_cutouts
from posedistill.synth.places import draw_people
from posedistill.synth.render import render
from posedistill.synth.shading import FINER
from posedistill.synth.textures import Palette
from posedistill.synth.things import draw_furniture, draw_held

_ROOM = 1.3  # metres to the camera that furniture between takes
MIN_PIXELS = 24  # people with fewer seen pixels are not labelled
# Metres that clothes, and foreshortened fingers, lie over joints: head, limbs, face, hands.
_COVER = np.repeat([0.0, 0.03, 0.0, 0.008], [5, 18, 68, 42])


@dataclass(frozen=True, eq=False)
class Scene:
    """Hold a picture and what is known of its people.

    Attributes:
        image_rgb: (H, W, 3) uint8.
        people: largest seen area first.
    """

    image_rgb: NDArray[np.uint8]
    people: list[ScenePerson]


def draw_scene(
    rng: np.random.Generator,
    *,
    size_wh: tuple[int, int] = (256, 256),
    people: int | None = None,
    backgrounds: Backgrounds,
) -> Scene:
    """Draw a picture of people and their keypoints, all of it from one generator.

    people: how many are put in the scene, None to draw that too: mostly one to three, at times a
    crowd; those who end up outside of the picture or wholly hidden are not in the answer. Raises
    ValueError where it is less than one.

    >>> rng, plain = np.random.default_rng(1), Backgrounds(None)
    >>> draw_scene(rng, size_wh=(64, 64), backgrounds=plain).image_rgb.shape
    (64, 64, 3)
    """
    if people is not None and people < 1:
        raise ValueError(f"people is {people}; draw at least 1, or None for a random number")
    count = _count(rng) if people is None else people
    bodies, camera = draw_people(rng, size_wh, count=count)
    palette = Palette()
    mesh = _draw_meshes(rng, bodies, camera=camera, palette=palette, backgrounds=backgrounds)
    background = backgrounds.draw(rng, size_wh=size_wh)
    raster, picture = render(rng, mesh, camera=camera, palette=palette, background=background)
    points = [camera.scaled(FINER).project(body.keypoints) for body in bodies]
    if rng.random() < 0.22:
        boxes = [_frame_box(xy[:, :2] / FINER, size_wh=size_wh) for xy in points]
        cutouts = draw_cutouts(rng, np.array(boxes), size_wh=size_wh)
        picture = paint_cutouts(rng, picture, mask=cutouts, backgrounds=backgrounds)
        raster = behind(raster, cutouts)
    masks = owner_masks(raster, mesh.owners, num_people=len(bodies), size_wh=size_wh)
    labelled = [
        ScenePerson(
            keypoints=xyw[:, :2] / np.float32(FINER) - np.float32(0.5),
            visible=visibility(xyw, raster, depth_slack=body.depth_slack + _COVER),
            box_xyxy=mask_box(mask),
            mask=mask,
        )
        for body, xyw, mask in zip(bodies, points, masks, strict=True)
        if mask.sum() >= MIN_PIXELS
    ]
    labelled.sort(key=lambda person: -int(person.mask.sum()))
    return Scene(finish(rng, picture), labelled)


def _draw_meshes(
    rng: np.random.Generator,
    bodies: list[Body],
    *,
    camera: Camera,
    palette: Palette,
    backgrounds: Backgrounds,
) -> Mesh:
    """Dress the bodies and put things round them."""
    meshes: list[Mesh] = []
    for owner, body in enumerate(bodies):
        meshes += draw_figure(rng, body, palette=palette, owner=owner, backgrounds=backgrounds)
        if rng.random() < 0.15:
            meshes.append(draw_held(rng, body, palette=palette))
    distance = np.linalg.norm(bodies[0].keypoints[:17].mean(axis=0) - camera.position)
    if rng.random() < 0.14 and distance > _ROOM:
        meshes += draw_furniture(rng, bodies[0], camera=camera, palette=palette)
    return join(meshes)


def _frame_box(points: NDArray[np.floating], *, size_wh: tuple[int, int]) -> NDArray[np.floating]:
    """Give the box of points (N, 2), cut to the picture."""
    inside = np.clip(points, 0, size_wh)
    return np.concatenate([inside.min(axis=0), inside.max(axis=0)])


def _count(rng: np.random.Generator) -> int:
    kind = rng.random()
    if kind < 0.64:
        return 1
    return int(rng.integers(2, 4)) if kind < 0.93 else int(rng.integers(4, 10))
