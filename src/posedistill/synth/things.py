"""Things: what people hold, and furniture they sit or stand behind."""

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.body import Body
from posedistill.synth.camera import Camera
from posedistill.synth.fabrics import draw_color
from posedistill.synth.mesh import Mesh, make_mesh
from posedistill.synth.solids import Solid, ball, box, tube
from posedistill.synth.textures import BLOTCHES, CHECKS, PLAIN, STRIPES, Material, Palette

_HANDS = (91, 112)  # first keypoints
_INDEX, _MIDDLE, _LITTLE = 5, 9, 17  # knuckles in a hand


def draw_held(rng: np.random.Generator, body: Body, *, palette: Palette) -> Mesh:
    """Give a thing in one of a person's hands: a stick, a phone, a ball, a cup."""
    hand = int(rng.integers(2))
    points = body.keypoints[_HANDS[hand] : _HANDS[hand] + 21].astype(np.float64)
    wrist, index, little = points[0], points[_INDEX], points[_LITTLE]
    across = _unit(index - little)
    along = _unit(points[_MIDDLE] - wrist)
    palm = _unit(np.cross(index - wrist, little - wrist)) * (-1 if hand else 1)
    middle = points[[_INDEX, _MIDDLE, _LITTLE]].mean(axis=0)
    kind = str(rng.choice(["stick", "slab", "ball", "cup"], p=[0.4, 0.25, 0.2, 0.15]))
    if kind == "ball":
        radius = rng.uniform(0.03, 0.12)
        solid, away = ball((radius, radius, radius)), radius + 0.018
    elif kind == "slab":
        solid, away = box((rng.uniform(0.06, 0.22), rng.uniform(0.12, 0.3), 0.012)), 0.025
    else:
        radius = rng.uniform(0.006, 0.018) if kind == "stick" else rng.uniform(0.025, 0.04)
        half = rng.uniform(0.06, 0.5) if kind == "stick" else rng.uniform(0.04, 0.09)
        shift = rng.uniform(-0.5, 0.5) * half
        ends = np.array([[0, shift - half, 0], [0, shift + half, 0]])
        solid, away = tube(ends, radius, sides=10), radius + 0.016
    turn = np.stack([along, across, palm], axis=1)
    if kind == "slab":
        turn = np.stack([across, along, palm], axis=1)
    return _painted(rng, _moved(solid, turn, middle + palm * away), palette=palette)


def draw_furniture(
    rng: np.random.Generator, body: Body, *, camera: Camera, palette: Palette
) -> list[Mesh]:
    """Give a table, a wall, a post or a rail between a person and the camera."""
    middle = body.keypoints[:17].mean(axis=0).astype(np.float64)
    toward = camera.position - middle
    distance = float(np.linalg.norm(toward[[0, 2]]))
    toward = _unit(toward * [1, 0, 1] + 1e-6)
    side = np.cross([0.0, 1.0, 0.0], toward)
    turn = np.stack([side, [0.0, 1.0, 0.0], toward], axis=1)
    reach = float(np.ptp(body.keypoints[:, [0, 2]] @ toward[[0, 2]])) / 2 + 0.08
    spot = middle + toward * min(reach + rng.uniform(0, 0.3), 0.75 * distance)
    spot = spot + side * rng.normal(0, 0.25)
    top = float(body.keypoints[:17, 1].max()) * rng.uniform(0.3, 0.75)
    kind = str(rng.choice(["table", "wall", "post", "rail"], p=[0.4, 0.25, 0.2, 0.15]))
    if kind == "table":
        size, height = (rng.uniform(0.6, 1.8), rng.uniform(0.03, 0.12), rng.uniform(0.2, 0.6)), top
    elif kind == "wall":
        size, height = (rng.uniform(0.5, 2), top, rng.uniform(0.05, 0.3)), top / 2
    elif kind == "post":
        size, height = (rng.uniform(0.04, 0.25), 3.0, rng.uniform(0.04, 0.25)), 1.5
    else:
        size, height = (3.0, rng.uniform(0.03, 0.1), 0.05), top
    place = spot * [1, 0, 1] + [0, height, 0]
    return [_painted(rng, _moved(box(size), turn, place), palette=palette)]


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))


def _moved(
    solid: Solid, turn: NDArray[np.float64], place: NDArray[np.float64]
) -> Solid:  # house rule: turned, then moved
    vertices = solid.vertices @ turn.T + place
    return Solid(vertices.astype(np.float32), solid.faces, solid.places)


def _painted(rng: np.random.Generator, solid: Solid, *, palette: Palette) -> Mesh:
    material = Material(
        draw_color(rng),
        second=draw_color(rng),
        pattern=int(rng.choice([PLAIN, BLOTCHES, STRIPES, CHECKS], p=[0.6, 0.2, 0.1, 0.1])),
        scale=float(rng.uniform(5, 40)),
        grain=0.25,
        grain_scale=float(rng.uniform(60, 300)),
        shine=float(rng.uniform(0, 0.3)),
    )
    return make_mesh(solid.vertices, solid.faces, material=palette.add(material))
