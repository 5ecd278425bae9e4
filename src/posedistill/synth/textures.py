"""Materials: colours and patterns of a surface, computed where they are seen.

Patterns are functions of a place in metres, so they need no maps. Noise is value noise with a
smooth fade (Perlin, "An Image Synthesizer", 1985; the lattice values are an integer hash).
"""

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.compiled import compiled
from posedistill.synth.samples import COLOR, NORMAL, PLACE

PLAIN, STRIPES, CHECKS, DOTS, BLOTCHES, PRINT, STRANDS, EYE, SKIN = range(9)
PRINT_SIZE = 64  # pixels a side of a printed photo
PATTERN, _SCALE, _ANGLE, _GRAIN, _GRAIN_SCALE, _PRINT_ROW = 6, 7, 8, 9, 10, 17
_BUMP, _BUMP_SCALE, _BUMP_STRETCH, SHINE, SHARPNESS, SOFTNESS = 11, 12, 13, 14, 15, 16  # columns
_ANCHOR = 18

Floats = NDArray[np.float32]
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """Say how a surface looks.

    Attributes:
        color: linear light given back, times the colour of the vertices.
        second: the other colour of a pattern.
        pattern: PLAIN, STRIPES, CHECKS, DOTS, BLOTCHES, PRINT, STRANDS, EYE or SKIN.
        scale: repeats a metre.
        angle: of the pattern, radians.
        grain: how much fine noise changes the colour, 0 to 1.
        grain_scale: spots a metre.
        bump: how far creases turn the normal.
        bump_scale: creases a metre.
        bump_stretch: how much longer than wide creases are, along y.
        shine, sharpness: strength and exponent of the highlight.
        softness: how far light reaches round to the dark side, 0 to 1.
        print_row: row of the scene's prints, for PRINT.
        anchor: the middle of the left brow, metres at rest, for SKIN.
    """

    color: Triple
    second: Triple = (1.0, 1.0, 1.0)
    pattern: int = PLAIN
    scale: float = 10.0
    angle: float = 0.0
    grain: float = 0.1
    grain_scale: float = 400.0
    bump: float = 0.0
    bump_scale: float = 20.0
    bump_stretch: float = 1.0
    shine: float = 0.0
    sharpness: float = 20.0
    softness: float = 0.0
    print_row: int = 0
    anchor: Triple = (0.0, 0.0, 0.0)

    def row(self) -> Floats:
        """Give the numbers as one row of the table that shading reads."""
        others = [getattr(self, name) for name in _NUMBERS]
        return np.array([*self.color, *self.second, *others, *self.anchor], np.float32)


_NUMBERS = [one.name for one in fields(Material) if one.name not in ("color", "second", "anchor")]


@dataclass
class Palette:
    """Collect the materials of a scene and the photos printed on its clothes.

    >>> palette = Palette()
    >>> palette.add(Material((1.0, 0.0, 0.0))), palette.add(Material((0.0, 1.0, 0.0)))
    (0, 1)
    """

    materials: list[Material] = field(default_factory=list)
    prints: list[Floats] = field(default_factory=list)

    def add(self, material: Material) -> int:
        """Take in a material and give its row."""
        self.materials.append(material)
        return len(self.materials) - 1

    def table(self) -> Floats:
        """Give the materials as (M, C) numbers."""
        return np.stack([material.row() for material in self.materials])

    def pictures(self) -> Floats:
        """Give the printed photos, (T, 64, 64, 3) linear; one white one where there is none."""
        blank = np.ones((PRINT_SIZE, PRINT_SIZE, 3), np.float32)
        return np.stack(self.prints or [blank])


def linear(color: Triple | Floats) -> Triple:
    """Give the linear light of a screen colour, both 0 to 1, by a gamma of 2.

    >>> linear((0.5, 1.0, 0.0))
    (0.25, 1.0, 0.0)
    """
    red, green, blue = (float(channel) ** 2 for channel in color)
    return red, green, blue


@compiled
def lattice_noise(  # house rule: a point; compiled functions take no keywords
    x: float, y: float, z: float
) -> tuple[float, float, float, float]:
    """Give smooth noise in 0 to 1 at a point, and its gradient; features are one unit wide.

    >>> value, *gradient = lattice_noise(1.0, 2.0, 3.0)
    >>> 0 <= value <= 1, max(gradient) == min(gradient) == 0  # flat on the lattice
    (True, True)
    """
    i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    u, v, w = x - i, y - j, z - k
    fu, fv, fw = u * u * (3 - 2 * u), v * v * (3 - 2 * v), w * w * (3 - 2 * w)
    a, b = _hash(i, j, k), _hash(i + 1, j, k)
    c, d = _hash(i, j + 1, k), _hash(i + 1, j + 1, k)
    e, f = _hash(i, j, k + 1), _hash(i + 1, j, k + 1)
    g, h = _hash(i, j + 1, k + 1), _hash(i + 1, j + 1, k + 1)
    near = a + (b - a) * fu + ((c - a) + (a - b - c + d) * fu) * fv
    far = e + (f - e) * fu + ((g - e) + (e - f - g + h) * fu) * fv
    near_x, far_x = (b - a) + (a - b - c + d) * fv, (f - e) + (e - f - g + h) * fv
    near_y, far_y = (c - a) + (a - b - c + d) * fu, (g - e) + (e - f - g + h) * fu
    return (
        near + (far - near) * fw,
        (near_x + (far_x - near_x) * fw) * 6 * u * (1 - u),
        (near_y + (far_y - near_y) * fw) * 6 * v * (1 - v),
        (far - near) * 6 * w * (1 - w),
    )


@compiled
def _hash(i: int, j: int, k: int) -> float:
    value = (i * 374761393 + j * 668265263 + k * 1274126177) & 0xFFFFFFFF
    value = ((value ^ (value >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((value ^ (value >> 16)) & 0xFFFF) / 65535.0


def noise_at(places: Floats, *, scale: float, seed: int = 0) -> Floats:
    """Give smooth noise, 0 to 1, at each of some places.

    places: (N, 3) metres; scale: features a metre. Gives (N,).

    >>> noise_at(np.zeros((2, 3), np.float32), scale=3.0).shape
    (2,)
    """
    values = np.empty(len(places), np.float32)
    _noise_at(np.ascontiguousarray(places * np.float32(scale), np.float32), seed * 17.3, values)
    return values


@compiled
def _noise_at(places: Floats, shift: float, values: Floats) -> None:
    for row in range(len(values)):
        values[row] = lattice_noise(places[row, 0] + shift, places[row, 1], places[row, 2])[0]


def paint(surface: Floats, materials: NDArray[np.int32], *, table: Floats, prints: Floats) -> None:
    """Colour samples of a surface by their materials and turn their normals by creases, in place.

    surface: (N, NUM_COLUMNS); materials: (N,) rows of the table, (M, C); prints: (T, 64, 64, 3).
    """
    _paint(surface, materials, table, prints)


@compiled
def _paint(surface: Floats, materials: NDArray[np.int32], table: Floats, prints: Floats) -> None:
    for k in range(surface.shape[0]):
        row = materials[k]
        place = (surface[k, PLACE], surface[k, PLACE + 1], surface[k, PLACE + 2])
        normal = (surface[k, NORMAL], surface[k, NORMAL + 1], surface[k, NORMAL + 2])
        surface[k, NORMAL], surface[k, NORMAL + 1], surface[k, NORMAL + 2] = _bumped(
            table, row, place, normal
        )
        color = _color_at(table, row, place, prints)
        share = 0.0
        if int(table[row, PATTERN]) == SKIN:
            share = _brow_share(table, row, place)
        for channel in range(3):
            painted = color[channel] * surface[k, COLOR + channel]
            surface[k, COLOR + channel] = painted + (table[row, 3 + channel] - painted) * share


@compiled
def _bumped(table: Floats, row: int, place: Triple, normal: Triple) -> Triple:
    """Make a normal one metre long and turn it by the slope of noise."""
    x, y, z = normal
    bump = table[row, _BUMP]
    if bump > 0.0:
        size, stretch = table[row, _BUMP_SCALE], table[row, _BUMP_STRETCH]
        u, v, w = place[0] * size, place[1] * size / stretch, place[2] * size
        _, dx, dy, dz = lattice_noise(u, v, w)
        _, fine_x, fine_y, fine_z = lattice_noise(u * 2.3 + 7.0, v * 2.3, w * 2.3)
        x -= bump * (dx + 0.5 * fine_x)
        y -= bump * (dy + 0.5 * fine_y)
        z -= bump * (dz + 0.5 * fine_z)
    scale = 1.0 / np.sqrt(x * x + y * y + z * z + 1e-12)
    return x * scale, y * scale, z * scale


@compiled
def _color_at(table: Floats, row: int, place: Triple, prints: Floats) -> Triple:
    """Give the colour of a material at a place, without light."""
    x, y, z = place
    kind = int(table[row, PATTERN])
    if kind == EYE:
        return _eye(table, row, place)
    if kind == SKIN:
        mixed = (table[row, 0], table[row, 1], table[row, 2])
    elif kind == PRINT:
        mixed = _printed(table, row, place, prints)
    else:
        share = _second_share(table, row, place)
        mixed = (
            table[row, 0] + (table[row, 3] - table[row, 0]) * share,
            table[row, 1] + (table[row, 4] - table[row, 1]) * share,
            table[row, 2] + (table[row, 5] - table[row, 2]) * share,
        )
    grain = table[row, _GRAIN]
    if grain > 0.0:
        size = table[row, _GRAIN_SCALE]
        value = lattice_noise(x * size, y * size, z * size)[0]
        factor = 1.0 + 1.4 * grain * (value - 0.5)
        return mixed[0] * factor, mixed[1] * factor, mixed[2] * factor
    return mixed


@compiled
def _brow_share(table: Floats, row: int, place: Triple) -> float:
    """Give how much a place on the skin is covered by the hair of a brow, 0 to 1.

    The material's scale is half the thickness in metres and its angle how far the brow is arched.
    """
    x = (abs(place[0]) - table[row, _ANCHOR]) / 0.026  # from the inner end, -1, to the outer, 1
    y = place[1] - table[row, _ANCHOR + 1]
    if abs(x) > 1.05 or abs(y) > 0.03 or place[2] < table[row, _ANCHOR + 2] - 0.04:
        return 0.0
    line = table[row, _ANGLE] * (0.35 - (x - 0.2) * (x - 0.2)) * 0.01
    thick = table[row, _SCALE] * min(1.0, 1.25 - 0.75 * x)
    strands = lattice_noise(place[0] * 1500.0, place[1] * 500.0 + abs(place[0]) * 700.0, 1.0)[0]
    edge = (thick * (0.8 + 0.4 * strands) - abs(y - line)) / 0.0025
    ends = (1.05 - abs(x)) / 0.12
    return float(min(max(min(edge, ends), 0.0), 1.0)) * (0.75 + 0.25 * strands)


@compiled
def _second_share(table: Floats, row: int, place: Triple) -> float:
    """Give how much of the second colour there is at a place, 0 to 1."""
    kind = int(table[row, PATTERN])
    x, y, z = place
    scale = table[row, _SCALE]
    if kind == STRANDS:
        fine = lattice_noise(x * scale, y * scale * 0.04, z * scale)[0]
        wide = lattice_noise(x * scale * 0.2, y * scale * 0.02, z * scale * 0.2)[0]
        return 0.6 * fine + 0.4 * wide
    if kind == BLOTCHES:
        value = lattice_noise(x * scale, y * scale, z * scale)[0]
        return min(max((value - 0.5) * 12.0 + 0.5, 0.0), 1.0)
    # Cloth is cut flat: round the body, x and z both go along it.
    along, across = x + 0.6 * z, y
    cosine, sine = np.cos(table[row, _ANGLE]), np.sin(table[row, _ANGLE])
    u = (along * cosine - across * sine) * scale
    v = (along * sine + across * cosine) * scale
    u, v = u - np.floor(u), v - np.floor(v)
    if kind == STRIPES:
        return 1.0 if v < 0.4 else 0.0
    if kind == CHECKS:
        return (0.5 if u < 0.4 else 0.0) + (0.5 if v < 0.4 else 0.0)
    if kind == DOTS:
        return 1.0 if (u - 0.5) ** 2 + (v - 0.5) ** 2 < 0.07 else 0.0
    return 0.0


@compiled
def _printed(table: Floats, row: int, place: Triple, prints: Floats) -> Triple:
    """Give the colour of a photo that is repeated, mirrored, over the cloth."""
    number, scale = int(table[row, _PRINT_ROW]), table[row, _SCALE]
    size = prints.shape[1]
    u = (place[0] + 0.6 * place[2]) * scale * size
    v = -place[1] * scale * size
    i, j = int(np.floor(u)) % (2 * size), int(np.floor(v)) % (2 * size)
    i, j = min(i, 2 * size - 1 - i), min(j, 2 * size - 1 - j)
    return (
        prints[number, j, i, 0] * table[row, 0],
        prints[number, j, i, 1] * table[row, 1],
        prints[number, j, i, 2] * table[row, 2],
    )


@compiled
def _eye(table: Floats, row: int, place: Triple) -> Triple:
    """Give white, iris and pupil; the place is relative to the eye's centre, looking along z."""
    x, y, z = place
    length = np.sqrt(x * x + y * y + z * z) + 1e-9
    sine = np.sqrt(x * x + y * y) / length
    iris, pupil = table[row, _SCALE], table[row, _ANGLE]
    if z < 0.0 or sine > iris * 1.08:
        return 0.52, 0.46, 0.43
    if sine > iris * 0.93:  # the dark ring round the iris
        return table[row, 0] * 0.3, table[row, 1] * 0.3, table[row, 2] * 0.3
    if sine < pupil:
        return 0.004, 0.004, 0.004
    value = lattice_noise(x / length * 60.0, y / length * 60.0, 3.0)[0]
    share = 0.6 + 0.8 * value
    return table[row, 0] * share, table[row, 1] * share, table[row, 2] * share
