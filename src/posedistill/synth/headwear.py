"""What people wear on the head: hats, hoods, masks and glasses."""

from functools import lru_cache

import numpy as np

from posedistill.synth.body import body_model
from posedistill.synth.body_map import SIDES, body_map, smooth
from posedistill.synth.clothes import Garment
from posedistill.synth.fabrics import draw_color
from posedistill.synth.mesh import Floats, Mesh, make_mesh
from posedistill.synth.solids import Solid, disc, tube
from posedistill.synth.textures import Material
from posedistill.synth.wearer import Wearer


@lru_cache
def _marks() -> dict[str, Floats]:
    """Give points of the head at rest: eyes, mouth, middle of the skull; (3,) each."""
    rest, regions = body_map().rest, body_model().regions
    eyes = rest[regions["eyes"]]
    scalp = rest[regions["scalp"]]
    return {
        "left": eyes[eyes[:, 0] > 0].mean(axis=0),
        "right": eyes[eyes[:, 0] < 0].mean(axis=0),
        "mouth": rest[regions["lips"]].mean(axis=0),
        "skull": (scalp.min(axis=0) + scalp.max(axis=0)) / 2,
    }


def draw_headwear(rng: np.random.Generator, material: Material) -> list[Garment]:
    """Draw what covers the head: most times nothing.

    >>> isinstance(draw_headwear(np.random.default_rng(0), Material((1.0, 1.0, 1.0))), list)
    True
    """
    kinds = ["none", "cap", "helmet", "hood", "scarf", "mask"]
    kind = rng.choice(kinds, p=[0.76, 0.11, 0.03, 0.04, 0.03, 0.03])
    if kind == "none":
        return []
    if kind == "mask":
        return [_shell(_mask_coverage(), 0.008, rounds=12, material=Material(draw_color(rng)))]
    if kind in ("hood", "scarf"):
        coverage = _hood_coverage(rng.uniform(-0.01, 0.004))
        return [_shell(coverage, 0.03 if kind == "hood" else 0.012, rounds=10, material=material)]
    offset = rng.uniform(0.018, 0.03) if kind == "helmet" else rng.uniform(0.008, 0.016)
    return [_shell(_cap_coverage(rng), offset, rounds=8, material=material)]


def _shell(coverage: Floats, offset: float, *, rounds: int, material: Material) -> Garment:
    return Garment(coverage, np.full(len(coverage), offset, np.float32), rounds, material)


def _cap_coverage(rng: np.random.Generator) -> Floats:
    surface, marks = body_map(), _marks()
    forehead = marks["left"][1] + rng.uniform(0.035, 0.065)
    slope = rng.uniform(0.0, 0.35)
    line = forehead - slope * (marks["left"][2] - surface.rest[:, 2])
    is_free = ~surface.is_head | body_model().regions["ears"]
    return np.where(is_free, -0.03, surface.rest[:, 1] - line).astype(np.float32)


def _hood_coverage(shift: float) -> Floats:
    surface, regions = body_map(), body_model().regions
    inside = regions["scalp"] | regions["ears"] | regions["neck"]
    soft = smooth(inside[:, None].astype(np.float32), surface.neighbours, rounds=6)[:, 0]
    return np.where(regions["eyes"], -0.03, (soft - 0.5) * 0.04 + shift).astype(np.float32)


def _mask_coverage() -> Floats:
    surface, marks = body_map(), _marks()
    span = float(marks["left"][1] - marks["mouth"][1])
    x, y = surface.rest[:, 0] / 0.062, (surface.rest[:, 1] - marks["mouth"][1]) / (0.62 * span)
    front = surface.rest[:, 2] - (marks["left"][2] - 0.05)
    oval = (1 - np.maximum(np.abs(x), np.abs(y - 0.05))) * 0.05
    is_skin = body_model().regions["face"] | body_model().regions["lips"]
    return np.where(is_skin, np.minimum(oval, front), -0.03).astype(np.float32)


def draw_glasses(rng: np.random.Generator, wearer: Wearer) -> list[Mesh]:
    """Give glasses, clear or dark."""
    marks = _marks()
    frame = Material(
        draw_color(rng) if rng.random() < 0.3 else (0.02, 0.02, 0.02), shine=0.6, sharpness=40.0
    )
    wide, high = rng.uniform(0.021, 0.028), rng.uniform(0.015, 0.024)
    thick = rng.uniform(0.0009, 0.0028)
    ahead = np.array([0, rng.uniform(-0.006, 0.0), 0.026])
    angles = np.linspace(0, 2 * np.pi, 15)
    corner = rng.uniform(0.6, 1.0)  # of the superellipse: smaller is squarer
    outline = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    outline = np.sign(outline) * np.abs(outline) ** corner * [wide, high, 0]
    solids = []
    for side in SIDES:
        eye = marks[side] + ahead
        solids.append(tube(eye + outline, thick, sides=5))
        sign = 1 if side == "left" else -1
        hinge = eye + [sign * wide, 0.3 * high, 0]
        solids.append(
            tube(
                np.stack(
                    [hinge, hinge + [sign * 0.014, 0, -0.03], hinge + [sign * 0.018, -0.005, -0.1]]
                ),
                thick,
                sides=5,
            )
        )
    left, right = marks["left"] + ahead, marks["right"] + ahead
    bridge = [left - [wide, 0, 0], (left + right) / 2 + [0, 0.004, 0.004], right + [wide, 0, 0]]
    solids.append(tube(np.array(bridge), thick, sides=5))
    meshes = [_on_head(wearer, solid, material=frame) for solid in solids]
    if rng.random() < 0.35:
        glass = Material(
            (0.02, 0.02, 0.025) if rng.random() < 0.7 else draw_color(rng),
            shine=1.2,
            sharpness=60.0,
        )
        for side in SIDES:
            lens = disc(wide, high)
            moved = Solid(lens.vertices + (marks[side] + ahead).astype(np.float32), *lens[1:])
            meshes.append(_on_head(wearer, moved, material=glass))
    return meshes


def _on_head(wearer: Wearer, solid: Solid, *, material: Material) -> Mesh:
    return make_mesh(
        wearer.on_head(solid.vertices),
        solid.faces,
        material=wearer.palette.add(material),
        owner=wearer.owner,
        places=solid.vertices,
    )
