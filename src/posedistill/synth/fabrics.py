"""Fabrics: colours and patterns of clothes, drawn at random."""

import numpy as np

from posedistill.synth.backgrounds import Backgrounds
from posedistill.synth.textures import (
    BLOTCHES,
    CHECKS,
    DOTS,
    PLAIN,
    PRINT,
    PRINT_SIZE,
    STRIPES,
    Material,
    Palette,
    Triple,
    linear,
)

_COMMON = (  # screen colours that clothes often have
    (0.06, 0.06, 0.07),
    (0.13, 0.13, 0.15),
    (0.25, 0.25, 0.27),
    (0.5, 0.5, 0.52),
    (0.92, 0.92, 0.90),
    (0.85, 0.80, 0.70),
    (0.12, 0.15, 0.28),
    (0.22, 0.31, 0.47),
    (0.38, 0.50, 0.66),
    (0.35, 0.08, 0.10),
    (0.40, 0.28, 0.20),
    (0.62, 0.52, 0.40),
    (0.28, 0.30, 0.20),
)


def draw_color(rng: np.random.Generator) -> Triple:
    """Draw the colour of a cloth, linear; half the time a common one.

    >>> 0 <= min(draw_color(np.random.default_rng(0))) <= 1
    True
    """
    if rng.random() < 0.65:
        color = np.array(_COMMON[int(rng.integers(len(_COMMON)))])
        color = color * rng.normal(1, 0.08, 3)
    else:
        hue, value = rng.uniform(0, 6), rng.uniform(0.2, 0.95)
        saturation = rng.uniform(0.1, 0.9)
        peaks = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
        color = value * (1 - saturation * (1 - peaks))
    return linear(np.clip(color, 0.02, 0.97))


def draw_fabric(
    rng: np.random.Generator, palette: Palette, *, backgrounds: Backgrounds, plain: float = 0.55
) -> Material:
    """Draw a fabric; a photo printed on it goes into the palette. plain: share without pattern."""
    color, second = draw_color(rng), draw_color(rng)
    pattern, scale = PLAIN, 10.0
    if rng.random() > plain:
        pattern = int(rng.choice([STRIPES, CHECKS, DOTS, BLOTCHES, PRINT], p=_PATTERN_SHARES))
        scale = float(np.exp(rng.uniform(np.log(6), np.log(45))))
    row = 0
    if pattern == PRINT:
        scale = rng.uniform(1.5, 6)
        if rng.random() < 0.6:
            color = (1.0, 1.0, 1.0)
        row = len(palette.prints)
        patch = backgrounds.patch(rng, side=PRINT_SIZE)
        palette.prints.append(((patch / 255) ** 2).astype(np.float32))
    is_shiny = rng.random() < 0.12
    return Material(
        color,
        second=second,
        pattern=pattern,
        scale=scale,
        angle=float(rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)], p=[0.55, 0.3, 0.15])),
        grain=rng.uniform(0.05, 0.4),
        grain_scale=rng.uniform(150, 500),
        bump=rng.uniform(0.05, 0.45),
        bump_scale=rng.uniform(9, 30),
        bump_stretch=rng.uniform(0.6, 3),
        shine=rng.uniform(0.1, 0.5) if is_shiny else rng.uniform(0, 0.03),
        sharpness=rng.uniform(8, 40),
        softness=0.15,
        print_row=row,
    )


_PATTERN_SHARES = (0.28, 0.24, 0.1, 0.14, 0.24)


def draw_leather(rng: np.random.Generator) -> Material:
    """Draw the material of shoes and gloves.

    >>> draw_leather(np.random.default_rng(0)).shine > 0
    True
    """
    return Material(
        draw_color(rng),
        grain=rng.uniform(0.02, 0.2),
        bump=rng.uniform(0, 0.2),
        bump_scale=rng.uniform(40, 120),
        shine=rng.uniform(0.02, 0.4),
        sharpness=rng.uniform(8, 50),
        softness=0.1,
    )
