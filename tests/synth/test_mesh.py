import numpy as np
import pytest

pytest.importorskip("numba")

from posedistill.synth.mesh import join, make_mesh, vertex_normals
from posedistill.synth.solids import Solid, ball, box, disc, tube


def test_normals_of_a_ball_point_away_from_its_middle() -> None:
    solid = ball((1.0, 1.0, 1.0), rows=25)
    normals = vertex_normals(solid.vertices, solid.faces)
    is_pole = np.abs(solid.vertices[:, 1]) > 0.999
    cosines = (normals * solid.vertices).sum(axis=1)
    assert cosines[~is_pole].min() > 0.98


@pytest.mark.parametrize(
    ("solid", "volume"),
    [
        (box((1.0, 2.0, 3.0)), 6.0),
        (ball((1.0, 2.0, 0.5), rows=40), 4 / 3 * np.pi),
    ],
    ids=["box", "ball"],
)
def test_solids_are_closed_and_turn_outward(solid: Solid, volume: float) -> None:
    vertices, faces, _ = solid
    corners = vertices[faces].astype(float)
    signed = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert signed == pytest.approx(volume, rel=0.01)


def test_a_tube_keeps_its_radius_round_its_path() -> None:
    path = np.stack([np.zeros(5), np.linspace(0, 1, 5), np.zeros(5)], axis=1)
    vertices = tube(path, 0.1).vertices
    np.testing.assert_allclose(np.hypot(vertices[:, 0], vertices[:, 2]), 0.1, rtol=1e-5)


def test_a_disc_is_flat_and_faces_forward() -> None:
    solid = disc(1.0, 0.5)
    assert (solid.vertices[:, 2] == 0).all()
    normals = vertex_normals(solid.vertices, solid.faces)
    assert (np.abs(normals[:, 2]) > 0.99).all()


def test_joined_meshes_keep_their_faces_and_their_own_values() -> None:
    corners = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    faces = np.array([[0, 1, 2], [1, 2, 3]], np.int32)
    first = make_mesh(corners, faces, material=3, owner=1)
    second = make_mesh(corners + 5, faces[:1], material=4, is_closed=True)
    joined = join([first, second])
    np.testing.assert_array_equal(joined.vertices[joined.faces[2]], corners[[0, 1, 2]] + 5)
    assert joined.materials.tolist() == [3, 3, 4]
    assert joined.owners.tolist() == [1, 1, -1]
    assert joined.is_closed.tolist() == [False, False, True]
