"""Draw builds: age, gender, weight, height, origin and the small differences between bodies."""

from collections.abc import Mapping

import numpy as np

# local changes of the shape, each drawn from a normal distribution of this spread, about zero
_SHAPES = {
    "head-scale-vert-incr": 0.18,
    "head-scale-horiz-incr": 0.25,
    "head-scale-depth-incr": 0.2,
    "head-fat-incr": 0.3,
    "head-angle-out": 0.2,
    "forehead-scale-vert-incr": 0.15,
    "forehead-nubian-incr": 0.2,
    "chin-width-incr": 0.3,
    "chin-height-incr": 0.25,
    "chin-prominent-incr": 0.3,
    "chin-jaw-drop-incr": 0.25,
    "cheek-bones-incr": 0.35,
    "cheek-volume-incr": 0.35,
    "ear-scale-incr": 0.25,
    "ear-wing-incr": 0.25,
    "eye-scale-incr": 0.25,
    "eye-height2-incr": 0.3,
    "eye-trans-out": 0.2,
    "eye-trans-up": 0.2,
    "eye-corner2-up": 0.3,
    "eye-epicanthus-out": 0.3,
    "eye-bag-incr": 0.3,
    "eyebrows-trans-up": 0.3,
    "eyebrows-angle-up": 0.3,
    "mouth-scale-horiz-incr": 0.3,
    "mouth-scale-vert-incr": 0.25,
    "mouth-trans-up": 0.25,
    "mouth-upperlip-volume-incr": 0.3,
    "mouth-lowerlip-volume-incr": 0.3,
    "nose-scale-horiz-incr": 0.35,
    "nose-scale-vert-incr": 0.25,
    "nose-scale-depth-incr": 0.25,
    "nose-hump-incr": 0.3,
    "nose-width3-incr": 0.3,
    "nose-point-up": 0.3,
    "nose-flaring-incr": 0.15,
    "neck-scale-horiz-incr": 0.2,
    "neck-scale-vert-incr": 0.2,
    "hand-scale-incr": 0.25,
    "hand-fingers-length-incr": 0.3,
    "hand-fingers-diameter-incr": 0.3,
    "foot-scale-incr": 0.2,
    "upperlegs-height-incr": 0.2,
    "lowerlegs-height-incr": 0.2,
    "measure-upperarm-length-incr": 0.2,
    "measure-lowerarm-length-incr": 0.2,
    "measure-shoulder-dist-incr": 0.25,
    "torso-scale-vert-incr": 0.2,
    "torso-vshape-incr": 0.25,
    "hip-scale-horiz-incr": 0.2,
    "stomach-tone-incr": 0.3,
}
_SIDED = ("cheek", "ear", "eye-", "hand", "foot")


def draw_phenotype(rng: np.random.Generator) -> dict[str, float]:
    """Draw a phenotype: mostly adults, some children and old people, origins evenly.

    >>> import numpy as np
    >>> 0 <= draw_phenotype(np.random.default_rng(0))["age"] <= 1
    True
    """
    gender = float(np.clip(rng.choice([0.08, 0.92]) + rng.normal(0, 0.08), 0, 1))
    age = _age(rng)
    origins = rng.dirichlet([0.45, 0.45, 0.45])
    return {
        "gender": gender,
        "age": age,
        "muscle": float(rng.beta(1.4, 1.8)),
        "weight": float(rng.beta(1.6, 1.5)),
        "height": float(rng.beta(3, 3)),
        "proportions": float(rng.uniform(0.2, 1)),
        "cupsize": float(rng.beta(2, 2.4)),
        "firmness": float(rng.uniform(0.2, 1)),
        **dict(zip(("african", "asian", "caucasian"), map(float, origins), strict=True)),
    }


def fatness(phenotype: Mapping[str, float]) -> float:
    """Give how fat a body is, 0 to 1: much weight and little muscle. The mean is near 0.3.

    >>> fatness({"weight": 1.0, "muscle": 0.25})
    0.75
    """
    return phenotype.get("weight", 0.5) * (1 - phenotype.get("muscle", 0.5))


def _age(rng: np.random.Generator) -> float:
    """Draw an age: 0 is a baby, 1/3 a child, 2/3 a young adult, 1 an old one."""
    chance = rng.random()
    if chance < 0.1:
        return float(rng.uniform(0.12, 0.4))
    if chance < 0.18:
        return float(rng.uniform(0.4, 0.55))
    if chance < 0.8:
        return float(rng.uniform(0.58, 0.82))
    return float(rng.uniform(0.82, 1.0))


def draw_shapes(rng: np.random.Generator) -> dict[str, float]:
    """Draw the local changes of a body's shape, -1 to 1, a third of them; both sides alike.

    >>> import numpy as np
    >>> shapes = draw_shapes(np.random.default_rng(0))
    >>> shapes.get("l-ear-scale-incr") == shapes.get("r-ear-scale-incr")
    True
    """
    shapes: dict[str, float] = {}
    for name, spread in _SHAPES.items():
        value = float(np.clip(rng.normal(0, spread), -0.6, 0.6))
        if rng.random() > 0.4:
            continue
        sides = ("l-", "r-") if name.startswith(_SIDED) else ("",)
        shapes.update({side + name: value for side in sides})
    return shapes
