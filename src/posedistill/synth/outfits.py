"""Outfits: which garments a person wears, from the inside out."""

import numpy as np

from posedistill.synth.backgrounds import Backgrounds
from posedistill.synth.body_map import body_map
from posedistill.synth.clothes import (
    Garment,
    bottom_coverage,
    foot_coverage,
    garment_mesh,
    hand_coverage,
    top_coverage,
)
from posedistill.synth.fabrics import draw_color, draw_fabric, draw_leather
from posedistill.synth.mesh import Floats, Mesh
from posedistill.synth.textures import Material, Palette
from posedistill.synth.wearer import Wearer


def draw_outfit(
    rng: np.random.Generator, palette: Palette, *, is_male: bool, backgrounds: Backgrounds
) -> list[Garment]:
    """Draw what a person wears, from the inside out."""
    fabrics = [draw_fabric(rng, palette, backgrounds=backgrounds) for _ in range(2)]
    trousers = draw_fabric(rng, palette, backgrounds=backgrounds, plain=0.85)
    garments = [*_draw_feet(rng), _draw_bottom(rng, trousers)]
    kind = rng.random()
    if kind < 0.08:  # bare above, or a swimming costume
        if not is_male:
            garments.append(
                _tight(top_coverage(sleeve=0, hem=0.22, neck=-0.1, strap=0.1), fabrics[0])
            )
    else:
        garments.append(_draw_top(rng, fabrics[0]))
        if rng.random() < 0.28:
            garments.append(_draw_jacket(rng, fabrics[1]))
    if rng.random() < 0.06:
        gloves = hand_coverage(start=rng.uniform(1.6, 2.0))
        garments.append(_tight(gloves, draw_leather(rng), offset=rng.uniform(0.001, 0.004)))
    return garments


def _tight(coverage: Floats, material: Material, *, offset: float = 0.004) -> Garment:
    return Garment(coverage, np.full(len(coverage), offset, np.float32), 1, material)


def _draw_top(rng: np.random.Generator, material: Material) -> Garment:
    sleeve = float(
        rng.choice(
            [rng.uniform(0.12, 0.3), rng.uniform(0.4, 0.95), rng.uniform(1.3, 2.02)],
            p=[0.15, 0.42, 0.43],
        )
    )
    strap = rng.uniform(0.07, 0.14) if rng.random() < 0.15 else None
    coverage = top_coverage(
        sleeve=sleeve,
        hem=float(rng.choice([rng.uniform(-0.1, 0.02), rng.uniform(0.05, 0.22)], p=[0.8, 0.2])),
        neck=rng.uniform(-0.05, 0.02) if rng.random() < 0.85 else rng.uniform(0.03, 0.07),
        plunge=rng.uniform(0.0, 0.12) if rng.random() < 0.5 else 0.0,
        strap=strap,
    )
    return _hanging(rng, coverage, material=material, loose=rng.uniform(0.004, 0.028))


def _draw_jacket(rng: np.random.Generator, material: Material) -> Garment:
    coverage = top_coverage(
        sleeve=rng.uniform(1.6, 2.05), hem=rng.uniform(-0.2, 0.0), neck=rng.uniform(0, 0.05)
    )
    rest = body_map().rest
    if rng.random() < 0.6:  # open in front
        gap = np.abs(rest[:, 0]) - rng.uniform(0.02, 0.07)
        is_front = (rest[:, 2] > np.median(rest[:, 2])) & ~body_map().is_arm
        coverage = np.where(is_front, np.minimum(coverage, gap), coverage)
    return _hanging(rng, coverage, material=material, loose=rng.uniform(0.02, 0.04))


def _hanging(
    rng: np.random.Generator, coverage: Floats, *, material: Material, loose: float
) -> Garment:
    """Make a garment that stands off further towards its ends."""
    surface = body_map()
    ends = np.where(surface.is_arm, np.maximum(surface.arm, 0) * 0.5, 0.5)
    offset = 0.004 + loose * (0.5 + ends)
    return Garment(
        coverage,
        offset.astype(np.float32),
        int(2 + loose * 250),
        material,
        folds=rng.uniform(0.0, 0.35) * loose,
    )


def _draw_bottom(rng: np.random.Generator, material: Material) -> Garment:
    kind = rng.random()
    if kind < 0.08:
        leg, loose = rng.uniform(0.05, 0.15), 0.002
    elif kind < 0.3:
        leg, loose = rng.uniform(0.4, 1.05), rng.uniform(0.006, 0.035)
    else:
        leg, loose = rng.uniform(1.75, 2.1), rng.uniform(0.002, 0.03)
    coverage = bottom_coverage(leg=leg, waist=rng.uniform(0.0, 0.14))
    surface = body_map()
    offset = 0.003 + loose * (0.4 + 0.4 * np.clip(surface.leg, 0, 2))
    return Garment(
        coverage,
        offset.astype(np.float32),
        int(2 + loose * 250),
        material,
        folds=rng.uniform(0.0, 0.35) * loose,
    )


def _draw_feet(rng: np.random.Generator) -> list[Garment]:
    garments = []
    if rng.random() < 0.5:
        material = _draw_sock(rng)
        garments.append(
            _tight(foot_coverage(height=rng.uniform(0.02, 0.3)), material, offset=0.002)
        )
    if rng.random() < 0.15:
        garments.append(_draw_boots(rng))
    return garments


def _draw_sock(rng: np.random.Generator) -> Material:
    """Draw the material of socks or tights."""
    return Material(draw_color(rng), grain=0.2, softness=0.15)


def _draw_boots(rng: np.random.Generator) -> Garment:
    coverage = foot_coverage(height=rng.uniform(0.03, 0.3))
    offset = np.full(len(coverage), rng.uniform(0.004, 0.010), np.float32)
    return Garment(coverage, offset, 30, draw_leather(rng))


def dressed(wearer: Wearer, garments: list[Garment]) -> tuple[list[Mesh], Floats]:
    """Give the shells of garments, and how deep below them the skin lies, (V,) metres.

    The depth is along the surface from the nearest hem, negative outside of all clothes.
    """
    hidden = np.full(len(wearer.body.vertices), -1.0, np.float32)
    meshes = []
    for garment in reversed(garments):
        meshes.append(garment_mesh(wearer, garment, hidden=hidden))
        hidden = np.maximum(hidden, garment.coverage)
    return meshes, hidden
