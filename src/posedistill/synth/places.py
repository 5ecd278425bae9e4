"""Who stands where: bodies in the world and the camera that looks at them."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from posedistill.synth.annotate import OUTSIDE, SEEN, visibility
from posedistill.synth.body import Body, body_model
from posedistill.synth.camera import Camera, Framing, draw_camera, draw_framing
from posedistill.synth.poses import draw_person
from posedistill.synth.raster import rasterise

_TRIES, _TRIAL_SIDE, _LEAST_SEEN = 4, 64, 0.45  # of views; pixels; share of keypoints


def draw_people(
    rng: np.random.Generator, size_wh: tuple[int, int], *, count: int
) -> tuple[list[Body], Camera]:
    """Draw bodies and a camera; the camera looks at the first, the others stand where it looks."""
    model = body_model()
    first = model.make(draw_person(rng))
    framing = draw_framing(rng)
    camera = _draw_clear_view(rng, first, framing=framing, size_wh=size_wh)
    bodies = [first]
    for _ in range(count - 1):
        body = _placed(
            rng, model.make(draw_person(rng)), others=bodies, camera=camera, size_wh=size_wh
        )
        bodies.append(body)
    near = [body for body in bodies[1:] if _is_near_frame(body, camera, size_wh=size_wh)]
    return [first, *near], camera


def _draw_clear_view(
    rng: np.random.Generator, body: Body, *, framing: Framing, size_wh: tuple[int, int]
) -> Camera:
    """Draw cameras until one sees most of what it frames, or the tries are used up."""
    rows, faces = list(framing.keypoints), body_model().faces
    scale = _TRIAL_SIDE / max(size_wh)
    trial_wh = (round(size_wh[0] * scale), round(size_wh[1] * scale))
    for _ in range(_TRIES):
        camera = draw_camera(rng, body.keypoints, framing=framing, size_wh=size_wh)
        small = camera.scaled(scale)
        raster = rasterise(small.project(body.vertices), faces, size_wh=trial_wh)
        slack = body.depth_slack[rows] + 0.01
        seen = visibility(small.project(body.keypoints[rows]), raster, depth_slack=slack)
        if (seen == SEEN).sum() > _LEAST_SEEN * (seen != OUTSIDE).sum():
            break
    return camera


def _placed(
    rng: np.random.Generator,
    body: Body,
    *,
    others: list[Body],
    camera: Camera,
    size_wh: tuple[int, int],
) -> Body:
    """Turn a body and put it somewhere in view, not inside another."""
    middle = others[0].keypoints[:17].mean(axis=0)
    right = camera.rotation[0] * [1, 0, 1]
    forward = np.cross([0.0, 1.0, 0.0], right)
    right, forward = (way / max(float(np.linalg.norm(way)), 1e-6) for way in (right, forward))
    if forward @ camera.rotation[2] < 0:
        forward = -forward
    depth = max(float(camera.rotation[2] @ (middle - camera.position)), 0.3)
    body = turned(body, rng.normal(0, 1.2))
    for _ in range(8):
        ahead = rng.uniform(-0.35, 0.1) * depth if rng.random() < 0.3 else rng.exponential(1.0)
        reach = 0.55 * size_wh[0] / camera.focal * (depth + ahead)
        moved = middle + right * rng.uniform(-reach, reach) + forward * ahead
        gaps = [
            np.linalg.norm((other.keypoints[:17].mean(axis=0) - moved)[[0, 2]]) for other in others
        ]
        if min(gaps) > 0.38:
            break
    shift = moved - body.keypoints[:17].mean(axis=0)
    return shifted(body, np.array([shift[0], 0.0, shift[2]]))


def turned(body: Body, angle: float) -> Body:
    """Give a body turned round the vertical axis, radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]], np.float32)
    return replace(body, vertices=body.vertices @ matrix.T, keypoints=body.keypoints @ matrix.T)


def shifted(body: Body, shift: NDArray[np.floating]) -> Body:
    """Give a body moved by (3,) metres."""
    step = np.asarray(shift, np.float32)
    return replace(body, vertices=body.vertices + step, keypoints=body.keypoints + step)


def _is_near_frame(body: Body, camera: Camera, *, size_wh: tuple[int, int]) -> bool:
    points = camera.project(body.vertices[::8])
    size = np.array(size_wh)
    return bool(
        (
            (points[:, 2] > 0)
            & (points[:, :2] > 0).all(axis=1)
            & (points[:, :2] < size).all(axis=1)
        ).any()
    )
