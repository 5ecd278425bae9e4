"""Skin, eyes and what is painted on them."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.body import body_model
from posedistill.synth.body_map import SIDES, body_map, smooth
from posedistill.synth.clothes import UNDER, used_rows
from posedistill.synth.mesh import Floats, Mesh, make_mesh
from posedistill.synth.textures import EYE, SKIN, Material, Triple, linear, noise_at
from posedistill.synth.wearer import Wearer

# The Monk Skin Tone Scale, lightest first, screen colours (skintone.google, 2022).
_TONES = np.array(
    [
        [0.965, 0.929, 0.894],
        [0.953, 0.906, 0.859],
        [0.969, 0.918, 0.816],
        [0.918, 0.855, 0.729],
        [0.843, 0.741, 0.588],
        [0.627, 0.494, 0.337],
        [0.510, 0.361, 0.263],
        [0.376, 0.255, 0.204],
        [0.227, 0.192, 0.165],
        [0.161, 0.141, 0.125],
    ]
)
_HAIR = (  # screen colours
    (0.07, 0.06, 0.06),
    (0.11, 0.08, 0.07),
    (0.20, 0.13, 0.09),
    (0.31, 0.20, 0.13),
    (0.47, 0.32, 0.19),
    (0.66, 0.52, 0.33),
    (0.82, 0.71, 0.52),
    (0.50, 0.24, 0.13),
    (0.55, 0.54, 0.53),
    (0.83, 0.82, 0.80),
)
_IRISES = ((0.18, 0.10, 0.06), (0.30, 0.19, 0.10), (0.40, 0.36, 0.20), (0.35, 0.48, 0.60))


@dataclass(frozen=True)
class Look:
    """Say how a person is coloured.

    Attributes:
        skin, hair, iris: linear light given back.
        beard: 0 shaven, 1 thick.
        make_up: 0 none, 1 strong.
        shine: of the skin.
        brow: half the thickness of the brows, metres.
        arch: how far they are arched.
    """

    skin: Triple
    hair: Triple
    iris: Triple
    beard: float
    make_up: float
    shine: float
    brow: float
    arch: float


def draw_look(rng: np.random.Generator, *, is_male: bool) -> Look:
    """Draw the colours of a person, skin tones evenly over their range.

    >>> draw_look(np.random.default_rng(0), is_male=False).beard
    0.0
    """
    tone = rng.uniform()
    place = 1 + tone * (len(_TONES) - 2.8)
    skin = [np.interp(place, np.arange(len(_TONES)), channel) for channel in _TONES.T]
    skin = np.array(skin) * rng.normal(1, 0.025, 3) * np.array([0.86, 0.80, 0.77])
    hair = np.array(_HAIR[int(rng.integers(4 if tone > 0.5 else len(_HAIR)))])
    if rng.random() < 0.04:
        hair = rng.uniform(0.1, 0.9, 3)  # dyed
    iris = _IRISES[int(rng.integers(2 if tone > 0.5 else len(_IRISES)))]
    return Look(
        skin=linear(np.clip(skin, 0, 1)),
        hair=linear(np.clip(hair * rng.uniform(0.8, 1.2), 0, 1)),
        iris=linear(iris),
        beard=float(rng.random() < 0.45) * rng.uniform(0.2, 1) if is_male else 0.0,
        make_up=float(rng.random() < 0.5) * rng.uniform() if not is_male else 0.0,
        shine=rng.uniform(0.02, 0.14),
        brow=rng.uniform(0.0025, 0.006) if is_male else rng.uniform(0.001, 0.0045),
        arch=rng.uniform(0.1, 0.8),
    )


@lru_cache
def _brow_middle() -> Triple:
    """Give the middle of the left brow at rest."""
    brows = body_map().rest[body_model().regions["brows"]]
    x, y, z = (
        float(value)
        for value in np.abs(brows * [1, 0, 0]).mean(axis=0) + brows.mean(axis=0) * [0, 1, 1]
    )
    return x, y, z


@lru_cache
def _soft_regions() -> dict[str, Floats]:
    """Give (V,) weights by name, 0 to 1, of what is painted on a face and a body."""
    regions, surface = body_model().regions, body_map()
    soft = {
        name: smooth(regions[name][:, None].astype(np.float32), surface.neighbours, rounds=1)[:, 0]
        for name in ("lips", "ears")
    }
    rest, eyes = surface.rest, surface.rest[regions["eyes"]]
    soft["lids"] = _near(rest, eyes, reach=0.006) * regions["face"]
    soft["sockets"] = _near(rest, eyes, reach=0.016) * regions["face"]
    soft["cheeks"] = _cheeks(rest, regions=regions)
    soft["beard"] = _beard(rest, regions=regions)
    soft["joints"] = _joints(surface.arm, surface.leg, is_arm=surface.is_arm)
    return soft


def _near(points: Floats, others: Floats, *, reach: float) -> Floats:
    """Give 1 where a point touches one of the others, falling to 0 at the reach, metres."""
    weights = np.zeros(len(points), np.float32)
    low, high = others.min(axis=0) - reach, others.max(axis=0) + reach
    rows = np.flatnonzero(((points > low) & (points < high)).all(axis=1))
    gaps = np.linalg.norm(points[rows, None] - others[None], axis=2).min(axis=1)
    weights[rows] = np.clip(1 - gaps / reach, 0, 1)
    return weights


def _cheeks(rest: Floats, *, regions: dict[str, NDArray[np.bool_]]) -> Floats:
    lips, eyes = rest[regions["lips"]].mean(axis=0), rest[regions["eyes"]]
    weights = np.zeros(len(rest), np.float32)
    for side in (-1, 1):
        eye = eyes[eyes[:, 0] * side > 0].mean(axis=0)
        middle = np.array([eye[0] * 1.15, 0.45 * eye[1] + 0.55 * lips[1], eye[2]])
        weights += np.exp(-(np.linalg.norm((rest - middle)[:, :2], axis=1) ** 2) / 0.02**2)
    return weights * regions["face"]


def _beard(rest: Floats, *, regions: dict[str, NDArray[np.bool_]]) -> Floats:
    """Give where a beard grows: below the nose, round the mouth and along the jaw."""
    lips, eyes = rest[regions["lips"]], rest[regions["eyes"]]
    mouth = lips.mean(axis=0)
    reach = abs(eyes[:, 1].mean() - mouth[1])
    top = mouth[1] + 0.38 * reach - 0.9 * np.maximum(np.abs(rest[:, 0]) - 0.02, 0)
    side = np.abs(rest[:, 0]) > 0.045
    top = np.where(side, mouth[1] + (np.abs(rest[:, 0]) - 0.045) * 2.5, top)
    weight = np.clip((top - rest[:, 1]) / 0.012, 0, 1)
    lower = np.clip((rest[:, 1] - (mouth[1] - 0.075)) / 0.02, 0, 1)
    front = np.clip((rest[:, 2] - (eyes[:, 2].mean() - 0.075)) / 0.02, 0, 1)
    kept = (regions["face"] | regions["neck"]) & ~regions["lips"]
    return np.asarray(weight * lower * front * kept, np.float32)


def _joints(arm: Floats, leg: Floats, *, is_arm: NDArray[np.bool_]) -> Floats:
    elbow = np.exp(-(((arm - 1) / 0.15) ** 2)) * is_arm
    knee = np.exp(-(((leg - 1) / 0.12) ** 2)) * ~is_arm
    return np.asarray(elbow + knee + 0.7 * (arm > 2.3) * is_arm, np.float32)


def paint_skin(rng: np.random.Generator, look: Look) -> Floats:
    """Give the colour of each vertex of a body's skin, (V, 3) linear.

    >>> rng = np.random.default_rng(0)
    >>> paint_skin(rng, draw_look(rng, is_male=False)).shape[1]
    3
    """
    surface, soft, regions = body_map(), _soft_regions(), body_model().regions
    rest, seed = surface.rest, int(rng.integers(1000))
    skin = np.array(look.skin, np.float32)
    mottle = 0.12 * (noise_at(rest, scale=9, seed=seed) - 0.5)
    mottle += 0.10 * (noise_at(rest, scale=45, seed=seed + 1) - 0.5)
    colors = skin * (1 + mottle)[:, None]
    red = np.array([1.12, 0.75, 0.72], np.float32)
    flush = (0.5 * soft["cheeks"] * (0.4 + look.make_up) + 0.45 * soft["joints"]) * rng.uniform(
        0.3, 1
    )
    colors *= 1 + (red - 1) * np.clip(flush + 0.4 * soft["ears"], 0, 1)[:, None]
    lips = skin * np.array([0.92, 0.52, 0.50]) * rng.uniform(0.75, 1.05)
    if look.make_up > 0.4:
        lips = np.array([rng.uniform(0.2, 0.6), rng.uniform(0.01, 0.1), rng.uniform(0.02, 0.15)])
    colors = _over(colors, lips, weight=soft["lips"] * rng.uniform(0.6, 1))
    hair = np.array(look.hair)
    shadow = skin * (0.35 if look.make_up < 0.5 else 0.12)
    colors = _over(colors, shadow, weight=soft["lids"] * rng.uniform(0.4, 1))
    colors = _over(colors, skin * 0.6, weight=soft["sockets"] * rng.uniform(0, 0.5))
    colors = _over(colors, hair * 0.9, weight=np.clip(soft["beard"] * look.beard, 0, 0.9))
    colors[regions["tongue"]] = (0.42, 0.13, 0.12)
    return np.clip(colors, 0, 1).astype(np.float32)


def _over(colors: Floats, paint: NDArray[np.floating], *, weight: NDArray[np.floating]) -> Floats:
    share = weight[:, None].astype(np.float32)
    return colors + (paint.astype(np.float32) - colors) * share


def skin_meshes(wearer: Wearer, look: Look, *, colors: Floats, hidden: Floats) -> list[Mesh]:
    """Give the meshes of a body: what clothes leave of its skin, and its eyes.

    colors: (V, 3) of `paint_skin`. hidden: (V,) metres below a hem.
    """
    surface = body_map()
    skin = Material(
        (1.0, 1.0, 1.0),
        grain=0.10,
        grain_scale=260.0,
        shine=look.shine,
        sharpness=14.0,
        softness=0.35,
        pattern=SKIN,
        second=look.hair,
        scale=look.brow,
        angle=look.arch,
        anchor=_brow_middle(),
    )
    meshes = [
        make_mesh(
            wearer.body.vertices,
            _faces("skin"),
            material=wearer.palette.add(skin),
            owner=wearer.owner,
            places=surface.rest,
            colors=colors,
            coverage=UNDER - hidden,
            openness=surface.openness,
            is_closed=True,
        )
    ]
    for side in SIDES:
        meshes.append(_eye(wearer, look, side=side))
    return meshes


@lru_cache
def _faces(part: str) -> NDArray[np.int32]:
    """Give the faces of the left eye, the right eye or the skin."""
    surface, regions = body_map(), body_model().regions
    is_left = surface.rest[:, 0] > 0
    is_eye = regions["eyes"][surface.faces].all(axis=1)
    if part == "skin":
        return surface.faces[~is_eye]
    own = is_left if part == "left" else ~is_left
    return surface.faces[is_eye & own[surface.faces].all(axis=1)]


def _eye(wearer: Wearer, look: Look, *, side: str) -> Mesh:
    rows, faces = used_rows(_faces(side), len(wearer.body.vertices))
    rest = body_map().rest[rows]
    material = Material(
        look.iris, pattern=EYE, scale=0.47, angle=0.2, grain=0.0, shine=1.5, sharpness=120.0
    )
    return make_mesh(
        wearer.body.vertices[rows],
        faces,
        material=wearer.palette.add(material),
        owner=wearer.owner,
        places=rest - (rest.min(axis=0) + rest.max(axis=0)) / 2,
        openness=np.full(len(rows), 0.75, np.float32),
        is_closed=True,
    )
