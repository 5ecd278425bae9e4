"""A map of the body's surface: where on a limb a vertex lies, who its neighbours are, shade.

All of it follows from the mesh at rest and its regions, once in a process.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.body import BodyModel, body_model
from posedistill.synth.compiled import compiled
from posedistill.synth.mesh import Floats, vertex_normals
from posedistill.synth.raster import rasterise

SIDES = ("left", "right")
_SKY_VIEWS, _SKY_SIDE = 48, 256  # of the body from as many sides; pixels


@dataclass(frozen=True, eq=False)
class BodyMap:
    """Hold what dressing and painting a body takes; V vertices.

    Attributes:
        faces: (F, 3) int32.
        rest: (V, 3) metres, at rest.
        neighbours: (V, 8) int32 rows of adjacent vertices, a vertex itself where it has fewer.
        openness: (V,) how much of the sky a vertex sees at rest, 0 to 1.
        is_arm: (V,) whether a vertex belongs to an arm or a hand.
        is_head: (V,) head, without the neck.
        arm: (V,) 0 at the shoulder, 1 at the elbow, 2 at the wrist, more on the hand.
        leg: (V,) 0 at the hip, 1 at the knee, 2 at the ankle, by height.
        heights: rest heights in metres by name: hip, knee, ankle, shoulder, crown.
    """

    faces: NDArray[np.int32]
    rest: Floats
    neighbours: NDArray[np.int32]
    openness: Floats
    is_arm: NDArray[np.bool_]
    is_head: NDArray[np.bool_]
    arm: Floats
    leg: Floats
    heights: dict[str, float]


@lru_cache
def body_map() -> BodyMap:
    """Give the map of `body_model()`."""
    model = body_model()
    rest = np.ascontiguousarray(model.rest_vertices, np.float32)
    regions = model.regions
    normals = vertex_normals(rest, model.faces)
    heights = _heights(model)
    arms = [f"{part}_{side}" for part in ("upper_arm", "forearm", "hand") for side in SIDES]
    head = ("scalp", "face", "ears", "lips", "brows", "eyes", "tongue", "cavities")
    return BodyMap(
        faces=model.faces,
        rest=rest,
        neighbours=_neighbours(model.faces, model.num_vertices),
        openness=_openness(rest, normals, faces=model.faces),
        is_arm=np.any([regions[name] for name in arms], axis=0),
        is_head=np.any([regions[name] for name in head], axis=0),
        arm=_arm(model),
        leg=_leg(rest, heights),
        heights=heights,
    )


def seam(model: BodyModel, *names: str) -> Floats:
    """Give the middle of where two regions meet, (3,) at rest."""
    first, second = (model.regions[name] for name in names)
    touches = first[model.faces].any(axis=1) & second[model.faces].any(axis=1)
    rows = np.unique(model.faces[touches])
    if not len(rows):
        raise ValueError(f"the regions {names[0]} and {names[1]} do not meet in the mesh")
    return np.asarray(model.rest_vertices[rows].mean(axis=0), np.float32)


def _heights(model: BodyModel) -> dict[str, float]:
    return {
        "hip": float(seam(model, "hips", "thigh_left")[1]),
        "knee": float(seam(model, "thigh_left", "calf_left")[1]),
        "ankle": float(seam(model, "calf_left", "foot_left")[1]),
        "shoulder": float(seam(model, "torso", "neck")[1]),
        "crown": float(model.rest_vertices[:, 1].max()),
    }


def _arm(model: BodyModel) -> Floats:
    rest = model.rest_vertices
    place = np.full(len(rest), -1.0, np.float32)
    for side in SIDES:
        shoulder = seam(model, "torso", f"upper_arm_{side}")
        elbow = seam(model, f"upper_arm_{side}", f"forearm_{side}")
        wrist = seam(model, f"forearm_{side}", f"hand_{side}")
        upper = _along(rest, (shoulder, elbow))
        lower = _along(rest, (elbow, wrist))
        own = (rest[:, 0] > 0) == (shoulder[0] > 0)
        place = np.where(own, np.where(upper < 1, upper, 1 + np.maximum(lower, 0)), place)
    return place.astype(np.float32)


def _along(points: Floats, ends: tuple[Floats, Floats]) -> Floats:
    axis = ends[1] - ends[0]
    return ((points - ends[0]) @ axis / (axis @ axis)).astype(np.float32)


def _leg(rest: Floats, heights: dict[str, float]) -> Floats:
    levels = [heights["ankle"] - 1, heights["ankle"], heights["knee"], heights["hip"]]
    return np.interp(rest[:, 1], [*levels, heights["hip"] + 1], [4, 2, 1, 0, -3]).astype(np.float32)


def _neighbours(faces: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    rank = np.arange(len(edges)) - np.searchsorted(edges[:, 0], edges[:, 0])
    table = np.repeat(np.arange(count, dtype=np.int32)[:, None], 8, axis=1)
    kept = rank < 8
    table[edges[kept, 0], rank[kept]] = edges[kept, 1]
    return table


def _openness(rest: Floats, normals: Floats, *, faces: NDArray[np.int32]) -> Floats:
    """Give the share of directions over each vertex that no other part of the body blocks."""
    rng = np.random.default_rng(0)
    ways = rng.normal(size=(_SKY_VIEWS, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    seen, possible = np.zeros(len(rest)), np.full(len(rest), 1e-3)
    for way in ways:
        matrix = orthographic(rest, way, size=_SKY_SIDE)
        flat = rest @ matrix[:, :3].T + matrix[:, 3]
        depth = raster_depth(flat.astype(np.float32), faces, size=_SKY_SIDE)
        column, row = np.clip(flat[:, :2].astype(int), 0, _SKY_SIDE - 1).T
        weight = np.maximum(normals @ way, 0)
        seen += weight * (flat[:, 2] < depth[row, column] + 0.012)
        possible += weight
    return np.asarray(seen / possible, np.float32)


def orthographic(points: NDArray[np.floating], way: NDArray[np.floating], *, size: int) -> Floats:
    """Give the (3, 4) matrix to pixels and depth of a square picture seen from far along a way.

    points: (N, 3) that the picture holds; way: (3,) unit, towards the viewer; depth in metres.
    """
    other = np.array([0.0, 1.0, 0.0]) if abs(way[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
    right = np.cross(other, way)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(right, way), -way])
    flat = axes @ points.T
    low, high = flat.min(axis=1), flat.max(axis=1)
    scale = (size - 4) / max(float((high - low)[:2].max()), 1e-6)
    scales = np.array([scale, scale, 1.0])
    start = np.array([2.0, 2.0, 1.0]) - low * scales
    return np.hstack([axes * scales[:, None], start[:, None]]).astype(np.float32)


def raster_depth(
    points: Floats,
    faces: NDArray[np.int32],
    *,
    size: int,
    coverage: Floats | None = None,
) -> Floats:
    """Give the depth of the nearest face in each pixel, (S, S); far where there is none.

    points: (V, 3) x, y in pixels and a positive depth, as `orthographic` maps them.
    """
    # The raster keeps the largest third coordinate; without perspective any falling one will do.
    farthest = float(points[:, 2].max()) + 1
    turned = points * np.array([1, 1, -1], np.float32)
    turned[:, 2] += farthest
    raster = rasterise(turned, faces, size_wh=(size, size), coverage=coverage)
    return np.where(raster.faces >= 0, farthest - raster.inverse_depth, np.float32(1e6))


def smooth(
    values: Floats,
    neighbours: NDArray[np.int32],
    *,
    rounds: int,
    rows: NDArray[np.integer] | None = None,
) -> Floats:
    """Average each vertex's values with its neighbours', some rounds.

    values: (V, C); neighbours: (V, 8); rows: the vertices that change, None for all.

    >>> line = np.array([[0.0], [3.0]], np.float32)
    >>> smooth(line, np.array([[1] * 8, [0] * 8], np.int32), rounds=1).tolist()
    [[1.5], [1.5]]
    """
    values = np.ascontiguousarray(values, np.float32)
    rows = np.arange(len(values)) if rows is None else rows
    other = values.copy()
    for _ in range(rounds):
        _average(values, neighbours, rows, other)
        values, other = other, values
    return values


@compiled
def _average(
    values: Floats, neighbours: NDArray[np.int32], rows: NDArray[np.integer], averaged: Floats
) -> None:
    count = neighbours.shape[1]
    for vertex in rows:
        for channel in range(values.shape[1]):
            total = np.float32(0.0)
            for place in range(count):
                total += values[neighbours[vertex, place], channel]
            averaged[vertex, channel] = np.float32(0.5) * (
                values[vertex, channel] + total / np.float32(count)
            )
