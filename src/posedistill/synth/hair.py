"""Hair: a shell over the scalp, and what hangs from it."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.body import body_model
from posedistill.synth.body_map import body_map, smooth
from posedistill.synth.clothes import covered_rows
from posedistill.synth.looks import Look
from posedistill.synth.mesh import Floats, Mesh, make_mesh
from posedistill.synth.solids import Solid, ball, sheet, tube
from posedistill.synth.textures import STRANDS, Material, noise_at
from posedistill.synth.wearer import Wearer

STYLES = ("bald", "cropped", "short", "curly", "long", "tail", "bun")
_MALE_SHARES = (0.12, 0.25, 0.38, 0.13, 0.07, 0.03, 0.02)
_FEMALE_SHARES = (0.01, 0.03, 0.16, 0.13, 0.37, 0.18, 0.12)


def draw_style(rng: np.random.Generator, *, is_male: bool) -> str:
    """Draw how the hair is worn.

    >>> draw_style(np.random.default_rng(0), is_male=True) in STYLES
    True
    """
    return str(rng.choice(STYLES, p=_MALE_SHARES if is_male else _FEMALE_SHARES))


def draw_hair(
    rng: np.random.Generator, wearer: Wearer, *, look: Look, style: str, hidden: Floats
) -> list[Mesh]:
    """Draw a person's hair.

    style: one of `STYLES`. hidden: (V,) how far below the hem of a hat, metres.
    """
    if style == "bald":
        return []
    material = wearer.palette.add(_strands(rng, look, is_curly=style == "curly"))
    meshes = [_cap(rng, wearer, style=style, material=material, hidden=hidden)]
    if style == "long":
        meshes.append(_curtain(rng, wearer, material))
    if style in ("tail", "bun"):
        meshes.append(_tied(rng, wearer, style=style, material=material))
    return meshes


def _strands(rng: np.random.Generator, look: Look, *, is_curly: bool) -> Material:
    dark = tuple(0.35 * channel for channel in look.hair)
    light = tuple(min(1.35 * channel + 0.01, 1.0) for channel in look.hair)
    return Material(
        (dark[0], dark[1], dark[2]),
        second=(light[0], light[1], light[2]),
        pattern=STRANDS,
        scale=rng.uniform(150, 400),
        grain=0.5 if is_curly else 0.15,
        grain_scale=rng.uniform(120, 260),
        bump=rng.uniform(0.5, 0.9) if is_curly else rng.uniform(0.2, 0.5),
        bump_scale=rng.uniform(90, 160) if is_curly else rng.uniform(60, 140),
        bump_stretch=1.0 if is_curly else 12.0,
        shine=rng.uniform(0.0, 0.12),
        sharpness=12.0,
        softness=0.3,
    )


@lru_cache
def _growth() -> tuple[Floats, Floats]:
    """Give where hair grows, (V,) metres above the hairline, and strand coordinates (V, 3)."""
    surface, regions = body_map(), body_model().regions
    rest = surface.rest
    inside = rest[:, 1] - _hairline(rest)
    is_head = (surface.is_head | regions["neck"]) & ~regions["eyes"] & ~regions["cavities"]
    inside = np.where(is_head, np.clip(inside, -0.02, 0.03), np.float32(-0.02))
    inside = smooth(inside[:, None], surface.neighbours, rounds=1)[:, 0]
    return inside, strand_places(rest, head_size()[0])


def _hairline(rest: Floats) -> Floats:
    """Give the height of the hairline beside each vertex: forehead, temple, over the ear, nape."""
    regions = body_model().regions
    ears, eye = rest[regions["ears"]], rest[regions["eyes"]].mean(axis=0)
    pinna = ears[np.abs(ears[:, 0]) > 0.88 * np.abs(ears[:, 0]).max()]
    back, front, top = pinna[:, 2].min(), pinna[:, 2].max(), pinna[:, 1].max()
    high = eye[1] + 0.064
    line = [  # from behind to the front: depth, height
        (back - 0.06, eye[1] - 0.055),
        (back - 0.012, eye[1] - 0.045),
        (back - 0.002, top + 0.002),
        (front + 0.002, top + 0.006),
        (front + 0.006, eye[1] - 0.012),
        (front + 0.017, eye[1] - 0.008),
        (front + 0.026, eye[1] + 0.03),
        (eye[2] - 0.02, high - 0.014),
        (eye[2] - 0.006, high),
    ]
    depths, heights = np.array(line).T
    return np.asarray(np.interp(rest[:, 2], depths, heights), np.float32)


def strand_places(points: Floats, middle: NDArray[np.floating]) -> Floats:
    """Give (N, 3) places in which y runs along strands that fall from the crown."""
    x, _, z = (points - middle).T
    radius = np.sqrt(x * x + z * z) + 1e-3
    return np.stack([0.09 * x / radius, points[:, 1], 0.09 * z / radius], axis=1).astype(np.float32)


def _cap(
    rng: np.random.Generator, wearer: Wearer, *, style: str, material: int, hidden: Floats
) -> Mesh:
    """Give the hair on the scalp."""
    surface = body_map()
    inside, strands = _growth()
    thick = {"cropped": (0.002, 0.007), "curly": (0.02, 0.075), "bun": (0.006, 0.014)}
    low, high = thick.get(style, (0.01, 0.035))
    depth = rng.uniform(low, high)
    ragged = noise_at(surface.rest, scale=rng.uniform(90, 200), seed=int(rng.integers(99)))
    recede = rng.uniform(-0.002, 0.006)
    coverage = np.minimum(inside - recede + 0.003 * (ragged - 0.5), 0.004 - hidden)
    rows, faces = covered_rows(surface.faces, coverage)
    lumps = noise_at(surface.rest[rows], scale=rng.uniform(15, 45), seed=int(rng.integers(99)))
    rise = (
        depth * np.clip(0.2 + inside[rows] / max(0.008, 0.5 * depth), 0.1, 1) * (0.55 + 0.9 * lumps)
    )
    raised = wearer.body.vertices.copy()
    rise *= np.clip(1 - (hidden[rows] + 0.02) / 0.02, 0.1, 1)  # pressed down at a hat's rim
    raised[rows] += wearer.normals[rows] * (rise * wearer.size).astype(np.float32)[:, None]
    raised = smooth(raised, surface.neighbours, rounds=1 if style == "curly" else 4, rows=rows)
    return make_mesh(
        raised[rows],
        faces,
        material=material,
        owner=wearer.owner,
        places=strands[rows],
        coverage=coverage[rows],
        openness=0.7 + 0.3 * np.clip(inside[rows] / 0.01, 0, 1),
    )


@lru_cache
def head_size() -> tuple[Floats, Floats]:
    """Give the middle and the half sizes of the skull at rest, (3,) each, metres."""
    scalp = body_map().rest[body_model().regions["scalp"]]
    low, high = scalp.min(axis=0), scalp.max(axis=0)
    return (low + high) / 2, (high - low) / 2


def _curtain(rng: np.random.Generator, wearer: Wearer, material: int) -> Mesh:
    """Give long hair that hangs round the back and the sides of the head."""
    middle, half = head_size()
    opening = rng.uniform(0.75, 1.25)  # radians from the front that stay free
    around = np.linspace(opening, 2 * np.pi - opening, 30)
    puff = rng.uniform(1.04, 1.16)
    ring = np.stack([np.sin(around), 0 * around, np.cos(around)], axis=-1)
    top = middle + ring * half * puff + [0, 0.35 * half[1], 0]
    start = wearer.on_head(top)
    length = rng.uniform(0.12, 0.5) * wearer.size
    steps = np.linspace(0, 1, 9)[:, None, None]
    head_down = -wearer.head[:, 1] / np.linalg.norm(wearer.head[:, 1])
    fall = 0.75 * np.array([0, -1.0, 0]) + 0.25 * head_down
    way = (1 - steps) * head_down + steps * fall
    outward = start - wearer.on_head(middle[None])
    outward -= np.outer(outward @ head_down, head_down)
    spread = rng.uniform(-0.25, 0.45)
    ragged = 1 + 0.12 * noise_at(top.astype(np.float32), scale=40, seed=int(rng.integers(99)))
    points = start + way * steps * length * ragged[None, :, None] + spread * outward * steps**1.5
    wave = 0.01 * np.sin(steps * rng.uniform(4, 16) + 3 * around[None, :, None])
    return _mesh_of_strands(wearer, sheet(points + wave * outward / 0.1), material=material)


def _mesh_of_strands(wearer: Wearer, solid: Solid, *, material: int) -> Mesh:
    along, around = solid.places.T
    places = np.stack([0.5 * around, along * 0.4, 0 * along], axis=1)
    openness = 0.9 - 0.3 * along
    return make_mesh(
        solid.vertices,
        solid.faces,
        material=material,
        owner=wearer.owner,
        places=places,
        openness=openness,
    )


def _tied(rng: np.random.Generator, wearer: Wearer, *, style: str, material: int) -> Mesh:
    """Give a pony tail or a bun at the back of the head."""
    middle, half = head_size()
    height = rng.uniform(-0.4, 0.8)
    knot = middle + half * [0, height, -1.08 * np.sqrt(max(1 - 0.6 * height**2, 0.1))]
    if style == "bun":
        size = rng.uniform(0.025, 0.05)
        solid = ball((size, size * 0.9, size))
        return _mesh_of_strands(
            wearer,
            replace_vertices(solid, wearer.on_head(solid.vertices + knot)),
            material=material,
        )
    length = rng.uniform(0.12, 0.42)
    steps = np.linspace(0, 1, 9)
    back = -wearer.head[:, 2] / np.linalg.norm(wearer.head[:, 2])
    start = wearer.on_head(knot[None])[0]
    path = start + np.outer(0.09 * np.sqrt(steps) * wearer.size, back)
    path = path + np.outer(steps**1.3 * length * wearer.size, [0, -1, 0])
    radius = rng.uniform(0.018, 0.035) * np.sin(np.pi * (0.18 + 0.8 * steps)) * wearer.size
    return _mesh_of_strands(wearer, tube(path, radius), material=material)


def replace_vertices(solid: Solid, vertices: Floats) -> Solid:
    """Give a solid with other vertices."""
    return Solid(vertices, solid.faces, solid.places)
