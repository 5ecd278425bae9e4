import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("numba")

from posedistill.synth.mesh import make_mesh
from posedistill.synth.raster import rasterise
from posedistill.synth.reflection import Lights, lit_shares
from posedistill.synth.shading import FINER, Stage, shade
from posedistill.synth.textures import (
    CHECKS,
    EYE,
    STRIPES,
    Material,
    Palette,
    lattice_noise,
    noise_at,
)

FAR = np.full((8, 8), 1e6, np.float32)


def _lights(direction: tuple[float, float, float], *, sky: float = 0.0) -> Lights:
    return Lights(
        directions=np.array([direction], np.float32),
        colors=np.ones((1, 3), np.float32),
        sky=np.full(3, sky, np.float32),
        ground=np.full(3, sky, np.float32),
        shadow_from_world=np.eye(3, 4, dtype=np.float32),
        shadow_depth=FAR,
    )


def _plate(material: Material, lights: Lights) -> NDArray[np.float32]:
    """Show a plate in the plane z = 0, one metre from a camera on the z axis, 8 x 8 pixels."""
    corners = np.array([[-1, 1, 0], [-1, -1, 0], [1, 1, 0], [1, -1, 0]], np.float32)
    faces = np.array([[0, 1, 2], [1, 3, 2]], np.int32)
    palette = Palette()
    mesh = make_mesh(corners, faces, material=palette.add(material))
    points = np.stack([8 + 8 * corners[:, 0], 8 - 8 * corners[:, 1], np.ones(4)], axis=1)
    raster = rasterise(points.astype(np.float32), faces, size_wh=(8 * FINER, 8 * FINER))
    eye = np.array([0, 0, 1], np.float32)
    stage = Stage(mesh, points.astype(np.float32), eye, palette.table(), palette.pictures(), lights)
    picture, share = shade(raster, stage)
    assert (share == 1).all()
    return picture


@pytest.mark.parametrize("angle", [0.0, 0.7, 1.3])
def test_a_dull_plate_gives_back_the_cosine_of_the_light(angle: float) -> None:
    light = _lights((float(np.sin(angle)), 0.0, float(np.cos(angle))))
    picture = _plate(Material((0.8, 0.4, 0.2), grain=0.0), light)
    expected = np.sqrt(np.array([0.8, 0.4, 0.2]) * np.cos(angle))
    np.testing.assert_allclose(picture, np.broadcast_to(expected, picture.shape), atol=1e-3)


def test_a_pixel_that_a_face_half_covers_is_half_covered() -> None:
    corners = np.array([[0, 0, 0], [0, -1, 0], [1, 0, 0], [1, -1, 0]], np.float32)
    faces = np.array([[0, 1, 2], [1, 3, 2]], np.int32)
    right, bottom = 3.5 * FINER, 2.5 * FINER  # of the square, in samples
    points = np.stack([right * corners[:, 0], -bottom * corners[:, 1], np.ones(4)], axis=1)
    raster = rasterise(points.astype(np.float32), faces, size_wh=(8 * FINER, 8 * FINER))
    palette = Palette()
    mesh = make_mesh(corners, faces, material=palette.add(Material((1.0, 1.0, 1.0), grain=0)))
    eye, lights = np.array([0, 0, 1], np.float32), _lights((0, 0, 1))
    table, prints = palette.table(), palette.pictures()
    picture, share = shade(
        raster, Stage(mesh, points.astype(np.float32), eye, table, prints, lights)
    )
    across, down = np.clip(3.5 - np.arange(8), 0, 1), np.clip(2.5 - np.arange(8), 0, 1)
    np.testing.assert_allclose(share, down[:, None] * across, atol=1e-6)
    np.testing.assert_allclose(picture[..., 0], share, atol=1e-3)


def test_light_from_behind_leaves_the_sky_alone() -> None:
    picture = _plate(Material((1.0, 1.0, 1.0), grain=0.0), _lights((0, 0, -1), sky=0.25))
    np.testing.assert_allclose(picture, 0.5, atol=1e-3)


def test_stripes_lie_where_the_formula_puts_them() -> None:
    material = Material((1.0, 1.0, 1.0), second=(0.0, 0.0, 0.0), pattern=STRIPES, scale=1, grain=0)
    picture = _plate(material, _lights((0, 0, 1)))[:, 0, 0]
    heights = 1 - (np.arange(8) + 0.5) / 4
    is_dark = heights - np.floor(heights) < 0.4
    assert (picture[is_dark] < 0.8).all()
    assert (picture[~is_dark] > 0.6).all()


def test_checks_mix_two_colours_half_and_half_where_one_band_crosses() -> None:
    material = Material((1.0, 1.0, 1.0), second=(0.0, 0.0, 0.0), pattern=CHECKS, scale=1, grain=0)
    levels = _plate(material, _lights((0, 0, 1)))[..., 0]
    for level in (0.0, np.sqrt(0.5), 1.0):
        assert np.abs(levels - level).min() < 0.01


def test_an_eye_is_dark_in_the_middle_and_light_outside() -> None:
    corners = Material((0.2, 0.1, 0.05), pattern=EYE, scale=0.5, angle=0.2, grain=0)
    picture = _plate(corners, _lights((0, 0, 1)))
    assert picture.min() >= 0
    assert (picture[0, 0] > 0.6).all()  # a flat plate is all white of the eye


def test_the_gradient_of_noise_is_its_slope() -> None:
    step = 1e-4
    for point in np.random.default_rng(0).uniform(-5, 5, (20, 3)):
        _, *gradient = lattice_noise(*point)
        for axis in range(3):
            ahead, behind = point.copy(), point.copy()
            ahead[axis] += step
            behind[axis] -= step
            slope = (lattice_noise(*ahead)[0] - lattice_noise(*behind)[0]) / (2 * step)
            assert gradient[axis] == pytest.approx(slope, abs=2e-3)


def test_noise_spreads_round_one_half() -> None:
    places = np.random.default_rng(0).uniform(-50, 50, (4000, 3)).astype(np.float32)
    values = noise_at(places, scale=3.0)
    assert 0 <= values.min() < 0.2
    assert 0.8 < values.max() <= 1
    assert values.mean() == pytest.approx(0.5, abs=0.02)


def test_points_behind_the_nearest_surface_of_the_map_are_in_shadow() -> None:
    lights = _lights((0, 0, 1))
    lights.shadow_depth[:] = 2.0
    points = np.array([[4, 4, 1.9], [4, 4, 2.2], [40, 4, 2.2]], np.float32)
    assert lit_shares(points, lights).tolist() == [1.0, 0.0, 1.0]
    lights.shadow_depth[:] = 1e6
