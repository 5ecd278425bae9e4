import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("anny")

from posedistill.synth.backgrounds import Backgrounds
from posedistill.synth.body import Person, body_model
from posedistill.synth.body_map import body_map, smooth
from posedistill.synth.clothes import (
    Garment,
    bottom_coverage,
    covered_rows,
    foot_coverage,
    hand_coverage,
    shell,
    top_coverage,
)
from posedistill.synth.figure import draw_figure
from posedistill.synth.hair import STYLES, draw_hair
from posedistill.synth.looks import draw_look, paint_skin
from posedistill.synth.mesh import vertex_normals
from posedistill.synth.poses import draw_person
from posedistill.synth.shoes import draw_shoes
from posedistill.synth.skirts import draw_skirt
from posedistill.synth.textures import Material, Palette
from posedistill.synth.wearer import Wearer, make_wearer, similarity


@pytest.fixture(scope="module")
def wearer() -> Wearer:
    body = body_model().make(draw_person(np.random.default_rng(0)))
    return make_wearer(body, palette=Palette(), owner=0)


@pytest.fixture(scope="module")
def standing() -> Wearer:
    return make_wearer(body_model().make(Person()), palette=Palette(), owner=0)


def test_limbs_are_measured_from_the_trunk_outward() -> None:
    surface, regions = body_map(), body_model().regions
    for side in ("left", "right"):
        means = [
            surface.arm[regions[f"{part}_{side}"]].mean()
            for part in ("upper_arm", "forearm", "hand")
        ]
        assert 0 < means[0] < 1 < means[1] < 2 < means[2]
        means = [
            surface.leg[regions[f"{part}_{side}"]].mean() for part in ("thigh", "calf", "foot")
        ]
        assert 0 < means[0] < 1 < means[1] < 2 < means[2]


def test_hollows_see_less_of_the_sky_than_the_crown() -> None:
    surface = body_map()
    crown = surface.openness[surface.rest[:, 1] > surface.heights["crown"] - 0.01].mean()
    assert crown > 0.95
    assert surface.openness[body_model().regions["tongue"]].mean() < 0.3


def test_smoothing_keeps_what_is_the_same_everywhere() -> None:
    neighbours = body_map().neighbours
    values = np.full((len(neighbours), 1), 3.0, np.float32)
    np.testing.assert_allclose(smooth(values, neighbours, rounds=3), 3.0)


def test_garments_cover_what_their_names_say() -> None:
    regions = body_model().regions
    top, shorts = top_coverage(sleeve=2.0, hem=0.0), bottom_coverage(leg=0.5, waist=0.05)
    assert (top[regions["forearm_left"]] > 0).mean() > 0.9
    assert (top[regions["thigh_left"]] > 0).mean() < 0.1
    assert (top[regions["face"]] < 0).all()
    assert (shorts[regions["calf_left"]] < 0).all()
    assert (shorts[regions["hand_left"]] < 0).all()
    assert (foot_coverage(height=0.02)[regions["foot_left"]] > 0).mean() > 0.9
    assert (hand_coverage(start=1.8)[regions["hand_right"]] > 0).mean() > 0.95


def test_both_sides_are_dressed_alike() -> None:
    regions = body_model().regions
    top = top_coverage(sleeve=0.6, hem=0.0)
    left, right = ((top[regions[f"upper_arm_{side}"]] > 0).mean() for side in ("left", "right"))
    assert left == pytest.approx(right, abs=0.02)


def test_a_shell_stays_outside_of_the_body(wearer: Wearer) -> None:
    coverage = top_coverage(sleeve=2.0, hem=0.0)
    garment = Garment(
        coverage, np.full(len(coverage), 0.02, np.float32), 6, Material((1.0, 1.0, 1.0))
    )
    rows, _ = covered_rows(body_map().faces, coverage)
    rise = shell(wearer, garment, rows=rows) - wearer.body.vertices[rows]
    along = np.einsum("ij,ij->i", rise, wearer.normals[rows])
    assert along.min() > 0.003
    assert np.linalg.norm(rise, axis=1).max() < 0.2


def test_similarity_finds_the_turn_scale_and_shift_of_points() -> None:
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    points, shift = rng.normal(size=(20, 3)), rng.normal(size=3)
    matrix = similarity(points, 1.3 * points @ turn.T + shift)
    np.testing.assert_allclose(matrix, np.hstack([1.3 * turn, shift[:, None]]), atol=1e-9)


def test_the_head_frame_brings_the_skull_to_where_it_is(wearer: Wearer) -> None:
    rows = np.flatnonzero(body_model().regions["scalp"])
    gaps = np.linalg.norm(
        wearer.on_head(body_map().rest[rows]) - wearer.body.vertices[rows], axis=1
    )
    assert np.median(gaps) < 0.02


def test_a_skirt_goes_round_both_thighs(standing: Wearer) -> None:
    rng, cloth = np.random.default_rng(0), Material((1.0, 1.0, 1.0))
    skirt = draw_skirt(rng, standing, material=cloth, length=0.9).vertices
    thighs = body_model().regions["thigh_left"] | body_model().regions["thigh_right"]
    body = standing.body.vertices[thighs]
    inside = body[(body[:, 1] > skirt[:, 1].min() + 0.05) & (body[:, 1] < skirt[:, 1].max() - 0.2)]
    for axis in (0, 2):
        assert skirt[:, axis].min() < inside[:, axis].min()
        assert skirt[:, axis].max() > inside[:, axis].max()


def test_shoes_hold_the_feet(standing: Wearer) -> None:
    shoes = draw_shoes(np.random.default_rng(0), standing, height=0.0)
    for side, mesh in zip(("left", "right"), shoes, strict=True):
        foot = standing.body.vertices[body_model().regions[f"foot_{side}"]]
        toes = foot[foot[:, 1] < 0.04]
        assert (mesh.vertices.min(axis=0) < toes.min(axis=0)).all()
        assert (mesh.vertices.max(axis=0)[[0, 2]] > toes.max(axis=0)[[0, 2]]).all()
        normals = vertex_normals(mesh.vertices, mesh.faces)
        middle = mesh.vertices.mean(axis=0)
        assert (np.einsum("ij,ij->i", normals, mesh.vertices - middle) > 0).mean() > 0.8


@pytest.mark.parametrize("style", STYLES)
def test_hair_leaves_the_face_free(standing: Wearer, style: str) -> None:
    rng = np.random.default_rng(0)
    look = draw_look(rng, is_male=False)
    hidden = np.full(len(standing.normals), -1.0, np.float32)
    meshes = draw_hair(rng, standing, look=look, style=style, hidden=hidden)
    assert bool(meshes) == (style != "bald")
    face = standing.body.keypoints[23 + 17 : 91]
    low, high = face.min(axis=0), face.max(axis=0)
    for mesh in meshes:
        shown = mesh.vertices[mesh.coverage > 0]
        in_face = ((shown > low) & (shown < high)).all(axis=1)
        assert in_face.mean() < 0.01


def test_skin_colours_are_colours_and_span_light_to_dark() -> None:
    tones = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        colors = paint_skin(rng, draw_look(rng, is_male=bool(seed % 2)))
        assert 0 <= colors.min() <= colors.max() <= 1
        tones.append(np.median(colors))
    assert max(tones) > 4 * min(tones)


def test_a_figure_belongs_to_its_owner_and_uses_materials_that_exist(wearer: Wearer) -> None:
    for seed in range(5):
        palette = Palette()
        meshes = draw_figure(
            np.random.default_rng(seed),
            wearer.body,
            palette=palette,
            owner=4,
            backgrounds=Backgrounds(None),
        )
        for mesh in meshes:
            assert (mesh.owners == 4).all()
            assert mesh.materials.max(initial=0) < len(palette.materials)
            assert np.isfinite(mesh.vertices).all()
