"""Skinning against a slow loop."""

import numpy as np

from posedistill.synth.skinning import Skin


def test_skinning_agrees_with_a_loop_over_vertices_and_bones() -> None:
    rng = np.random.default_rng(0)
    weights = rng.random((40, 5)) * (rng.random((40, 5)) < 0.5)
    weights[:, 0] += 0.1
    weights /= weights.sum(axis=1, keepdims=True)
    vertices = rng.normal(size=(40, 3)).astype(np.float32)
    rotations, moves = rng.normal(size=(5, 3, 3)), rng.normal(size=(5, 3))
    moved = Skin(weights.astype(np.float32)).moved(vertices, rotations, moves=moves)
    for vertex in range(40):
        expected = sum(
            weights[vertex, bone] * (rotations[bone] @ vertices[vertex] + moves[bone])
            for bone in range(5)
        )
        assert np.allclose(moved[vertex], expected, atol=0.02)  # weights under 0.001 are dropped


def test_bones_that_do_not_move_leave_the_mesh_where_it_is() -> None:
    rng = np.random.default_rng(1)
    weights = rng.dirichlet(np.ones(4), 30).astype(np.float32)
    vertices = rng.normal(size=(30, 3)).astype(np.float32)
    still = np.tile(np.eye(3), (4, 1, 1))
    assert np.allclose(
        Skin(weights).moved(vertices, still, moves=np.zeros((4, 3))), vertices, atol=1e-6
    )
